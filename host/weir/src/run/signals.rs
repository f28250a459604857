//! The signals that a daemon is sent.

use anyhow::Context as _;
use tokio::signal::unix::{self, SignalKind, signal};

use super::print;
use crate::report::Line;

/// From its making on, no signal ends the process.
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM, SIGINT: stop.
    Stop(&'static str),
    /// SIGHUP: read the configuration again.
    Reload,
}

impl Signal {
    /// What is told of it.
    pub(super) fn line(self, then: &str) -> Line {
        let name = match self {
            Self::Stop(name) => name,
            Self::Reload => "SIGHUP",
        };
        Line::info("signal").with("name", name).with("then", then)
    }
}

impl Signals {
    /// In a runtime.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT"),
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// The next one that says to stop; it has been told.
    pub(super) async fn next_stop(&mut self) {
        loop {
            match self.next().await {
                Signal::Reload => print(&Signal::Reload.line("ignored: weir stops")),
                stop @ Signal::Stop(_) => return print(&stop.line("stopping")),
            }
        }
    }
}
