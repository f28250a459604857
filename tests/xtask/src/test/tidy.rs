//! The shape of the tree: what lies where, and that no file is forgotten.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{Outcome, Session, execute};

/// What may lie at the top, beside hidden files.
const TOP: [&str; 8] =
    ["Cargo.lock", "Cargo.toml", "README.md", "host", "plugins", "sdk", "tests", "wit"];

const LICENSES: &str = "LICENSE";

/// A file is read whole; beyond this it is two files.
const LINES_MAX: usize = 700;

pub(super) fn run(session: &Session<'_>) -> Result<Outcome> {
    // A lock file that does not match the manifests is the one generated file at the top.
    execute(Command::new("cargo").args(["fetch", "--quiet", "--locked"]))?;
    let files = tracked(&session.root)?;
    let mut faults = Vec::new();
    for file in &files {
        faults.extend(misplaced(file));
        if file.ends_with(".rs") {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
            faults.extend(misshapen(file, &text));
            faults.extend(forgotten(file, &|it| fs::read_to_string(it).ok()));
        }
    }
    if !faults.is_empty() {
        bail!("the tree is untidy:\n  {}", faults.join("\n  "));
    }
    Ok(Outcome::default())
}

/// Every file that is, or is about to be, under version control.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files: {}", output.status);
    }
    let files = String::from_utf8(output.stdout)?;
    Ok(files.lines().filter(|it| root.join(it).exists()).map(str::to_owned).collect())
}

fn misplaced(file: &str) -> Option<String> {
    let top = file.split('/').next()?;
    let known = TOP.contains(&top) || top.starts_with(LICENSES);
    (!known && !top.starts_with('.')).then(|| format!("{file}: `{top}` is not planned at the top"))
}

fn misshapen(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        return Some(format!("{file}: {lines} lines, more than {LINES_MAX}; what is it two of?"));
    }
    // A guest's attributes may come before its first comment.
    let opening = text.lines().find(|it| !it.is_empty() && !it.starts_with("#!"));
    (!opening.is_some_and(|it| it.starts_with("//!")))
        .then(|| format!("{file}: does not open with `//!`, saying what it owns"))
}

/// Modules that several others include by their path: once for the bindings of each world.
const SHARED: [&str; 3] = ["sdk/rust/src/text.rs", "sdk/rust/src/plain.rs", "sdk/rust/src/fake/"];

/// Finds a module that no other file names, and that the compiler therefore never sees.
fn forgotten(file: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let (directory, name) = file.rsplit_once('/')?;
    let name = name.strip_suffix(".rs")?;
    if is_root(directory, name) {
        return None;
    }
    let mut parents = ["mod", "lib", "main"].map(|it| format!("{directory}/{it}.rs")).to_vec();
    parents.push(format!("{directory}.rs"));
    let declared = parents
        .iter()
        .filter_map(|it| read(it))
        .any(|it| it.lines().any(|line| declares(line, name)));
    if SHARED.iter().any(|it| file.starts_with(it)) {
        return None;
    }
    let manifest = read(&format!("{directory}/Cargo.toml")).unwrap_or_default();
    let own_target = manifest.contains(&format!("\"{name}.rs\""));
    (!declared && !own_target).then(|| format!("{file}: no `mod {name};` includes it"))
}

fn is_root(directory: &str, name: &str) -> bool {
    let last = directory.rsplit('/').next().unwrap_or(directory);
    matches!(name, "main" | "lib" | "build" | "mod")
        || matches!(last, "bin" | "benches" | "examples" | "fuzz_targets")
}

fn declares(line: &str, name: &str) -> bool {
    line.trim()
        .strip_suffix(&format!("mod {name};"))
        .is_some_and(|it| it.is_empty() || it.ends_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_has_only_what_is_planned() {
        for file in ["Cargo.toml", "LICENSE-MIT", ".ci/run", "host/ipvs/src/lib.rs", "wit/a.wit"] {
            assert_eq!(misplaced(file), None, "{file}");
        }
        assert!(misplaced("src/main.rs").is_some());
        assert!(misplaced("notes.md").is_some());
    }

    #[test]
    fn a_file_says_what_it_owns() {
        assert_eq!(misshapen("a.rs", "//! Owns a.\n"), None);
        assert_eq!(misshapen("a.rs", "#![no_main]\n\n//! Owns a.\n"), None);
        assert!(misshapen("a.rs", "fn main() {}\n").is_some());
        assert!(misshapen("a.rs", &"//!\n".repeat(LINES_MAX + 1)).is_some());
    }

    fn check_forgotten(file: &str, parent: (&str, &str), expected: bool) {
        let read = |it: &str| (it == parent.0).then(|| parent.1.to_owned());
        assert_eq!(forgotten(file, &read).is_some(), expected, "{file}");
    }

    #[test]
    fn a_module_is_named_by_its_parent() {
        check_forgotten("a/src/b.rs", ("a/src/lib.rs", "mod b;\n"), false);
        check_forgotten("a/src/b.rs", ("a/src/lib.rs", "pub mod b;\n"), false);
        check_forgotten("a/src/b/c.rs", ("a/src/b.rs", "pub(crate) mod c;\n"), false);
        check_forgotten("tests/c.rs", ("tests/Cargo.toml", "path = \"c.rs\"\n"), false);
        check_forgotten("a/src/b.rs", ("a/src/lib.rs", "// mod b, one day\n"), true);
        check_forgotten("a/src/b.rs", ("a/src/lib.rs", "mod ab;\n"), true);
    }
}
