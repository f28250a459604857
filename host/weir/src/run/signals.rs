//! The signals that a daemon is sent.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::print;
use crate::report::Line;

/// From its making on, no signal ends the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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

    /// The next one that says to stop; it has been told.
    pub(super) async fn next_stop(&mut self) {
        let name = loop {
            tokio::select! {
                _ = self.terminate.recv() => break "SIGTERM",
                _ = self.interrupt.recv() => break "SIGINT",
                _ = self.hangup.recv() => print(&Line::warn("signal").with("name", "SIGHUP").with(
                    "then",
                    "ignored: to read the configuration again, start weir again",
                )),
            }
        };
        print(&Line::info("signal").with("name", name).with("then", "stopping"));
    }
}
