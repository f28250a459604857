//! `weir test`: scenarios as tests.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    cli::Exit,
    inherited,
    simulate::{self, Machinery, Outcome, Scenario, show_duration, show_moment},
};

/// What scenarios are called, so that a folder of them may hold other files.
const EXTENSION: &str = "scenario";

/// What `weir test` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Scenarios, or folders in which every *.scenario is meant, those of folders within
    /// included.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// Take this seed in the place of each scenario's own.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run each scenario with so many seeds, from its own or --seed upwards, until one
    /// fails.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

/// Runs the scenarios; status 0 if all pass.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let files = files(&options.paths)?;
    let machinery = Machinery::new()?;
    let mut out = io::stdout().lock();
    let mut failed = 0;
    for file in &files {
        let has_passed = test(&mut out, file, &machinery, options)?;
        failed += usize::from(!has_passed);
    }
    writeln!(out, "{} passed, {failed} failed", files.len() - failed)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { Exit::Failure.into() })
}

/// Every scenario at or below `paths`, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        add_files(path, true, &mut found)?;
        ensure!(
            found.len() > before,
            "there is no *.{EXTENSION} in {}; name a scenario, or a folder with some",
            path.display()
        );
    }
    Ok(found)
}

fn add_files(path: &Path, is_named: bool, found: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("failed to read {}", path.display());
    if !fs::metadata(path).with_context(failed)?.is_dir() {
        if is_named || path.extension().is_some_and(|it| it == EXTENSION) {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(failed)?;
    let mut entries = entries.map(|it| Ok(it?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let is_hidden =
        |it: &PathBuf| it.file_name().is_some_and(|it| it.as_encoded_bytes().starts_with(b"."));
    for entry in entries.iter().filter(|it| !is_hidden(it)) {
        add_files(entry, false, found)?;
    }
    Ok(())
}

/// Runs one file with all its seeds; whether it passes.
fn test(
    out: &mut dyn Write,
    file: &Path,
    machinery: &Machinery,
    options: &Options,
) -> Result<bool> {
    let shown = file.display();
    let mut scenario = match simulate::read(file) {
        Ok(scenario) => scenario,
        Err(error) => {
            writeln!(out, "FAIL  {shown}\n{}", indented(&format!("{error:#}")))?;
            return Ok(false);
        }
    };
    let first = options.seed.unwrap_or(scenario.seed);
    let mut last = None;
    for seed in (0..options.seeds).map(|it| first.wrapping_add(it)) {
        scenario.seed = seed;
        let outcome = match simulate::run(&scenario, machinery, None, false) {
            Ok(outcome) => outcome,
            Err(error) => {
                writeln!(out, "FAIL  {shown}\n{}", indented(&format!("{error:#}")))?;
                return Ok(false);
            }
        };
        if !outcome.failures.is_empty() {
            writeln!(out, "FAIL  {shown}: {}", summary(&outcome))?;
            tell_failures(out, &scenario, &outcome)?;
            writeln!(out, "      again: weir test --seed {seed} {shown}")?;
            writeln!(out, "      all of it: weir simulate --seed {seed} {shown}\n")?;
            return Ok(false);
        }
        last = Some(outcome);
    }
    let seeds = match options.seeds {
        1 => String::new(),
        many => format!(", {many} seeds"),
    };
    let summary = last.map(|it| summary(&it)).unwrap_or_default();
    writeln!(out, "pass  {shown}: {summary}{seeds}")?;
    Ok(true)
}

/// What came of a run, in a line.
pub(super) fn summary(outcome: &Outcome) -> String {
    let (met, failed) = (outcome.met, outcome.failures.len());
    let all = met + failed;
    let end = show_duration(outcome.end);
    match (all, failed) {
        (0, _) => format!("{end}, no expectations"),
        (_, 0) => format!("{end}, {all} expectations met"),
        _ => format!("{end}, {failed} of {all} expectations not met"),
    }
}

/// Says of each expectation that was not met where it stands, what was expected, and what
/// was seen; and what happened before the first.
pub(super) fn tell_failures(
    out: &mut dyn Write,
    scenario: &Scenario,
    outcome: &Outcome,
) -> io::Result<()> {
    for failure in &outcome.failures {
        let (file, line) = (scenario.path.display(), failure.line);
        let seen = failure.seen.replace('\n', "\n                ");
        writeln!(out, "      {file}:{line}: {}", failure.text)?;
        writeln!(out, "      expected  {}", failure.expected)?;
        writeln!(out, "      seen      at {}: {seen}", show_moment(failure.at))?;
    }
    for line in &outcome.before {
        writeln!(out, "      before    {line}")?;
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|it| format!("      {it}")).collect::<Vec<_>>().join("\n")
}
