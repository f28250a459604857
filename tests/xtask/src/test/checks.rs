//! The steps that only read the code: formatting, spelling, lints.

use std::process::Command;

use anyhow::Result;

use super::{Outcome, Session, execute};
use crate::tool;

pub(super) fn format() -> Result<Outcome> {
    execute(Command::new("cargo").args(["fmt", "--all", "--check"]))?;
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
    Ok(Outcome::default())
}
