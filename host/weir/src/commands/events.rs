//! `weir events`: what happened, and what happens.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;

use crate::{
    control::{
        self,
        protocol::{self, Event},
    },
    inherited,
    report::Quoted,
};

/// What `weir events` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The last ten events, and then each as it happens.
    #[arg(short, long)]
    follow: bool,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

/// Shows them.
pub(crate) fn run(options: &Options, socket: Option<&Path>) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let daemon = control::daemon(socket)?;
    let mut answer = match options.follow {
        true => daemon.follow(protocol::FOLLOW)?,
        false => daemon.get(protocol::EVENTS)?,
    };
    let mut out = io::stdout().lock();
    while let Some(event) = answer.next_line::<Event>()? {
        match options.json {
            true => writeln!(out, "{}", serde_json::to_string(&event)?)?,
            false => show(&mut out, &event)?,
        }
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As in the log.
fn show(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    write!(out, "{} {:5} {}", event.at, event.level, event.event)?;
    for (key, value) in &event.fields.0 {
        write!(out, " {}={}", Quoted(key), Quoted(value))?;
    }
    writeln!(out)
}
