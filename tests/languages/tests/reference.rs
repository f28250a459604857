//! The reference pages in `host/docs/wit/` are what `wit/` says, laid out for reading.
//!
//! `WEIR_UPDATE=1` writes them anew.

use std::{env, fmt::Write as _, fs, path::Path};

use wit_bindgen_core::wit_parser::{
    Docs, Function, FunctionKind, Handle, Interface, Package, Resolve, Type, TypeDef, TypeDefKind,
    WorldItem,
};

#[test]
fn the_reference_is_current() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut resolve = Resolve::default();
    resolve.push_dir(root.join("wit")).unwrap();
    let mut stale = Vec::new();
    for (_, package) in &resolve.packages {
        let file = root.join(format!("host/docs/wit/{}.md", package.name.name));
        let page = page(&resolve, package);
        if env::var_os("WEIR_UPDATE").is_some_and(|it| it == "1") {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &page).unwrap();
        }
        if !fs::read_to_string(&file).is_ok_and(|it| it == page) {
            stale.push(file.display().to_string());
        }
    }
    assert!(stale.is_empty(), "not current, WEIR_UPDATE=1 writes them anew: {}", stale.join(", "));
}

/// One package.
fn page(resolve: &Resolve, package: &Package) -> String {
    let mut page = format!("# {}\n\n", package.name);
    page += "Generated from [wit/](../../../wit/), which is the interface itself.\n";
    for (name, &world) in &package.worlds {
        let world = &resolve.worlds[world];
        write(&mut page, format_args!("\n## World `{name}`\n\n{}", paragraphs(&world.docs)));
        page += "\n| | interface | what it is |\n|---|---|---|\n";
        for (direction, items) in [("imports", &world.imports), ("exports", &world.exports)] {
            for (key, item) in items {
                let WorldItem::Interface { id, .. } = item else { continue };
                let key = resolve.name_world_key(key);
                let about = first_sentence(&resolve.interfaces[*id].docs);
                write(&mut page, format_args!("| {direction} | `{key}` | {about} |\n"));
            }
        }
    }
    for (name, &interface) in &package.interfaces {
        let interface = &resolve.interfaces[interface];
        write(
            &mut page,
            format_args!("\n## Interface `{name}`\n\n{}", paragraphs(&interface.docs)),
        );
        add_interface(&mut page, resolve, interface);
    }
    page
}

fn add_interface(page: &mut String, resolve: &Resolve, interface: &Interface) {
    for function in interface.functions.values() {
        let shown = signature(resolve, function);
        write(page, format_args!("\n### `{shown}`\n\n{}", paragraphs(&function.docs)));
    }
    for (name, &id) in &interface.types {
        let it = &resolve.types[id];
        // A name that another interface lends is told of there.
        if matches!(it.kind, TypeDefKind::Type(_)) {
            continue;
        }
        let kind = it.kind.as_str();
        write(page, format_args!("\n### {kind} `{name}`\n\n{}", paragraphs(&it.docs)));
        add_parts(page, resolve, it);
    }
}

/// A table of what a type is made of.
fn add_parts(page: &mut String, resolve: &Resolve, it: &TypeDef) {
    let optional = |it: Option<&Type>| it.map(|it| shown(resolve, it)).unwrap_or_default();
    let parts: Vec<(&str, String, &Docs)> = match &it.kind {
        TypeDefKind::Record(it) => {
            it.fields.iter().map(|it| (&*it.name, shown(resolve, &it.ty), &it.docs)).collect()
        }
        TypeDefKind::Variant(it) => {
            it.cases.iter().map(|it| (&*it.name, optional(it.ty.as_ref()), &it.docs)).collect()
        }
        TypeDefKind::Enum(it) => {
            it.cases.iter().map(|it| (&*it.name, String::new(), &it.docs)).collect()
        }
        TypeDefKind::Flags(it) => {
            it.flags.iter().map(|it| (&*it.name, String::new(), &it.docs)).collect()
        }
        _ => Vec::new(),
    };
    if parts.is_empty() {
        return;
    }
    *page += "\n| name | type | meaning |\n|---|---|---|\n";
    for (name, kind, docs) in parts {
        let kind = if kind.is_empty() { kind } else { format!("`{kind}`") };
        let meaning = paragraphs(docs).trim_end().replace('\n', " ").replace('|', "\\|");
        write(page, format_args!("| `{name}` | {kind} | {meaning} |\n"));
    }
}

fn signature(resolve: &Resolve, function: &Function) -> String {
    let is_method = matches!(function.kind, FunctionKind::Method(_));
    let parameters = function.params.iter().skip(usize::from(is_method));
    let parameters: Vec<_> =
        parameters.map(|it| format!("{}: {}", it.name, shown(resolve, &it.ty))).collect();
    let result = function.result.map(|it| format!(" -> {}", shown(resolve, &it)));
    let name = function.name.trim_start_matches("[method]");
    format!("{name}: func({}){}", parameters.join(", "), result.unwrap_or_default())
}

/// A type as WIT writes it.
fn shown(resolve: &Resolve, it: &Type) -> String {
    let Type::Id(id) = it else { return primitive(it).to_owned() };
    let it = &resolve.types[*id];
    if let Some(name) = &it.name {
        return name.clone();
    }
    let show = |it: &Type| shown(resolve, it);
    let or_nothing = |it: &Option<Type>| it.as_ref().map_or_else(|| "_".to_owned(), show);
    match &it.kind {
        TypeDefKind::List(it) => format!("list<{}>", show(it)),
        TypeDefKind::Option(it) => format!("option<{}>", show(it)),
        TypeDefKind::Result(it) => {
            format!("result<{}, {}>", or_nothing(&it.ok), or_nothing(&it.err))
        }
        TypeDefKind::Tuple(it) => {
            let types: Vec<_> = it.types.iter().map(show).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Handle(Handle::Own(it)) => show(&Type::Id(*it)),
        TypeDefKind::Handle(Handle::Borrow(it)) => format!("borrow<{}>", show(&Type::Id(*it))),
        other => other.as_str().to_owned(),
    }
}

fn primitive(it: &Type) -> &'static str {
    match it {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        _ => "other",
    }
}

/// Its documentation, ending with a line's end; headings are the page's own.
fn paragraphs(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default().trim();
    let lines = text.lines().filter(|it| !it.starts_with("# "));
    lines.map(|it| format!("{}\n", it.trim_end())).collect()
}

fn first_sentence(docs: &Docs) -> String {
    let text = paragraphs(docs).replace('\n', " ").replace('|', "\\|");
    let end = text.find(". ").map_or(text.len(), |it| it + 1);
    text[..end].trim().to_owned()
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap();
}
