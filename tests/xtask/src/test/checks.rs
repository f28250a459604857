//! The steps that only read the code: formatting, spelling, lints.

use std::process::Command;

use anyhow::Result;

use super::{Outcome, Session, execute};
use crate::tool;

/// The plugin that is a workspace of its own.
const STARLARK: &str = "plugins/starlark";

pub(super) fn format() -> Result<Outcome> {
    let format = ["fmt", "--all", "--check"];
    execute(Command::new("cargo").args(format))?;
    execute(Command::new("cargo").args(format).current_dir(STARLARK))?;
    Ok(Outcome::default())
}

pub(super) fn spelling(session: &Session<'_>) -> Result<Outcome> {
    let typos = tool::TYPOS.obtain(&session.cache, &mut crate::note)?;
    execute(Command::new(typos).args(["--config", ".typos.toml"]))?;
    Ok(Outcome::default())
}

pub(super) fn lints() -> Result<Outcome> {
    let args = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    execute(Command::new("cargo").args(args))?;
    // As it is built: for Wasm alone, see its `.cargo/config.toml`.
    let args = ["clippy", "--locked", "--", "-D", "warnings"];
    execute(Command::new("cargo").args(args).current_dir(STARLARK))?;
    Ok(Outcome::default())
}
