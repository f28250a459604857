//! The programs that are measured, and the one that measures.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, Wanted};

pub(super) struct Programs {
    pub(super) bench: PathBuf,
    /// As users build it.
    pub(super) weir: PathBuf,
    /// The same, with the stand-in in the place of the C library's socket functions:
    /// nothing can be preloaded into a static program.
    pub(super) weir_on_stand_in: PathBuf,
    /// The stand-in, to be preloaded into dynamic programs.
    pub(super) stand_in: PathBuf,
}

/// What the stand-in is built as.
#[derive(Clone, Copy)]
enum Kind {
    /// To be linked in: machine code that needs nothing of the standard library.
    Object,
    /// To be preloaded: a library of its own, which cannot be static.
    Shared,
}

pub(super) fn all(say: &mut dyn FnMut(&str)) -> Result<Programs> {
    say("building for release");
    // Both at once, so that what they share is built once.
    let both = ["--package", "weir-bench", "--bin", "weir-bench", "--bin", "weir"];
    let built =
        cargo::executable(release("build", "weir").args(both), Wanted::program("weir", "weir"))?;
    let built = built.with_file_name("weir");
    let bench = built.with_file_name("weir-bench");
    let release_directory = built.parent().context("a program lies in no directory")?;
    let directory = release_directory.join("bench");
    fs::create_dir_all(&directory)?;
    // The next build has the same name.
    let weir = keep(&built, &directory.join("weir"))?;

    let object = stand_in(release_directory, Kind::Object)?;
    let mut cargo = release("rustc", "weir");
    cargo.args(["--bin", "weir", "--", "-l", "static:+verbatim=libweir_stand_in.rlib", "-L"]);
    run(cargo.arg(object.parent().context("a library lies in no directory")?))?;
    let weir_on_stand_in = keep(&built, &directory.join("weir-on-stand-in"))?;
    let stand_in = stand_in(release_directory, Kind::Shared)?;
    Ok(Programs { bench, weir, weir_on_stand_in, stand_in })
}

fn release(command: &str, package: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args([command, "--locked", "--quiet", "--release", "--package", package]);
    cargo
}

fn stand_in(release_directory: &Path, kind: Kind) -> Result<PathBuf> {
    let (name, file, unwinding) = match kind {
        Kind::Object => ("object", "libweir_stand_in.rlib", "abort"),
        Kind::Shared => ("shared", "libweir_stand_in.so", "unwind"),
    };
    let directory = release_directory.join("bench").join(name);
    let mut cargo = release("rustc", "weir-stand-in");
    cargo.arg("--lib").arg("--target-dir").arg(&directory);
    if let Kind::Shared = kind {
        cargo.args(["--crate-type", "cdylib", "--features", "preload"]);
    }
    cargo
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_PANIC", unwinding)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Cstrip=symbols");
    run(&mut cargo)?;
    // Below the target directory come the target and the profile, as everywhere.
    let target = release_directory.parent().and_then(Path::file_name);
    Ok(directory.join(target.context("there is no target")?).join("release").join(file))
}

fn run(cargo: &mut Command) -> Result<()> {
    let status = cargo.stdin(Stdio::null()).status().context("cannot run cargo")?;
    ensure!(status.success(), "cannot build: {status}");
    Ok(())
}

fn keep(built: &Path, path: &Path) -> Result<PathBuf> {
    fs::copy(built, path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
