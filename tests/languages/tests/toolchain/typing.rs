//! The types of the SDK for JavaScript: TypeScript that uses every word passes, mistakes are
//! refused, and what the page says of TypeScript makes a plugin.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use weir_build::Language;
use weir_wasm::Runtime;

use super::{
    drains_as_rust_does, folder, load,
    pages::{blocks_in, page, run},
};

/// Every file of `typing/` but this one passes.
const WRONG: &str = "wrong.ts";

pub(super) fn types_are_those_of_the_words(javascript: Language) {
    let folder = begun(javascript);
    let typed = |it: &PathBuf| it.extension().is_some_and(|it| it == "ts");
    for file in files(&here().join("typing")).into_iter().filter(typed) {
        fs::copy(&file, folder.path().join("src").join(file.file_name().unwrap())).unwrap();
    }
    // What is good JavaScript is good TypeScript.
    for (number, sample) in blocks_in(&page(javascript), "js").into_iter().enumerate() {
        fs::write(folder.path().join(format!("src/sample-{number}.ts")), sample).unwrap();
    }
    let mut right = files(&folder.path().join("src"));
    right.retain(|it| !it.ends_with(WRONG));
    assert_eq!(complaints(&folder, &right), "");
    every_word_is_used(&folder.path().join("weir"), &right);
    mistakes_are_refused(&folder);
}

/// What the compiler complains of; also of words that are imported and not used.
fn complaints(folder: &TempDir, files: &[PathBuf]) -> String {
    let mut tsc = Command::new("tsc");
    tsc.args(["--strict", "--noUnusedLocals", "--noEmit", "--target", "es2022"]);
    let output = tsc.args(["--module", "esnext"]).args(files).current_dir(folder.path()).output();
    String::from_utf8(output.expect("tsc is on PATH").stdout).unwrap()
}

fn every_word_is_used(sdk: &Path, files_that_use: &[PathBuf]) {
    let read = |it: &PathBuf| fs::read_to_string(it).unwrap();
    let texts: String = files_that_use.iter().map(read).collect();
    let used: Vec<&str> = texts.split(|it: char| !it.is_alphanumeric()).collect();
    let types = files(sdk).into_iter().filter(|it| it.to_string_lossy().ends_with(".d.ts"));
    for file in types {
        for line in read(&file).lines().filter_map(|it| it.strip_prefix("export function ")) {
            let word = line.split(['(', '<']).next().unwrap();
            assert!(used.contains(&word), "{word} of {} is not used", file.display());
        }
    }
}

/// In each line that says that it is wrong, and in no other.
fn mistakes_are_refused(folder: &TempDir) {
    let wrong = folder.path().join("src").join(WRONG);
    let text = fs::read_to_string(&wrong).unwrap();
    let lines = text.lines().zip(1..).filter(|it| it.0.ends_with("// wrong"));
    let expected: Vec<usize> = lines.map(|it| it.1).collect();
    let complaints = complaints(folder, &[wrong]);
    let place = |it: &str| it.strip_prefix("src/wrong.ts(")?.split(',').next()?.parse().ok();
    let mut found: Vec<usize> = complaints.lines().filter_map(place).collect();
    found.dedup();
    assert_eq!(found, expected, "{complaints}");
}

/// The first sample of the page, as TypeScript, by the commands that the page has for it.
pub(super) fn documented_in_typescript_drains_as_rust_does(javascript: Language) {
    let page = page(javascript);
    let [_, commands] = blocks_in(&page, "sh")[..] else { panic!("other commands than are known") };
    let folder = begun(javascript);
    fs::write(folder.path().join("src/gentle.ts"), blocks_in(&page, "js")[0]).unwrap();
    // `npx --package typescript` fetches what is here already.
    run(&folder, &["npx() { shift 2; \"$@\"; }\n", commands].concat());
    let runtime = Runtime::for_daemon().unwrap();
    let made = folder.path().join("src/gentle.js");
    drains_as_rust_does(&runtime, &load(&runtime, javascript, "policy", &made));
}

/// A folder with the SDK, and `src`.
fn begun(javascript: Language) -> TempDir {
    let folder = folder(javascript);
    weir_languages::lay_out(&["javascript/weir"], folder.path()).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = entries.filter(|it| it.is_file()).collect();
    files.sort();
    files
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
