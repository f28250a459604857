//! A table, views of it, an IPVS in memory, and logs that remember.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use weir_ipvs::{
    Change, Connection, Connections, Endpoint, Error, Failure, Family, Fields, Forwarding, Info,
    Ipvs, OnFailure, Protocol, RealServer, RealServerKey, RealServerStatus, Scheduler, Scope,
    Service, ServiceKey, ServiceStatus, Snapshot, Stats, SyncDaemon, SyncRole, TableEntry,
    Timeouts, WeightMeaning,
};
use weir_wasm::{
    Birth, Command, CommandGrant, Envelope, Event, HealthChange, HealthReport, HealthStatus,
    Labelled, Labels, Limits, LogLine, LogSink, Names, Policy, PolicyGrant, Runtime, Services,
    Settings, Statement, Stdio, Subscription, Table, Terminals, View,
};

use crate::guests;

pub(crate) fn service(text: &str) -> ServiceKey {
    (Protocol::Tcp, text.parse().unwrap()).into()
}

pub(crate) fn key(service_text: &str, server: &str) -> RealServerKey {
    RealServerKey { service: service(service_text), server: server.parse().unwrap() }
}

/// Two services: 192.0.2.1:80 with 10.0.0.1:80 and 10.0.0.2:80, and 192.0.2.2:80 with
/// [2001:db8::1]:80.
pub(crate) fn snapshot() -> Snapshot {
    let server = |text: &str, weight| RealServerStatus {
        config: RealServer::new(text.parse().unwrap(), Forwarding::Masquerade, weight),
        active: 7,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    };
    let entry = |text: &str, servers| TableEntry {
        service: ServiceStatus {
            config: Service::new(service(text), "wrr"),
            stats: Stats::default(),
        },
        servers,
    };
    Snapshot {
        entries: vec![
            entry("192.0.2.1:80", vec![server("10.0.0.1:80", 1), server("10.0.0.2:80", 2)]),
            entry("192.0.2.2:80", vec![server("[2001:db8::1]:80", 3)]),
        ],
    }
}

/// One label.
pub(crate) fn labels(name: &str, value: &str) -> Labels {
    Labels::from([text((name, value))])
}

fn text((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub(crate) fn view() -> View {
    let mut table = Table::new(snapshot(), 1_000);
    table.generation = 5;
    table.names = BTreeMap::from([
        (service("192.0.2.1:80"), "web".to_owned()),
        (service("192.0.2.2:80"), "api".to_owned()),
    ]);
    let since = Duration::from_millis(3500);
    let report = HealthReport { status: HealthStatus::Up, since, ..HealthReport::default() };
    report.latency.set(Some(Duration::from_micros(250)));
    let health = BTreeMap::from([
        (key("192.0.2.1:80", "10.0.0.1:80"), report.clone()),
        (key("192.0.2.2:80", "[2001:db8::1]:80"), report),
    ]);
    let labelled = Labelled {
        service: Labels::from([("team", "shop"), ("tier", "1")].map(text)),
        servers: BTreeMap::from([("10.0.0.2:80".parse().unwrap(), labels("zone", "a"))]),
    };
    View {
        table: Arc::new(table),
        health: Arc::new(health),
        labels: Arc::new(BTreeMap::from([(service("192.0.2.1:80"), labelled)])),
        held: Vec::new(),
        state: Arc::default(),
        wall_ns: 2_000,
        monotonic_ns: 5_000_000_000,
        ..View::default()
    }
}

pub(crate) fn event(sequence: u64, event: Event) -> Envelope {
    Envelope { sequence, at_ns: 1, event }
}

/// 10.0.0.1:80 of 192.0.2.1:80 changed health.
pub(crate) fn health_event(sequence: u64, after: HealthStatus) -> Envelope {
    let change = HealthChange {
        server: key("192.0.2.1:80", "10.0.0.1:80"),
        detail: "connection refused".to_owned(),
        before: HealthStatus::Unknown,
        after,
        lasted: Duration::from_secs(1),
    };
    event(sequence, Event::Health(change))
}

/// What a guest logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<LogLine>>>);

impl Lines {
    pub(crate) fn sink(&self) -> LogSink {
        let lines = Arc::clone(&self.0);
        Arc::new(move |line| lines.lock().unwrap().push(line))
    }

    pub(crate) fn all(&self) -> Vec<LogLine> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.all().into_iter().map(|line| line.message).collect()
    }
}

/// Everything that can be granted, everywhere.
pub(crate) fn whole_grant() -> PolicyGrant {
    PolicyGrant {
        services: Services::All,
        base: Some(0..=u32::MAX),
        scale: Some(1..=u32::MAX),
        floor: Some(u32::MAX),
        cap: true,
        drain: true,
        state_bytes: 1 << 20,
        lease: Duration::from_secs(60),
        ..PolicyGrant::default()
    }
}

/// Limits that a test does not run into by being slow.
pub(crate) fn patient() -> Limits {
    Limits { cpu: Duration::from_secs(60), wall: None, ..Limits::for_policy() }
}

pub(crate) fn settings(lines: &Lines) -> Settings {
    Settings {
        instance: "test".to_owned(),
        config_json: "{}".to_owned(),
        grant: whole_grant(),
        limits: Limits { log_lines_per_second: 1000, ..patient() },
        log: lines.sink(),
    }
}

/// Starts a policy that will come up.
pub(crate) fn start(guest: &str, settings: Settings) -> (Policy, Subscription) {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, guest);
    runtime.start_policy(&plugin, settings, Birth::Fresh, view()).unwrap()
}

/// Ticks every millisecond, as the daemon does, until dropped.
pub(crate) struct Ticking {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticking {
    pub(crate) fn start(runtime: &Runtime) -> Self {
        let ticker = runtime.ticker();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                ticker.tick();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// An IPVS that remembers what it was told, and refuses each third step.
#[derive(Clone, Default)]
pub(crate) struct Remembering {
    pub(crate) changes: Arc<Mutex<Vec<Change>>>,
}

impl Ipvs for Remembering {
    fn info(&mut self) -> Result<Info, Error> {
        Ok(Info { version: (1, 2, 1), connection_table_size: 4096 })
    }

    fn read(&mut self, _: Scope, _: Fields) -> Result<Snapshot, Error> {
        Ok(snapshot())
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (step, change) in changes.iter().enumerate() {
            if step % 3 == 2 {
                failures.push(Failure { step, error: Error::Errno(34) });
                if on_failure == OnFailure::Stop {
                    break;
                }
            } else {
                self.changes.lock().unwrap().push(change.clone());
            }
        }
        failures
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        Err(Error::NoAnswer)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Ok(Timeouts { tcp: 900, tcp_fin: 120, udp: 300 })
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        Ok(vec![SyncDaemon {
            role: SyncRole::Master,
            interface: b"eth0".to_vec(),
            sync_id: 1,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        }])
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        Ok(vec![Scheduler {
            name: "wrr".to_owned(),
            availability: weir_ipvs::Availability::Loaded,
            weight: WeightMeaning::Share,
            named_flags: Vec::new(),
        }])
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        let endpoint = Endpoint::new([10, 0, 0, 1], 80);
        let connection = Connection {
            protocol: "TCP".to_owned(),
            client: endpoint,
            virtual_address: endpoint,
            server: endpoint,
            state: "ESTABLISHED".to_owned(),
            expires_in: 10,
            engine: None,
        };
        let entries = vec![
            Ok(connection.clone()),
            Ok(connection.clone()),
            Ok(connection),
            Err(Error::Errno(5)),
        ];
        Ok(Box::new(entries.into_iter()))
    }
}

/// Finds `web` and `http`, and the way back.
pub(crate) struct FewNames;

impl Names for FewNames {
    fn hosts(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>> {
        addresses.iter().map(|_| Some(b"web".to_vec())).collect()
    }

    fn ports(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>> {
        ports.iter().map(|(port, _)| (*port == 80).then(|| b"http".to_vec())).collect()
    }

    fn addresses(&mut self, _: &[u8], _: Family) -> Vec<IpAddr> {
        vec![IpAddr::from([10, 0, 0, 1])]
    }

    fn port(&mut self, _: &[u8], _: &str) -> Option<u16> {
        Some(80)
    }
}

pub(crate) const WHOLE_COMMAND_GRANT: CommandGrant =
    CommandGrant { live: true, admin: true, connections: true, names: true };

/// A command with these arguments and streams, on `ipvs`.
pub(crate) fn command(
    arguments: &[&str],
    streams: [OwnedFd; 3],
    grant: CommandGrant,
    ipvs: Remembering,
) -> Command {
    let [input, output, error] = streams;
    Command {
        arguments: arguments.iter().map(|it| it.as_bytes().to_vec()).collect(),
        environment: vec![("LINES".to_owned(), b"24".to_vec())],
        terminals: Terminals { stdout: true, ..Terminals::default() },
        grant,
        limits: Limits::for_command(),
        ipvs: Box::new(move || Ok(Box::new(ipvs))),
        names: Box::new(FewNames),
        stdio: Stdio::new(input, output, error),
        log: Lines::default().sink(),
    }
}

/// One statement that is already held.
pub(crate) fn held(server: &str) -> Statement {
    Statement {
        key: key("192.0.2.1:80", server),
        intent: weir_wasm::Intent::Drain,
        lease: Duration::from_secs(60),
        reason: "before".to_owned(),
    }
}
