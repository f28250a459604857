//! The host's copy of the table, as policies look at it.
//!
//! Kept, not made anew: it changes entry by entry. It is copied only where a guest still
//! holds a snapshot of what it was.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
};

use weir_ipvs::{Scheduler, ServiceKey, Snapshot, Stats, SyncDaemon, TableEntry, Timeouts};

/// Services and real servers at one moment, with what else IPVS says.
#[derive(Debug, Clone, Default)]
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

    /// Puts in an entry, in the place of the one of the same service, as it was read at
    /// `taken_at_ns`.
    pub fn insert(&mut self, entry: TableEntry, taken_at_ns: u64) {
        self.generation += 1;
        Arc::make_mut(&mut self.contents).insert(entry, taken_at_ns);
    }

    /// Takes the entry of a service out.
    pub fn remove(&mut self, key: &ServiceKey) -> Option<TableEntry> {
        self.contents.find(key)?;
        self.generation += 1;
        Arc::make_mut(&mut self.contents).remove(key)
    }

    /// The entry of one service, for a change to it that leaves the key as it is.
    pub fn get_mut(&mut self, key: &ServiceKey) -> Option<&mut TableEntry> {
        let number = self.contents.find(key)?;
        self.generation += 1;
        Arc::make_mut(&mut self.contents).snapshot.entries.get_mut(number)
    }

    pub(crate) fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }
}

/// A snapshot with an index that is made when first asked for.
#[derive(Debug, Clone, Default)]
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

    fn insert(&mut self, entry: TableEntry, taken_at_ns: u64) {
        self.taken_at_ns = taken_at_ns;
        let key = entry.service.config.key;
        if let Some(number) = self.find(&key) {
            self.snapshot.entries[number] = entry;
            return;
        }
        if let Some(index) = self.index.get_mut() {
            index.insert(key, self.snapshot.entries.len());
        }
        self.snapshot.entries.push(entry);
    }

    /// The last entry takes the place of the one that goes.
    fn remove(&mut self, key: &ServiceKey) -> Option<TableEntry> {
        let number = self.find(key)?;
        let removed = self.snapshot.entries.swap_remove(number);
        if let Some(index) = self.index.get_mut() {
            index.remove(key);
            if let Some(moved) = self.snapshot.entries.get(number) {
                index.insert(moved.service.config.key, number);
            }
        }
        Some(removed)
    }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{Protocol, Service, ServiceStatus};

    use super::*;

    fn key(port: u16) -> ServiceKey {
        ServiceKey::from((Protocol::Tcp, std::net::Ipv4Addr::LOCALHOST.into(), port))
    }

    fn entry(port: u16, scheduler: &str) -> TableEntry {
        let config = Service::new(key(port), scheduler);
        TableEntry {
            service: ServiceStatus { config, stats: Stats::default() },
            servers: Vec::new(),
        }
    }

    #[test]
    fn entries_are_found_as_the_table_changes() {
        let mut table = Table::default();
        for port in 1..=3 {
            table.insert(entry(port, "rr"), port.into());
        }
        table.insert(entry(2, "wrr"), 9);
        assert_eq!(table.remove(&key(1)), Some(entry(1, "rr")));
        assert_eq!(table.remove(&key(1)), None);
        assert_eq!((table.get(&key(1)), table.snapshot().entries.len()), (None, 2));
        for (port, scheduler) in [(2, "wrr"), (3, "rr")] {
            assert_eq!(table.get(&key(port)), Some(&entry(port, scheduler)));
        }
        assert_eq!((table.generation, table.contents().taken_at_ns), (5, 9));
    }

    #[test]
    fn what_a_guest_holds_stays_as_it_was() {
        let mut table = Table::default();
        table.insert(entry(1, "rr"), 1);
        let held = Arc::clone(table.contents());
        table.insert(entry(2, "rr"), 2);
        assert_eq!((held.snapshot.entries.len(), table.snapshot().entries.len()), (1, 2));
    }
}
