//! Builds what the program carries inside: the built-in plugins, compiled ahead of time,
//! and the helper that asks the C library for names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use weir_build::{Artifact, Plugin, Target};
use weir_wasm::Metering;

/// The built-in plugins, each a crate below `plugins/`.
const PLUGINS: [&str; 2] = ["ipvsadm", "health-weight"];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for package in PLUGINS {
        build_plugin(&workspace, package, &out)?;
    }
    build_names(&workspace, &out)
}

fn build_plugin(workspace: &Path, package: &str, out: &Path) -> Result<()> {
    for source in weir_build::sources(workspace, &format!("plugins/{package}")) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let plugin = Plugin {
        package,
        artifact: Artifact::Library,
        target: Target::Bare,
        directory: workspace,
        target_directory: &weir_build::shared_target_directory(out),
    };
    let component = plugin.component()?;
    // Policies run in simulations, too.
    for (metering, extension) in
        [(Metering::Time, "cwasm"), (Metering::Instructions, "metered.cwasm")]
    {
        let compiled = weir_wasm::precompile(&component, &target()?, metering)
            .with_context(|| format!("failed to compile the plugin {package}"))?;
        fs::write(out.join(format!("{package}.{extension}")), compiled)?;
    }
    Ok(())
}

/// The program is linked statically; this one must not be, see `weir-names`.
fn build_names(workspace: &Path, out: &Path) -> Result<()> {
    println!("cargo::rerun-if-changed={}", workspace.join("host/names").display());
    let target = target()?;
    let target_directory = weir_build::shared_target_directory(out);
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace)
        .args(["build", "--quiet", "--profile", "guest", "--package", "weir-names"])
        .args(["--bin", "weir-names", "--target", &target])
        .arg("--target-dir")
        .arg(&target_directory)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Cstrip=symbols")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "failed to build weir-names: cargo ended with {status}");
    let built = target_directory.join(&target).join("guest/weir-names");
    fs::copy(&built, out.join("weir-names"))
        .with_context(|| format!("failed to copy {}", built.display()))?;
    Ok(())
}

/// The triple that the program is built for.
fn target() -> Result<String> {
    env::var("TARGET").context("TARGET is not set")
}
