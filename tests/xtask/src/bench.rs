//! `cargo xtask bench`: how fast weir is, against the programs whose place it takes.
//!
//! `weir-bench` measures; this builds it, brings it to the beds that there are, and
//! reports. A bed is where the kernel's part comes from.

mod build;
mod report;
#[path = "../../bench/src/row.rs"]
mod row;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    cache::Cache,
    debian,
    guest::Guest,
    kernel,
    languages::{self, COMPILERS},
    toolchain,
};
use build::Programs;
use report::Report;

/// Compares weir with the original ipvsadm, keepalived and HAProxy, in the same run
///
/// Prints a row per goal: medians of both, taken in turns, their ratio, where they were
/// taken (the bed), and whether the goal is reached. As root on a machine whose kernel has
/// ip_vs everything is measured there, in network namespaces of its own. Anywhere else it
/// is measured in a guest kernel (bed "UML"), and start-up, checks and the way of a verdict
/// natively too, with a stand-in for the kernel that both programs reach.
///
/// The same policy in each language is compared with the one in Rust; compilers that are missing
/// are installed.
///
/// Builds with the release profile, which takes minutes the first time. Other work on the
/// machine disturbs the figures; ratios suffer less than times.
///
/// Ends with 0 if everything could be measured, whether or not goals are reached.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only rows whose names contain this; can be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Fewer rounds: minutes instead of a quarter of an hour, and rougher figures
    #[arg(long)]
    quick: bool,
    /// Write the report as JSON to this file; - is standard output, in place of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The guest kernel to boot
    #[arg(long, default_value = "6.12")]
    kernel: kernel::Version,
    /// Boot the guest kernel even if this machine has ip_vs
    #[arg(long)]
    guest: bool,
    /// Leave the guest kernel out
    #[arg(long, conflicts_with = "guest")]
    no_guest: bool,
}

/// A table of 10,000 services, in the kernel and in both programs.
const MEMORY: &str = "1G";

/// The original takes half a minute for 50,000 rules on an idle machine.
const TIMEOUT: Duration = Duration::from_secs(60 * 60);

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<ExitCode> {
    toolchain::add_missing(&mut crate::note)?;
    let cache = Cache::open()?;
    let programs = build::all(&mut crate::note)?;
    let mut report = Report::new();
    if !args.guest && is_root() && Path::new("/proc/net/ip_vs").exists() {
        measure(args, &cache, &programs, "native", &mut report)?;
    } else {
        measure(args, &cache, &programs, "stand-in", &mut report)?;
        if !args.no_guest {
            measure_in_guest(args, &cache, &programs, &mut report)?;
        }
    }
    measure(args, &cache, &programs, "none", &mut report)?;
    report.sort();
    match &args.json {
        Some(path) if path == Path::new("-") => report.write_json(out)?,
        Some(path) => {
            let mut file = std::fs::File::create(path)
                .with_context(|| format!("cannot write {}", path.display()))?;
            report.write_json(&mut file)?;
            report.write_table(out)?;
        }
        None => report.write_table(out)?,
    }
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Measures on this machine.
fn measure(
    args: &Args,
    cache: &Cache,
    programs: &Programs,
    bed: &str,
    report: &mut Report,
) -> Result<()> {
    let mut command = Command::new(&programs.bench);
    let weir = if bed == "stand-in" { &programs.weir_on_stand_in } else { &programs.weir };
    command.arg("--bed").arg(bed).arg("--weir").arg(weir);
    if bed == "stand-in" {
        command.arg("--preload").arg(&programs.stand_in);
    }
    let originals: &[_] = match bed {
        "none" => &[("haproxy", debian::HAPROXY)],
        _ => &[("ipvsadm", debian::PEERS), ("keepalived", debian::KEEPALIVED)],
    };
    for &(program, tree) in originals {
        let mut path = Path::new("/usr/sbin").join(program);
        if !path.exists() {
            let tree = debian::peers(cache, tree, &mut crate::note)?;
            path = tree.join("usr/sbin").join(program);
            let directory = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
            command.arg("--libraries").arg(tree.join(directory));
            crate::note(&format!("{program} is not installed here: it comes from the cache"));
        }
        command.arg(format!("--{program}")).arg(path);
    }
    if bed == "none" && is_wanted(args, "languages") {
        command.env("PATH", languages::path(&compilers(cache))?);
    }
    command.args(common(args));
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start weir-bench")?;
    if !output.status.success() {
        bail!("weir-bench on the bed {bed}: {}", output.status);
    }
    report.take(&output.stdout)
}

fn measure_in_guest(
    args: &Args,
    cache: &Cache,
    programs: &Programs,
    report: &mut Report,
) -> Result<()> {
    let kernel = kernel::obtain(cache, args.kernel, &mut crate::note)?;
    crate::note(&format!("booting the guest kernel {}", args.kernel.name()));
    let mut guest = Guest::new(cache, &kernel, &mut crate::note)?
        .peers(debian::peers(cache, debian::KEEPALIVED, &mut crate::note)?)
        .memory(MEMORY)
        .timeout(TIMEOUT);
    for program in [&programs.bench, &programs.weir] {
        guest = guest.readable(program.parent().context("a program lies in no directory")?)?;
    }
    let mut command: Vec<OsString> = vec![programs.bench.clone().into()];
    command.extend(["--bed", "uml", "--release", args.kernel.name()].map(OsString::from));
    command.extend(["--weir".into(), programs.weir.clone().into()]);
    command.extend(common(args));
    let mut output = Vec::new();
    let status = guest.stream(&command, &mut output, &mut io::stderr())?;
    report.take(&output)?;
    if status != 0 {
        bail!("weir-bench in the guest ended with status {status}");
    }
    Ok(())
}

/// The directories of the compilers that can be had; what is measured without the others is told
/// as not measured.
fn compilers(cache: &Cache) -> Vec<PathBuf> {
    let obtained = COMPILERS.iter().filter_map(|compiler| {
        let directory = compiler.obtain(cache, &mut crate::note);
        directory.inspect_err(|error| crate::note(&format!("{error:#}"))).ok()
    });
    obtained.collect()
}

fn is_wanted(args: &Args, name: &str) -> bool {
    args.only.is_empty() || args.only.iter().any(|it| name.contains(it.as_str()))
}

/// What every bed is told.
fn common(args: &Args) -> Vec<OsString> {
    let quick = args.quick.then(|| OsString::from("--quick"));
    quick.into_iter().chain(args.only.iter().map(OsString::from)).collect()
}

fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
