//! A host of one policy: gives it events, keeps what it says, and tells both as text.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use weir_ipvs::{RealServerKey, ServiceKey};
use weir_wasm::{
    Birth, Effect, Entries, Envelope, Event, Failure, HealthReport, Level, Limits, OwnedService,
    Plugin, Policy, PolicyGrant, Runtime, Services, Settings, Statement, StructureGrant, Table,
    View,
};

use crate::table;

/// With what a policy is started.
pub struct Setup {
    /// JSON text of an object.
    pub config_json: String,
    /// Everything, unless a test wants less.
    pub grant: PolicyGrant,
    /// Patient, for tests run on machines that are busy.
    pub limits: Limits,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            config_json: "{}".to_owned(),
            grant: PolicyGrant {
                services: Services::All,
                base: None,
                scale: Some(1..=2000),
                floor: Some(100),
                cap: true,
                drain: true,
                state_bytes: 1000,
                lease: Duration::from_secs(60),
                structure: Some(StructureGrant {
                    addresses: vec!["192.0.2.0/24".parse().expect("it is a prefix")],
                    services_max: 2,
                    servers_max: 3,
                    ..StructureGrant::default()
                }),
                http: vec!["GET https://registry.example/".parse().expect("it is a rule")],
                secrets: BTreeMap::new(),
            },
            limits: patient(),
        }
    }
}

impl Setup {
    /// What it comes to, with a log that nobody reads.
    pub fn settings(self) -> Settings {
        Settings {
            instance: "test".to_owned(),
            config_json: self.config_json,
            grant: self.grant,
            limits: self.limits,
            log: Arc::new(|_| {}),
        }
    }
}

/// Limits that are none of time.
fn patient() -> Limits {
    Limits {
        cpu: Duration::from_secs(60),
        wall: None,
        log_lines_per_second: 1000,
        ..Limits::for_policy()
    }
}

/// A policy that runs, and what it holds.
pub struct Host {
    policy: Policy,
    table: Arc<Table>,
    health: BTreeMap<RealServerKey, HealthReport>,
    held: BTreeMap<RealServerKey, Statement>,
    state: Entries,
    owned: BTreeMap<ServiceKey, OwnedService>,
    sequence: u64,
    log: Lines,
}

type Lines = Arc<Mutex<Vec<(Level, String)>>>;

impl Host {
    /// Starts `plugin`. It is told nothing yet.
    pub fn start(runtime: &Runtime, plugin: &Plugin, setup: Setup) -> Result<Self, Failure> {
        let log = Lines::default();
        let lines = Arc::clone(&log);
        let settings = Settings {
            log: Arc::new(move |line| {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push((line.level, line.message));
            }),
            ..setup.settings()
        };
        let (table, health) = (Arc::new(table::table()), table::health());
        let view = view(&table, &health, &BTreeMap::new(), &Entries::new());
        let (policy, _) = runtime.start_policy(plugin, settings, Birth::Fresh, view)?;
        let (held, state) = (BTreeMap::new(), Entries::new());
        let owned = BTreeMap::new();
        Ok(Self { policy, table, health, held, state, owned, sequence: 0, log })
    }

    /// Hands over one batch; what became of it, a line for each effect, or the failure.
    pub fn tell(&mut self, events: Vec<Event>) -> String {
        let mut batch = Vec::new();
        for event in events {
            if let Event::Health(change) = &event {
                let report = HealthReport { status: change.after, ..HealthReport::default() };
                self.health.insert(change.server, report);
            }
            self.sequence += 1;
            batch.push(Envelope { sequence: self.sequence, at_ns: 1_000, event });
        }
        let mut view = view(&self.table, &self.health, &self.held, &self.state);
        view.owned = Arc::new(self.owned.clone());
        match self.policy.handle(view, &batch) {
            Ok(effects) => effects.into_iter().fold(String::new(), |mut text, effect| {
                let _ = writeln!(text, "{}", show(&effect));
                self.keep(effect);
                text
            }),
            Err(failure) => failure.to_string(),
        }
    }

    /// What it logged since this, or the same without levels, was asked last.
    pub fn graded_log(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, without levels.
    pub fn log(&self) -> Vec<String> {
        self.graded_log().into_iter().map(|(_, message)| message).collect()
    }

    fn keep(&mut self, effect: Effect) {
        match effect {
            Effect::Publish(statement) => {
                self.held.insert(statement.key, statement);
            }
            Effect::Withdraw(key) => {
                self.held.remove(&key);
            }
            Effect::Note(key, Some(value)) => drop(self.state.insert(key, value)),
            Effect::Note(key, None) => drop(self.state.remove(&key)),
            Effect::Own(key, Some(owned)) => drop(self.owned.insert(key, owned)),
            Effect::Own(key, None) => drop(self.owned.remove(&key)),
            Effect::Call(_) => {}
        }
    }
}

fn view(
    table: &Arc<Table>,
    health: &BTreeMap<RealServerKey, HealthReport>,
    held: &BTreeMap<RealServerKey, Statement>,
    state: &Entries,
) -> View {
    View {
        table: Arc::clone(table),
        health: Arc::new(health.clone()),
        labels: Arc::new(table::labels()),
        held: held.values().cloned().collect(),
        state: Arc::new(state.clone()),
        wall_ns: 2_000,
        monotonic_ns: 3_000,
        ..View::default()
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Publish(Statement { key, intent, lease, reason }) => {
            format!("{} {}: {intent:?} for {lease:?}: {reason}", key.service, key.server)
        }
        Effect::Withdraw(key) => format!("{} {}: withdrawn", key.service, key.server),
        Effect::Note(key, Some(value)) => format!("remembers {key}: {}", value.escape_ascii()),
        Effect::Note(key, None) => format!("forgets {key}"),
        Effect::Own(key, Some(OwnedService { name, planned })) => {
            let servers = planned.servers.values();
            let servers = servers.map(|it| format!("{} weight {}", it.endpoint, it.weight));
            let servers = servers.collect::<Vec<_>>().join(", ");
            format!("owns {name}, {key} by {}: {servers}", planned.service.scheduler)
        }
        Effect::Own(key, None) => format!("gives up {key}"),
        Effect::Call(call) => format!("asks {} {} for {:?}", call.method, call.uri, call.tag),
    }
}
