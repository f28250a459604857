//! The tests that need ip_vs, in a guest kernel.
//!
//! They are ordinary tests of `weir-tests`, told apart by the module that they are in:
//! one boot runs them all. Outside a guest they are filtered out by name.

use std::{
    collections::BTreeSet,
    env, io,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{
    Outcome, Session,
    tally::{Counting, Tally},
    units,
};
use crate::{
    cargo::{self, Wanted},
    guest::{self, Guest},
    kernel::{self, Kernel, Version},
};

/// Part of the path of a test that needs ip_vs.
pub(super) const IN_GUEST: &str = "kernel::";

/// Part of the path of a test that needs a kernel that has no ip_vs.
pub(super) const WITHOUT_MODULE: &str = "no_ip_vs::";

/// The guest has one processor, and without this tests run one by one; but those that wait
/// for time wait together.
const THREADS: &str = "32";

const MEMORY: &str = "1G";

/// The whole run on CI has 45 minutes.
const TIMEOUT: Duration = Duration::from_secs(25 * 60);

const TIMEOUT_LONG: Duration = Duration::from_secs(12 * 60 * 60);

pub(super) fn run(session: &Session<'_>, version: Version) -> Result<Outcome> {
    if env::var_os(kernel::SKIP_VARIABLE).is_some_and(|it| it == "1") {
        let untested =
            format!("anything on Linux {} ({} is set)", version.name(), kernel::SKIP_VARIABLE);
        let tally = Tally { skipped: 1, ..Tally::default() };
        return Ok(Outcome { tally, untested: Some(untested) });
    }
    let kernel = kernel::obtain(&session.cache, version, &mut crate::note)?;
    let tests = build(&session.root)?;
    let guest = guest(session, version, &kernel, &tests)?;

    let mut outcome = Outcome::default();
    if !session.args.runner.is_empty() {
        outcome.tally += boot(&guest, &tests.runner, &session.args.runner)?.tally;
        return Ok(outcome);
    }
    outcome.tally += boot_all(&guest, &tests.runner, groups(&tests.runner)?)?;
    let guest = guest.modules(false);
    outcome.tally += boot(&guest, &tests.runner, &[WITHOUT_MODULE.to_owned()])?.tally;
    Ok(outcome)
}

/// Runs each group of tests in a guest of its own, as many guests at once as this machine
/// has processors: each of them has one.
fn boot_all(guest: &Guest, runner: &Path, groups: BTreeSet<String>) -> Result<Tally> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let groups = Mutex::new(groups.into_iter());
    let next = || groups.lock().ok()?.next();
    let boot_in_turn = || -> Result<Tally> {
        let mut tally = Tally::default();
        while let Some(group) = next() {
            tally += boot(guest, runner, &[group])?.tally;
        }
        Ok(tally)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(boot_in_turn)).collect();
        let mut total = Tally::default();
        for worker in workers {
            total +=
                worker.join().map_err(|_| anyhow!("a worker that boots guests panicked"))??;
        }
        Ok(total)
    })
}

/// The modules of tests that need ip_vs. Each gets a guest of its own, so that little is
/// lost with one that crashes.
fn groups(runner: &Path) -> Result<BTreeSet<String>> {
    let output = Command::new(runner).args(["--list", "--format", "terse", IN_GUEST]).output();
    let output = output.context("cannot list the tests")?;
    let list = String::from_utf8_lossy(&output.stdout);
    let groups: BTreeSet<String> = list.lines().filter_map(group).collect();
    if groups.is_empty() {
        bail!("{} has no tests in {IN_GUEST}", runner.display());
    }
    Ok(groups)
}

/// The module of a test in the list: `kernel::netlink::` of `kernel::netlink::reads: test`.
fn group(line: &str) -> Option<String> {
    let module = line.strip_prefix(IN_GUEST)?.split("::").next()?;
    Some(format!("{IN_GUEST}{module}::"))
}

/// Runs tests in a guest, and once more if it was the guest that failed: Linux 6.12 as a
/// process panics now and then, in the kernel thread that counts a namespace's traffic,
/// when such namespaces come and go.
fn boot(guest: &Guest, runner: &Path, args: &[String]) -> Result<Outcome> {
    boot_once(guest, runner, args).or_else(|error| {
        crate::note(&format!("the guest failed, and is started once more: {error:#}"));
        boot_once(guest, runner, args)
    })
}

/// Runs the tests once, and fails unless one ran or failed.
fn boot_once(guest: &Guest, runner: &Path, args: &[String]) -> Result<Outcome> {
    let mut stdout = Counting::new(io::stdout());
    let mut command = vec![runner.as_os_str().to_owned()];
    command.extend(args.iter().map(Into::into));
    let ended = guest.stream(&command, &mut stdout, &mut io::stderr());
    let tally = stdout.finish()?;
    match ended? {
        0 if tally.passed == 0 => bail!("no test ran in the guest with {}", args.join(" ")),
        0 => Ok(Outcome { tally, untested: None }),
        _ if tally.failed > 0 => Ok(Outcome { tally, untested: None }),
        status => bail!("the tests in the guest ended with status {status}"),
    }
}

fn guest(session: &Session<'_>, version: Version, kernel: &Kernel, tests: &Tests) -> Result<Guest> {
    let args = session.args;
    let mut guest = Guest::new(&session.cache, kernel, &mut crate::note)?
        .memory(MEMORY)
        .timeout(if args.long { TIMEOUT_LONG } else { TIMEOUT })
        .readable(&session.root)?
        .env("RUST_TEST_THREADS", THREADS);
    for file in [&tests.runner, &tests.program] {
        guest = guest.readable(file.parent().context("a program lies in no directory")?)?;
    }
    for (name, value) in env::vars_os() {
        if guest::inherited(&name.to_string_lossy()) {
            guest = guest.env(name, value);
        }
    }
    guest = guest
        .env("WEIR_KERNEL_TESTS", "1")
        .env("WEIR_KERNEL", version.name())
        .env("WEIR_BIN", &tests.program);
    if args.long {
        guest = guest.env("WEIR_DIFFERENTIAL_LONG", "1").env("WEIR_FULL_LENGTH", "1");
    }
    if let Some(count) = args.count {
        guest = guest.env("WEIR_DIFFERENTIAL_COUNT", count.to_string());
    }
    if let Some(seed) = args.seed {
        guest = guest.env("WEIR_DIFFERENTIAL_SEED", seed.to_string());
    }
    Ok(guest)
}

struct Tests {
    /// The test binary of `weir-tests`.
    runner: PathBuf,
    /// The program under test.
    program: PathBuf,
}

fn build(root: &Path) -> Result<Tests> {
    let program = cargo::executable(&mut units::program(), Wanted::program("weir", "weir"))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--locked", "--workspace", "--no-run", "--test", "main"]).current_dir(root);
    let tests = Wanted { package: "weir-tests", kind: "test", name: "main" };
    Ok(Tests { runner: cargo::executable(&mut cargo, tests)?, program })
}
