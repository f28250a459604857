//! One vocabulary for changes: commands make them, policies cause them, logs show them.

use crate::{
    Error, RealServer, RealServerKey, Service, ServiceKey, SyncDaemon, SyncRole, Timeouts,
};

/// One step. In parentheses, the errors that have a word of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// [`Error::ServiceExists`], [`Error::NoSuchModule`].
    AddService(Service),
    /// Replaces all but the key ([`Error::NoSuchService`], [`Error::NoSuchModule`]).
    EditService(Service),
    /// With its real servers ([`Error::NoSuchService`]).
    DeleteService(ServiceKey),
    /// [`Error::NoSuchService`], [`Error::ServerExists`].
    AddServer(ServiceKey, RealServer),
    /// Replaces all but address and port ([`Error::NoSuchService`], [`Error::NoSuchServer`]).
    EditServer(ServiceKey, RealServer),
    /// Connections stay, see `expire_nodest_conn` ([`Error::NoSuchService`],
    /// [`Error::NoSuchServer`]).
    DeleteServer(RealServerKey),
    /// Counters of one service and its real servers, or of everything
    /// ([`Error::NoSuchService`]).
    Zero(Option<ServiceKey>),
    /// Every service goes; timeouts and daemons stay.
    Flush,
    /// 0 keeps a value.
    SetTimeouts(Timeouts),
    /// [`Error::DaemonRunning`].
    StartDaemon(SyncDaemon),
    /// [`Error::DaemonNotRunning`]. The kernel looks at the role alone; the sync id is
    /// sent, as the kernel's own tools do.
    StopDaemon(SyncRole, u32),
}

/// What to do after a step that failed. IPVS has no transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Go on with the next step.
    Proceed,
    /// Leave what is done, try no more.
    Stop,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its position in the list, from 0.
    pub step: usize,
    /// Why.
    pub error: Error,
}
