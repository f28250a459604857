//! What is released of `wit/` stays: `wit/released/0.1` is 0.1 as it is out, and `wit/` is the
//! same, or of another version. A later 0.1 may say more, but nothing else; a 0.2 says what it
//! will.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, mem,
    path::{Path, PathBuf},
};

use wit_parser::Resolve;

/// What is out. A release that is not yet follows `wit/`, by `WEIR_UPDATE=1`.
const OUT: [&str; 0] = [];

#[test]
fn what_is_released_stays() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let now = Wit::of(&wit);
    let release = now.release();
    let released = wit.join("released").join(release);
    let update = env::var_os("WEIR_UPDATE").is_some_and(|it| it == "1");
    if update && released.is_dir() && !OUT.contains(&release) {
        fs::remove_dir_all(&released).unwrap();
        for (name, text) in files(&wit) {
            let file = released.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
    }
    check(&wit, &released).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn all_that_is_out_is_kept() {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/released");
    for release in OUT {
        assert_eq!(Wit::of(&released.join(release)).release(), release);
    }
}

#[test]
fn a_change_is_another_version() {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let directory = tempfile::tempdir().unwrap();
    let changed = |changes: &[(&str, &str, &str)]| {
        let mut files = files(&wit);
        for (file, from, to) in changes {
            let text = files.get_mut(Path::new(file)).unwrap();
            assert!(text.contains(from), "{file} holds {from}");
            *text = text.replace(from, to);
        }
        for (name, text) in files {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        check(directory.path(), &wit)
    };
    let now = Wit::of(&wit);
    let release = now.release();
    let package = format!("package weir:plugin@{}", now.versions["plugin"]);
    let next = format!("package weir:plugin@{release}.99");
    let patch = ("worlds.wit", &*package, &*next);
    let function = ("intents.wit", "interface intents {", "interface intents { undo: func();");
    let field = ("events.wit", "record health-change {", "record health-change { score: u32,");
    let export = ("reactor.wit", "interface reactor {", "interface reactor { end: func();");
    let world = ("worlds.wit", "export reactor;", "export reactor; export roles;");
    let gone = ("intents.wit", "held: func() -> list<statement>;", "");

    assert_eq!(changed(&[]), Ok(()));
    let frozen = format!("{release} is frozen: what is in wit/ must be what was released");
    assert!(changed(&[function]).unwrap_err().starts_with(&frozen));
    assert_eq!(changed(&[patch, function]), Ok(()), "more to import is no other release");
    for breaking in [field, export, world, gone] {
        let why = changed(&[patch, breaking]).unwrap_err();
        assert!(why.starts_with("this makes it another release"), "{why}");
    }
}

/// Whether what is in `wit` may be, after what is in `released`: nothing, if that is not there.
fn check(wit: &Path, released: &Path) -> Result<(), String> {
    if !released.is_dir() {
        return Ok(());
    }
    let (now, before) = (Wit::of(wit), Wit::of(released));
    let number = before.release();
    let (texts, kept) = (files(wit), files(released));
    let same =
        |name: &&PathBuf| now.versions.get(package(name)) == before.versions.get(package(name));
    for name in texts.keys().chain(kept.keys()).filter(same) {
        let [before, now] = [&kept, &texts].map(|it| it.get(name).map_or("", String::as_str));
        if before != now {
            return Err(format!(
                "{number} is frozen: what is in wit/ must be what was released, or have another \
                 version (while it is not out, WEIR_UPDATE=1 records it anew): {}:\n{}",
                name.display(),
                weir_tests::text::diff(before, now)
            ));
        }
    }
    if now.versions == before.versions {
        return Ok(());
    }
    let (new, old) = (items(&texts), items(&kept));
    // What plugins export has nothing more either, for those that are out do not have it.
    let exported: Vec<String> = old
        .iter()
        .filter_map(|it| Some(format!("interface {}: ", it.split_once(": export ")?.1)))
        .collect();
    let is_asked = |it: &&String| {
        it.contains(": export ") || exported.iter().any(|exported| it.starts_with(exported))
    };
    let wrong = old.difference(&new).next().or_else(|| new.difference(&old).find(is_asked));
    wrong.map_or(Ok(()), |it| Err(format!("this makes it another release than {number}: {it}")))
}

/// All that is said, comments and versions apart: a type, a function, an import or an export
/// each, with what it is in before it: `interface clock: wall: func() -> u64`.
fn items(texts: &BTreeMap<PathBuf, String>) -> BTreeSet<String> {
    let lines = texts.values().flat_map(|it| it.lines()).map(str::trim);
    let said = lines.filter(|it| !it.starts_with("//") && !it.starts_with('@'));
    let text: String = said.flat_map(|it| [it, " "]).collect();
    let mut items = BTreeSet::new();
    let (mut within, mut braces, mut item, mut in_version) = (Vec::new(), 0, String::new(), false);
    for it in text.chars() {
        in_version = it == '@' || (in_version && (it == '.' || it.is_ascii_digit()));
        if in_version {
            continue;
        }
        let opens = within.is_empty() || item.trim_start().starts_with("resource ");
        match it {
            '{' if braces == 0 && opens => within.push(mem::take(&mut item).trim().to_owned()),
            '}' if braces == 0 => {
                within.pop();
            }
            ';' if braces == 0 => {}
            it => item.push(it),
        }
        match it {
            '{' if !item.is_empty() => braces += 1,
            '}' if braces > 0 => braces -= 1,
            _ => {}
        }
        if matches!(it, '}' | ';') && braces == 0 {
            let whole = mem::take(&mut item);
            let words: Vec<&str> = whole.split_whitespace().collect();
            if !words.is_empty() && !within.is_empty() {
                items.insert(format!("{}: {}", within.join(" "), words.join(" ")));
            }
        }
    }
    items
}

/// The packages that are in a directory.
struct Wit {
    /// `0.1.0`, by `plugin`, `ipvs` and `host`.
    versions: BTreeMap<String, String>,
}

impl Wit {
    fn of(directory: &Path) -> Self {
        let mut resolve = Resolve::default();
        resolve.push_dir(directory).unwrap();
        let names = resolve.packages.iter().map(|(_, it)| &it.name);
        let versions =
            names.map(|it| (it.name.clone(), it.version.as_ref().unwrap().to_string())).collect();
        Self { versions }
    }

    /// `0.1`: that of `weir:plugin`, which is made of the others.
    fn release(&self) -> &str {
        self.versions["plugin"].rsplit_once('.').unwrap().0
    }
}

/// The package that a file is of: the name of its folder in `deps`.
fn package(file: &Path) -> &str {
    let folder = file.parent().and_then(Path::file_name);
    folder.map_or("plugin", |it| it.to_str().unwrap())
}

/// The texts of `directory` by their names, without what is released.
fn files(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            } else if path.file_name().unwrap() != "released" {
                folders.push(path);
            }
        }
    }
    files
}
