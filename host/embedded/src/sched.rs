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
    settings::Sysctls,
};

mod cache;
mod dh;
mod fo;
mod hash;
mod lblc;
mod lblcr;
mod lc;
mod load;
mod mh;
mod none;
mod nq;
mod ovf;
mod rr;
mod sed;
mod sh;
mod twos;
mod wlc;
mod wrr;

#[cfg(test)]
mod tests;

use load::Load;

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

    /// Forgets what is due to be forgotten by `now`. It may be called at any time, and is
    /// before anybody asks what is remembered: what is overdue is made up for.
    fn tick(&mut self, _now: Duration, _sysctls: &Sysctls) {}

    /// Whether it may choose or look at this real server though the list has it no longer.
    fn remembers(&self, _server: ServerId) -> bool {
        false
    }
}

/// The scheduler with this kernel name; none = there is no such scheduler.
pub(crate) fn scheduler(name: &str) -> Option<Box<dyn Scheduler>> {
    Some(match name {
        "dh" => Box::new(dh::Dh::default()),
        "fo" => Box::new(fo::Fo),
        "lblc" => Box::new(lblc::Lblc::default()),
        "lblcr" => Box::new(lblcr::Lblcr::default()),
        "lc" => Box::new(lc::Lc),
        "mh" => Box::new(mh::Mh::default()),
        "none" => Box::new(none::None),
        "nq" => Box::new(nq::Nq),
        "ovf" => Box::new(ovf::Ovf),
        "rr" => Box::new(rr::Rr::default()),
        "sed" => Box::new(sed::Sed),
        "sh" => Box::new(sh::Sh::default()),
        "twos" => Box::new(twos::Twos),
        "wlc" => Box::new(wlc::Wlc),
        "wrr" => Box::new(wrr::Wrr::default()),
        _ => return None,
    })
}

/// What a scheduler is told of the packet for which it chooses.
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
    /// The kernel's settings; `lblc` and `lblcr` have one each.
    pub(crate) sysctls: &'a Sysctls,
    /// A number drawn afresh from the core's seed, for the scheduler that is random.
    pub(crate) random: u64,
}

impl<'a> Pick<'a> {
    /// Those that may be chosen, newest first.
    fn eligible(&self) -> impl DoubleEndedIterator<Item = (ServerId, &'a Server)> {
        self.servers.iter().filter(|(_, server)| server.is_eligible())
    }

    /// The load of a real server by its connections (`ip_vs_dest_conn_overhead`): an
    /// inactive one costs 1, an active one 256, or 257 by the newer rules.
    fn load(&self, server: &Server) -> Load {
        let active = match self.generation {
            Generation::Older => 256,
            Generation::Newer => 257,
        };
        Load {
            cost: active * u64::from(server.active) + u64::from(server.inactive),
            weight: server.config.weight,
        }
    }
}
