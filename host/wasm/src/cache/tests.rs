//! What is found in a cache, and what is not taken from it.

use std::{
    fs::{self, File, FileTimes, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use super::{Cache, copy};
use crate::{Plugin, Runtime, World, clock};

/// A component in a file, and a cache.
struct Place {
    parent: TempDir,
    runtime: Runtime,
    cache: Cache,
}

impl Place {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let cache = Cache::open(&parent.path().join("cache")).unwrap();
        let place = Self { parent, runtime: Runtime::for_daemon().unwrap(), cache };
        fs::copy(kept_component(), place.component()).unwrap();
        place
    }

    /// One whose component is compiled and noted.
    fn noted() -> Self {
        let place = Self::new();
        place.load(later());
        assert!(!place.is_known(later()), "what was compiled just now was not compared yet");
        place.load(later());
        assert!(place.is_known(later()));
        place
    }

    fn component(&self) -> PathBuf {
        self.parent.path().join("plugin.wasm")
    }

    fn load(&self, now: Duration) -> Plugin {
        let plugin = self.runtime.load_at(now, &self.component(), Some(&self.cache)).unwrap();
        assert_eq!(plugin.worlds(), [World::Policy]);
        plugin
    }

    /// Whether it would be loaded without being read.
    fn is_known(&self, now: Duration) -> bool {
        let (path, engine) = (self.component(), &self.runtime.engine);
        let file = File::open(&path).unwrap();
        let note = self.cache.note(engine, &path, &file, now);
        note.and_then(|it| it.recall(engine)).is_some()
    }

    fn kept(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.parent.path().join("cache")).unwrap();
        let paths = entries.map(|it| it.unwrap().path());
        paths.filter(|it| it.extension().unwrap() == extension).collect()
    }

    fn only(&self, extension: &str) -> PathBuf {
        let [path] = &self.kept(extension)[..] else { panic!("{:?}", self.kept(extension)) };
        path.clone()
    }
}

fn kept_component() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/0.1/policy_drains.wasm")
}

/// When all that is made now was last changed long ago.
fn later() -> Duration {
    clock::wall() + Duration::from_secs(3600)
}

/// Changes what is in a file, and nothing else that can be set back.
fn rewrite(path: &Path, bytes: &[u8]) {
    let before = fs::metadata(path).unwrap();
    let changed = |it: &fs::Metadata| (it.ctime(), it.ctime_nsec());
    // The clock of files moves on in grains, of some milliseconds or less.
    while changed(&fs::metadata(path).unwrap()) == changed(&before) {
        fs::write(path, bytes).unwrap();
        let times = FileTimes::new().set_modified(before.modified().unwrap());
        File::options().write(true).open(path).unwrap().set_times(times).unwrap();
    }
    let after = fs::metadata(path).unwrap();
    let seen = |it: &fs::Metadata| (it.ino(), it.len(), it.modified().unwrap());
    if bytes.len() as u64 == before.len() {
        assert_eq!(seen(&after), seen(&before));
    }
}

#[test]
fn a_component_that_changed_is_noticed() {
    let place = Place::noted();
    let mut bytes = fs::read(place.component()).unwrap();
    let name = bytes.windows(9).position(|it| it == b"producers").unwrap();
    bytes[name] = b'P';
    rewrite(&place.component(), &bytes);
    assert!(!place.is_known(later()));
    place.load(later());
    assert_eq!(place.kept("cwasm").len(), 2, "it was compiled as another");
    place.load(later());
    assert!(place.is_known(later()));
    assert_eq!(place.kept("note").len(), 1, "in the place of the other's");
}

#[test]
fn another_file_of_the_same_name_is_noticed() {
    let place = Place::noted();
    let other = place.parent.path().join("other");
    fs::copy(place.component(), &other).unwrap();
    fs::rename(other, place.component()).unwrap();
    assert!(!place.is_known(later()));
}

#[test]
fn what_changed_lately_is_not_known() {
    let place = Place::new();
    let changed = |path: &Path| fs::metadata(path).unwrap().ctime().unsigned_abs();
    place.load(later());
    let last = changed(&place.only("cwasm"));
    assert!(last >= changed(&place.component()));
    for seconds in [0, 1, 2] {
        place.load(Duration::from_secs(last + seconds));
        assert!(place.kept("note").is_empty(), "{seconds} s after it changed");
    }
    place.load(Duration::from_secs(last + 3));
    assert!(place.is_known(Duration::from_secs(last + 3)));
}

#[test]
fn a_note_that_is_damaged_or_not_ours_alone_is_made_again() {
    let place = Place::noted();
    let note = place.only("note");
    let whole = fs::read(&note).unwrap();
    let mut other_code = whole.clone();
    other_code[0] ^= 1;
    let mut other_files = whole.clone();
    *other_files.last_mut().unwrap() ^= 1;
    for damaged in [&other_code[..], &other_files, &whole[..40], &[0; 64], b""] {
        fs::write(&note, damaged).unwrap();
        assert!(!place.is_known(later()));
        place.load(later());
        assert_eq!(fs::read(&note).unwrap(), whole);
    }
    fs::set_permissions(&note, Permissions::from_mode(0o666)).unwrap();
    assert!(!place.is_known(later()));
    place.load(later());
    assert_eq!(fs::metadata(&note).unwrap().mode() & 0o777, 0o600);
    assert!(place.is_known(later()));
}

#[test]
fn code_that_changed_is_compared_and_compiled_again() {
    let place = Place::noted();
    let code = place.only("cwasm");
    let whole = fs::read(&code).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], b""] {
        rewrite(&code, damaged);
        assert!(!place.is_known(later()));
        place.load(later());
        assert_eq!(fs::read(&code).unwrap(), whole);
        place.load(later());
        assert!(place.is_known(later()));
    }
    fs::set_permissions(&code, Permissions::from_mode(0o620)).unwrap();
    assert!(!place.is_known(later()));
}

#[test]
fn a_note_that_cannot_be_kept_costs_time_alone() {
    let place = Place::noted();
    let note = place.only("note");
    fs::remove_file(&note).unwrap();
    fs::create_dir(&note).unwrap();
    assert!(place.load(later()).cache_error().is_none());
    assert!(!place.is_known(later()));
    assert!(place.kept("tmp").is_empty());
}

#[test]
fn where_code_cannot_be_mapped_a_copy_runs() {
    let place = Place::noted();
    let code = File::open(place.only("cwasm")).unwrap();
    assert!(copy(&place.runtime.engine, &code).is_some());
}
