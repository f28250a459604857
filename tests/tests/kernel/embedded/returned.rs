//! Real servers whose counters no two IPVS can have alike.
//!
//! One that comes back from the trash to its service goes on counting. If its service was made
//! anew meanwhile, it begins at zero: at what it had counted when it was last sampled, and when
//! that was is each IPVS's own affair (`ip_vs_zero_stats` in net/netfilter/ipvs/ip_vs_ctl.c).

use std::collections::{BTreeMap, BTreeSet};

use weir_ipvs::{Change, Endpoint, ServiceKey};

use super::step::{Outcome, Step};

/// Which real servers came back to a service that was made anew.
#[derive(Default)]
pub(crate) struct Returned {
    /// How often each service was made.
    made: BTreeMap<ServiceKey, usize>,
    /// The last service that each real server was added to, of those with this key.
    added: BTreeMap<(ServiceKey, Endpoint), usize>,
    found: BTreeSet<(ServiceKey, Endpoint)>,
}

impl Returned {
    pub(crate) fn contains(&self, key: ServiceKey, server: Endpoint) -> bool {
        self.found.contains(&(key, server))
    }

    pub(crate) fn note(&mut self, step: &Step, outcome: &Outcome) {
        match step {
            Step::Change(change) if outcome.is_accepted() => self.note_change(change),
            _ => {}
        }
    }

    fn note_change(&mut self, change: &Change) {
        match change {
            Change::AddService(service) => *self.made.entry(service.key).or_default() += 1,
            Change::AddServer(key, server) => {
                let made = self.made.get(key).copied().unwrap_or_default();
                let server = (*key, server.endpoint);
                if self.added.insert(server, made).is_some_and(|before| before != made) {
                    self.found.insert(server);
                }
            }
            _ => {}
        }
    }
}
