//! `cargo xtask test`: everything that must hold, in one command.
//!
//! A step is one thing that can be run alone. Cheap steps come first.

mod audit;
mod checks;
mod kernel_tests;
mod languages;
mod tally;
mod tidy;
mod units;

use std::{
    env,
    io::Write,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{cache::Cache, kernel::Version, toolchain};
use tally::Tally;

/// Tests everything, and sets up what is missing
///
/// Runs the steps below in order, says how long each took, and stops at the first that
/// fails. Steps can be named to run only these. The kernel tests run in a guest kernel,
/// which is fetched where it is missing; where it cannot be had they fail, unless
/// WEIR_SKIP_KERNEL_TESTS=1 is set: then the summary says what was not tested.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The steps to run, instead of all
    steps: Vec<Step>,
    /// Go on after a step that failed
    #[arg(long)]
    keep_going: bool,
    /// The long form of long tests: ten times as many operations, unless --count says, and
    /// the intervals of production in what tests of faults wait for
    #[arg(long)]
    long: bool,
    /// Operations, or invocations of ipvsadm, that each differential test generates
    #[arg(long, value_name = "N")]
    count: Option<u32>,
    /// The seed from which the differential tests generate them
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// For the kernel tests' runner, in place of the filter: names of tests, --nocapture
    #[arg(last = true, value_name = "ARGS")]
    runner: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The shape of the tree: what lies where, and that nothing is forgotten
    Tidy,
    /// cargo fmt
    Format,
    /// typos
    Spelling,
    /// cargo-deny: licences, sources, banned and vulnerable packages
    Audit,
    /// clippy, with warnings as errors
    Lints,
    /// Whatever needs no kernel
    Units,
    /// The examples in the documentation
    Docs,
    /// Plugins in C, Zig, Python, JavaScript and Go, with compilers that it installs
    Languages,
    /// What needs ip_vs, on Linux 6.12
    #[value(name = "kernel-6.12")]
    Kernel6_12,
    /// What needs ip_vs, on Linux 6.1
    #[value(name = "kernel-6.1")]
    Kernel6_1,
}

/// What all steps share.
struct Session<'a> {
    args: &'a Args,
    cache: Cache,
    /// The workspace, which is also the current directory.
    root: PathBuf,
}

/// What a step that ended has to say.
#[derive(Default)]
struct Outcome {
    tally: Tally,
    /// What it left out, and why.
    untested: Option<String>,
}

struct Report {
    step: Step,
    took: Duration,
    result: Result<Outcome>,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<ExitCode> {
    let session = Session { args, cache: Cache::open()?, root: workspace()? };
    env::set_current_dir(&session.root)?;
    toolchain::add_missing(&mut crate::note)?;

    let mut reports = Vec::new();
    for &step in Step::value_variants() {
        if !args.steps.is_empty() && !args.steps.contains(&step) {
            continue;
        }
        writeln!(out, "== {}", step.name())?;
        out.flush()?;
        let report = session.report(step);
        let failed = report.failed();
        writeln!(out, "== {}", report.line())?;
        reports.push(report);
        if failed && !args.keep_going {
            break;
        }
    }
    summarise(&reports, out)
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default()
    }
}

impl Session<'_> {
    #[expect(clippy::disallowed_methods, reason = "how long a step took is told to the user")]
    fn report(&self, step: Step) -> Report {
        let start = Instant::now();
        let result = self.run(step);
        Report { step, took: start.elapsed(), result }
    }

    fn run(&self, step: Step) -> Result<Outcome> {
        match step {
            Step::Tidy => tidy::run(self),
            Step::Format => checks::format(),
            Step::Spelling => checks::spelling(self),
            Step::Audit => audit::run(self),
            Step::Lints => checks::lints(),
            Step::Units => units::run(self),
            Step::Docs => units::run_docs(),
            Step::Languages => languages::run(self),
            Step::Kernel6_12 => kernel_tests::run(self, Version::V6_12),
            Step::Kernel6_1 => kernel_tests::run(self, Version::V6_1),
        }
    }
}

impl Report {
    fn failed(&self) -> bool {
        self.result.as_ref().map_or(true, |it| it.tally.failed > 0)
    }

    fn line(&self) -> String {
        let what = match &self.result {
            Err(error) => format!("FAILED: {error:#}"),
            Ok(it) if it.tally.failed > 0 => format!("FAILED: {} failed", it.tally.failed),
            Ok(it) => match (&it.untested, it.tally.passed) {
                (Some(untested), _) => format!("ok, but not tested: {untested}"),
                (None, 0) => "ok".to_owned(),
                (None, passed) => format!("ok, {passed} passed"),
            },
        };
        format!("{:<12} {:>7.1} s  {what}", self.step.name(), self.took.as_secs_f64())
    }
}

fn summarise(reports: &[Report], out: &mut dyn Write) -> Result<ExitCode> {
    writeln!(out, "\n== summary")?;
    let mut total = Tally::default();
    for report in reports {
        writeln!(out, "{}", report.line())?;
        match &report.result {
            Ok(it) => total += it.tally,
            // A step without tests of its own counts as one when it fails.
            Err(_) => total.failed += 1,
        }
    }
    writeln!(out, "{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped)?;
    let failed = reports.iter().any(Report::failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs a command whose output goes to the user as it comes.
fn execute(command: &mut Command) -> Result<()> {
    let shown = command.get_program().display().to_string();
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        let args: Vec<_> = command.get_args().map(|it| it.to_string_lossy()).collect();
        bail!("{shown} {}: {status}", args.join(" "));
    }
    Ok(())
}

fn workspace() -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format=plain"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let manifest = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    manifest.parent().map(PathBuf::from).context("cargo knows of no workspace here")
}
