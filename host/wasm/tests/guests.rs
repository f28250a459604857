//! The guests: built when first asked for, by cargo, which knows what is current.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use weir_build::{Artifact, Target};
use weir_wasm::{Cache, Plugin, Runtime};

use crate::compat;

pub(crate) fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The file with the component of the guest `src/bin/{name}.rs`; with a release before its name,
/// `0.1/..`, the one that is kept in `tests/compat`.
pub(crate) fn component(name: &str) -> PathBuf {
    if name.contains('/') {
        return compat::kept(name);
    }
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    built.entry(name.to_owned()).or_insert_with(|| build(name)).clone()
}

fn build(name: &str) -> PathBuf {
    let target = if name.starts_with("wasi_") { Target::Wasi } else { Target::Bare };
    let plugin = weir_build::Plugin {
        package: "weir-test-guests",
        artifact: Artifact::Binary(name),
        target,
        directory: Path::new(env!("CARGO_MANIFEST_DIR")),
        target_directory: &weir_build::shared_target_directory(scratch()),
    };
    let directory = scratch().join("components");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("{name}.wasm"));
    let unfinished = directory.join(format!("{name}.{}", std::process::id()));
    fs::write(&unfinished, plugin.component().unwrap()).unwrap();
    fs::rename(&unfinished, &path).unwrap();
    path
}

/// The guest `src/bin/{name}.rs`, compiled.
pub(crate) fn plugin(runtime: &Runtime, name: &str) -> Plugin {
    let cache = Cache::open(&scratch().join("cache")).unwrap();
    let plugin = runtime.load(&component(name), Some(&cache)).unwrap();
    assert!(plugin.cache_error().is_none());
    plugin
}

#[test]
fn no_guest_is_forgotten() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests: String = fs::read_dir(here.join("tests"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for entry in fs::read_dir(here.join("../../tests/guests/src/bin")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(tests.contains(&format!("\"{name}\"")), "no test uses the guest {name}");
    }
}
