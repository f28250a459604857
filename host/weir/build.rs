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
const PLUGINS: [&str; 9] = [
    "ipvsadm",
    "health-weight",
    "least-load",
    "latency",
    "canary",
    "discovery",
    "business-hours",
    "n-plus-one",
    "ready",
];

/// The one that is an interpreter, and so large that it is compiled only once: simulations
/// compile it themselves.
const STARLARK: &str = "starlark";

/// What of the tree a new plugin is made of.
const CARRIED: [&str; 13] = [
    "plugins/discovery/src/lib.rs",
    "plugins/health-weight/src/lib.rs",
    "plugins/least-load/src/lib.rs",
    "plugins/n-plus-one/src/lib.rs",
    "plugins/ready/src/lib.rs",
    "sdk/c",
    "sdk/go",
    "sdk/javascript",
    "sdk/python",
    "sdk/rust",
    "sdk/starlark",
    "sdk/zig",
    "wit",
];

fn main() -> Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for package in PLUGINS {
        let component = plugin(&workspace, package, package, &out)?;
        // Policies run in simulations, too.
        compile(&component, Metering::Time, &out.join(format!("{package}.cwasm")))?;
        let metered = out.join(format!("{package}.metered.cwasm"));
        compile(&component, Metering::Instructions, &metered)?;
    }
    let starlark = plugin(&workspace, STARLARK, "weir-starlark", &out)?;
    compile(&starlark, Metering::Time, &out.join("starlark.cwasm"))?;
    fs::write(out.join("starlark.wasm"), starlark)?;
    embed_sdk(&workspace, &out)?;
    build_names(&workspace, &out)
}

/// What `weir plugin new` writes: every file of it as a pair of its path and its bytes, in
/// the order of paths.
fn embed_sdk(workspace: &Path, out: &Path) -> Result<()> {
    let mut files = Vec::new();
    for part in CARRIED {
        let part = workspace.join(part);
        println!("cargo::rerun-if-changed={}", part.display());
        add_files(&part, &mut files)?;
    }
    let mut table = Vec::new();
    for file in files {
        let whole = fs::canonicalize(&file)?;
        let name = file.strip_prefix(workspace)?.to_owned();
        table.push(format!("({name:?}, include_bytes!({whole:?})),\n"));
    }
    table.sort();
    Ok(fs::write(out.join("sdk.rs"), format!("&[\n{}]\n", table.concat()))?)
}

fn add_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // What Python leaves behind, what tests use, and the `wit/` of before.
    if name.starts_with('.') || name == "__pycache__" || name == "released" {
        return Ok(());
    }
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries =
        fs::read_dir(path).with_context(|| format!("failed to read {}", path.display()))?;
    entries.into_iter().try_for_each(|entry| add_files(&entry?.path(), files))
}

/// Builds the crate `package` in `plugins/{name}`.
fn plugin(workspace: &Path, name: &str, package: &str, out: &Path) -> Result<Vec<u8>> {
    let directory = format!("plugins/{name}");
    for source in weir_build::sources(workspace, &directory) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    Plugin {
        package,
        artifact: Artifact::Library,
        target: Target::Bare,
        directory: &workspace.join(&directory),
        target_directory: &weir_build::shared_target_directory(out),
    }
    .component()
}

fn compile(component: &[u8], metering: Metering, to: &Path) -> Result<()> {
    let compiled = weir_wasm::precompile(component, &target()?, metering)
        .with_context(|| format!("failed to compile {}", to.display()))?;
    Ok(fs::write(to, compiled)?)
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
