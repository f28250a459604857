//! An IPVS in the process, which answers as the kernel's does.
//!
//! One core and three drivers: the trait [`weir_ipvs::Ipvs`], a forwarder that moves real
//! bytes, and a simulator that moves virtual time.
//!
//! Invariant: no clock, no sockets, no async, no unseeded randomness. Time is an argument,
//! and so is what the core must know of the machine.
//!
//! What a kernel has and a core has not, and why:
//!
//! - the contents of packets: so there are no ICMP errors, no FTP helper, and a persistence
//!   engine can be configured but finds nothing;
//! - the network around it: no conntrack, no routes but for what [`Machine`] says, and no
//!   sync messages. Sync daemons are configured and reported, and nothing is sent;
//! - a lack of memory: what the kernel does against it (`drop_entry`, `drop_packet`, and
//!   `secure_tcp` by itself) is not done.

mod arena;
mod backend;
mod clock;
mod connection;
mod connections;
mod daemons;
mod embedded;
mod generation;
#[cfg(test)]
mod invariants;
mod listing;
mod machine;
mod packet;
mod random;
mod sched;
mod schedule;
mod server;
mod service;
mod settings;
mod states;
mod stats;
mod table;
mod templates;
#[cfg(test)]
mod testing;
mod thresholds;
mod traffic;
mod trash;

pub use connections::ConnectionId;
pub use embedded::Embedded;
pub use generation::Generation;
pub use listing::{Cursor, Page};
pub use machine::{Interface, Machine};
pub use packet::{Chunk, Direction, Packet, Signal, TcpFlags};
pub use settings::{Settings, Sysctls};
pub use traffic::{Route, Verdict};
