//! What a toolchain must have beyond the compiler: targets for guests, and checkers.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Plugins are built for the first; a guest that imports WASI, for the second.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// Components, each with the subcommand of cargo that it brings.
const COMPONENTS: [(&str, &str); 2] = [("rustfmt", "fmt"), ("clippy", "clippy")];

/// Adds what is missing to the toolchain.
pub(crate) fn add_missing(say: &mut dyn FnMut(&str)) -> Result<()> {
    for target in TARGETS {
        if !has_target(target)? {
            add("target", target, say)?;
        }
    }
    for (component, subcommand) in COMPONENTS {
        if !has_subcommand(subcommand)? {
            add("component", component, say)?;
        }
    }
    Ok(())
}

fn add(kind: &str, name: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    let status = Command::new("rustup")
        .args([kind, "add", name])
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("the Rust {kind} {name} is missing, and so is rustup"))?;
    if !status.success() {
        bail!("the Rust {kind} {name} is missing: `rustup {kind} add {name}` failed");
    }
    say(&format!("added the Rust {kind} {name}"));
    Ok(())
}

fn has_target(target: &str) -> Result<bool> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .context("cannot run rustc")?;
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success() && Path::new(&directory).is_dir())
}

fn has_subcommand(name: &str) -> Result<bool> {
    let output = Command::new("cargo")
        .args([name, "--version"])
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    Ok(output.status.success())
}
