//! Builds the plugins that are measured: the policy whose instances are counted, as it is built
//! into weir, and the components that languages are compared by.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use weir_build::{Artifact, Plugin, Target};
use weir_wasm::Metering;

/// Each with its package.
const PLUGINS: [(&str, &str); 2] =
    [("health-weight", "health-weight"), ("starlark", "weir-starlark")];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let target = env::var("TARGET").context("TARGET is not set")?;
    for (name, package) in PLUGINS {
        let component = component(name, package, &out)?;
        let compiled = weir_wasm::precompile(&component, &target, Metering::Time)
            .with_context(|| format!("failed to compile the plugin {name}"))?;
        fs::write(out.join(format!("{name}.cwasm")), compiled)?;
        fs::write(out.join(format!("{name}.wasm")), component)?;
    }
    Ok(())
}

/// The component of the package in this folder of `plugins/`.
fn component(folder: &str, package: &str, out: &Path) -> Result<Vec<u8>> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = format!("plugins/{folder}");
    for source in weir_build::sources(&workspace, &folder) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let plugin = Plugin {
        package,
        artifact: Artifact::Library,
        target: Target::Bare,
        directory: &workspace.join(folder),
        target_directory: &weir_build::shared_target_directory(out),
    };
    plugin.component()
}
