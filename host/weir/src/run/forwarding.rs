//! The forwarder's thread, while `weir run` forwards by itself.

use std::{
    hash::{BuildHasher as _, RandomState},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow};
use tokio::sync::oneshot;
use weir_embedded::Settings;

use super::{Signals, clock::Clock, print};
use crate::{
    config::Embedded,
    forward::{Forwarder, Handle, Options},
};

/// A forwarder at work.
pub(super) struct Forwarding {
    handle: Handle,
    thread: JoinHandle<std::io::Result<()>>,
    /// Hears of the end of the thread, however it ends.
    ended: oneshot::Receiver<()>,
}

impl Forwarding {
    /// Starts one with an empty table.
    pub(super) fn start(config: &Embedded) -> anyhow::Result<Self> {
        let core = Settings {
            // Clients are not to guess which connections share a chain of the table.
            seed: RandomState::new().hash_one(()),
            sysctls: config.sysctls.clone(),
            ..Settings::default()
        };
        let options = Options { core, drain: config.drain };
        let (forwarder, handle) =
            Forwarder::new(options, Box::new(print)).context("failed to start forwarding")?;
        let (done, ended) = oneshot::channel::<()>();
        let clock = Clock::new();
        let forward = move || {
            let _done = done;
            forwarder.run(|| clock.now().monotonic)
        };
        let thread = thread::Builder::new()
            .name("forwarder".into())
            .spawn(forward)
            .context("failed to start a thread")?;
        Ok(Self { handle, thread, ended })
    }

    /// What reaches its table.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits for its end, which comes by itself only from a failure.
    pub(super) async fn ended(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.ended).await;
    }

    /// Has it stop, and waits until connections have finished, or their time is over. A
    /// signal ends them at once.
    pub(super) async fn drain(&mut self, signals: &mut Signals) {
        self.handle.stop();
        loop {
            tokio::select! {
                _ = &mut self.ended => return,
                () = signals.next_stop() => self.handle.stop(),
            }
        }
    }

    /// How it ended.
    pub(super) fn join(self) -> anyhow::Result<()> {
        let ended =
            self.thread.join().map_err(|_| anyhow!("the forwarder failed: this is a bug"))?;
        ended.context("failed to forward")
    }
}
