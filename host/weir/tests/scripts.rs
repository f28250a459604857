//! Policies that are text: put to work, edited while weir runs, and tried in virtual time.

use std::{fs, path::Path, process::Command};

use crate::daemon::{Daemon, config, server, service, weir};

/// A script that says this when it starts.
fn saying(text: &str) -> String {
    format!("def on_start(weights):\n    print({text:?})\n")
}

#[test]
fn an_edited_script_is_put_to_work_and_one_with_a_mistake_is_not() {
    let scripts = tempfile::tempdir().unwrap();
    let script = scripts.path().join("x.star");
    fs::write(&script, saying("one")).unwrap();
    let (_listener, address) = server();
    let plugin = format!("[plugin.x]\ncomponent = \"starlark\"\nscript = {script:?}\n");
    let (mut daemon, said) = Daemon::start(weir(), &(config(service(9), address) + &plugin));
    assert!(said.contains("plugin=x message=one"), "{said}");

    fs::write(&script, "def on_start(weights):\n    print(missing)\n").unwrap();
    daemon.signal("HUP");
    let said = daemon.wait_for("reload-failed");
    let expected = "x.star:2: Variable `missing` not found: print(missing)";
    assert!(said.contains("nothing is changed") && said.contains(expected), "{said}");

    fs::write(&script, saying("three")).unwrap();
    daemon.signal("HUP");
    assert!(daemon.wait_for("log").contains("plugin=x message=three"));
}

#[test]
fn the_examples_pass_their_scenarios() {
    let cache = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["test", "sdk/starlark"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .env("XDG_CACHE_HOME", cache.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.ends_with("5 passed, 0 failed\n"), "{said}");
}

#[test]
fn a_law_that_remembers_each_server_has_room_for_a_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("weights.star");
    let text = "def weigh(service):\n    \
                return balance(service, [10.1 / (3 + it.active) for it in service.servers])\n";
    fs::write(&script, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["plugin", "check"])
        .arg(&script)
        .env("XDG_CACHE_HOME", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains(" 1000 servers "), "{said}");
}
