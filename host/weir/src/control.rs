//! The daemon's socket: one table, many commands.
//!
//! A running `weir run` owns its table, and commands reach it by HTTP/1.1 with JSON over a
//! unix socket. [`protocol`] says what passes, in small types of its own, so that ours stay
//! free to change; [`convert`] translates, and nothing else does. [`server`] answers, on the
//! daemon's side; [`client`] asks, and is an `Ipvs` like any other. [`place`] decides which
//! IPVS a command speaks to; [`socket`] makes the socket and keeps it to one daemon. Whoever
//! lets commands in, and spawns, is `run`.
//!
//! What is asked reaches the manager as a [`Request`], the one way to the table.

mod client;
mod convert;
mod place;
pub(crate) mod protocol;
mod request;
mod server;
mod socket;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    client::Unasked,
    place::{Backend, choose, daemon, default_socket, from_environment},
    protocol::{Difference, Mistake, Plan, PlanStep},
    request::{Declined, Order, Reply, Request},
    server::{Daemon, converse},
    socket::{Claim, Socket, TableClaim},
};
