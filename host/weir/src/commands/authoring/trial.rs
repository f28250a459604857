//! A plugin tried on tables of several sizes, in virtual time: nothing of it is real but
//! the plugin and its limits.

use std::{
    collections::BTreeMap,
    fmt,
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use weir_ipvs::{
    Endpoint, Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service,
    ServiceKey, ServiceStatus, Snapshot, Stats, TableEntry,
};
use weir_wasm::{
    Birth, Envelope, Event, Failure, HealthChange, HealthReport, HealthStatus, Limits, Plugin,
    PolicyGrant, Runtime, Services, Settings, Table, View,
};

/// Real servers of the tables.
pub(super) const SIZES: [u16; 3] = [10, 100, 1000];

/// What a policy took of this machine.
pub(super) struct Took {
    pub(super) start: Duration,
    pub(super) event: Duration,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "started in {:.1?}, an event in {:.1?}", self.start, self.event)
    }
}

/// Starts the policy with `config_json` on a table of `size` real servers, and tells it
/// that one is down. Its grant is everything.
pub(super) fn policy(
    runtime: &Runtime,
    plugin: &Plugin,
    config_json: &str,
    size: u16,
    limits: &Limits,
) -> Result<Took, Failure> {
    let view = view(size);
    let settings = Settings {
        instance: plugin.name().to_owned(),
        config_json: config_json.to_owned(),
        grant: PolicyGrant {
            services: Services::All,
            base: Some(1..=1_000_000),
            scale: Some(1..=1_000_000),
            floor: Some(u32::MAX),
            cap: true,
            drain: true,
            lease: Duration::from_secs(60),
        },
        limits: *limits,
        log: Arc::new(|_| {}),
    };
    let begin = now();
    let (mut policy, _) = runtime.start_policy(plugin, settings, Birth::Fresh, view.clone())?;
    policy.handle(view.clone(), &[envelope(1, Event::Started)])?;
    let start = begin.elapsed();
    let change = HealthChange {
        server: key(0),
        detail: "connection refused".to_owned(),
        before: HealthStatus::Up,
        after: HealthStatus::Down,
        lasted: Duration::from_secs(1),
    };
    let begin = now();
    policy.handle(view, &[envelope(2, Event::Health(change))])?;
    Ok(Took { start, event: begin.elapsed() })
}

/// The runtime that a trial wants: one that ends what loops, whatever the machine.
pub(super) fn runtime() -> Result<Runtime> {
    Runtime::for_simulation().map_err(|error| anyhow!("{error}"))
}

/// The plugin in the component at `file`.
pub(super) fn load(runtime: &Runtime, file: &Path) -> Result<Plugin> {
    Ok(runtime.load(file, crate::commands::cache().as_ref())?)
}

fn envelope(sequence: u64, event: Event) -> Envelope {
    Envelope { sequence, at_ns: 0, event }
}

fn service() -> ServiceKey {
    (Protocol::Tcp, Endpoint::new([192, 0, 2, 1], 80)).into()
}

fn key(number: u16) -> RealServerKey {
    let [high, low] = number.to_be_bytes();
    let server = Endpoint::new(Ipv4Addr::new(10, 0, high, low), 80);
    RealServerKey { service: service(), server }
}

/// One service; of its real servers each third is down.
fn view(size: u16) -> View {
    let server = |number| RealServerStatus {
        config: RealServer::new(key(number).server, Forwarding::Masquerade, 10),
        active: 7,
        inactive: 3,
        persistent: 0,
        stats: Stats::default(),
    };
    let entry = TableEntry {
        service: ServiceStatus { config: Service::new(service(), "wrr"), stats: Stats::default() },
        servers: (0..size).map(server).collect(),
    };
    let report = |number: u16| HealthReport {
        status: if number % 3 == 1 { HealthStatus::Down } else { HealthStatus::Up },
        since: Duration::from_secs(9),
        ..HealthReport::default()
    };
    let health: BTreeMap<_, _> = (0..size).map(|it| (key(it), report(it))).collect();
    View {
        table: Arc::new(Table::new(Snapshot { entries: vec![entry] }, 0)),
        health: Arc::new(health),
        // Go's runtime refuses a clock that stands at zero.
        monotonic_ns: 1_000_000_000,
        ..View::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a plugin takes is told to its author")]
fn now() -> Instant {
    Instant::now()
}
