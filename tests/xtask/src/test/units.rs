//! The tests that need no kernel.

use std::{
    io::{self, PipeReader},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};

use super::{
    Outcome, Session,
    kernel_tests::{IN_GUEST, WITHOUT_MODULE},
    languages::TOOLCHAIN,
    tally::{Counting, Tally},
};
use crate::tool;

pub(super) fn run(session: &Session<'_>) -> Result<Outcome> {
    // Tests start the program, which is not otherwise built with them.
    super::execute(&mut program())?;
    match tool::NEXTEST.obtain(&session.cache, &mut crate::note) {
        // What is left to other steps is said in .config/nextest.toml.
        Ok(nextest) => {
            counted(Command::new(nextest).args(["nextest", "run", "--locked", "--workspace"]))
        }
        Err(error) => {
            crate::note(&format!("testing without nextest: {error:#}"));
            let skip = ["--skip", IN_GUEST, "--skip", WITHOUT_MODULE, "--skip", TOOLCHAIN];
            counted(
                Command::new("cargo")
                    .args(["test", "--locked", "--workspace", "--all-targets", "--no-fail-fast"])
                    .arg("--")
                    .args(skip),
            )
        }
    }
}

pub(super) fn run_docs() -> Result<Outcome> {
    counted(Command::new("cargo").args(["test", "--locked", "--workspace", "--doc"]))
}

/// Builds the program with the features that the workspace's tests have, so that both
/// share what they are built from.
pub(super) fn program() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--workspace", "--bin", "weir"]);
    cargo
}

/// Runs a test runner, passes on what it prints, and counts.
pub(super) fn counted(command: &mut Command) -> Result<Outcome> {
    let shown = command.get_program().display().to_string();
    let (from, to) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(to.try_clone()?).stderr(to);
    let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
    // The writing end must close with the child's.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let tally = thread::scope(|scope| scope.spawn(|| count(from)).join());
    let tally = tally.map_err(|_| anyhow::anyhow!("the counter of tests panicked"))??;
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        bail!("{shown}: {status}");
    }
    Ok(Outcome { tally, untested: None })
}

fn count(mut from: PipeReader) -> io::Result<Tally> {
    let mut counting = Counting::new(io::stdout());
    io::copy(&mut from, &mut counting)?;
    counting.finish()
}
