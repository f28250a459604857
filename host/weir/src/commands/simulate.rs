//! `weir simulate`: one scenario in virtual time.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;

use super::test::{summary, tell_failures};
use crate::{
    cli::Exit,
    inherited,
    simulate::{self, Machinery},
};

/// What `weir simulate` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The scenario; `host/docs/scenarios.md` says how one is written.
    scenario: PathBuf,
    /// Take this seed in the place of the scenario's own.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Draw the timeline into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write the timeline into this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
}

/// Runs the scenario, writes its timeline, and says which expectations were not met.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let mut scenario = simulate::read(&options.scenario)?;
    scenario.seed = options.seed.unwrap_or(scenario.seed);
    let machinery = Machinery::new()?;
    let outcome = {
        let mut out: Box<dyn Write> = match &options.timeline {
            Some(file) => Box::new(BufWriter::new(create(file)?)),
            None => Box::new(BufWriter::new(io::stdout().lock())),
        };
        let outcome = simulate::run(&scenario, &machinery, Some(&mut out), options.plot.is_some())?;
        out.flush().context("failed to write the timeline")?;
        outcome
    };
    if let Some(file) = &options.plot {
        let drawing = simulate::plot(&scenario.title, &outcome.entries);
        fs::write(file, drawing).with_context(|| format!("failed to write {}", file.display()))?;
    }
    let mut err = io::stderr().lock();
    tell_failures(&mut err, &scenario, &outcome)?;
    writeln!(err, "{}: {}", scenario.path.display(), summary(&outcome))?;
    Ok(if outcome.failures.is_empty() { ExitCode::SUCCESS } else { Exit::Failure.into() })
}

fn create(file: &PathBuf) -> Result<fs::File> {
    fs::File::create(file).with_context(|| format!("failed to write {}", file.display()))
}
