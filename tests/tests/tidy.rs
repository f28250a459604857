//! What no compiler checks of the tree: no stray files, no forgotten tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 700;

/// What the top of the tree holds, apart from hidden files.
const TOP: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "host",
    "plugins",
    "sdk",
    "target",
    "tests",
    "wit",
];

#[test]
fn the_top_of_the_tree_holds_nothing_else() {
    let names = entries(&root()).into_iter().map(|it| name(&it));
    let stray: Vec<_> = names.filter(|it| !it.starts_with('.') && !TOP.contains(&&**it)).collect();
    assert!(stray.is_empty(), "unexpected at the top: {}", stray.join(", "));
}

#[test]
fn files_are_short() {
    let long = texts().into_iter().filter(|(path, text)| {
        has_extension(path, &["rs", "wit", "md", "sh"]) && text.lines().count() > LINES_MAX
    });
    expect_none(long, "longer than 700 lines");
}

#[test]
fn sources_say_what_they_own() {
    let silent = texts()
        .into_iter()
        .filter(|(path, text)| has_extension(path, &["rs"]) && !text.starts_with("//!"));
    expect_none(silent, "without //! at the head");
}

#[test]
fn files_know_nothing_outside_the_tree() {
    // In pieces, so that this file does not hold them.
    let outside =
        [concat!("..", "/shared"), concat!("/wo", "rk/main"), concat!("/tmp/tar", "get-")];
    let knowing =
        texts().into_iter().filter(|(_, text)| outside.iter().any(|it| text.contains(it)));
    expect_none(knowing, "naming what is not in the tree");
}

#[test]
fn every_guest_has_a_test() {
    let tests: String = texts()
        .into_iter()
        .filter(|(path, _)| path.components().any(|it| it.as_os_str() == "tests"))
        .filter(|(path, _)| !path.starts_with(root().join("tests/guests")))
        .map(|(_, text)| text)
        .collect();
    let guests = entries(&root().join("tests/guests/src/bin"));
    let untested = guests.into_iter().filter(|guest| {
        let stem = guest.file_stem().expect("a source has a name").to_string_lossy();
        !tests.contains(&format!("\"{stem}\""))
    });
    expect_none(untested.map(|it| (it, String::new())), "without a test that names it");
}

#[test]
fn every_test_file_is_a_module() {
    let directory = root().join("tests/tests");
    let forgotten = sources(&directory).into_iter().filter(|path| {
        let parent = path.parent().expect("it lies in the directory");
        let above =
            if parent == directory { parent.join("main.rs") } else { parent.with_extension("rs") };
        let above = fs::read_to_string(above).unwrap_or_default();
        let stem = path.file_stem().expect("a source has a name").to_string_lossy();
        stem != "main" && !above.contains(&format!("mod {stem};"))
    });
    expect_none(forgotten.map(|it| (it, String::new())), "part of no module");
}

fn expect_none(found: impl Iterator<Item = (PathBuf, String)>, what: &str) {
    let paths: Vec<_> = found.map(|(path, _)| path.display().to_string()).collect();
    assert!(paths.is_empty(), "files {what}:\n{}", paths.join("\n"));
}

/// Every text of the tree, without build products and recorded data.
fn texts() -> Vec<(PathBuf, String)> {
    let paths = files(&root(), &|it| !["target", ".git", "data"].contains(&&*name(it)));
    let text = |path: PathBuf| fs::read_to_string(&path).ok().map(|text| (path, text));
    paths.into_iter().filter_map(text).collect()
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut paths = files(directory, &|_| true);
    paths.retain(|it| has_extension(it, &["rs"]));
    paths
}

fn files(directory: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (directories, mut files_here): (Vec<_>, Vec<_>) =
        entries(directory).into_iter().filter(|it| wanted(it)).partition(|it| it.is_dir());
    for directory in directories {
        files_here.extend(files(&directory, wanted));
    }
    files_here
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|it| it.expect("the tree can be read").path()).collect();
    paths.sort();
    paths
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|it| extensions.iter().any(|wanted| it == *wanted))
}

fn name(path: &Path) -> String {
    path.file_name().expect("every entry has a name").to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the tree").to_owned()
}
