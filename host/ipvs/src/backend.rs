//! The one trait behind which IPVS is reached.

use crate::{
    Change, Connection, Error, Failure, Fields, OnFailure, Scheduler, Scope, Snapshot, Stats,
    SyncDaemon, TableEntry, Timeouts,
};

/// What IPVS says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Major, minor, patch.
    pub version: (u8, u8, u8),
    /// Chains of the connection table.
    pub connection_table_size: u32,
}

/// An IPVS: the kernel's, or one that answers as the kernel does.
///
/// Every call reads afresh and sees what the calls before it did. `&mut self`, because
/// one conversation with the kernel is one sequence of requests; whoever shares an `Ipvs`
/// owns it in one place and is sent messages.
///
/// All calls fail with [`Error::NotPermitted`] without the right to change IPVS, and with
/// [`Error::NoIpvs`] where there is none.
pub trait Ipvs: Send {
    /// Version and table size.
    fn info(&mut self) -> Result<Info, Error>;

    /// Services with their real servers. `fields` says what of the latter will be looked
    /// at: more may come.
    ///
    /// [`Error::NoSuchService`] if the scope is one service and it is not there.
    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error>;

    /// Begins a walk through the table, for who has something else to do between two
    /// services: of a big table all take a second. What is changed meanwhile may come as it
    /// was, as it is, or not at all.
    ///
    /// Fails, or ends with an error, where [`Ipvs::read`] of the whole table would fail.
    fn walk(&mut self, fields: Fields) -> Result<Entries, Error> {
        let snapshot = self.read(Scope::All, fields)?;
        Ok(Box::new(snapshot.entries.into_iter().map(Ok)))
    }

    /// Makes `changes` in their order, each once and as given: none is left out because
    /// nothing seems to change, none is merged with another. All is done on return. What
    /// is not among the failures, which come in the order of their steps, succeeded; with
    /// [`OnFailure::Stop`] the steps after the first failure are not tried and not listed.
    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure>;

    /// Traffic of all services together.
    fn totals(&mut self) -> Result<Stats, Error>;

    /// Time-outs of connections.
    fn timeouts(&mut self) -> Result<Timeouts, Error>;

    /// Running sync daemons: none, master, backup, or master then backup.
    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error>;

    /// What schedulers there are, in the order of their names.
    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error>;

    /// Begins a walk through the connection table, which may hold millions of entries. It
    /// moves while it is read, so entries may come twice or not at all. Order is the
    /// backend's.
    ///
    /// Fails with [`Error::Errno`] if the table cannot be opened (`ENOENT`, `EACCES`), and
    /// with [`Error::Unsupported`] if it lacks even its heading.
    fn connections(&mut self) -> Result<Connections, Error>;
}

/// A walk through the table. After an error it ends.
pub type Entries = Box<dyn Iterator<Item = Result<TableEntry, Error>> + Send>;

/// A walk through the connection table. After an error it ends.
pub type Connections = Box<dyn Iterator<Item = Result<Connection, Error>> + Send>;
