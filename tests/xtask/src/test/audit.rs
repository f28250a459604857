//! The dependencies: where they come from, under which licence, and what is known of them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::{Outcome, Session, execute};
use crate::tool;

/// The plugin that is a workspace of its own.
const STARLARK: &str = "plugins/starlark/Cargo.toml";

/// For a network that swallows what it does not let through.
const FETCH_SECONDS: &str = "60";

pub(super) fn run(session: &Session<'_>) -> Result<Outcome> {
    let deny = tool::DENY.obtain(&session.cache, &mut crate::note)?;
    let check = |what: &[&str]| {
        ["Cargo.toml", STARLARK].into_iter().try_for_each(|manifest| {
            let mut deny = Command::new(&deny);
            deny.args(["--manifest-path", manifest, "--config", ".deny.toml"]);
            execute(deny.args(["--workspace", "--locked", "check"]).args(what))
        })
    };
    check(&["bans", "licenses", "sources"])?;

    // The database of advisories is no part of a package registry; not everyone reaches it.
    let fetched = Command::new("timeout")
        .arg(FETCH_SECONDS)
        .arg(&deny)
        .args(["fetch", "db"])
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo-deny")?;
    if fetched.status.success() {
        check(&["advisories"])?;
        return Ok(Outcome::default());
    }
    let untested = "known vulnerabilities: the database of advisories cannot be reached";
    Ok(Outcome { untested: Some(untested.to_owned()), ..Outcome::default() })
}
