//! A plugin tried on tables of several sizes: what happens to them is made up, while the plugin,
//! its limits and the time that it takes are as in `weir run`.

use std::{
    collections::BTreeMap,
    fmt, mem,
    net::Ipv4Addr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Error, Result, anyhow};
use weir_ipvs::{
    Change, Endpoint, Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service,
    ServiceKey, ServiceStatus, Snapshot, Stats, TableEntry, Traffic,
};
use weir_wasm::{
    Birth, Candidate, Checked, Checking, Conversation, Effect, Envelope, Event, Failure,
    HealthChange, HealthReport, HealthStatus, HttpAnswer, HttpFailure, HttpReply, HttpRequest,
    HttpResponse, HttpRule, Labels, Limits, Origin, Plugin, Policy, PolicyGrant, ProbeError, Reach,
    Review, Runtime, Services, Settings, StructureGrant, Table, View, Weighing, World,
};

use crate::{health::http_request, timer};

/// Real servers of the tables.
pub(super) const SIZES: [u16; 3] = [10, 100, 1000];

/// What a plugin took of this machine for each thing that it was told or asked; the longest, where
/// that was several times.
#[derive(Debug, Default)]
pub(super) struct Took(Vec<(&'static str, Duration)>);

impl Took {
    /// Does `call`, which is named by `what`, and measures it.
    fn of<T>(
        &mut self,
        what: &'static str,
        call: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T> {
        let begin = now();
        let value = call().map_err(|failure| failed(what, &failure))?;
        let took = begin.elapsed();
        match self.0.iter_mut().find(|it| it.0 == what) {
            Some((_, longest)) => *longest = took.max(*longest),
            None => self.0.push((what, took)),
        }
        Ok(value)
    }
}

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
) -> Result<Took> {
    let settings = settings(plugin, config_json, limits);
    let trial = Trial { runtime, plugin, settings, view: view(size) };
    let mut took = Took::default();
    for role in roles {
        match role {
            World::Policy | World::Controller => trial.policy(&mut took)?,
            World::Weigher => trial.weigher(&mut took)?,
            World::Guard => trial.guard(&mut took)?,
            World::Checker => trial.checker(&mut took)?,
            World::Command => {}
        }
    }
    Ok(took)
}

/// What a checker finds of a server that answers, and of one at which nobody listens.
pub(super) fn found(
    runtime: &Runtime,
    plugin: &Plugin,
    config_json: &str,
    limits: &Limits,
) -> Result<[Checked; 2]> {
    let settings = settings(plugin, config_json, limits);
    Trial { runtime, plugin, settings, view: View::default() }.found(&mut Took::default())
}

fn settings(plugin: &Plugin, config_json: &str, limits: &Limits) -> Settings {
    Settings {
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
    }
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

/// A server that answers: by HTTP with 200 and nothing else, elsewhere with what it is told.
struct Somebody;

impl Reach for Somebody {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        Ok(Box::new(Echo(Vec::new())))
    }

    fn http(&mut self, request: HttpRequest) -> Result<HttpResponse, ProbeError> {
        http_request(request, String::new())?;
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() })
    }

    fn exchange(&mut self, datagram: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        Ok(datagram)
    }
}

/// A connection on which comes back what was sent, and then the end.
struct Echo(Vec<u8>);

impl Conversation for Echo {
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), ProbeError> {
        self.0.extend(bytes);
        Ok(())
    }

    fn read(&mut self, max: usize) -> Result<Vec<u8>, ProbeError> {
        let length = max.min(self.0.len());
        Ok(self.0.drain(..length).collect())
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
    /// Starts the policy and tells it, one by one, what `weir run` tells one that wants to hear
    /// this; what it asks by HTTP is answered well and badly, each question once.
    fn policy(&self, took: &mut Took) -> Result<()> {
        let start = || {
            let (plugin, settings) = (self.plugin, self.settings.clone());
            self.runtime.start_policy(plugin, settings, Birth::Fresh, self.view.clone())
        };
        let (policy, wanted) = took.of("started", start)?;
        let mut told = Told { policy, view: &self.view, sequence: 0, asked: Vec::new(), took };
        told.of("started", Event::Started)?;
        if wanted.health {
            told.of("a failure", Event::Health(change(HealthStatus::Up, HealthStatus::Down)))?;
            told.of("a recovery", Event::Health(change(HealthStatus::Down, HealthStatus::Up)))?;
        }
        let stats = |since| wanted.stats_every.map(|_| Event::Stats(since));
        told.maybe("stats", stats(Duration::ZERO))?;
        for (what, outcome) in answers() {
            if told.asked.is_empty() {
                told.maybe("stats", stats(wanted.stats_every.unwrap_or_default()))?;
            }
            for tag in mem::take(&mut told.asked) {
                let answer = HttpAnswer { tag, outcome: outcome.clone() };
                told.of(what, Event::Answered(answer))?;
            }
        }
        told.of("the end", Event::Stopping(Duration::from_secs(1)))
    }

    /// Has it weigh the service, twice, so that it finds its own memo.
    fn weigher(&self, took: &mut Took) -> Result<()> {
        let weigher = self
            .runtime
            .weigher(self.plugin, self.settings.clone())
            .map_err(|failure| failed("weighed", &failure))?;
        let mut weighing = Weighing {
            service: Service::new(service(), "wrr"),
            name: "web".to_owned(),
            labels: Labels::new(),
            at_ns: self.view.wall_ns,
            period: Duration::ZERO,
            candidates: self.servers().iter().map(|it| self.candidate(it)).collect(),
            memo: Vec::new(),
        };
        weighing.memo = took.of("weighed", || weigher.weigh(&weighing))?.memo;
        weighing.period = Duration::from_secs(5);
        for it in &mut weighing.candidates {
            it.delta = Traffic { connections: 35, bytes_in: 4000, ..Traffic::default() };
        }
        took.of("weighed", || weigher.weigh(&weighing)).map(drop)
    }

    /// As others leave it, that drain what is down.
    fn candidate(&self, server: &RealServerStatus) -> Candidate {
        let key = RealServerKey { service: service(), server: server.config.endpoint };
        let health = self.view.health.get(&key).map_or(HealthStatus::Unknown, |it| it.status);
        let is_up = health == HealthStatus::Up;
        Candidate {
            server: *server,
            labels: Labels::new(),
            base: server.config.weight,
            unweighed: if is_up { server.config.weight } else { 0 },
            health,
            latency: is_up.then_some(Duration::from_millis(3)),
            delta: Traffic::default(),
        }
    }

    /// Has it check both kinds of servers. One that traps has failed.
    fn checker(&self, took: &mut Took) -> Result<()> {
        self.found(took).map(drop)
    }

    fn found(&self, took: &mut Took) -> Result<[Checked; 2]> {
        let checker = self
            .runtime
            .checker(self.plugin, self.settings.clone())
            .map_err(|failure| failed("checked", &failure))?;
        let mut check = |reach: Box<dyn Reach>| {
            let checking = Checking {
                server: ([192, 0, 2, 1], 80).into(),
                settings: self.settings.config_json.clone(),
                timeout: Duration::from_secs(2),
                at_ns: None,
            };
            took.of("checked", || checker.check(checking, reach))
        };
        Ok([check(Box::new(Somebody))?, check(Box::new(Nobody))?])
    }

    /// Has it judge that an operator, and then another plugin, drains a real server.
    fn guard(&self, took: &mut Took) -> Result<()> {
        let guard = self
            .runtime
            .guard(self.plugin, self.settings.clone())
            .map_err(|failure| failed("judged", &failure))?;
        let mut servers: Vec<RealServer> = self.servers().iter().map(|it| it.config).collect();
        servers[0].weight = 0;
        for origin in [Origin::Operator, Origin::Plugin("another".to_owned())] {
            let review = Review {
                origin,
                reason: String::new(),
                changes: vec![Change::EditServer(service(), servers[0])],
                outcome: vec![(Service::new(service(), "wrr"), servers.clone())],
            };
            let grant = self.settings.grant.clone();
            took.of("judged", || guard.judge(grant, review, self.view.clone()))?;
        }
        Ok(())
    }

    fn servers(&self) -> &[RealServerStatus] {
        self.view.table.get(&service()).map_or(&[], |it| &it.servers)
    }
}

/// A policy that is told what happens.
struct Told<'a> {
    policy: Policy,
    view: &'a View,
    sequence: u64,
    /// The tags of what it asked by HTTP, and that is not answered yet.
    asked: Vec<String>,
    took: &'a mut Took,
}

impl Told<'_> {
    /// Tells it of `event`, which is named by `what`.
    fn of(&mut self, what: &'static str, event: Event) -> Result<()> {
        self.sequence += 1;
        let envelope = Envelope { sequence: self.sequence, at_ns: self.view.wall_ns, event };
        let view = View { calls_under_way: self.asked.len(), ..self.view.clone() };
        let effects = self.took.of(what, || self.policy.handle(view, &[envelope]))?;
        self.asked.extend(effects.into_iter().filter_map(|it| match it {
            Effect::Call(call) => Some(call.tag),
            _ => None,
        }));
        Ok(())
    }

    fn maybe(&mut self, what: &'static str, event: Option<Event>) -> Result<()> {
        event.map_or(Ok(()), |it| self.of(what, it))
    }
}

/// What comes of a question by HTTP, sooner or later, whoever is asked.
fn answers() -> [(&'static str, Result<HttpReply, HttpFailure>); 3] {
    let empty = |status| Ok(HttpReply { status, headers: Vec::new(), body: Vec::new() });
    [
        ("a time-out", Err(HttpFailure::Timeout)),
        ("an answer of 503", empty(503)),
        ("an empty answer", empty(200)),
    ]
}

/// That the plugin failed when this happened.
fn failed(what: &str, failure: &Failure) -> Error {
    match failure {
        Failure::Refused { message, .. } => anyhow!("{what}: {message}"),
        failure => anyhow!("{what}: {failure}"),
    }
}

/// The runtime of a trial: it measures processor time as that of `weir run` does, so that both
/// stop the same plugins on the same machine.
pub(super) fn runtime() -> Result<Runtime> {
    let runtime = Runtime::for_daemon()?;
    timer::start(runtime.ticker());
    Ok(runtime)
}

/// The plugin in the component at `file`.
pub(super) fn load(runtime: &Runtime, file: &Path) -> Result<Plugin> {
    Ok(runtime.load(file, crate::commands::cache().as_ref())?)
}

fn service() -> ServiceKey {
    (Protocol::Tcp, Endpoint::new([192, 0, 2, 1], 80)).into()
}

fn key(number: u16) -> RealServerKey {
    let [high, low] = number.to_be_bytes();
    let server = Endpoint::new(Ipv4Addr::new(10, 0, high, low), 80);
    RealServerKey { service: service(), server }
}

/// That the first real server changed its health.
fn change(before: HealthStatus, after: HealthStatus) -> HealthChange {
    let detail = if after == HealthStatus::Up { "" } else { "connection refused" };
    HealthChange {
        server: key(0),
        detail: detail.to_owned(),
        before,
        after,
        lasted: Duration::from_secs(1),
    }
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
        // Some moment: no clock stands at zero.
        wall_ns: 1_000_000_000,
        monotonic_ns: 1_000_000_000,
        ..View::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a plugin takes is told to its author")]
fn now() -> Instant {
    Instant::now()
}
