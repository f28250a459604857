//! `weir plugin`: which plugins there are, their modes, and their code anew.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{authoring, operator, table::Table};
use crate::{
    control::{
        self,
        protocol::{self, PluginLine, PluginMode, PluginReload},
    },
    inherited,
};

/// What `weir plugin` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Author(authoring::Command),
    /// Show every plugin: its world, mode, state, failures and statements.
    List {
        /// Answer in JSON, on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Load its file again; one that was given up begins anew. If the new code does not start,
    /// or fails soon, the old one goes on.
    Reload {
        /// Its name in the configuration.
        name: String,
        /// Answer in JSON, on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Change what becomes of what it says, until the configuration says another mode.
    Mode {
        /// Its name in the configuration.
        name: String,
        /// `enforce`: it takes effect; `shadow`: it is logged; `off`: it is not called.
        #[arg(value_parser = ["enforce", "shadow", "off"])]
        mode: String,
        /// Answer in JSON, on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub(crate) fn run(options: Options, socket: Option<&Path>) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    match options.command {
        Command::Author(command) => authoring::run(&command),
        Command::List { json } => list(json, socket),
        Command::Reload { name, json } => {
            order(protocol::PLUGIN_RELOAD, &PluginReload { name }, json, socket)
        }
        Command::Mode { name, mode, json } => {
            order(protocol::PLUGIN_MODE, &PluginMode { name, mode }, json, socket)
        }
    }
}

fn list(is_json: bool, socket: Option<&Path>) -> Result<ExitCode> {
    let plugins: Vec<PluginLine> = control::daemon(socket)?.get(protocol::PLUGINS)?.whole()?;
    show(&plugins, &plugins, is_json)
}

fn order(
    path: &'static str,
    order: &impl Serialize,
    is_json: bool,
    socket: Option<&Path>,
) -> Result<ExitCode> {
    match control::daemon(socket)?.order::<PluginLine>(path, order) {
        Ok(plugin) => show(&plugin, std::slice::from_ref(&plugin), is_json),
        Err(unasked) => operator::refused(unasked),
    }
}

const HEADINGS: [&str; 7] = ["PLUGIN", "WORLD", "MODE", "STATE", "FOR", "FAILURES", "STATEMENTS"];

/// Prints `whole` as JSON, or a table of `plugins`.
fn show(whole: &impl Serialize, plugins: &[PluginLine], is_json: bool) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    if is_json {
        writeln!(out, "{}", serde_json::to_string(whole)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&HEADINGS, &[5, 6]);
    for it in plugins {
        table.row(vec![
            it.name.clone(),
            it.world.clone(),
            it.mode.clone(),
            it.state.clone(),
            it.for_s.map_or_else(|| "-".to_owned(), |it| format!("{it}s")),
            it.failures.to_string(),
            it.statements.to_string(),
        ]);
    }
    table.write(&mut out, "")?;
    Ok(ExitCode::SUCCESS)
}
