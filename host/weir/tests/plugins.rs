//! Plugins of a daemon that runs: their files are watched.

use std::{fs, path::Path, process::Stdio};

use crate::{
    daemon::{Daemon, config, refused, server, service, weir},
    scenarios::build,
};

/// Puts a file into the place of another, as package managers do.
fn replace(place: &Path, bytes: &[u8]) {
    let new = place.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, place).unwrap();
}

#[test]
fn a_good_file_takes_the_place_of_what_runs_and_a_bad_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    build("policy_drains", &directory);
    build("policy_looks", &directory);
    let read = |name: &str| fs::read(directory.path().join(name)).unwrap();
    let place = directory.path().join("x.wasm");
    fs::write(&place, read("policy_drains.wasm")).unwrap();
    let plugin = format!("[plugin.x]\nsource = \"{}\"\n", place.display());
    let (_listener, address) = server();
    let (mut daemon, said) =
        Daemon::start(weir(), &format!("{}{plugin}", config(service(9), address)));
    assert!(said.contains("plugin-started plugin=x world=policy"), "{said}");

    replace(&place, b"nothing of use");
    let said = daemon.wait_for("plugin-refused");
    assert!(said.contains("it is not WebAssembly"), "{said}");
    assert!(said.contains("then=\"the one before goes on\""), "{said}");

    replace(&place, &read("policy_looks.wasm"));
    daemon.wait_for("plugin-replaced");

    let plugin = |arguments: &[&str]| {
        let output =
            weir().arg("--socket").arg(daemon.socket()).arg("plugin").args(arguments).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (status, listed) = plugin(&["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((status, &listed[0]["name"]), (Some(0), &"x".into()));
    assert_eq!(listed[0]["state"], "probation");
    let (status, turned) = plugin(&["mode", "x", "shadow"]);
    assert_eq!(status, Some(0), "{turned}");
    let shown: Vec<&str> = turned.lines().flat_map(str::split_whitespace).collect();
    assert_eq!(shown[7..11], ["x", "policy", "shadow", "probation"], "{turned}");
    let (status, why) = plugin(&["reload", "y"]);
    assert_eq!(
        (status, why.as_str()),
        (Some(3), "weir: there is no plugin y in the configuration, or it is off\n")
    );
    let (status, loaded) = plugin(&["reload", "x"]);
    assert_eq!(status, Some(0), "{loaded}");
    daemon.signal("TERM");
    assert!(daemon.end().0);
}

#[test]
fn a_file_is_used_for_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for guest in ["weigher_weighs", "guard_judges", "roles_both", "command_echoes"] {
        build(guest, &directory);
    }
    let (_listener, address) = server();
    let used = |name: &str, more: &str| {
        let source = directory.path().join(name).with_extension("wasm");
        let plugin = format!("[plugin.{name}]\nsource = {source:?}\n{more}");
        config(service(10), address) + &plugin
    };
    let scales = "grant = { services = \"all\", weights = { intents = [\"scale\"], \
                  scale = [100, 1500] } }\n";
    let script = directory.path().join("x.txt");
    fs::write(&script, "of its own language").unwrap();
    let script = format!("script = \"{}\"\n", script.display());
    for (name, more, world) in [
        ("weigher_weighs", scales, "weigher"),
        ("guard_judges", "grant = { services = \"all\" }\n", "guard"),
        ("roles_both", "", "\"policy, guard\""),
        ("roles_both", &*script, "\"policy, guard\""),
    ] {
        let (mut daemon, said) = Daemon::start(weir(), &used(name, more));
        let started = format!("plugin-started plugin={name} world={world}");
        assert!(said.contains(&started), "{said}");
        daemon.signal("TERM");
        assert!(daemon.end().0);
    }
    let said = refused(directory.path(), &used("weigher_weighs", ""));
    assert!(said.contains("it is a weigher, and may not scale: add to its grant"), "{said}");
    let said = refused(directory.path(), &used("guard_judges", &script));
    assert!(said.contains("it runs no script, for it does not export weir:plugin/roles"), "{said}");
    let said = refused(directory.path(), &used("command_echoes", ""));
    assert!(said.contains("it is a command: run it with `weir exec`"), "{said}");
}

#[test]
fn processes_that_need_the_same_code_at_once_keep_it_once() {
    let directory = tempfile::tempdir().unwrap();
    build("policy_drains", &directory);
    let file = directory.path().join("weir.toml");
    let config =
        format!("[plugin.x]\nsource = {:?}\n", directory.path().join("policy_drains.wasm"));
    fs::write(&file, config).unwrap();
    let check = || {
        let mut weir = weir();
        weir.arg("check").arg("--config").arg(&file).env("XDG_CACHE_HOME", directory.path());
        weir.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The second time, some find what others kept.
    for _ in 0..2 {
        for weir in [(); 4].map(|()| check()) {
            let output = weir.wait_with_output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(output.status.success() && said.contains("no mistakes"), "{said}");
        }
        let kept = fs::read_dir(directory.path().join("weir/components")).unwrap();
        let mut kept: Vec<_> =
            kept.map(|it| it.unwrap().path().extension().unwrap().to_owned()).collect();
        kept.sort();
        kept.retain(|it| it != "note");
        assert_eq!(kept, ["cwasm"], "no second, and nothing unfinished");
    }
}
