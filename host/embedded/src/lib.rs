//! An IPVS in the process, which answers as the kernel's does.
//!
//! One core and three drivers: the trait [`weir_ipvs::Ipvs`], a forwarder that moves real
//! bytes, and a simulator that moves virtual time.
//!
//! Invariant: no clock, no sockets, no async, no unseeded randomness. Time is an argument,
//! and so is what the core must know of the machine.

mod generation;
mod packet;
mod sched;
mod server;

pub use generation::Generation;
pub use packet::{Chunk, Direction, Packet, Signal, TcpFlags};
