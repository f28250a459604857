//! `cargo xtask demo`: the main job, shown on a real kernel.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    cache::Cache,
    cargo::{self, Wanted},
    guest::Guest,
    kernel, toolchain,
};

/// A run takes half a minute.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Shows the policy engine at work on a real IPVS kernel
///
/// Three HTTP servers, a client that keeps connecting, and `weir run` in between: a server
/// crashes, is drained and comes back; weir itself is killed and starts again. Each step is
/// checked, and the exit status says whether all held.
///
/// As root on a machine whose kernel has ip_vs it runs there, in network namespaces of its
/// own; the machine's table is not touched. Anywhere else it boots a guest kernel.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Boot the guest kernel even if this machine has ip_vs
    #[arg(long)]
    guest: bool,
    /// The guest kernel to boot
    #[arg(long, default_value = "6.12")]
    kernel: kernel::Version,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    toolchain::add_missing(&mut crate::note)?;
    crate::note("building weir and the demo; the first time, this takes some minutes");
    let programs = [build("weir-tests", "demo")?, build("weir", "weir")?];
    if !args.guest && is_root() && Path::new("/proc/net/ip_vs").exists() {
        crate::note("this machine has ip_vs: it runs here, in network namespaces of its own");
        let status = Command::new(&programs[0]).arg(&programs[1]).status();
        let status = status.context("failed to start the demo")?;
        return Ok(ExitCode::from(u8::from(!status.success())));
    }
    let cache = Cache::open()?;
    let kernel = kernel::obtain(&cache, args.kernel, &mut crate::note)?;
    crate::note("this machine's own IPVS is not used: a guest kernel boots");
    let mut guest = Guest::new(&cache, &kernel, &mut crate::note)?.timeout(TIMEOUT);
    for program in &programs {
        guest = guest.readable(program.parent().context("a program lies in no directory")?)?;
    }
    let status = guest.stream(&programs, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::from(status))
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
