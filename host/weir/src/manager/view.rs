//! What policies see: the claimed part of the table, health, and what they said themselves.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use weir_ipvs::{
    Ipvs, RealServerKey, Scheduler, ServiceKey, Snapshot, Stats, SyncDaemon, TableEntry, Timeouts,
};
use weir_wasm::{HealthReport, Table, View};

use super::{Manager, Now};

/// What IPVS says beside services, for policies to look at.
#[derive(Debug, Default)]
pub(super) struct World {
    schedulers: Vec<Scheduler>,
    totals: Stats,
    timeouts: Timeouts,
    daemons: Vec<SyncDaemon>,
}

impl World {
    /// The table that policies see, with these services.
    fn table(
        &self,
        now: Now,
        entries: Vec<TableEntry>,
        names: BTreeMap<ServiceKey, String>,
        generation: u64,
    ) -> Table {
        let mut table = Table::new(Snapshot { entries }, now.wall_ns());
        table.generation = generation;
        table.names = names;
        table.schedulers = self.schedulers.clone();
        table.totals = self.totals;
        table.timeouts = self.timeouts;
        table.daemons = self.daemons.clone();
        table
    }

    /// How long a UDP connection lives after its last packet.
    pub(super) fn udp_timeout(&self) -> Duration {
        Duration::from_secs(self.timeouts.udp.into())
    }

    /// Reads anew; what cannot be read stays as it was, for no weight depends on it.
    pub(super) fn refresh(&mut self, ipvs: &mut dyn Ipvs) {
        if let Ok(schedulers) = ipvs.schedulers() {
            self.schedulers = schedulers;
        }
        if let Ok(totals) = ipvs.totals() {
            self.totals = totals;
        }
        if let Ok(timeouts) = ipvs.timeouts() {
            self.timeouts = timeouts;
        }
        if let Ok(daemons) = ipvs.daemons() {
            self.daemons = daemons;
        }
    }
}

impl Manager {
    /// What one policy can look at now.
    pub(super) fn view(&mut self, now: Now, index: usize) -> View {
        let mut health = BTreeMap::new();
        for (key, claim) in &self.claims {
            for (endpoint, server) in claim.servers.iter().filter(|(_, it)| it.watch.is_some()) {
                let since = now.monotonic.saturating_sub(server.health.since);
                let report = HealthReport { status: server.health.state.status(), since };
                health.insert(RealServerKey { service: *key, server: *endpoint }, report);
            }
        }
        View {
            table: self.table(now),
            health: Arc::new(health),
            held: self.statements.held(&self.policies[index].name),
            wall_ns: now.wall_ns(),
            monotonic_ns: now.monotonic_ns(),
        }
    }

    fn table(&mut self, now: Now) -> Arc<Table> {
        if let Some(table) = &self.table {
            return Arc::clone(table);
        }
        self.generation += 1;
        let table = Arc::new(self.world.table(
            now,
            self.entries.values().cloned().collect(),
            self.claimed_names(),
            self.generation,
        ));
        self.table = Some(Arc::clone(&table));
        table
    }

    /// The claimed services by the names that the configuration gives them.
    pub(super) fn claimed_names(&self) -> BTreeMap<ServiceKey, String> {
        self.claims.iter().map(|(key, claim)| (*key, claim.name.clone())).collect()
    }
}
