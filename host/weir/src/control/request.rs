//! What is asked of the owner of the table, and by which way it answers.

use std::fmt;

use tokio::sync::oneshot;
use weir_ipvs::{
    Change, Connections, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler, Scope, Snapshot,
    Stats, SyncDaemon, Timeouts,
};

/// One call of the trait `Ipvs`, to be made by whoever owns the table.
#[derive(Debug)]
pub(crate) enum Request {
    Info(Reply<Result<Info, Error>>),
    Read(Scope, Fields, Reply<Result<Snapshot, Error>>),
    Apply(Vec<Change>, OnFailure, Reply<Vec<Failure>>),
    Totals(Reply<Result<Stats, Error>>),
    Timeouts(Reply<Result<Timeouts, Error>>),
    Daemons(Reply<Result<Vec<SyncDaemon>, Error>>),
    Schedulers(Reply<Result<Vec<Scheduler>, Error>>),
    /// The walk is begun; whoever asked makes it.
    Connections(Reply<Result<Connections, Error>>),
}

impl Request {
    /// Makes the call, and tells whoever asked.
    pub(crate) fn answer(self, ipvs: &mut dyn Ipvs) {
        match self {
            Self::Info(reply) => reply.send(ipvs.info()),
            Self::Read(scope, fields, reply) => reply.send(ipvs.read(scope, fields)),
            Self::Apply(changes, on_failure, reply) => reply.send(ipvs.apply(&changes, on_failure)),
            Self::Totals(reply) => reply.send(ipvs.totals()),
            Self::Timeouts(reply) => reply.send(ipvs.timeouts()),
            Self::Daemons(reply) => reply.send(ipvs.daemons()),
            Self::Schedulers(reply) => reply.send(ipvs.schedulers()),
            Self::Connections(reply) => reply.send(ipvs.connections()),
        }
    }
}

/// Where an answer goes, once. Sending never waits.
pub(crate) struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// A reply, and where it arrives; an error there = it was dropped unanswered.
    pub(crate) fn new() -> (Self, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. Whoever asked may be gone, and is then not interested.
    pub(crate) fn send(self, answer: T) {
        let _ = self.0.send(answer);
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}
