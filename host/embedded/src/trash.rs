//! Deleted real servers, kept in case they come back.
//!
//! Every one that is deleted goes here, whether or not connections lead to it. A sweep
//! every 60 s frees those to which nothing has led for 120 s.

use std::collections::BTreeMap;

use weir_ipvs::{Endpoint, Family, ServiceKey};

use crate::{clock::Clock, server::ServerId};

/// `IP_VS_DEST_TRASH_PERIOD`, in seconds.
const PERIOD_SECONDS: u32 = 120;
/// Between sweeps.
const SWEEP_SECONDS: u32 = PERIOD_SECONDS / 2;

/// The trash of a core.
#[derive(Debug, Default)]
pub(crate) struct Trash {
    /// By what has to be the same for a real server to come back; of several, the newest
    /// stands last.
    servers: BTreeMap<(ServiceKey, Endpoint), Vec<Entry>>,
    /// The tick of the next sweep; none while there is nothing.
    sweep: Option<u64>,
}

#[derive(Debug)]
struct Entry {
    server: ServerId,
    /// The tick of the first sweep that found nothing referring to it.
    idle_since: Option<u64>,
}

impl Trash {
    /// When it wants to be swept.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.sweep
    }

    /// Takes in a real server of the service with this key.
    pub(crate) fn put(&mut self, key: ServiceKey, endpoint: Endpoint, id: ServerId, clock: &Clock) {
        if self.servers.is_empty() {
            self.sweep = Some(clock.after(SWEEP_SECONDS));
        }
        let entry = Entry { server: id, idle_since: None };
        self.servers.entry((identity(key), endpoint)).or_default().push(entry);
    }

    /// Gives back the real server at this endpoint, if one of such a service is here.
    pub(crate) fn take(&mut self, key: ServiceKey, endpoint: Endpoint) -> Option<ServerId> {
        let place = (identity(key), endpoint);
        let entries = self.servers.get_mut(&place)?;
        let entry = entries.pop();
        if entries.is_empty() {
            self.servers.remove(&place);
        }
        entry.map(|entry| entry.server)
    }

    /// Sweeps: returns those to be freed, none of which `is_referenced`.
    pub(crate) fn sweep(
        &mut self,
        clock: &Clock,
        is_referenced: impl Fn(ServiceKey, ServerId) -> bool,
    ) -> Vec<ServerId> {
        let mut freed = Vec::new();
        self.servers.retain(|(key, _), entries| {
            entries.retain_mut(|entry| {
                if is_referenced(*key, entry.server) {
                    return true;
                }
                let since = *entry.idle_since.get_or_insert(clock.tick());
                let over = clock.tick() - since >= clock.ticks(PERIOD_SECONDS).into();
                if over {
                    freed.push(entry.server);
                }
                !over
            });
            !entries.is_empty()
        });
        self.sweep = (!self.servers.is_empty()).then(|| clock.after(SWEEP_SECONDS));
        freed
    }
}

/// What of a service has to be the same: of one by mark, the mark alone.
fn identity(key: ServiceKey) -> ServiceKey {
    match key {
        ServiceKey::Address { .. } => key,
        ServiceKey::Fwmark { mark, .. } => ServiceKey::Fwmark { mark, family: Family::V4 },
    }
}
