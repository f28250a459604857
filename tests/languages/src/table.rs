//! The table that policies are shown, and changes in it.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{
    Endpoint, Family, Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service,
    ServiceKey, ServiceStatus, Snapshot, Stats, TableEntry,
};
use weir_wasm::{Event, HealthChange, HealthReport, HealthStatus, Labelled, Labels, Table};

/// The servers of the service `web`, tcp 192.0.2.1:80: what is up, what is down, what is
/// not checked.
pub const WEB: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "[2001:db8::3]:8080"];

/// The one server of a firewall mark without a name.
pub const DNS: &str = "10.0.0.4:53";

/// The table: `web` with three servers of weight 10, and fwmark 7 with one.
pub(crate) fn table() -> Table {
    let server = |text: &str| RealServerStatus {
        config: RealServer::new(endpoint(text), Forwarding::Masquerade, 10),
        active: 7,
        inactive: 2,
        persistent: 0,
        stats: Stats::default(),
    };
    let entry = |key, servers: &[&str]| TableEntry {
        service: ServiceStatus { config: Service::new(key, "wrr"), stats: Stats::default() },
        servers: servers.iter().map(|it| server(it)).collect(),
    };
    let entries = vec![entry(web(), &WEB), entry(dns(), &[DNS])];
    let mut table = Table::new(Snapshot { entries }, 1_000);
    table.generation = 1;
    table.names = BTreeMap::from([(web(), "web".to_owned())]);
    table
}

/// What is known of health at the start.
pub(crate) fn health() -> BTreeMap<RealServerKey, HealthReport> {
    let report =
        |status| HealthReport { status, since: Duration::from_secs(9), ..HealthReport::default() };
    BTreeMap::from([
        (key(WEB[0]), report(HealthStatus::Up)),
        (key(WEB[1]), report(HealthStatus::Down)),
        (key(DNS), report(HealthStatus::Down)),
    ])
}

/// What has labels: `web`, and its first server.
pub(crate) fn labels() -> BTreeMap<ServiceKey, Labelled> {
    let labels = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
    let servers = BTreeMap::from([(endpoint(WEB[0]), labels("zone", "hall-1"))]);
    BTreeMap::from([(web(), Labelled { service: labels("team", "shop"), servers })])
}

/// One of [`WEB`], or [`DNS`].
pub fn key(server: &str) -> RealServerKey {
    let service = if server == DNS { dns() } else { web() };
    RealServerKey { service, server: endpoint(server) }
}

/// That `server` became what it is now, `after`.
pub fn change(server: &str, after: HealthStatus) -> Event {
    let before = match after {
        HealthStatus::Up => HealthStatus::Down,
        HealthStatus::Down | HealthStatus::Unknown => HealthStatus::Up,
    };
    Event::Health(HealthChange {
        server: key(server),
        detail: "connection refused".to_owned(),
        before,
        after,
        lasted: Duration::from_millis(1500),
    })
}

fn web() -> ServiceKey {
    (Protocol::Tcp, endpoint("192.0.2.1:80")).into()
}

fn dns() -> ServiceKey {
    ServiceKey::Fwmark { mark: 7, family: Family::V4 }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().expect("the tests write endpoints as they are read")
}
