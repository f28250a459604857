//! One file a command; commands that are plugins share how they are run, and those for
//! operators how a daemon is spoken to.

mod authoring;
pub(crate) mod check;
pub(crate) mod drain;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod freeze;
pub(crate) mod ipvsadm;
pub(crate) mod maintain;
mod operator;
pub(crate) mod plan;
pub(crate) mod plugin;
pub(crate) mod ready;
pub(crate) mod reload;
pub(crate) mod simulate;
pub(crate) mod status;
mod table;
pub(crate) mod test;

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use weir_netlink::{Autoload, Netlink};
use weir_wasm::{
    Cache, Command, CommandGrant, Failure, Limits, LogLine, Plugin, Runtime, Stdio, Terminals,
};

use crate::{builtin, cli::Exit, control::Backend, inherited, names, timer};

/// Runs a command plugin on the IPVS that `backend` says, with the caller's own streams.
///
/// One thread and no runtime: what it uses of the processor is measured by a timer signal.
fn run_plugin(
    runtime: &Runtime,
    plugin: &Plugin,
    arguments: &[OsString],
    environment: &[&str],
    grant: CommandGrant,
    backend: Backend,
) -> ExitCode {
    inherited::restore_sigpipe();
    timer::start(runtime.ticker());
    let command = Command {
        arguments: arguments.iter().map(|it| it.as_bytes().to_vec()).collect(),
        environment: environment
            .iter()
            .filter_map(|&name| Some((name.to_owned(), env::var_os(name)?.into_vec())))
            .collect(),
        terminals: Terminals {
            stdin: io::stdin().is_terminal(),
            stdout: io::stdout().is_terminal(),
            stderr: io::stderr().is_terminal(),
        },
        grant,
        limits: Limits::for_command(),
        ipvs: match backend {
            Backend::Kernel => Box::new(|| Ok(Box::new(Netlink::open(Autoload::Yes)?))),
            Backend::Daemon(remote) => Box::new(|| Ok(Box::new(remote))),
        },
        names: Box::new(names::System::new(builtin::NAMES)),
        stdio: Stdio::inherit(),
        log: Arc::new(|line| print_error(&show(&line))),
    };
    match runtime.run_command(plugin, command) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failed(&failure),
    }
}

/// A plugin's log line, for people.
fn show(line: &LogLine) -> String {
    let fields = line.fields.iter().map(|(key, value)| format!(" {key}={value}"));
    format!("{}: {}{}", line.plugin, line.message, fields.collect::<String>())
}

fn failed(failure: &Failure) -> ExitCode {
    print_error(&format!("weir: {failure}"));
    Exit::Plugin.into()
}

pub(crate) fn print_error(line: &str) {
    use io::Write;

    // Nobody can be told if even this cannot be printed.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Where compiled plugins are kept: `weir/components` in the user's cache directory. None
/// if there is no such directory, or if it cannot be trusted, which is said.
pub(crate) fn cache() -> Option<Cache> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cache"));
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|it| it.is_absolute());
    let opened = Cache::open(&base.or_else(home)?.join("weir/components"));
    opened.map_err(|error| print_error(&format!("weir: failed to {error}; compiling anew"))).ok()
}
