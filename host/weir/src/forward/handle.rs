//! The forwarder's IPVS, for other threads.

use std::sync::{
    Arc,
    mpsc::{Sender, sync_channel},
};

use mio::Waker;
use weir_embedded::{Cursor, Page};
use weir_ipvs::{
    Change, Connection, Connections, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler,
    Scope, Snapshot, Stats, SyncDaemon, Timeouts,
};

use super::Forwarder;

/// What the forwarder is asked to do between two turns of its loop.
pub(super) type Call = Box<dyn FnOnce(&mut Forwarder) + Send>;

/// Reaches a forwarder's table: every call is a message that waits for its answer.
#[derive(Clone)]
pub(crate) struct Handle {
    calls: Sender<Call>,
    waker: Arc<Waker>,
}

impl Handle {
    pub(super) fn new(calls: Sender<Call>, waker: Arc<Waker>) -> Self {
        Self { calls, waker }
    }

    /// Has the forwarder end: new clients are refused from now on, and what is open may
    /// take until the drain time to finish. A second time, it ends at once.
    pub(crate) fn stop(&self) {
        // Fails only if it has ended already.
        let _ = self.send(Box::new(Forwarder::stop));
    }

    /// Has the forwarder do something, and waits for what comes of it.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Forwarder) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = sync_channel(1);
        // Fails only if nobody waits for the answer any more.
        self.send(Box::new(move |it| drop(answer.send(call(it)))))?;
        answered.recv().map_err(|_| ended())
    }

    fn send(&self, call: Call) -> Result<(), Error> {
        self.calls.send(call).map_err(|_| ended())?;
        self.waker
            .wake()
            .map_err(|error| Error::Unsupported(format!("cannot wake the forwarder: {error}")))
    }
}

fn ended() -> Error {
    Error::Unsupported("the forwarder has ended".to_owned())
}

impl Ipvs for Handle {
    fn info(&mut self) -> Result<Info, Error> {
        self.ask(|it| it.core().info())?
    }

    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        self.ask(move |it| it.core().read(scope, fields))?
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        // Who writes what gives before what takes has often only one of them.
        if changes.is_empty() {
            return Vec::new();
        }
        let owned = changes.to_vec();
        let applied = self.ask(move |it| it.apply(&owned, on_failure));
        applied.unwrap_or_else(|error| {
            (0..changes.len()).map(|step| Failure { step, error: error.clone() }).collect()
        })
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        self.ask(|it| it.core().totals())?
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.ask(|it| it.core().timeouts())?
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.ask(|it| it.core().daemons())?
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        self.ask(|it| it.core().schedulers())?
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        Ok(Box::new(Walk::new(self.clone())?))
    }
}

/// A walk through the connection table. The forwarder is asked for page after page, and
/// forwards between two of them.
struct Walk {
    handle: Handle,
    cursor: Cursor,
    /// None = the walk is over.
    page: Option<Page>,
}

impl Walk {
    fn new(handle: Handle) -> Result<Self, Error> {
        let mut walk = Self { handle, cursor: Cursor::default(), page: None };
        walk.turn()?;
        Ok(walk)
    }

    /// Turns to the next page.
    fn turn(&mut self) -> Result<(), Error> {
        self.page = None;
        let mut cursor = self.cursor;
        let page = move |it: &mut Forwarder| (it.core().connections_page(&mut cursor), cursor);
        (self.page, self.cursor) = self.handle.ask(page)?;
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = Result<Connection, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(connection) = self.page.as_mut()?.next() {
                return Some(Ok(connection));
            }
            if let Err(error) = self.turn() {
                return Some(Err(error));
            }
        }
    }
}
