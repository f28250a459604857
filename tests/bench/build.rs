//! Builds the policy whose instances are counted, as it is built into weir.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};
use weir_build::{Artifact, Plugin, Target};
use weir_wasm::Metering;

const PLUGIN: &str = "health-weight";

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let target = env::var("TARGET").context("TARGET is not set")?;
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for source in weir_build::sources(&workspace, &format!("plugins/{PLUGIN}")) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let plugin = Plugin {
        package: PLUGIN,
        artifact: Artifact::Library,
        target: Target::Bare,
        directory: &workspace,
        target_directory: &weir_build::shared_target_directory(&out),
    };
    let compiled = weir_wasm::precompile(&plugin.component()?, &target, Metering::Time)
        .with_context(|| format!("failed to compile the plugin {PLUGIN}"))?;
    fs::write(out.join(format!("{PLUGIN}.cwasm")), compiled)?;
    Ok(())
}
