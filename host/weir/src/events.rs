//! The way to the manager: bounded, and whoever finds no room waits.

use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    time::Duration,
};

use tokio::time::sleep;

use crate::{health::Told, manager::Event};

/// Events on their way. Those of checks and signals, and requests.
const WAITING: usize = 4096;

/// Between two looks for room.
const ROOM: Duration = Duration::from_millis(10);

/// The sending end.
#[derive(Debug, Clone)]
pub(crate) struct Events(SyncSender<Event>);

impl Events {
    /// Both ends.
    pub(crate) fn channel() -> (Self, Receiver<Event>) {
        let (sender, receiver) = sync_channel(WAITING);
        (Self(sender), receiver)
    }

    /// Sends what checks tell at once, or gives it back where there is no room.
    pub(crate) fn offer(&self, told: Vec<Told>) -> Result<(), Vec<Told>> {
        match self.0.try_send(Event::Told(told)) {
            Err(TrySendError::Full(Event::Told(told))) => Err(told),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The same from a thread that may wait.
    pub(crate) fn send_blocking(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Sends an event as soon as there is room. Nobody is left to hear it once the manager
    /// ended.
    pub(crate) async fn send(&self, mut event: Event) {
        while let Err(TrySendError::Full(refused)) = self.0.try_send(event) {
            event = refused;
            sleep(ROOM).await;
        }
    }
}
