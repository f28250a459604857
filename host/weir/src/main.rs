//! weir: a WebAssembly-scriptable policy engine for IPVS.
//!
//! Which of its names the program was called by, or which command it was given, decides
//! what happens. A command that is a plugin is started before anything else is set up, for
//! it should be no slower than the tool whose place it takes.

mod builtin;
mod cli;
mod commands;
mod config;
mod control;
mod decisions;
mod events;
mod explain;
mod formula;
mod forward;
mod health;
mod inherited;
mod journal;
mod manager;
mod memory;
mod names;
mod plan;
mod problems;
mod quoting;
mod random;
mod report;
mod run;
mod safety;
mod schema;
mod script;
mod simulate;
mod spelling;
mod store;
mod timer;

use std::{env, ffi::OsString, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    if let Some(tool) = arguments.first().and_then(tool_of) {
        return commands::ipvsadm::run(tool, &arguments, None);
    }
    if let Some(tool) = arguments.get(1).and_then(tool_of) {
        return commands::ipvsadm::run(tool, &arguments[1..], None);
    }
    cli::main(&arguments)
}

/// The built-in tool that goes by this name, or by this path's last part.
fn tool_of(argument: &OsString) -> Option<&'static builtin::Tool> {
    let name = Path::new(argument).file_name()?;
    builtin::TOOLS.iter().find(|tool| tool.names.iter().any(|it| name == *it))
}
