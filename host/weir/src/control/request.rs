//! What is asked of the owner of the table and of the configuration, and by which way it is
//! answered.

use std::{fmt, path::PathBuf};

use tokio::sync::oneshot;
use weir_ipvs::{
    Change, Connections, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler, Scope, Snapshot,
    Stats, SyncDaemon, Timeouts,
};

use crate::{
    config::{Difference, Mode},
    manager::{PluginStanding, Refusal, Rehearsal},
    problems::Problems,
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

/// What is to be done beside the table.
#[derive(Debug)]
pub(crate) enum Order {
    Configuration(ConfigurationOrder),
    Plugin(PluginOrder),
}

/// What is to be done with a configuration, once it has been read.
#[derive(Debug)]
pub(crate) enum ConfigurationOrder {
    /// Take over the daemon's own; true = it may remove as much as it does.
    Reload(bool, Reply<Result<Vec<Difference>, Declined>>),
    /// Say what the one at this path would change; none = the daemon's own.
    Plan(Option<PathBuf>, Reply<Result<Rehearsal, Declined>>),
}

/// What is to be done with plugins.
#[derive(Debug)]
pub(crate) enum PluginOrder {
    /// Say how they stand.
    List(Reply<Vec<PluginStanding>>),
    /// Change the mode of the plugin of this name.
    Mode(String, Mode, Reply<Result<PluginStanding, Declined>>),
    /// Load the plugin of this name anew.
    Load(String, Reply<Result<PluginStanding, Declined>>),
}

/// Why an [`Order`] was not carried out.
#[derive(Debug)]
pub(crate) enum Declined {
    /// The configuration has mistakes.
    Mistakes(Problems),
    /// It is not to be believed.
    Refused(Refusal),
    /// The table cannot be read.
    Table(Error),
    /// There is no such plugin, it is off, or what is in its place cannot be used; says which.
    Plugin(String),
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
