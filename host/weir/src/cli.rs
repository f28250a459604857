//! The command line: what there is, and its help.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{builtin, commands, run};

/// A WebAssembly-scriptable policy engine for IPVS, the load balancer in the Linux kernel.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100)]
struct Cli {
    /// The socket of the daemon to speak to, or that `weir run` is to have; before the
    /// command's own arguments. Without it: WEIR_SOCKET, then a daemon that runs in the default
    /// place, /run/weir/weir.sock or $XDG_RUNTIME_DIR/weir/weir.sock, then the kernel.
    #[arg(long, value_name = "PATH", global = true)]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the policy engine: check real servers, and let plugins decide their weights.
    Run(run::Options),
    /// Say what is wrong with a configuration: every mistake with file, line, column and
    /// remedy, and plugins that cannot be used.
    ///
    /// Needs neither a daemon nor root, and touches nothing. Status 0 if there is no mistake,
    /// 1 if there is, 2 if the command line is wrong.
    Check(commands::check::Options),
    /// Show services, real servers, their weights and what is said of them, and alerts.
    Status(commands::status::Options),
    /// Tell why weights are what they are: each input, who said it, since when and until when,
    /// and what the formula makes of them, step by step.
    Explain(commands::explain::Options),
    /// Show what happened, and with -f what happens.
    Events(commands::events::Options),
    /// Take a real server out of service: no new connections, and its end once those it has are
    /// over, or at a deadline.
    Drain(commands::drain::Options),
    /// Take a real server out of service, and do not check it until it is ready.
    Maintain(commands::maintain::Options),
    /// Put a real server back into service.
    Ready(commands::ready::Options),
    /// Let no weight change, whatever checks, plugins or operators say.
    Freeze(commands::freeze::Options),
    /// Let weights change again.
    Thaw(commands::freeze::ThawOptions),
    /// Do as ipvsadm 1.31 does; so does weir when it is called by the name `ipvsadm`,
    /// `ipvsadm-save` or `ipvsadm-restore`.
    #[command(disable_help_flag = true)]
    Ipvsadm {
        /// As for ipvsadm; `-h` prints its help.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a command plugin of your own.
    Exec(commands::exec::Options),
    /// Say what a configuration would change in the table, in which order and why, before it
    /// does: with a daemon, of what it runs; without one, of what `weir run` would find.
    ///
    /// Nothing is written. Status 0 if there is nothing to do, 4 if there are changes, 3 if
    /// there are and a reload would refuse them until they are confirmed, 1 if there are
    /// mistakes, 2 if the command line is wrong.
    Plan(commands::plan::Options),
    /// Have the daemon take over its configuration, as SIGHUP does: all of it, or nothing.
    ///
    /// Says what changed, or what is wrong with it. Status 0 if it is taken over, 3 if that
    /// waits for --confirm, 1 if there are mistakes or there is no daemon, 2 if the command
    /// line is wrong.
    Reload(commands::reload::Options),
    /// Make, build, check and inspect plugins, write grants for them; list those of the daemon,
    /// load their files again, change their modes.
    Plugin(commands::plugin::Options),
    /// Run a scenario in virtual time: servers that fail, clients that connect, and weir.
    ///
    /// Nothing is touched but the files named here: the table, the clock, servers and
    /// clients are simulated; the manager and the plugins are the real ones. The timeline
    /// goes to standard output, a JSON object a line; what was expected and did not happen,
    /// to standard error, with status 1. The same scenario and seed give the same timeline,
    /// to the byte.
    Simulate(commands::simulate::Options),
    /// Run scenarios as tests: those named, or every *.scenario of folders.
    ///
    /// Says of each file whether it passes; of one that does not, what was expected, where
    /// it stands, what was seen, and how to see it again.
    Test(commands::test::Options),
}

/// Parses `arguments` and does what they say.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody can be told if even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let socket = cli.socket.as_deref();
    let result = match cli.command {
        Command::Run(options) => run::run(&options, socket),
        Command::Ipvsadm { arguments } => {
            let named = [OsString::from("ipvsadm")].into_iter().chain(arguments);
            Ok(commands::ipvsadm::run(&builtin::TOOLS[0], &named.collect::<Vec<_>>(), socket))
        }
        Command::Check(options) => commands::check::run(&options),
        Command::Status(options) => commands::status::run(&options, socket),
        Command::Explain(options) => commands::explain::run(&options, socket),
        Command::Events(options) => commands::events::run(&options, socket),
        Command::Drain(options) => commands::drain::run(options, socket),
        Command::Maintain(options) => commands::maintain::run(options, socket),
        Command::Ready(options) => commands::ready::run(options, socket),
        Command::Freeze(options) => commands::freeze::run(options, socket),
        Command::Thaw(options) => commands::freeze::thaw(&options, socket),
        Command::Exec(options) => commands::exec::run(options, socket),
        Command::Plan(options) => commands::plan::run(&options, socket),
        Command::Plugin(options) => commands::plugin::run(options, socket),
        Command::Reload(options) => commands::reload::run(&options, socket),
        Command::Simulate(options) => commands::simulate::run(&options),
        Command::Test(options) => commands::test::run(&options),
    };
    result.unwrap_or_else(|error| {
        report(&error);
        Exit::Failure.into()
    })
}

/// Prints an error with its causes, on one line.
pub(crate) fn report(error: &anyhow::Error) {
    use std::io::Write;

    // Nobody can be told if even this cannot be printed.
    let _ = writeln!(std::io::stderr(), "weir: {error:#}");
}

/// Exit statuses of weir's own commands; plugins choose theirs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Exit {
    /// It could not be done, and why was printed.
    Failure = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The daemon will not, and why was printed: an unknown name, the last real server.
    Refused = 3,
    /// There are changes to be made, and they were not made.
    Changes = 4,
    /// A plugin failed (`EX_SOFTWARE` of sysexits(3)).
    Plugin = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
