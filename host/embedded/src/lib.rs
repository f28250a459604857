//! An IPVS in the process, which answers as the kernel's does.
//!
//! One core and three drivers: the trait [`weir_ipvs::Ipvs`], a forwarder that moves real
//! bytes, and a simulator that moves virtual time.
//!
//! Invariant: no clock, no sockets, no async, no unseeded randomness. Time is an argument,
//! and so is what the core must know of the machine.

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
pub use machine::{Interface, Machine};
pub use packet::{Chunk, Direction, Packet, Signal, TcpFlags};
pub use settings::{Settings, Sysctls};
pub use traffic::{Route, Verdict};
