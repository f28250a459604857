//! The Rust targets that guests are built for.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Plugins are built for the first; a guest that imports WASI, for the second.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// Adds what is missing to the toolchain.
pub(crate) fn add_missing(say: &mut dyn FnMut(&str)) -> Result<()> {
    for target in TARGETS {
        if is_there(target)? {
            continue;
        }
        let status = Command::new("rustup")
            .args(["target", "add", target])
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("the Rust target {target} is missing, and so is rustup"))?;
        if !status.success() {
            bail!("the Rust target {target} is missing: `rustup target add {target}` failed");
        }
        say(&format!("added the Rust target {target}"));
    }
    Ok(())
}

fn is_there(target: &str) -> Result<bool> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .context("cannot run rustc")?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success() && Path::new(&directory).is_dir())
}
