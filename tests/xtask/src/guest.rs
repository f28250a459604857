//! `cargo xtask guest`: one command on a real IPVS kernel, in User Mode Linux.

mod launch;
mod registers;

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};

pub(crate) use launch::Guest;

use crate::{cache::Cache, debian, kernel};

/// The status that says that the guest failed, and not the command in it.
const GUEST_FAILED: u8 = 125;

/// Runs a command in a guest kernel that has ip_vs
///
/// The guest is an ordinary process and needs neither root nor /dev/kvm. It sees this
/// machine's files; what it writes is thrown away, except below the directories named
/// by --writable. Its /tmp and /run are its own. The original ipvsadm, ip and modprobe
/// are there, and every ip_vs module can be loaded.
///
/// The command starts in the current directory, as root, without standard input, with
/// CARGO*, RUST* and WEIR* of the environment. Its output comes through as it is
/// written and its exit status is passed on; 125 means that the guest itself failed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The kernel to run
    #[arg(long, default_value = "6.12")]
    kernel: kernel::Version,
    /// A directory that stays writable; can be repeated
    #[arg(long, value_name = "DIR")]
    writable: Vec<PathBuf>,
    /// A directory below /tmp or /run to be seen in the guest; can be repeated
    #[arg(long, value_name = "DIR")]
    readable: Vec<PathBuf>,
    /// A variable for the command; can be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Memory of the guest
    #[arg(long, default_value = "512M")]
    memory: String,
    /// Seconds after which the guest is stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Let no module be loaded, and remove modprobe: a kernel without ip_vs
    #[arg(long)]
    no_ip_vs: bool,
    /// Lay keepalived over the guest's files too
    #[arg(long)]
    keepalived: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match run_command(args) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(error) => {
            writeln!(io::stderr(), "xtask: {error:#}")?;
            Ok(ExitCode::from(GUEST_FAILED))
        }
    }
}

fn run_command(args: &Args) -> Result<u8> {
    let cache = Cache::open()?;
    let kernel = kernel::obtain(&cache, args.kernel, &mut crate::note)?;
    let mut guest = Guest::new(&cache, &kernel, &mut crate::note)?
        .memory(&args.memory)
        .timeout(Duration::from_secs(args.timeout))
        .modules(!args.no_ip_vs);
    if args.keepalived {
        guest = guest.peers(debian::peers(&cache, debian::KEEPALIVED, &mut crate::note)?);
    }
    for directory in &args.writable {
        guest = guest.writable(directory)?;
    }
    for directory in &args.readable {
        guest = guest.readable(directory)?;
    }
    for (name, value) in env::vars_os() {
        if inherited(&name.to_string_lossy()) {
            guest = guest.env(name, value);
        }
    }
    for pair in &args.env {
        let (name, value) =
            pair.split_once('=').with_context(|| format!("--env {pair}: no `=` in it"))?;
        guest = guest.env(name, value);
    }
    guest.stream(&args.command, &mut io::stdout(), &mut io::stderr())
}

/// Tells whether a variable of the host is meant for a test, wherever it runs.
pub(crate) fn inherited(name: &str) -> bool {
    ["CARGO", "RUST", "WEIR", "LLVM_PROFILE_FILE"].iter().any(|it| name.starts_with(it))
}
