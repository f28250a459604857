//! The host's copy of the table, as policies look at it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

use weir_ipvs::{Scheduler, ServiceKey, Snapshot, Stats, SyncDaemon, TableEntry, Timeouts};

/// Services and real servers at one moment, with what else IPVS says.
#[derive(Debug, Default)]
pub struct Table {
    contents: Arc<Contents>,
    /// Grows with each change the host has seen.
    pub generation: u64,
    /// The names that the configuration gives services.
    pub names: BTreeMap<ServiceKey, String>,
    /// What this kernel offers.
    pub schedulers: Vec<Scheduler>,
    /// Traffic of all services together.
    pub totals: Stats,
    /// Timeouts of connections.
    pub timeouts: Timeouts,
    /// Running sync daemons.
    pub daemons: Vec<SyncDaemon>,
}

impl Table {
    /// A table of what `snapshot` holds, read at `taken_at_ns` (nanoseconds since the Unix
    /// epoch). The rest is empty and can be set.
    pub fn new(snapshot: Snapshot, taken_at_ns: u64) -> Self {
        Self { contents: Arc::new(Contents::new(snapshot, taken_at_ns)), ..Self::default() }
    }

    /// What is in it.
    pub fn snapshot(&self) -> &Snapshot {
        &self.contents.snapshot
    }

    /// The entry of one service. Quick, unlike [`Snapshot::get`].
    pub fn get(&self, key: &ServiceKey) -> Option<&TableEntry> {
        let number = self.contents.find(key)?;
        self.contents.snapshot.entries.get(number)
    }

    pub(crate) fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }
}

/// A snapshot with an index that is made when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) snapshot: Snapshot,
    pub(crate) taken_at_ns: u64,
    index: OnceLock<HashMap<ServiceKey, usize>>,
}

impl Contents {
    pub(crate) fn new(snapshot: Snapshot, taken_at_ns: u64) -> Self {
        Self { snapshot, taken_at_ns, index: OnceLock::new() }
    }

    /// The position of a service.
    pub(crate) fn find(&self, key: &ServiceKey) -> Option<usize> {
        let index = self.index.get_or_init(|| {
            let entries = self.snapshot.entries.iter().enumerate();
            entries.map(|(number, entry)| (entry.service.config.key, number)).collect()
        });
        index.get(key).copied()
    }
}
