//! Making, sharing and removing the socket.

use std::{
    fs::{self, File},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixListener,
    },
};

use super::*;

fn listen(claim: Claim) -> anyhow::Result<Socket> {
    // The socket of a runtime that ended still stands there.
    Builder::new_current_thread().enable_all().build()?.block_on(claim.listen())
}

/// Why `path` cannot be had, without its directory.
fn refusal(path: &Path) -> String {
    let error = Claim::take(path.to_owned()).and_then(listen).unwrap_err();
    format!("{error:#}").replace(&format!("{}/", path.parent().unwrap().display()), "")
}

#[test]
fn a_socket_is_its_users_alone_and_goes_with_its_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir/weir.sock");
    let socket = listen(Claim::take(path.clone()).unwrap()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    drop(socket);
    assert!(!path.exists());
    listen(Claim::take(path).unwrap()).unwrap();
}

#[test]
fn two_daemons_never_share_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.sock");
    let _claim = Claim::take(path.clone()).unwrap();
    let expected = format!(
        "another `weir run` (process {}) answers at weir.sock already: stop it, or choose \
         another socket with --socket",
        std::process::id()
    );
    assert_eq!(refusal(&path), expected);
}

#[test]
fn what_a_dead_daemon_left_is_replaced_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.sock");
    let other = UnixListener::bind(&path).unwrap();
    assert_eq!(
        refusal(&path),
        "another program answers at weir.sock: choose another path with --socket"
    );
    drop(other);
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket(), "it is stale");
    drop(listen(Claim::take(path.clone()).unwrap()).unwrap());
    File::create(&path).unwrap();
    assert_eq!(
        refusal(&path),
        "weir.sock is there and is no socket: choose another path with --socket"
    );
    assert!(path.exists());
}

#[test]
fn a_path_that_is_too_long_is_refused() {
    let path = PathBuf::from(format!("/tmp/{}", "x".repeat(103)));
    let expected = " has a path of 108 bytes: choose one of at most 107";
    assert!(refusal(&path).ends_with(expected));
}
