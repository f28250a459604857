//! Plugins of a daemon that runs: their files are watched.

use std::{fs, path::Path};

use crate::{
    daemon::{Daemon, config, server, service, weir},
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
    daemon.signal("TERM");
    assert!(daemon.end().0);
}
