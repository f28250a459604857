//! The examples in languages that need a compiler of their own, which `cargo xtask test`
//! installs: built as their pages say, they decide as those in Rust do.

use std::{
    fs,
    path::{Path, PathBuf},
};

use weir_build::{Language, Source};
use weir_languages::{Host, Setup, WEB, change};
use weir_wasm::{HealthStatus, Plugin, Runtime};

use crate::{
    components::{self, SCRATCH},
    decisions,
};

/// Builds and loads the example `name` of the SDK for `language`.
fn example(runtime: &Runtime, language: Language, world: &str, name: &str) -> Plugin {
    let source = Path::new("examples").join(name).with_extension(language.extension());
    load(runtime, language, world, &sdk(language).join(source))
}

fn load(runtime: &Runtime, language: Language, world: &str, file: &Path) -> Plugin {
    // Tests are processes, and may build the same at once.
    let name = format!("{}-{}", language.name(), std::process::id());
    fs::create_dir_all(SCRATCH).unwrap();
    let folder = tempfile::Builder::new().prefix(&name).tempdir_in(SCRATCH).unwrap();
    let scratch = folder.path().join(file.file_stem().unwrap());
    let sdk = laid_out(language, &scratch);
    let component =
        Source { language, world, file, sdk: &sdk, wit: &root().join("wit"), scratch: &scratch }
            .component()
            .unwrap();
    let plugin = scratch.with_extension("wasm");
    fs::write(&plugin, component).unwrap();
    components::from_file(runtime, &plugin).unwrap()
}

/// The folder with the whole SDK of a language: Zig's stands on that of C.
fn laid_out(language: Language, scratch: &Path) -> PathBuf {
    if language != Language::Zig {
        return sdk(language);
    }
    let both = scratch.join("weir");
    fs::create_dir_all(both.join("bindings")).unwrap();
    for part in ["c/weir", "c/weir/bindings", "zig/weir"] {
        for entry in fs::read_dir(root().join("sdk").join(part)).unwrap() {
            let file = entry.unwrap().path();
            let to = if part.ends_with("bindings") { both.join("bindings") } else { both.clone() };
            if file.is_file() {
                fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    scratch.to_owned()
}

fn sdk(language: Language) -> PathBuf {
    root().join("sdk").join(language.name())
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn drains_as_rust_does(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let rust = components::health_weight(&runtime).unwrap();
    let plugin = example(&runtime, language, "policy", "drain");
    assert_eq!(
        decisions::drain(&runtime, &plugin, "{}"),
        decisions::drain(&runtime, &rust, "{}"),
        "{language}"
    );
}

fn weighs(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = example(&runtime, language, "weigher", "weights");
    decisions::check_weights(&runtime, &plugin, &str::to_owned);
}

fn judges_as_rust_does(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = example(&runtime, language, "guard", "guard");
    decisions::check_guard(&runtime, &plugin, &str::to_owned);
}

/// A garbage collector that begins at the wrong moment, or never, shows only in the end.
fn runs_for_long(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = example(&runtime, language, "policy", "drain");
    let mut host = Host::start(&runtime, &plugin, Setup::default()).unwrap();
    for round in 0..20_000 {
        let after = if round % 2 == 0 { HealthStatus::Down } else { HealthStatus::Up };
        let said = host.tell(vec![change(WEB[0], after)]);
        let expected = if round % 2 == 0 { "Drain for 60s" } else { "withdrawn" };
        assert!(said.contains(expected), "{language}, event {round}: {said}");
    }
}

/// Each language is a module, so that those whose compiler is not here can be left out.
macro_rules! languages {
    ($($module:ident: $language:expr, $($test:ident),*;)*) => {
        $(mod $module {
            use super::*;

            $(#[test]
            fn $test() {
                super::$test($language);
            })*
        })*
    };
}

languages! {
    c: Language::C, drains_as_rust_does, weighs, judges_as_rust_does, runs_for_long;
    zig: Language::Zig, drains_as_rust_does, weighs, judges_as_rust_does, runs_for_long;
    python: Language::Python, drains_as_rust_does, weighs, judges_as_rust_does, runs_for_long;
    javascript: Language::JavaScript, drains_as_rust_does, weighs, judges_as_rust_does, runs_for_long;
    // Its SDK knows policies alone.
    go: Language::Go, drains_as_rust_does, runs_for_long;
}
