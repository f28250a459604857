//! `weir drain`: a real server out of service, its connections left to end.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Args;

use super::operator::{self, Server, Shown};
use crate::control::protocol::{self, Drain};

/// What `weir drain` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,
    /// After this long it ends, whatever connections are left; 7 days at most. Without it, as
    /// the configuration says, which by default is 300s.
    #[arg(long, visible_alias = "for", value_name = "DURATION", value_parser = operator::duration)]
    deadline: Option<Duration>,
    /// Keep it in the table afterwards, with weight 0: no connection is ever cut.
    #[arg(long)]
    keep: bool,
    /// Drain it though nothing else, or only the sorry server, would serve, or a guard denies it.
    #[arg(long)]
    force: bool,
    /// Why, for those who look at it later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Drains it.
pub(crate) fn run(options: Options, socket: Option<&Path>) -> Result<ExitCode> {
    let (service, server) = options.server.split()?;
    let drain = Drain {
        service,
        server,
        deadline_s: options.deadline.map(operator::seconds),
        keep: options.keep,
        force: options.force,
        reason: options.reason,
    };
    operator::order(socket, protocol::DRAIN, &drain, &options.shown, "drains")
}
