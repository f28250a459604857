//! `weir ready`: a real server back in service.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;

use super::operator::{self, Server, Shown};
use crate::control::protocol::{self, Ready};

/// What `weir ready` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,
    /// Why, for those who look at it later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Puts it back.
pub(crate) fn run(options: Options, socket: Option<&Path>) -> Result<ExitCode> {
    let (service, server) = options.server.split()?;
    let ready = Ready { service, server, reason: options.reason };
    operator::order(socket, protocol::READY, &ready, &options.shown, "ready")
}
