//! What plugins that look at the table import, as a fake host has it: the types are those of the
//! bindings, and the functions here hide the bindings', which can only be called within Wasm.

use super::super::weir;

pub mod config {
    use super::super::look;

    pub fn get() -> String {
        look(|it| it.settings.clone())
    }
}

pub mod health {
    use super::super::look;
    pub use super::weir::plugin::health::*;

    pub fn current(keys: &[RealServerKey]) -> Vec<HealthReport> {
        look(|scene| {
            let report = |key: &RealServerKey| {
                let health = scene.health.get(key);
                HealthReport {
                    key: *key,
                    status: health.map_or(HealthStatus::Unknown, |it| it.status),
                    since: (scene.monotonic - health.map_or(0, |it| it.at)) / 1_000_000,
                    latency: health.and_then(|it| it.latency),
                }
            };
            keys.iter().map(report).collect()
        })
    }
}

pub mod labels {
    use super::super::look;
    pub use super::weir::plugin::labels::*;

    pub fn of_services(keys: &[ServiceKey]) -> Vec<Vec<(String, String)>> {
        look(|scene| keys.iter().map(|it| scene.labels_of(*it, None)).collect())
    }

    pub fn of_real_servers(keys: &[RealServerKey]) -> Vec<Vec<(String, String)>> {
        look(|scene| keys.iter().map(|it| scene.labels_of(it.service, Some(it.server))).collect())
    }
}

pub mod table {
    pub use super::weir::ipvs::table::{
        ConnectionTimeouts, Scheduler, ServiceKey, Stats, SyncDaemon,
    };
    use super::{
        super::{look, named},
        snapshots,
    };

    pub type Snapshot = snapshots::Snapshot;

    pub fn current() -> Snapshot {
        snapshots::take()
    }

    pub fn generation() -> u64 {
        0
    }

    pub fn name(service: ServiceKey) -> Option<String> {
        look(|scene| {
            let found = scene.services.iter().find(|it| it.service.config.key == service);
            found.and_then(|it| it.name.clone())
        })
    }

    pub fn schedulers() -> Vec<Scheduler> {
        Vec::new()
    }

    pub fn totals() -> Stats {
        named::no_stats()
    }

    /// The kernel's own.
    pub fn timeouts() -> ConnectionTimeouts {
        ConnectionTimeouts { tcp: 900, tcp_fin: 120, udp: 300 }
    }

    pub fn daemons() -> Vec<SyncDaemon> {
        Vec::new()
    }
}

pub mod snapshots {
    use super::super::look;
    pub use super::weir::ipvs::snapshots::{
        Fields, RealServer, RealServerColumns, Service, ServiceKey,
    };

    /// The services of the fake host, which need no handle.
    #[derive(Debug)]
    pub struct Snapshot {
        services: Vec<(Service, Vec<RealServer>)>,
        taken_at: u64,
    }

    pub(super) fn take() -> Snapshot {
        look(|scene| {
            let services = scene.services.iter().map(|it| (it.service.clone(), it.servers.clone()));
            Snapshot { services: services.collect(), taken_at: scene.wall }
        })
    }

    impl Snapshot {
        pub fn size(&self) -> u32 {
            u32::try_from(self.services.len()).unwrap_or(u32::MAX)
        }

        pub fn services(&self, first: u32, count: u32) -> Vec<Service> {
            let found = self.services.iter().skip(first as usize).take(count as usize);
            found.map(|(service, _)| service.clone()).collect()
        }

        pub fn find(&self, key: ServiceKey) -> Option<u32> {
            (0..).zip(&self.services).find(|(_, (it, _))| it.config.key == key).map(|(it, _)| it)
        }

        pub fn real_servers(&self, service: u32) -> Vec<RealServer> {
            let found = self.services.get(service as usize);
            found.map_or_else(Vec::new, |(_, servers)| servers.clone())
        }

        pub fn columns(&self, _first: u32, _count: u32, _fields: Fields) -> RealServerColumns {
            panic!("the fake host has no columns: ask for real_servers")
        }

        pub fn taken_at(&self) -> u64 {
            self.taken_at
        }
    }
}
