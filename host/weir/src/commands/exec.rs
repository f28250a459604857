//! `weir exec`: a command plugin of the user's own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use weir_wasm::{CommandGrant, Runtime, World};

use crate::control;

/// What `weir exec` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the plugin may do; nothing unless given. May be given several times, or as a
    /// list with commas.
    #[arg(long, value_name = "GRANT", value_enum, value_delimiter = ',')]
    grant: Vec<Grant>,
    /// Show the plugin this environment variable. May be given several times.
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// The plugin, a component of the world weir:plugin/command.
    plugin: PathBuf,
    /// What the plugin is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grant {
    /// Ask IPVS.
    Live,
    /// Change IPVS.
    Admin,
    /// See client addresses in the connection table.
    Connections,
    /// Look up names of hosts and ports.
    Names,
}

/// Loads the plugin and runs it; its exit status is the result.
pub(crate) fn run(options: Options, socket: Option<&Path>) -> Result<ExitCode> {
    let backend = control::choose(socket)?;
    let runtime = Runtime::for_command(true)?;
    let cache = super::cache();
    let plugin =
        runtime.load(&options.plugin, cache.as_ref()).context("failed to use the plugin")?;
    ensure!(
        plugin.is(World::Command),
        "{} is not a command: it exports no weir:plugin/cli; policies are named in the \
         configuration of `weir run`",
        options.plugin.display()
    );
    let may = |grant| options.grant.contains(&grant);
    let grant = CommandGrant {
        live: may(Grant::Live),
        admin: may(Grant::Admin),
        connections: may(Grant::Connections),
        names: may(Grant::Names),
    };
    let named = [options.plugin.clone().into_os_string()].into_iter();
    let arguments: Vec<_> = named.chain(options.arguments).collect();
    let environment: Vec<_> = options.env.iter().map(String::as_str).collect();
    Ok(super::run_plugin(&runtime, &plugin, &arguments, &environment, grant, backend))
}
