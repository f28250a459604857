//! The project's own commands: guest kernels, tests, and what they need.
//!
//! One file per command. Nothing here is part of the program.

mod apt;
mod bench;
mod cache;
mod cargo;
mod debian;
mod demo;
mod guest;
mod kernel;
mod languages;
mod test;
mod tool;
mod toolchain;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// The project's own commands.
///
/// What they need (kernels, tools, the original ipvsadm) is fetched on first use and
/// kept in $XDG_CACHE_HOME/weir, or ~/.cache/weir. Removing that directory is safe.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Args),
    Demo(demo::Args),
    Guest(guest::Args),
    Kernel(kernel::Args),
    Test(test::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Bench(args) => bench::run(&args, &mut io::stdout()),
        Command::Demo(args) => demo::run(&args),
        Command::Guest(args) => guest::run(&args),
        Command::Kernel(args) => kernel::run(&args, &mut io::stdout()),
        Command::Test(args) => test::run(&args, &mut io::stdout()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell when standard error itself is gone.
            let _ = writeln!(io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the user what goes on, apart from what a command prints.
fn note(line: &str) {
    let _ = writeln!(io::stderr(), "xtask: {line}");
}
