//! The daemon's socket: one table, many commands.
//!
//! A running `weir run` owns its table, and commands reach it by HTTP/1.1 with JSON over a
//! unix socket. [`protocol`] says what passes, in small types of its own, so that ours stay
//! free to change; [`convert`] translates, and nothing else does. [`server`] answers, on the
//! daemon's side; [`client`] asks, and is an `Ipvs` like any other. [`place`] decides which
//! IPVS a command speaks to; [`socket`] makes the socket and keeps it to one daemon. Whoever
//! lets commands in, and spawns, is `run`.
//!
//! What is asked of the table reaches its owner, the manager, as a [`Request`]; what operators
//! want of the manager itself, as a [`Steer`] or a [`Show`].

mod client;
mod convert;
mod place;
pub(crate) mod protocol;
mod request;
mod server;
mod show;
mod socket;
mod steer;

#[cfg(test)]
mod tests;

pub(crate) use self::{
    client::{Http, Unasked},
    place::{Backend, choose, daemon, default_socket, from_environment, user},
    protocol::{Difference, Mistake, Plan, PlanStep, Steered},
    request::{ConfigurationOrder, Declined, Order, PluginOrder, Reply, Request},
    server::{Daemon, converse},
    show::Show,
    socket::{Claim, Socket, TableClaim},
    steer::{Expiry, Named, Refused, Steer, Wish},
};
