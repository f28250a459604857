//! Schedulers: which real server a new connection goes to.
//!
//! One file each, named as in the kernel (`net/netfilter/ipvs/ip_vs_<name>.c`). A scheduler
//! owns what it keeps between two choices: a position, a table, a cache. Lists, weights and
//! counts belong to the core, which tells it of every change.
//!
//! Invariant: a scheduler that outlives its choice of a real server keeps a position in the
//! list, or says by [`Scheduler::remembers`] whose id it still holds. The core frees no id
//! that is remembered, as the kernel frees no destination that a cache refers to.

use std::{fmt, time::Duration};

use weir_ipvs::{Endpoint, Error, ServiceFlags};

use crate::{
    generation::Generation,
    server::{Server, ServerId, Servers},
};

mod none;
mod rr;

/// A scheduler at work for one service (`struct ip_vs_scheduler`).
///
/// Real servers are added at the front of the list. Whoever wants to know only that
/// something about the list changed says so by [`Self::changed`] alone.
pub(crate) trait Scheduler: fmt::Debug + Send {
    /// Begins to schedule for a service that has these real servers already. Only `mh`
    /// refuses: more than its table has room for is `EINVAL`.
    fn start(&mut self, servers: Servers<'_>, _now: Duration) -> Result<(), Error> {
        self.changed(servers);
        Ok(())
    }

    /// A real server was added.
    fn added(&mut self, servers: Servers<'_>) {
        self.changed(servers);
    }

    /// A real server was edited, be it to what it was.
    fn edited(&mut self, servers: Servers<'_>) {
        self.changed(servers);
    }

    /// The real server that stood at `position`, 0 being the front, left the list.
    fn deleted(&mut self, servers: Servers<'_>, _position: usize) {
        self.changed(servers);
    }

    /// A real server was added, edited or deleted.
    fn changed(&mut self, _servers: Servers<'_>) {}

    /// Chooses; none = the connection is refused.
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId>;

    /// Forgets what is due to be forgotten by `now`; `expiration` is as in [`Pick`]. It may
    /// be called at any time: what is overdue is made up for.
    fn tick(&mut self, _now: Duration, _expiration: Duration) {}

    /// Whether it may choose or look at this real server though the list has it no longer.
    fn remembers(&self, _server: ServerId) -> bool {
        false
    }
}

/// The scheduler with this kernel name; none = there is no such scheduler.
pub(crate) fn scheduler(name: &str) -> Option<Box<dyn Scheduler>> {
    Some(match name {
        "none" => Box::new(none::None),
        "rr" => Box::new(rr::Rr::default()),
        _ => return None,
    })
}

/// What a scheduler is told of the packet for which it chooses.
#[expect(dead_code, reason = "for the schedulers that are to come")]
pub(crate) struct Pick<'a> {
    /// Among whom.
    pub(crate) servers: Servers<'a>,
    /// By whose rules.
    pub(crate) generation: Generation,
    /// The service's flags; `sh` and `mh` have two of their own.
    pub(crate) flags: ServiceFlags,
    /// The packet's source; port 0 where the protocol has none.
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

#[expect(dead_code, reason = "for the schedulers that are to come")]
impl<'a> Pick<'a> {
    /// Those that may be chosen, newest first.
    fn eligible(&self) -> impl DoubleEndedIterator<Item = (ServerId, &'a Server)> {
        self.servers.iter().filter(|(_, server)| server.is_eligible())
    }
}
