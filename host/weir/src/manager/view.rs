//! What policies see: the claimed part of the table, health, and what they said themselves.
//!
//! Kept beside what it shows, and brought up to date where that has changed: a call costs
//! what happened since the last one, not what the whole table is.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use weir_ipvs::{
    Endpoint, Ipvs, RealServer, RealServerKey, RealServerStatus, ServiceKey, Stats, SyncDaemon,
    TableEntry, Timeouts,
};
use weir_wasm::{HealthReport, Labelled, Table, View};

use super::{Manager, Now};
use crate::{
    config::NamedService,
    plan::{Claim, Health, Server},
};

/// The world as policies see it. What they do not hold is changed in place.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    /// The claimed part of the table when it was last looked at, and what IPVS says beside.
    table: Arc<Table>,
    /// Of the real servers that are checked.
    health: Arc<BTreeMap<RealServerKey, HealthReport>>,
    /// What the configuration calls by labels.
    labels: Arc<BTreeMap<ServiceKey, Labelled>>,
    /// Services whose name, or the health of whose servers, may be another than it shows.
    outdated: BTreeSet<ServiceKey>,
}

impl World {
    /// Shows the labels that the configuration gives `services`.
    pub(super) fn label(&mut self, services: &[NamedService]) {
        let labelled = services.iter().filter(|it| it.labels != Labelled::default());
        let labels = labelled.map(|it| (it.service.key, it.labels.clone())).collect();
        self.labels = Arc::new(labels);
    }

    /// The labels of a service and of its real servers, if there are any.
    pub(super) fn labels(&self, key: &ServiceKey) -> Option<&Labelled> {
        self.labels.get(key)
    }

    /// The entry of a claimed service.
    pub(super) fn get(&self, key: &ServiceKey) -> Option<&TableEntry> {
        self.table.get(key)
    }

    /// The same, for a change.
    pub(super) fn get_mut(&mut self, key: &ServiceKey) -> Option<&mut TableEntry> {
        Arc::make_mut(&mut self.table).get_mut(key)
    }

    /// Adds the traffic that was last read to a reading that was made without.
    pub(super) fn add_stats(&self, entry: &mut TableEntry) {
        let Some(last) = self.get(&entry.service.config.key) else { return };
        let known = last.servers.iter().filter(|it| it.stats != Stats::default());
        let known: BTreeMap<_, _> = known.map(|it| (it.config.endpoint, it.stats)).collect();
        for server in entry.servers.iter_mut().filter(|it| it.stats == Stats::default()) {
            if let Some(stats) = known.get(&server.config.endpoint) {
                server.stats = *stats;
            }
        }
    }

    /// Takes the reading of a service in; none = it is not there.
    pub(super) fn set(&mut self, now: Now, key: &ServiceKey, entry: Option<TableEntry>) {
        let table = Arc::make_mut(&mut self.table);
        match entry {
            Some(entry) => table.insert(entry, now.wall_ns()),
            None => drop(table.remove(key)),
        }
    }

    /// Shows the real servers of a claimed service as they were written: new ones come first, as
    /// in the kernel's list.
    pub(super) fn rewrite(&mut self, key: &ServiceKey, servers: &BTreeMap<Endpoint, Server>) {
        let Some(entry) = self.get_mut(key) else { return };
        entry.servers.retain_mut(|status| {
            let seen = servers.get(&status.config.endpoint).and_then(|it| it.seen);
            if let Some(seen) = seen.filter(|it| *it != status.config.without_idle_tunnel()) {
                status.config = seen;
            }
            seen.is_some()
        });
        let there: BTreeSet<_> = entry.servers.iter().map(|it| it.config.endpoint).collect();
        let new = servers.iter().rev().filter(|(endpoint, _)| !there.contains(*endpoint));
        drop(entry.servers.splice(0..0, new.filter_map(|(_, it)| it.seen.map(new_status))));
    }

    /// A claim, or what is checked of it, has changed.
    pub(super) fn touch(&mut self, key: ServiceKey) {
        self.outdated.insert(key);
    }

    /// Shows what checks say of a real server now; of a claim that has changed, all is shown later.
    pub(super) fn follow_health(&mut self, key: &RealServerKey, health: &Health) {
        if let Some(report) = Arc::make_mut(&mut self.health).get_mut(key) {
            (report.status, report.since) = (health.state.status(), health.since);
        }
    }

    /// Shows of the claims what has changed.
    fn follow(&mut self, claims: &BTreeMap<ServiceKey, Claim>) {
        if self.outdated.is_empty() {
            return;
        }
        let names = &mut Arc::make_mut(&mut self.table).names;
        let health = Arc::make_mut(&mut self.health);
        for service in std::mem::take(&mut self.outdated) {
            let old = health.range(first(service)..).take_while(|(it, _)| it.service == service);
            for key in old.map(|(it, _)| *it).collect::<Vec<_>>() {
                health.remove(&key);
            }
            let Some(claim) = claims.get(&service) else {
                names.remove(&service);
                continue;
            };
            if names.get(&service) != Some(&claim.name) {
                names.insert(service, claim.name.clone());
            }
            health.extend(claim.servers.iter().filter(|(_, it)| it.watch.is_some()).map(
                |(&server, it)| {
                    let (status, since) = (it.health.state.status(), it.health.since);
                    let report = HealthReport { status, since, latency: it.latency.clone() };
                    (RealServerKey { service, server }, report)
                },
            ));
        }
    }

    /// The claimed services by the names that the configuration gives them.
    pub(super) fn names(
        &mut self,
        claims: &BTreeMap<ServiceKey, Claim>,
    ) -> &BTreeMap<ServiceKey, String> {
        self.follow(claims);
        &self.table.names
    }

    /// How long connections live without packets.
    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.table.timeouts
    }

    /// The sync daemons that run.
    pub(super) fn daemons(&self) -> &[SyncDaemon] {
        &self.table.daemons
    }

    /// How long a UDP connection lives after its last packet.
    pub(super) fn udp_timeout(&self) -> Duration {
        Duration::from_secs(self.table.timeouts.udp.into())
    }

    /// Reads anew what IPVS says beside services; what cannot be read stays as it was, for
    /// no weight depends on it.
    pub(super) fn refresh(&mut self, ipvs: &mut dyn Ipvs) {
        let table = Arc::make_mut(&mut self.table);
        if let Ok(schedulers) = ipvs.schedulers() {
            table.schedulers = schedulers;
        }
        if let Ok(totals) = ipvs.totals() {
            table.totals = totals;
        }
        if let Ok(timeouts) = ipvs.timeouts() {
            table.timeouts = timeouts;
        }
        if let Ok(daemons) = ipvs.daemons() {
            table.daemons = daemons;
        }
    }
}

fn new_status(config: RealServer) -> RealServerStatus {
    RealServerStatus { config, active: 0, inactive: 0, persistent: 0, stats: Stats::default() }
}

/// Before every real server of a service.
pub(super) fn first(service: ServiceKey) -> RealServerKey {
    let least = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    RealServerKey { service, server: Endpoint::new(least, 0) }
}

impl Manager {
    /// What one policy can look at now.
    pub(super) fn view(&mut self, now: Now, index: usize) -> View {
        self.world.follow(&self.claims);
        View {
            table: Arc::clone(&self.world.table),
            health: Arc::clone(&self.world.health),
            labels: Arc::clone(&self.world.labels),
            state: self.entries_of(&self.plugins[index].name),
            held: self.statements.held(&self.plugins[index].name),
            owned: self.owned_by(&self.plugins[index].name),
            calls_under_way: self.plugins[index].calls_under_way,
            changes_left: self.plugins[index].credit.left(now.monotonic),
            wall_ns: now.wall_ns(),
            monotonic_ns: now.monotonic_ns(),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{Service, ServiceStatus};

    use super::{
        super::fake::{server, service_key},
        *,
    };
    use crate::plan::Origin;

    #[test]
    fn what_was_written_is_shown_in_the_order_of_the_kernel() {
        let key = service_key("10.0.0.1:80");
        let config = Service::new(key, "wrr");
        let servers = ["10.0.1.2:80", "10.0.1.1:80"].map(|it| new_status(server(it, 1)));
        let entry = TableEntry {
            service: ServiceStatus { config, stats: Stats::default() },
            servers: servers.to_vec(),
        };
        let mut world = World::default();
        let now = Now { monotonic: Duration::ZERO, wall: Duration::ZERO };
        world.set(now, &key, Some(entry));
        let claimed = |address: &str, weight: Option<u32>| {
            let stated = server(address, 1);
            let seen = weight.map(|it| server(address, it));
            (stated.endpoint, Server::stated(stated, seen, Origin::Known))
        };
        let claimed = BTreeMap::from([
            claimed("10.0.1.1:80", None),
            claimed("10.0.1.2:80", Some(0)),
            claimed("10.0.1.3:80", Some(7)),
            claimed("10.0.1.4:80", Some(8)),
        ]);
        world.rewrite(&key, &claimed);
        let shown = world.get(&key).unwrap().servers.iter().map(|it| it.config);
        let shown: Vec<_> = shown.map(|it| format!("{}={}", it.endpoint, it.weight)).collect();
        assert_eq!(shown, ["10.0.1.4:80=8", "10.0.1.3:80=7", "10.0.1.2:80=0"]);
    }
}
