//! `weir freeze` and `weir thaw`: no weight changes, until it may again.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;

use super::operator::{self, Shown};
use crate::control::protocol::{self, Freeze, Thaw};

/// What `weir freeze` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The service: `web`, `192.0.2.1:80`, `tcp 192.0.2.1:80`, `fwmark 7`. Without it,
    /// everything.
    #[arg(num_args = 0..=3, value_name = "VIP")]
    names: Vec<String>,
    /// Why, for those who look at it later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// What `weir thaw` takes.
#[derive(Debug, Args)]
pub(crate) struct ThawOptions {
    /// The service: `web`, `192.0.2.1:80`, `tcp 192.0.2.1:80`, `fwmark 7`. Without it,
    /// everything but services that are frozen on their own.
    #[arg(num_args = 0..=3, value_name = "VIP")]
    names: Vec<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Freezes.
pub(crate) fn run(options: Options, socket: Option<&Path>) -> Result<ExitCode> {
    let freeze =
        Freeze { service: operator::only_service(&options.names)?, reason: options.reason };
    operator::order(socket, protocol::FREEZE, &freeze, &options.shown, "frozen")
}

/// Thaws.
pub(crate) fn thaw(options: &ThawOptions, socket: Option<&Path>) -> Result<ExitCode> {
    let thaw = Thaw { service: operator::only_service(&options.names)? };
    operator::order(socket, protocol::THAW, &thaw, &options.shown, "thawed")
}
