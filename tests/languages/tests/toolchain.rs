//! The examples in languages that need a compiler of their own, which `cargo xtask test`
//! installs: built as their pages say, they decide as those in Rust do.

mod pages;
mod typing;

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;
use weir_build::Language;
use weir_languages::{Host, Served, Setup, Ticking, WEB, change};
use weir_wasm::{Event, HealthStatus, Limits, Plugin, ProbeError, Runtime};

use crate::{
    components::{self, SCRATCH},
    decisions,
};
use pages::{
    documented_by_hand_drains_as_rust_does, documented_in_cpp_drains_as_rust_does,
    documented_samples_do_what_they_say,
};
use typing::{documented_in_typescript_drains_as_rust_does, types_are_those_of_the_words};

/// Builds and loads the example `name` of the SDK for `language`.
fn example(runtime: &Runtime, language: Language, world: &str, name: &str) -> Plugin {
    load(runtime, language, world, &weir_languages::example(language, name))
}

fn load(runtime: &Runtime, language: Language, world: &str, file: &Path) -> Plugin {
    let folder = folder(language);
    let scratch = folder.path().join(file.file_stem().unwrap());
    let component = weir_languages::component(language, world, file, &scratch).unwrap();
    let plugin = scratch.with_extension("wasm");
    fs::write(&plugin, component).unwrap();
    components::from_file(runtime, &plugin).unwrap()
}

/// One for this test alone: tests are processes, and may build the same at once.
fn folder(language: Language) -> TempDir {
    fs::create_dir_all(SCRATCH).unwrap();
    tempfile::Builder::new().prefix(language.name()).tempdir_in(SCRATCH).unwrap()
}

/// It decides as the one in Rust does, and goes on doing so: a garbage collector that begins
/// at the wrong moment, or never, shows only in the end.
fn drains_as_rust_does_for_long(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = example(&runtime, language, "policy", "drain");
    drains_as_rust_does(&runtime, &plugin);
    let mut host = Host::start(&runtime, &plugin, Setup::default()).unwrap();
    for round in 0..20_000 {
        let after = if round % 2 == 0 { HealthStatus::Down } else { HealthStatus::Up };
        let said = host.tell(vec![change(WEB[0], after)]);
        let expected = if round % 2 == 0 { "Drain for 60s" } else { "withdrawn" };
        assert!(said.contains(expected), "{language}, event {round}: {said}");
    }
}

fn drains_as_rust_does(runtime: &Runtime, plugin: &Plugin) {
    let rust = components::health_weight(runtime).unwrap();
    let said = decisions::drain(runtime, plugin, "{}");
    assert_eq!(said, decisions::drain(runtime, &rust, "{}"));
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

fn checks_as_rust_does(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = example(&runtime, language, "checker", "check");
    decisions::check_checker(&runtime, &plugin, &str::to_owned);
    // C has nothing that reads JSON: its example looks for what it knows.
    if language != Language::C {
        decisions::check_unknown_setting(&runtime, &plugin);
    }
}

fn discovers_as_rust_does(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = example(&runtime, language, "controller", "discover");
    decisions::check_discovery(&runtime, &plugin, &str::to_owned);
}

/// The words of a checker mean what they should: each question is asked, and what is said of one
/// without an answer can be told apart.
fn asks_in_every_way(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let source = Path::new("asking/asking").with_extension(language.extension());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let plugin = load(&runtime, language, "checker", &file);
    let found = |served| weir_languages::check(&runtime, &plugin, "{}", served);
    assert_eq!(
        found(Served(Ok(202))),
        r#"Fail("80 2000: 202 x-probe=weir POST /a?b=1 ping; he llo 0; pong")"#
    );
    assert_eq!(found(Served(Err(ProbeError::Broken))), "Unreached(Broken)");
    assert_eq!(found(Served(Err(ProbeError::Timeout))), r#"Inconclusive("late")"#);
}

/// A number comes back from where the host keeps it as it was, or is refused: JSON has no others
/// than those that are finite.
fn keeps_numbers_as_they_are(language: Language) {
    let runtime = Runtime::for_daemon().unwrap();
    let source = Path::new("keeping/keeping").with_extension(language.extension());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let plugin = load(&runtime, language, "policy", &file);
    for (number, is_kept) in [("large", true), ("none", false), ("infinite", false)] {
        let config_json = format!("{{\"number\":\"{number}\"}}");
        let setup = Setup { config_json, ..Setup::default() };
        let mut host = Host::start(&runtime, &plugin, setup).unwrap();
        let said = host.tell(vec![Event::Started]);
        if is_kept {
            assert!(said.starts_with("remembers it: "), "{language}, {number}: {said}");
            assert_eq!(host.log(), ["true"], "{language}, {number}");
        } else {
            assert!(said.contains(": it cannot be kept: "), "{language}, {number}: {said}");
        }
    }
}

/// What loops, recurses, grows, traps or fails comes to a report that names plugin, call and
/// cause, and the line where the language knows it; a sane one goes on beside it.
fn hostile(language: Language) -> String {
    let runtime = Runtime::for_daemon().unwrap();
    let _ticking = Ticking::start(&runtime);
    let source = Path::new("hostile/hostile").with_extension(language.extension());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let plugin = load(&runtime, language, "policy", &file);
    let sane = components::health_weight(&runtime).unwrap();
    let mut sane = Host::start(&runtime, &sane, Setup::default()).unwrap();
    let mut text = String::new();
    for behaviour in ["loop", "recurse", "grow", "trap", "init", "fail"] {
        let usual = Setup::default().limits;
        let setup = Setup {
            config_json: format!("{{\"do\":\"{behaviour}\"}}"),
            limits: Limits { cpu: Duration::from_secs(3), ..usual },
            ..Setup::default()
        };
        let report = match Host::start(&runtime, &plugin, setup) {
            Ok(mut host) => {
                let events = vec![Event::Started, change(WEB[0], HealthStatus::Down)];
                host.tell(events)
            }
            Err(failure) => failure.to_string(),
        };
        text += &format!("{behaviour}: {}\n", report.lines().next().unwrap_or_default());
        let after = HealthStatus::Down;
        assert!(sane.tell(vec![change(WEB[0], after)]).contains("Drain"), "{behaviour}");
        sane.tell(vec![change(WEB[0], HealthStatus::Up)]);
    }
    text
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

fn is_contained(language: Language) {
    let reports = hostile(language);
    match language {
        // Two tests of one process come here.
        Language::C | Language::Zig => insta::allow_duplicates! {
            insta::assert_snapshot!(reports, @"
            loop: test: handle failed: used more than 3s of processor time (limit cpu)
            recurse: test: handle failed: it reached outside its memory, or overran the stack that it keeps there
            grow: test: handle failed: used more than 64 MiB of memory (limit memory_bytes)
            trap: test: handle failed: it panicked or aborted
            init: test: init failed: it panicked or aborted
            fail: test: handle failed: nothing is right in hall-1
            ")
        },
        Language::Python => insta::assert_snapshot!(reports, @"
        loop: test: handle failed: used more than 3s of processor time (limit cpu)
        recurse: test: handle failed: hostile.py:33: RecursionError: maximum recursion depth exceeded
        grow: test: handle failed: used more than 64 MiB of memory (limit memory_bytes)
        trap: test: handle failed: it panicked or aborted
        init: test: handle failed: it panicked or aborted
        fail: test: handle failed: hostile.py:29: ValueError: nothing is right in hall-1
        "),
        Language::JavaScript => insta::assert_snapshot!(reports, @"
        loop: test: handle failed: used more than 3s of processor time (limit cpu)
        recurse: test: handle failed: used more than 512 KiB of call stack
        grow: test: handle failed: used more than 64 MiB of memory (limit memory_bytes)
        trap: test: handle failed: /src/hostile.js:18: cannot read property 'weight' of undefined
        init: test: handle failed: /src/hostile.js:7: not today
        fail: test: handle failed: /src/hostile.js:20: nothing is right in hall-1
        "),
        Language::Go => insta::assert_snapshot!(reports, @"
        loop: test: handle failed: used more than 3s of processor time (limit cpu)
        recurse: test: handle failed: used more than 512 KiB of call stack
        grow: test: handle failed: used more than 64 MiB of memory (limit memory_bytes)
        trap: test: handle failed: hostile.go:33: panic: runtime error: invalid memory address or nil pointer dereference
        init: test: init failed: hostile.go:17: panic: not today
        fail: test: handle failed: nothing is right in hall-1
        "),
    }
}

languages! {
    c: Language::C, drains_as_rust_does_for_long, weighs, judges_as_rust_does,
        checks_as_rust_does, asks_in_every_way, is_contained,
        documented_samples_do_what_they_say, documented_by_hand_drains_as_rust_does,
        documented_in_cpp_drains_as_rust_does;
    zig: Language::Zig, drains_as_rust_does_for_long, weighs, judges_as_rust_does,
        checks_as_rust_does, asks_in_every_way, discovers_as_rust_does, is_contained,
        documented_samples_do_what_they_say;
    python: Language::Python, drains_as_rust_does_for_long, weighs, judges_as_rust_does,
        checks_as_rust_does, asks_in_every_way, discovers_as_rust_does, is_contained,
        keeps_numbers_as_they_are, documented_samples_do_what_they_say;
    javascript: Language::JavaScript, drains_as_rust_does_for_long, weighs, judges_as_rust_does,
        checks_as_rust_does, asks_in_every_way, discovers_as_rust_does, is_contained,
        keeps_numbers_as_they_are, documented_samples_do_what_they_say,
        types_are_those_of_the_words, documented_in_typescript_drains_as_rust_does;
    go: Language::Go, drains_as_rust_does_for_long, weighs, judges_as_rust_does,
        checks_as_rust_does, discovers_as_rust_does, is_contained,
        documented_samples_do_what_they_say;
}
