//! `weir run` where it cannot start: one line for each thing that is wrong, and status 1.
//!
//! All of this is found before the kernel is asked for anything, so it needs none. What
//! `weir run` does on a kernel is shown in the tests of the workspace.

use std::{fs, path::Path, process::Command};

/// What stands in `weir.toml`, and what `weir run` says of it, paths cut to their names.
fn refused(directory: &Path, config: &str) -> String {
    let file = directory.join("weir.toml");
    fs::write(&file, config).unwrap();
    said(directory, &file)
}

fn said(directory: &Path, file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["run", "--config"])
        .arg(file)
        .env("XDG_CACHE_HOME", directory)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let directory = format!("{}/", directory.display());
    String::from_utf8(output.stderr).unwrap().replace(&directory, "")
}

#[test]
fn a_missing_configuration() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(
        said(directory.path(), &directory.path().join("weir.toml")),
        @"weir: weir.toml: failed to read the configuration: No such file or directory (os error 2); name the file, or the directory of its parts, with --config"
    );
}

#[test]
fn a_configuration_with_mistakes() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(
        refused(directory.path(), "backend = \"ipvs\"\n[check]\ninterval = 5\n"),
        @r#"
    weir: weir.toml:1:11: backend: expected "kernel" or "embedded", found "ipvs"
    weir.toml:3:12: check: interval: expected a duration from 10ms to 1h, such as "5s" or "200ms", found 5
    "#
    );
}

#[test]
fn a_plugin_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(
        refused(directory.path(), "[plugin.x]\nsource = \"x.wasm\"\n"),
        @"weir: weir.toml:2:10: plugin x: read x.wasm: No such file or directory (os error 2)"
    );
    insta::assert_snapshot!(
        refused(directory.path(), "[plugin.x]\ncomponent = \"x\"\n"),
        @"weir: weir.toml:2:13: plugin x: there is no component x in weir, but health-weight, least-load, latency, canary, discovery, business-hours, n-plus-one, ready, starlark"
    );
}

#[test]
fn a_script_with_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[plugin.x]\ncomponent = \"starlark\"\nscript = \"x.star\"\n";
    insta::assert_snapshot!(
        refused(directory.path(), config),
        @"weir: weir.toml:3:10: plugin x: read the script x.star: No such file or directory (os error 2)"
    );
    let said = |script: &str| {
        fs::write(directory.path().join("x.star"), script).unwrap();
        refused(directory.path(), config)
    };
    insta::assert_snapshot!(said("def on_health(change, weights):\n    weights.drain(changed.server)\n"), @"weir: weir.toml:3:10: plugin x: x.star:2: Variable `changed` not found, did you mean `change`?: weights.drain(changed.server)");
    insta::assert_snapshot!(said("def on_health(change, weights)\n    pass\n"), @"weir: weir.toml:3:10: plugin x: x.star:1: Parse error: unexpected new line, expected symbol ':': def on_health(change, weights)");
    insta::assert_snapshot!(said("def on_healthy(change, weights):\n    pass\n"), @"weir: weir.toml:3:10: plugin x: x.star: `on_healthy` is never called; known are on_health(change, weights), on_start(weights), on_time(weights), on_answer(answer, weights), weigh(service), judge(change), check(target)");
    insta::assert_snapshot!(said("def on_health(change):\n    pass\n"), @"weir: weir.toml:3:10: plugin x: x.star: expected `def on_health(change, weights)`");
    insta::assert_snapshot!(said("limit = config[\"limit\"]\n"), @r#"weir: weir.toml:3:10: plugin x: x.star:1: Key `"limit"` was not found: limit = config["limit"]"#);
    insta::assert_snapshot!(said("load(\"other.star\", \"x\")\n"), @r#"weir: weir.toml:3:10: plugin x: x.star:1: `load` is not allowed in this dialect: load("other.star", "x")"#);
    insta::assert_snapshot!(said("x = [i for i in range(1000000000) if i < 0]\n"), @"weir: weir.toml:3:10: plugin x: x.star:1: Execution duration limit of 1000000 ticks has been exceeded: x = [i for i in range(1000000000) if i < 0]");
    insta::assert_snapshot!(said("x = \"x\" * 1000000000\n"), @"weir: weir.toml:3:10: plugin x: choose failed: used more than 64 MiB of memory (limit memory_bytes)");
}

#[test]
fn a_plugin_that_is_no_policy() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[plugin.x]\nsource = \"x.wasm\"\n";
    fs::write(directory.path().join("x.wasm"), "hello").unwrap();
    insta::assert_snapshot!(
        refused(directory.path(), config),
        @"weir: weir.toml:2:10: plugin x: load x.wasm: it is not WebAssembly"
    );
    let empty_component = b"\0asm\x0d\0\x01\0";
    fs::write(directory.path().join("x.wasm"), empty_component).unwrap();
    insta::assert_snapshot!(
        refused(directory.path(), config),
        @"weir: weir.toml:2:10: plugin x: load x: it is of no world, by what it should export: a policy (weir:plugin/reactor@0.1.0), a weigher (weir:plugin/weighing@0.1.0), a guard (weir:plugin/guarding@0.1.0), a checker (weir:plugin/checking@0.1.0), a command (weir:plugin/cli@0.1.0); it exports nothing"
    );
}
