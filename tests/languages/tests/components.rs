//! The components that cargo can build: our own plugins.

use std::{fs, io::Write, path::Path};

use anyhow::Result;
use tempfile::NamedTempFile;
use weir_build::{Artifact, Target};
use weir_wasm::{Cache, Plugin, Runtime};

/// Where cargo lets tests write.
pub(crate) const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");

/// The built-in policy whose decisions all the others are compared with.
pub(crate) fn health_weight(runtime: &Runtime) -> Result<Plugin> {
    load(runtime, "plugins/health-weight", "health-weight")
}

/// The built-in guard whose decisions those of the examples are compared with.
pub(crate) fn n_plus_one(runtime: &Runtime) -> Result<Plugin> {
    load(runtime, "plugins/n-plus-one", "n-plus-one")
}

/// The built-in checker whose outcomes those of the examples are compared with.
pub(crate) fn ready(runtime: &Runtime) -> Result<Plugin> {
    load(runtime, "plugins/ready", "ready")
}

/// The built-in controller whose decisions those of the examples are compared with.
pub(crate) fn discovery(runtime: &Runtime) -> Result<Plugin> {
    load(runtime, "plugins/discovery", "discovery")
}

/// The built-in component that runs scripts.
pub(crate) fn starlark(runtime: &Runtime) -> Result<Plugin> {
    load(runtime, "plugins/starlark", "weir-starlark")
}

/// Builds `package`, which cargo does anew only if it changed.
fn load(runtime: &Runtime, directory: &str, package: &str) -> Result<Plugin> {
    let component = weir_build::Plugin {
        package,
        artifact: Artifact::Library,
        target: Target::Bare,
        directory: &Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory),
        target_directory: &weir_build::shared_target_directory(Path::new(SCRATCH)),
    }
    .component()?;
    fs::create_dir_all(SCRATCH)?;
    let file = Path::new(SCRATCH).join(format!("{package}.wasm"));
    // Tests come here at once, as threads and as processes.
    let mut unfinished = NamedTempFile::new_in(SCRATCH)?;
    unfinished.write_all(&component)?;
    unfinished.persist(&file)?;
    from_file(runtime, &file)
}

/// The component in `file`, compiled once for all tests.
pub(crate) fn from_file(runtime: &Runtime, file: &Path) -> Result<Plugin> {
    let cache = Cache::open(&Path::new(SCRATCH).join("cache"))?;
    Ok(runtime.load(file, Some(&cache))?)
}
