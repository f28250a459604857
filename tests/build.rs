//! Builds the guests that kernel tests start: a guest kernel has no compiler.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};
use weir_build::{Artifact, Plugin, Target};

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    for source in weir_build::sources(&workspace, "tests/guests") {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let plugin = Plugin {
        package: "weir-test-guests",
        artifact: Artifact::Binary("policy_fails"),
        target: Target::Bare,
        directory: &workspace,
        target_directory: &weir_build::shared_target_directory(&out),
    };
    fs::write(out.join("policy_fails.wasm"), plugin.component()?)?;
    Ok(())
}
