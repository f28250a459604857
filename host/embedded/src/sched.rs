//! Schedulers: which real server a new connection goes to.
//!
//! One file each, named as in the kernel (`net/netfilter/ipvs/ip_vs_<name>.c`).

use std::time::Duration;

use weir_ipvs::{Endpoint, Protocol, ServiceFlags};

use crate::{
    generation::Generation,
    server::{ServerId, Servers},
};

/// What a scheduler is told of the packet for which it chooses.
pub(crate) struct Pick<'a> {
    /// Among whom.
    pub(crate) servers: Servers<'a>,
    /// By whose rules.
    pub(crate) generation: Generation,
    /// The service's flags; `sh` and `mh` have two of their own.
    pub(crate) flags: ServiceFlags,
    /// The packet's transport.
    pub(crate) protocol: Protocol,
    /// The packet's source.
    pub(crate) source: Endpoint,
    /// The packet's destination.
    pub(crate) destination: Endpoint,
    /// The core's time.
    pub(crate) now: Duration,
    /// `lblc_expiration` or `lblcr_expiration`, whichever the scheduler has.
    pub(crate) expiration: Duration,
    /// A number drawn afresh from the core's seed, for the scheduler that is random.
    pub(crate) random: u64,
}
