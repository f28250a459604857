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
    Change, Endpoint, Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service,
    ServiceKey, ServiceStatus, Snapshot, Stats, TableEntry, Traffic,
};
use weir_wasm::{
    Birth, Candidate, Checking, Conversation, Envelope, Event, Failure, HealthChange, HealthReport,
    HealthStatus, HttpAnswer, HttpFailure, HttpRequest, HttpResponse, HttpRule, Labels, Limits,
    Origin, Plugin, PolicyGrant, ProbeError, Reach, Review, Runtime, Services, Settings,
    StructureGrant, Table, View, Weighing, World,
};

/// Real servers of the tables.
pub(super) const SIZES: [u16; 3] = [10, 100, 1000];

/// What a plugin took of this machine in each of its roles.
pub(super) struct Took(Vec<(&'static str, Duration)>);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.0.iter().map(|(what, took)| format!("{what} in {took:.1?}"));
        f.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}

/// Calls a plugin in each of its `roles`, with `config_json` and a table of `size` real
/// servers. Its grant is everything.
pub(super) fn all(
    runtime: &Runtime,
    plugin: &Plugin,
    roles: &[World],
    config_json: &str,
    size: u16,
    limits: &Limits,
) -> Result<Took, Failure> {
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
            state_bytes: 1 << 20,
            lease: Duration::from_secs(60),
            structure: Some(StructureGrant {
                addresses: ["0.0.0.0/0", "::/0"].iter().filter_map(|it| it.parse().ok()).collect(),
                services_max: 4096,
                servers_max: 4096,
                ..StructureGrant::default()
            }),
            http: vec![HttpRule::anything()],
            secrets: BTreeMap::new(),
        },
        limits: *limits,
        log: Arc::new(|_| {}),
    };
    let trial = Trial { runtime, plugin, settings, view: view(size) };
    let mut took = Vec::new();
    for role in roles {
        took.extend(match role {
            World::Policy => trial.policy(None)?,
            World::Controller => trial.policy(Some("an answer"))?,
            World::Weigher => trial.weigher()?,
            World::Guard => trial.guard()?,
            World::Checker => trial.checker()?,
            World::Command => Vec::new(),
        });
    }
    Ok(Took(took))
}

/// A server at which nobody listens.
struct Nobody;

impl Reach for Nobody {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        Err(ProbeError::Refused)
    }

    fn http(&mut self, _: HttpRequest) -> Result<HttpResponse, ProbeError> {
        Err(ProbeError::Refused)
    }

    fn exchange(&mut self, _: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        Err(ProbeError::Refused)
    }
}

/// A plugin, and what it is tried on.
struct Trial<'a> {
    runtime: &'a Runtime,
    plugin: &'a Plugin,
    settings: Settings,
    view: View,
}

impl Trial<'_> {
    /// Starts the policy, and tells it that a real server is down; and, where there is a name
    /// for it, of an answer by HTTP.
    fn policy(
        &self,
        answer: Option<&'static str>,
    ) -> Result<Vec<(&'static str, Duration)>, Failure> {
        let begin = now();
        let (mut policy, _) = self.runtime.start_policy(
            self.plugin,
            self.settings.clone(),
            Birth::Fresh,
            self.view.clone(),
        )?;
        policy.handle(self.view.clone(), &[envelope(1, Event::Started)])?;
        let started = begin.elapsed();
        let change = HealthChange {
            server: key(0),
            detail: "connection refused".to_owned(),
            before: HealthStatus::Up,
            after: HealthStatus::Down,
            lasted: Duration::from_secs(1),
        };
        let begin = now();
        policy.handle(self.view.clone(), &[envelope(2, Event::Health(change))])?;
        let mut took = vec![("started", started), ("an event", begin.elapsed())];
        if let Some(what) = answer {
            let begin = now();
            let answer = HttpAnswer { tag: String::new(), outcome: Err(HttpFailure::Timeout) };
            policy.handle(self.view.clone(), &[envelope(3, Event::Answered(answer))])?;
            took.push((what, begin.elapsed()));
        }
        Ok(took)
    }

    /// Has it weigh the service, twice, so that it finds its own memo.
    fn weigher(&self) -> Result<Vec<(&'static str, Duration)>, Failure> {
        let weigher = self.runtime.weigher(self.plugin, self.settings.clone())?;
        let candidate = |server: &RealServerStatus| Candidate {
            server: *server,
            labels: Labels::new(),
            base: server.config.weight,
            unweighed: server.config.weight,
            health: HealthStatus::Up,
            latency: Some(Duration::from_millis(3)),
            delta: Traffic::default(),
        };
        let mut weighing = Weighing {
            service: Service::new(service(), "wrr"),
            name: "web".to_owned(),
            labels: Labels::new(),
            at_ns: self.view.wall_ns,
            period: Duration::ZERO,
            candidates: self.servers().iter().map(candidate).collect(),
            memo: Vec::new(),
        };
        weighing.memo = weigher.weigh(&weighing)?.memo;
        weighing.period = Duration::from_secs(5);
        let begin = now();
        weigher.weigh(&weighing)?;
        Ok(vec![("weighed", begin.elapsed())])
    }

    /// Has it check a server that nobody listens at. One that traps has failed.
    fn checker(&self) -> Result<Vec<(&'static str, Duration)>, Failure> {
        let checker = self.runtime.checker(self.plugin, self.settings.clone())?;
        let checking = Checking {
            server: ([192, 0, 2, 1], 80).into(),
            settings: self.settings.config_json.clone(),
            timeout: Duration::from_secs(2),
            at_ns: None,
        };
        let begin = now();
        checker.check(checking, Box::new(Nobody))?;
        Ok(vec![("checked", begin.elapsed())])
    }

    /// Has it judge that an operator drains a real server.
    fn guard(&self) -> Result<Vec<(&'static str, Duration)>, Failure> {
        let guard = self.runtime.guard(self.plugin, self.settings.clone())?;
        let mut servers: Vec<RealServer> = self.servers().iter().map(|it| it.config).collect();
        servers[0].weight = 0;
        let review = Review {
            origin: Origin::Operator,
            reason: String::new(),
            changes: vec![Change::EditServer(service(), servers[0])],
            outcome: vec![(Service::new(service(), "wrr"), servers)],
        };
        let begin = now();
        guard.judge(self.settings.grant.clone(), review, self.view.clone())?;
        Ok(vec![("judged", begin.elapsed())])
    }

    fn servers(&self) -> &[RealServerStatus] {
        self.view.table.get(&service()).map_or(&[], |it| &it.servers)
    }
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
        wall_ns: 1_000_000_000,
        monotonic_ns: 1_000_000_000,
        ..View::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a plugin takes is told to its author")]
fn now() -> Instant {
    Instant::now()
}
