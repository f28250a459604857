//! `weir maintain`: a real server out of service, and unchecked.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;

use super::operator::{self, Server, Shown};
use crate::control::protocol::{self, Maintain};

/// What `weir maintain` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,
    /// Do it though nothing else, or only the sorry server, would serve, or a guard denies it.
    #[arg(long)]
    force: bool,
    /// Why, for those who look at it later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Takes it out of service.
pub(crate) fn run(options: Options, socket: Option<&Path>) -> Result<ExitCode> {
    let (service, server) = options.server.split()?;
    let maintain = Maintain { service, server, force: options.force, reason: options.reason };
    operator::order(socket, protocol::MAINTAIN, &maintain, &options.shown, "in maintenance")
}
