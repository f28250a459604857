//! What the guest kernel needs on processors with AMX; see `registers.c`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::cache::Cache;

const SOURCE: &str = include_str!("registers.c");

/// A library to be loaded before the kernel's own; none = this processor needs none.
pub(super) fn preload(cache: &Cache) -> Result<Option<PathBuf>> {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !processor.split_ascii_whitespace().any(|it| it == "amx_tile") {
        return Ok(None);
    }
    let made = cache.entry("registers", SOURCE, |fresh, _| compile(fresh))?;
    Ok(Some(made.join("registers.so")))
}

fn compile(directory: &Path) -> Result<()> {
    let source = directory.join("registers.c");
    fs::write(&source, SOURCE)?;
    // Rust links by the same program.
    let status = Command::new("cc")
        .args(["-O2", "-fPIC", "-shared", "-nostdlib", "-o"])
        .arg(directory.join("registers.so"))
        .arg(&source)
        .status()
        .context("the guest kernel needs a C compiler on this processor: apt-get install gcc")?;
    ensure!(status.success(), "cc failed on registers.c: {status}");
    Ok(())
}
