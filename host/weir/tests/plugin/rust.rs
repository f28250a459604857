//! Plugins in Rust: a new project passes its own unit tests, and what the pages show is built as it
//! stands, and passes its own.

use std::{fs, path::Path, process::Command};

use super::{is_built_checked_and_tested, new_in, printed, said, weir};

#[test]
fn it_is_built_checked_and_tested() {
    is_built_checked_and_tested("rust");
}

#[test]
fn new_projects_pass_their_unit_tests() {
    // One folder, so that what they have in common is built once.
    let target = tempfile::tempdir().unwrap();
    for world in ["policy", "controller", "weigher", "guard", "checker"] {
        let (_folder, project) = new_in(world, "rust");
        assert!(passed(&project, target.path()) > 0, "{world}");
    }
}

/// By the processor time that it takes, as `weir run` does.
#[test]
fn one_that_does_not_end_is_stopped() {
    let (_folder, project) = new_in("weigher", "rust");
    let source = "use weir_sdk::weigher::{Input, Output};\n\n\
                  fn weigh(_: &Input) -> Result<Output, String> {\n    loop {\n        \
                  std::hint::black_box(0);\n    }\n}\n\nweir_sdk::weigher!(weigh);\n";
    fs::write(project.join("src/lib.rs"), source).unwrap();
    said(&project, &["plugin", "build"]);
    let output = weir(&project, &["plugin", "check", "gentle.wasm"]);
    let verdicts = String::from_utf8(output.stdout).unwrap();
    let expected = "FAIL  10 servers     weighed: gentle: weigh failed: used more than 100ms of \
                    processor time (limit cpu)";
    assert!(!output.status.success() && verdicts.contains(expected), "{verdicts}");
}

/// How many unit tests a project has, which all pass.
fn passed(project: &Path, target: &Path) -> usize {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--offline"]).current_dir(project).env("CARGO_TARGET_DIR", target);
    let printed = printed(&cargo.output().unwrap());
    let counts = printed.split("test result: ok. ").skip(1);
    counts.map(|it| it.split_once(" passed").unwrap().0.parse::<usize>().unwrap()).sum()
}

/// What the documentation shows is built as it stands.
#[test]
fn samples_are_built_and_pass_their_unit_tests() {
    // One folder, so that what they have in common is built once.
    let (_folder, project) = new_in("policy", "rust");
    let files = ["Cargo.toml", "plugin.toml"].map(|it| project.join(it));
    let texts = files.each_ref().map(|it| fs::read_to_string(it).unwrap());
    for sample in samples() {
        let world = world(sample);
        for (file, text) in files.iter().zip(&texts) {
            fs::write(file, text.replace("\"policy\"", &format!("\"{world}\""))).unwrap();
        }
        fs::write(project.join("src/lib.rs"), sample).unwrap();
        let said = said(&project, &["plugin", "build"]);
        assert!(said.contains(&format!("\nworld    {world}\n")), "{said}");
        let tests = sample.matches("#[test]").count();
        assert_eq!(passed(&project, &project.join("target")), tests, "{sample}");
    }
}

/// Those of the pages.
fn samples() -> Vec<&'static str> {
    let pages = [
        include_str!("../../../../README.md"),
        include_str!("../../../docs/plugins.md"),
        include_str!("../../../../sdk/rust/README.md"),
    ];
    let samples = pages.into_iter().flat_map(|page| page.split("\n```rust\n").skip(1));
    let samples: Vec<_> = samples.map(|it| it.split_once("\n```").unwrap().0).collect();
    assert!(samples.len() >= 7, "{}", samples.len());
    samples
}

/// The world that the macro in it is named by.
fn world(sample: &str) -> &str {
    let exported = sample.lines().find_map(|it| it.strip_prefix("weir_sdk::")).unwrap();
    exported.split_once("!(").unwrap().0
}
