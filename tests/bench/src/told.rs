//! A weir that runs, and what it says as it does.

use std::{
    io::{BufRead as _, BufReader},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{daemon::Daemon, sample::now};

/// How long to wait for a line.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Told {
    pub(crate) daemon: Daemon,
    pub(crate) started: Instant,
    lines: Receiver<(Instant, String)>,
}

impl Told {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        // Not a pipe: Linux 6.12 under UML does not always wake whoever reads from one.
        let (stderr, theirs) = UnixStream::pair()?;
        command.stderr(OwnedFd::from(theirs));
        let started = now();
        let daemon = Daemon::start(command)?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send((now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { daemon, started, lines })
    }

    /// The time of the next line with all these parts; `passed` sees those before it.
    pub(crate) fn wait_for_past(
        &self,
        parts: &[&str],
        mut passed: impl FnMut(&str),
    ) -> Result<Instant> {
        let mut last = String::new();
        loop {
            let (at, line) = self.lines.recv_timeout(PATIENCE).with_context(|| {
                format!("weir did not say {}; its last line was: {last}", parts.join(" "))
            })?;
            if parts.iter().all(|part| line.contains(part)) {
                return Ok(at);
            }
            passed(&line);
            last = line;
        }
    }

    /// The time of the next line with all these parts.
    pub(crate) fn wait_for(&self, parts: &[&str]) -> Result<Instant> {
        self.wait_for_past(parts, |_| {})
    }
}
