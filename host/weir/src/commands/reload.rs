//! `weir reload`: the daemon reads its configuration again.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use super::print_error;
use crate::{
    cli::Exit,
    control::{self, Difference, Unasked, protocol},
    inherited,
};

/// What `weir reload` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take over a configuration that removes more than half of what weir owns, or that looks
    /// cut off.
    #[arg(long)]
    confirm: bool,
    /// Answer in JSON, on standard output.
    #[arg(long)]
    json: bool,
}

/// Has the daemon take over its configuration, and says what changed, or what is wrong.
pub(crate) fn run(options: &Options, socket: Option<&Path>) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let daemon = control::daemon(socket)?;
    let request = protocol::Reload { confirm: options.confirm };
    let reloaded: protocol::Reloaded = match daemon.order(protocol::RELOAD, &request) {
        Ok(reloaded) => reloaded,
        Err(unasked) => return tell_refusal(unasked, options.json),
    };
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string(&reloaded)?)?;
    } else {
        let count = reloaded.differences.len();
        writeln!(out, "the configuration is taken over; differences: {count}")?;
        tell_differences(&mut out, &reloaded.differences)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells in what configurations differ, a line each.
pub(super) fn tell_differences(out: &mut dyn Write, differences: &[Difference]) -> io::Result<()> {
    for Difference { kind, of, how } in differences {
        let kind = format!("{kind:?}").to_lowercase();
        let colon = if how.is_empty() { "" } else { ": " };
        writeln!(out, "  {kind:<7}  {of}{colon}{}", how.join(", "))?;
    }
    Ok(())
}

/// Tells why the daemon did not do it.
pub(super) fn tell_refusal(unasked: Unasked, is_json: bool) -> Result<ExitCode> {
    let problem = match unasked {
        Unasked::Refused(problem) => problem,
        Unasked::Broken(error) => return Err(error.into()),
    };
    let waits = problem.code == protocol::TO_BE_CONFIRMED;
    if is_json {
        writeln!(io::stdout(), "{}", serde_json::to_string(&problem)?)?;
    } else if problem.mistakes.is_empty() {
        let remedy = if waits { "; if that is meant, add --confirm" } else { "" };
        print_error(&format!("weir: nothing is changed: {}{remedy}", problem.message));
    } else {
        problem.mistakes.iter().for_each(|it| print_error(&it.to_string()));
    }
    Ok(if waits { Exit::Refused } else { Exit::Failure }.into())
}
