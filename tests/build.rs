//! Builds the plugins that tests start: a guest kernel has no compiler.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};
use weir_build::{Artifact, Plugin, Target};

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let plugins = [
        ("tests/guests", "weir-test-guests", Artifact::Binary("policy_fails"), "policy_fails"),
        ("plugins/ipvsadm", "ipvsadm", Artifact::Library, "ipvsadm"),
    ];
    for (directory, package, artifact, name) in plugins {
        for source in weir_build::sources(&workspace, directory) {
            println!("cargo::rerun-if-changed={}", source.display());
        }
        let plugin = Plugin {
            package,
            artifact,
            target: Target::Bare,
            directory: &workspace,
            target_directory: &weir_build::shared_target_directory(&out),
        };
        fs::write(out.join(format!("{name}.wasm")), plugin.component()?)?;
    }
    Ok(())
}
