//! What a fake host shows: services with their real servers and health, settings and the time; and
//! the log that it keeps. Each world whose plugins look at the table has it, in types of its own.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{
    super::{
        plain,
        weir::{
            ipvs::{
                addresses::Endpoint,
                real_servers::{RealServer, RealServerKey},
                services::{Service, ServiceKey},
            },
            plugin::health_words::HealthStatus,
        },
    },
    named::{nanoseconds, no_stats, service_key, socket},
};

pub(super) struct Scene {
    pub(super) settings: String,
    pub(super) services: Vec<Listed>,
    pub(super) health: HashMap<RealServerKey, Health>,
    /// Of services, and of real servers.
    labels: HashMap<(ServiceKey, Option<Endpoint>), Labels>,
    pub(super) log: Vec<String>,
    /// Nanoseconds since the Unix epoch, and since the host was made.
    pub(super) wall: u64,
    pub(super) monotonic: u64,
    pub(super) utc_offset: i32,
}

/// Names and values.
type Labels = Vec<(String, String)>;

pub(super) struct Listed {
    pub(super) service: Service,
    pub(super) name: Option<String>,
    pub(super) servers: Vec<RealServer>,
}

#[derive(Clone, Copy)]
pub(super) struct Health {
    pub(super) status: HealthStatus,
    /// When it became so, on the monotonic clock.
    pub(super) at: u64,
    pub(super) latency: Option<u64>,
}

impl Scene {
    /// Without services, at the beginning of 2026, UTC.
    pub(super) fn new() -> Self {
        Self {
            settings: "{}".to_owned(),
            services: Vec::new(),
            health: HashMap::new(),
            labels: HashMap::new(),
            log: Vec::new(),
            wall: 1_767_225_600_000_000_000,
            monotonic: 0,
            utc_offset: 0,
        }
    }

    /// Adds a service. Panics if key or addresses are none.
    pub(super) fn add(&mut self, key: &str, servers: &[(&str, u32)]) {
        let config = plain::service_config(service_key(key), "wrr");
        let servers = servers.iter().map(|(address, weight)| RealServer {
            config: plain::real_server(socket(address), *weight),
            active: 0,
            inactive: 0,
            persistent: 0,
            stats: no_stats(),
        });
        let service = Service { config, stats: no_stats() };
        self.services.push(Listed { service, name: None, servers: servers.collect() });
    }

    /// Names a service. Panics if there is none such.
    pub(super) fn name(&mut self, service: &str, name: &str) {
        let key = service_key(service);
        let found = self.services.iter_mut().find(|it| it.service.config.key == key);
        found.unwrap_or_else(|| panic!("no service {service}")).name = Some(name.to_owned());
    }

    /// Labels a service. Panics if there is none such.
    pub(super) fn label_service(&mut self, service: &str, labels: &[(&str, &str)]) {
        let key = service_key(service);
        let is_there = self.services.iter().any(|it| it.service.config.key == key);
        assert!(is_there, "no service {service}");
        self.labels.insert((key, None), sorted(labels));
    }

    /// Labels a real server. Panics if there is none such.
    pub(super) fn label(&mut self, server: &str, labels: &[(&str, &str)]) {
        let RealServerKey { service, server } = self.key(server);
        self.labels.insert((service, Some(server)), sorted(labels));
    }

    pub(super) fn labels_of(&self, service: ServiceKey, server: Option<Endpoint>) -> Labels {
        self.labels.get(&(service, server)).cloned().unwrap_or_default()
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.wall += nanoseconds(time);
        self.monotonic += nanoseconds(time);
    }

    /// A real server by its address, or by its service's and its own. Panics if there is none such,
    /// or if several services have it.
    pub(super) fn key(&self, server: &str) -> RealServerKey {
        let (service, address) = match server.rsplit_once(' ') {
            Some((service, address)) => (Some(service_key(service)), address),
            None => (None, server),
        };
        let address = Endpoint::from(socket(address));
        let mut found = self.keys().filter(|it| {
            it.server == address && service.is_none_or(|service| service == it.service)
        });
        let key = found.next().unwrap_or_else(|| panic!("no real server {server}"));
        assert!(
            found.next().is_none(),
            "several services have {server}: say {} {key}",
            key.service
        );
        key
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = RealServerKey> {
        self.services.iter().flat_map(|listed| {
            let service = listed.service.config.key;
            listed.servers.iter().map(move |it| RealServerKey { service, server: it.config.server })
        })
    }

    /// Panics if there is none such.
    pub(super) fn health_of(&mut self, server: &str) -> &mut Health {
        let key = self.key(server);
        self.health_at(key)
    }

    pub(super) fn health_at(&mut self, key: RealServerKey) -> &mut Health {
        let unknown = Health { status: HealthStatus::Unknown, at: 0, latency: None };
        self.health.entry(key).or_insert(unknown)
    }

    pub(super) fn turn(&mut self, key: RealServerKey, status: HealthStatus) {
        let now = self.monotonic;
        let health = self.health_at(key);
        if health.status != status {
            (health.status, health.at) = (status, now);
        }
    }

    /// Panics if there is none such.
    pub(super) fn connect(&mut self, server: &str, active: u32, inactive: u32) {
        let key = self.key(server);
        for listed in self.services.iter_mut().filter(|it| it.service.config.key == key.service) {
            for found in listed.servers.iter_mut().filter(|it| it.config.server == key.server) {
                (found.active, found.inactive) = (active, inactive);
            }
        }
    }
}

fn sorted(labels: &[(&str, &str)]) -> Labels {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
