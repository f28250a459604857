//! The words of IPVS, and the one trait behind which it is reached.
//!
//! The six nouns have a file each: [`service`], [`real_server`], [`scheduler`],
//! [`stats`], [`timeouts`], [`sync`]. Beside them stand [`address`], what can be
//! [`change`]d, how a [`snapshot`] of the table looks, what [`connection`]s are shown as,
//! and why something did not happen ([`error`]).
//!
//! Invariant: no I/O, no clock, no async, no serialisation. Everything else in weir
//! depends on this crate, and it depends on nothing that acts.

pub mod address;
pub mod backend;
pub mod change;
pub mod connection;
pub mod diff;
pub mod error;
pub mod real_server;
pub mod scheduler;
pub mod service;
pub mod snapshot;
pub mod stats;
pub mod sync;
pub mod timeouts;

pub use address::{Endpoint, Family, NotAPrefix, Prefix};
pub use backend::{Connections, Entries, Info, Ipvs};
pub use change::{Change, Failure, OnFailure};
pub use connection::Connection;
pub use diff::{PlannedService, diff};
pub use error::Error;
pub use real_server::{
    Forwarding, RealServer, RealServerKey, RealServerStatus, Tunnel, TunnelChecksum, TunnelKind,
};
pub use scheduler::{Availability, Scheduler, WeightMeaning};
pub use service::{NotAServiceKey, Protocol, Service, ServiceFlags, ServiceKey, ServiceStatus};
pub use snapshot::{Fields, Scope, Snapshot, TableEntry};
pub use stats::{Stats, Traffic};
pub use sync::{SyncDaemon, SyncRole};
pub use timeouts::Timeouts;
