//! Compiled code that is kept: used again, never trusted blindly.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use weir_wasm::{Cache, Runtime, World};

use crate::guests;

fn load(directory: &Path) {
    let runtime = Runtime::for_daemon().unwrap();
    let cache = Cache::open(directory).unwrap();
    let plugin = runtime.load(&guests::component("policy_drains"), Some(&cache)).unwrap();
    assert_eq!(plugin.worlds(), [World::Policy]);
    assert!(plugin.cache_error().is_none());
}

/// All but notes, which are made only once files have settled: `src/cache/tests.rs` has them.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|it| it.extension().is_none_or(|it| it != "note")).collect()
}

#[test]
fn code_is_kept_and_used_again() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("made").join("here");
    load(&directory);
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    let [entry] = &entries(&directory)[..] else { panic!("{:?}", entries(&directory)) };
    assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::metadata(entry).unwrap().modified().unwrap();
    load(&directory);
    assert_eq!(fs::metadata(entry).unwrap().modified().unwrap(), before, "not written again");
}

#[test]
fn many_may_keep_the_same_code_at_once() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cache");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| load(&directory));
        }
    });
    assert_eq!(entries(&directory).len(), 1, "{:?}", entries(&directory));
}

#[test]
fn a_damaged_entry_is_compiled_again() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cache");
    load(&directory);
    let entry = entries(&directory).remove(0);
    let whole = fs::read(&entry).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..100], b""] {
        fs::write(&entry, damaged).unwrap();
        load(&directory);
        assert_eq!(fs::read(&entry).unwrap(), whole);
    }
}

#[test]
fn an_entry_that_others_could_write_is_not_used() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cache");
    load(&directory);
    let entry = entries(&directory).remove(0);
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o666)).unwrap();
    load(&directory);
    assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_kept_is_used_all_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cache");
    let cache = Cache::open(&directory).unwrap();
    // As on a disk that is full, or must not be written to, for root, too.
    fs::remove_dir(&directory).unwrap();
    let runtime = Runtime::for_daemon().unwrap();
    for _ in 0..2 {
        let plugin = runtime.load(&guests::component("policy_drains"), Some(&cache)).unwrap();
        assert_eq!(plugin.worlds(), [World::Policy]);
        let error = plugin.cache_error().unwrap().to_string();
        assert!(error.starts_with("use the cache "), "{error}");
    }
}

#[test]
fn a_directory_that_is_not_ours_alone_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let open = parent.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Cache::open(&open).unwrap_err().to_string();
    assert!(error.contains("its mode is 755"), "{error}");

    fs::set_permissions(&open, fs::Permissions::from_mode(0o700)).unwrap();
    let link = parent.path().join("link");
    symlink(&open, &link).unwrap();
    let error = Cache::open(&link).unwrap_err().to_string();
    assert!(error.contains("cannot be opened as a directory"), "{error}");

    let file = parent.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Cache::open(&file).unwrap_err().to_string();
    assert!(error.contains("cannot be made"), "{error}");
}
