//! What plugins are offered, as a list that changes only on purpose.
//!
//! `WEIR_UPDATE=1` records the lists anew; read the difference before committing it.

use std::{env, fmt::Write as _, fs, path::Path};

use wit_parser::{
    Docs, Function, FunctionKind, Interface, PackageId, Resolve, Type, TypeDef, TypeDefKind, World,
    WorldItem,
};

#[test]
fn worlds_import_and_export_what_is_recorded() {
    let (resolve, package) = wit();
    for (name, &world) in &resolve.packages[package].worlds {
        check_recorded(name, &surface(&resolve, &resolve.worlds[world]));
    }
}

#[test]
fn every_word_of_the_interface_is_documented() {
    let (resolve, _) = wit();
    let mut bare = Vec::new();
    for (_, world) in &resolve.worlds {
        note(&mut bare, &world.docs, &world.name);
    }
    for (id, interface) in &resolve.interfaces {
        let name = resolve.id_of(id).expect("every interface has a name");
        note(&mut bare, &interface.docs, &name);
        for (function, it) in &interface.functions {
            note(&mut bare, &it.docs, &format!("{name}#{function}"));
        }
        for (type_name, &it) in &interface.types {
            note_type(&mut bare, &resolve.types[it], &format!("{name}#{type_name}"));
        }
    }
    assert!(bare.is_empty(), "without documentation:\n{}", bare.join("\n"));
}

#[test]
fn every_power_says_its_grant_and_how_it_fails() {
    let (resolve, package) = wit();
    let mut silent = Vec::new();
    for &world in resolve.packages[package].worlds.values() {
        for (key, item) in &resolve.worlds[world].imports {
            let WorldItem::Interface { id, .. } = item else { continue };
            let interface = &resolve.interfaces[*id];
            for (name, function) in &interface.functions {
                let method = matches!(function.kind, FunctionKind::Method(_));
                let docs = [text(&interface.docs), text(&function.docs)].concat().to_lowercase();
                let name = format!("{}#{name}", resolve.name_world_key(key));
                // Who has a handle was granted it.
                if !method && !docs.contains("grant") {
                    silent.push(format!("{name}: which grant does it need?"));
                }
                if can_fail(&resolve, function) && !docs.contains("fail") {
                    silent.push(format!("{name}: how does it fail?"));
                }
            }
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

fn wit() -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(&directory).expect("the packages parse");
    (resolve, package)
}

/// Every function that crosses between host and plugin, one a line.
fn surface(resolve: &Resolve, world: &World) -> String {
    let mut lines = Vec::new();
    for (direction, items) in [("import", &world.imports), ("export", &world.exports)] {
        for (key, item) in items {
            let name = resolve.name_world_key(key);
            let WorldItem::Interface { id, .. } = item else {
                lines.push(format!("{direction} {name}"));
                continue;
            };
            let Interface { functions, .. } = &resolve.interfaces[*id];
            if functions.is_empty() {
                lines.push(format!("{direction} {name} (types only)"));
            }
            lines.extend(functions.keys().map(|it| format!("{direction} {name}#{it}")));
        }
    }
    lines.sort_unstable();
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("a string takes everything");
        text
    })
}

fn check_recorded(world: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/worlds/{world}.txt"));
    if env::var_os("WEIR_UPDATE").is_some_and(|it| it == "1") {
        fs::write(&path, actual).expect("the tests may write their data");
        return;
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        recorded == actual,
        "the world {world} is not as {} has it (WEIR_UPDATE=1 records it):\n{}",
        path.display(),
        weir_tests::text::diff(&recorded, actual)
    );
}

fn note(bare: &mut Vec<String>, docs: &Docs, name: &str) {
    if text(docs).trim().is_empty() {
        bare.push(name.to_owned());
    }
}

fn note_type(bare: &mut Vec<String>, it: &TypeDef, name: &str) {
    // A name that another interface lends is documented there.
    if matches!(it.kind, TypeDefKind::Type(_)) && it.docs.contents.is_none() {
        return;
    }
    note(bare, &it.docs, name);
    let parts: Vec<(&str, &Docs)> = match &it.kind {
        TypeDefKind::Record(it) => it.fields.iter().map(|it| (&*it.name, &it.docs)).collect(),
        TypeDefKind::Flags(it) => it.flags.iter().map(|it| (&*it.name, &it.docs)).collect(),
        TypeDefKind::Variant(it) => it.cases.iter().map(|it| (&*it.name, &it.docs)).collect(),
        TypeDefKind::Enum(it) => it.cases.iter().map(|it| (&*it.name, &it.docs)).collect(),
        _ => Vec::new(),
    };
    for (part, docs) in parts {
        note(bare, docs, &format!("{name}.{part}"));
    }
}

fn text(docs: &Docs) -> &str {
    docs.contents.as_deref().unwrap_or_default()
}

fn can_fail(resolve: &Resolve, function: &Function) -> bool {
    let Some(Type::Id(id)) = function.result else { return false };
    matches!(resolve.types[id].kind, TypeDefKind::Result(_))
}
