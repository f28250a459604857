//! Builds a plugin crate into a component, from a build script, a test or a task.
//!
//! A plugin in Rust is compiled for `wasm32-unknown-unknown`, which has no WASI, and
//! what comes out is wrapped as a component. `wasm32-wasip2` is for guests whose
//! libraries want a WASI; its linker makes the component itself. Other languages are built
//! by [`Source`].

mod component;
mod language;

pub use component::{
    SECTION_BYTES, Surface, manifest, schema, surface, with_manifest, with_schema,
};
pub use language::{Language, Source};

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Error, Result, anyhow, bail};
use wit_component::ComponentEncoder;

/// The Wasm target to compile for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `wasm32-unknown-unknown`: imports nothing but what the plugin's world names.
    Bare,
    /// `wasm32-wasip2`: imports what the standard library wants of WASI.
    Wasi,
}

impl Target {
    /// As rustup and cargo name it.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Bare => "wasm32-unknown-unknown",
            Self::Wasi => "wasm32-wasip2",
        }
    }
}

/// What of a crate becomes the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifact<'a> {
    /// The library, a `cdylib`.
    Library,
    /// One of its binaries, which is `#![no_main]`.
    Binary(&'a str),
}

/// Where the crate is and where its build may put things.
#[derive(Debug, Clone, Copy)]
pub struct Plugin<'a> {
    /// Name of the package in the workspace of `directory`.
    pub package: &'a str,
    /// What of it.
    pub artifact: Artifact<'a>,
    /// For which target.
    pub target: Target,
    /// The workspace, or any directory below.
    pub directory: &'a Path,
    /// Cargo's target directory for the build: not the one of a cargo that waits for it.
    pub target_directory: &'a Path,
}

impl Plugin<'_> {
    /// Compiles the plugin with the workspace's profile `guest` and returns the bytes of
    /// the component.
    ///
    /// Fails with cargo's own words if the crate does not compile, and with the command
    /// that helps if the Wasm target is missing.
    pub fn component(&self) -> Result<Vec<u8>> {
        require_target(self.target)?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.directory);
        cargo.args(["build", "--quiet", "--profile", "guest", "--package", self.package]);
        match self.artifact {
            Artifact::Library => cargo.arg("--lib"),
            Artifact::Binary(name) => cargo.args(["--bin", name]),
        };
        cargo.args(["--target", self.target.triple()]);
        cargo.arg("--target-dir").arg(self.target_directory);
        forget_outer_build(&mut cargo);
        let status = cargo.status().map_err(|error| unstarted("cargo", error))?;
        if !status.success() {
            bail!("failed to build the plugin {self}: cargo ended with {status}");
        }
        let module = self.module();
        let bytes =
            fs::read(&module).with_context(|| format!("failed to read {}", module.display()))?;
        match self.target {
            Target::Wasi => Ok(bytes),
            Target::Bare => componentize(&bytes)
                .with_context(|| format!("failed to make a component of the plugin {self}")),
        }
    }

    fn module(&self) -> PathBuf {
        let name = match self.artifact {
            Artifact::Library => format!("{}.wasm", self.package.replace('-', "_")),
            Artifact::Binary(name) => format!("{name}.wasm"),
        };
        self.target_directory.join(self.target.triple()).join("guest").join(name)
    }
}

impl fmt::Display for Plugin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.artifact {
            Artifact::Library => f.write_str(self.package),
            Artifact::Binary(name) => write!(f, "{name} of {}", self.package),
        }
    }
}

/// Wraps a core module, which carries its world as the bindings wrote it, as a component.
/// What it wants of the WASI of before components, as Go's does, becomes that of today.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>> {
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    ComponentEncoder::default()
        .module(module)?
        .adapter("wasi_snapshot_preview1", adapter)?
        .validate(true)
        .encode()
}

/// Fails, naming the command that adds it, if the standard library for `target` is not
/// installed.
fn require_target(target: Target) -> Result<()> {
    let triple = target.triple();
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", triple])
        .output()
        .map_err(|error| unstarted("rustc", error))?;
    let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !directory.is_dir() {
        bail!("the Wasm target is missing: run `rustup target add {triple}`");
    }
    Ok(())
}

/// Why a program of Rust's could not be started, and how to get one that is missing.
fn unstarted(program: &str, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return anyhow!("{program} is not on PATH: https://rustup.rs brings rustc and cargo");
    }
    Error::new(error).context(format!("failed to start {program}"))
}

/// A build script's environment describes the build it belongs to; the plugin's is
/// another one.
fn forget_outer_build(cargo: &mut Command) {
    let inherited = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];
    let wrappers =
        ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CLIPPY_ARGS", "CARGO_BUILD_TARGET"];
    for name in inherited.into_iter().chain(wrappers) {
        cargo.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PROFILE_") || text.starts_with("CARGO_CFG_") {
            cargo.env_remove(&name);
        }
    }
}

/// The target directory for plugins that are built within another build: `plugins` in
/// cargo's target directory, which `inside` (a build script's `OUT_DIR`, a test's
/// `CARGO_TARGET_TMPDIR`) lies in. One for all, so that what they have in common is built
/// once; cargo lets one build at a time into it.
pub fn shared_target_directory(inside: &Path) -> PathBuf {
    let tagged = inside.ancestors().find(|it| it.join("CACHEDIR.TAG").is_file());
    tagged.unwrap_or(inside).join("plugins")
}

/// Files and directories that a plugin is made of, for a build script's
/// `cargo::rerun-if-changed`.
pub fn sources(workspace: &Path, package_directory: &str) -> [PathBuf; 5] {
    [
        workspace.join("Cargo.toml"),
        workspace.join(package_directory).join("Cargo.toml"),
        workspace.join(package_directory).join("src"),
        workspace.join("sdk/rust"),
        workspace.join("wit"),
    ]
}
