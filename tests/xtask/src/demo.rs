//! `cargo xtask demo`: the main job, shown.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    cache::Cache,
    cargo::{self, Wanted},
    guest::Guest,
    kernel, toolchain,
};

/// A run in the guest takes half a minute.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Shows the policy engine at work
///
/// Three HTTP servers on loopback, clients that keep connecting, and `weir run` on its
/// embedded IPVS in between: a server crashes, is drained and comes back. Each step is
/// checked, and the exit status says whether all held. Needs no root, and takes less than a
/// minute.
///
/// With --kernel the same is shown on a real IPVS kernel, where weir is also killed and
/// started again. As root on a machine whose kernel has ip_vs it runs there, in network
/// namespaces of its own; the machine's table is not touched. Anywhere else it boots a
/// guest kernel.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// At the end leave everything running, and name commands to try
    #[arg(long, conflicts_with = "kernel")]
    keep: bool,
    /// Show it on a real kernel
    #[arg(long)]
    kernel: bool,
    /// Boot the guest kernel even if this machine has ip_vs
    #[arg(long, requires = "kernel")]
    guest: bool,
    /// The guest kernel to boot
    #[arg(long, value_name = "VERSION", default_value = "6.12", requires = "kernel")]
    version: kernel::Version,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    toolchain::add_missing(&mut crate::note)?;
    crate::note("building weir and the demo; the first time, this takes some minutes");
    if args.kernel { on_kernel(args) } else { on_embedded(args) }
}

fn on_embedded(args: &Args) -> Result<ExitCode> {
    let mut demo = Command::new(build("weir-tests", "demo")?);
    demo.arg(build("weir", "weir")?);
    if args.keep {
        demo.arg("--keep");
    }
    ended(demo.status())
}

fn on_kernel(args: &Args) -> Result<ExitCode> {
    let programs = [build("weir-tests", "demo_kernel")?, build("weir", "weir")?];
    if !args.guest && is_root() && Path::new("/proc/net/ip_vs").exists() {
        crate::note("this machine has ip_vs: it runs here, in network namespaces of its own");
        return ended(Command::new(&programs[0]).arg(&programs[1]).status());
    }
    let cache = Cache::open()?;
    let kernel = kernel::obtain(&cache, args.version, &mut crate::note)?;
    crate::note("this machine's own IPVS is not used: a guest kernel boots");
    let mut guest = Guest::new(&cache, &kernel, &mut crate::note)?.timeout(TIMEOUT);
    for program in &programs {
        guest = guest.readable(program.parent().context("a program lies in no directory")?)?;
    }
    let status = guest.stream(&programs, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::from(status))
}

fn ended(status: io::Result<ExitStatus>) -> Result<ExitCode> {
    let status = status.context("failed to start the demo")?;
    Ok(ExitCode::from(u8::from(!status.success())))
}

/// Builds with the features that the workspace's tests have, to share what is built.
fn build(package: &'static str, program: &'static str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--quiet", "--workspace", "--bin", program]);
    cargo::executable(&mut cargo, Wanted::program(package, program))
}

fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
