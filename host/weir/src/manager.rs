//! The manager: one owner of all state, from verdicts to writes.
//!
//! ```text
//! Event -> handle(now, event)              counts as told, wakes policies
//!       -> settle(now, ipvs)               policies: statements -> merge -> diff -> write
//!       -> poll_output()                   lines to log, checks to begin and end
//! ```
//!
//! It has no clock, no thread and no I/O but through the [`Ipvs`] it is lent and the guests
//! it calls: whoever runs it brings time and events. The same inputs in the same order
//! give the same writes in the same order.
//!
//! [`policy`] says when a plugin is called and what becomes of one that failed,
//! [`statements`] how long its words stand, [`claims`] what is ours, [`reconcile`] how
//! the table becomes what it should be, and [`view`] what plugins see of it.

mod claims;
mod policy;
mod reconcile;
mod statements;
mod view;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use weir_ipvs::{Error, Ipvs, RealServerKey, ServiceKey, TableEntry};
use weir_wasm::{Effect, Event as PolicyEvent, HealthChange, Intent, Table};

pub(crate) use self::policy::{Guest, Starter};
use self::{
    policy::{Policy, Remedy},
    statements::Statements,
    view::World,
};
use crate::{
    config::{Config, Plugin},
    health::{State, Target, Verdict},
    plan::Claim,
    report::Line,
};

/// How often the table is looked at for edits by others.
const POLL: Duration = Duration::from_secs(10);

/// How soon a write that did not succeed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a policy is told it has when weir stops.
const STOPPING: Duration = Duration::from_secs(1);

/// A moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since an arbitrary moment, never backwards. All that is timed is timed by it.
    pub(crate) monotonic: Duration,
    /// Since the Unix epoch; for people.
    pub(crate) wall: Duration,
}

/// What happens to the manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A check changed its mind.
    Health(Verdict),
    /// The time that [`Manager::deadline`] named has come.
    Due,
    /// weir is to stop. The table stays as it is.
    Stop,
}

/// What the manager wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Tell people.
    Log(Line),
    /// Begin a check.
    Watch(Target),
    /// End the check with this number.
    Unwatch(u64),
}

/// Why a weight changes.
#[derive(Debug, Clone)]
struct Cause {
    /// Whose word it is; `weir` for the host's own.
    plugin: String,
    reason: String,
}

/// See the module.
pub(crate) struct Manager {
    config: Config,
    claims: BTreeMap<ServiceKey, Claim>,
    policies: Vec<Policy>,
    statements: Statements,
    /// Why weights are about to change.
    causes: BTreeMap<RealServerKey, Cause>,
    /// Services whose weights may have changed since they were last written.
    dirty: BTreeSet<ServiceKey>,
    /// The claimed part of the table when it was last looked at.
    entries: BTreeMap<ServiceKey, TableEntry>,
    world: World,
    /// The same as policies see it; none = it has changed.
    table: Option<Arc<Table>>,
    generation: u64,
    next_poll: Duration,
    next_watch: u64,
    /// What could not be done, so that it is said once, not at every attempt.
    troubles: BTreeMap<String, String>,
    output: VecDeque<Output>,
    stopped: bool,
}

impl Manager {
    /// A manager of what `config` claims; `starters` make its plugins, in their order.
    pub(crate) fn new(config: Config, starters: impl IntoIterator<Item = Starter>) -> Self {
        let policy = |(plugin, start): (&Plugin, _)| {
            Policy::new(plugin.name.clone(), plugin.grant.clone(), start)
        };
        let policies = config.plugins.iter().zip(starters).map(policy).collect();
        Self {
            config,
            claims: BTreeMap::new(),
            policies,
            statements: Statements::default(),
            causes: BTreeMap::new(),
            dirty: BTreeSet::new(),
            entries: BTreeMap::new(),
            world: World::default(),
            table: None,
            generation: 0,
            next_poll: Duration::ZERO,
            next_watch: 0,
            troubles: BTreeMap::new(),
            output: VecDeque::new(),
            stopped: false,
        }
    }

    /// Adopts the table as it is, starts the plugins, and writes what the configuration
    /// states otherwise. Fails only if the table cannot be read.
    pub(crate) fn start(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<(), Error> {
        let snapshot = self.read_all(now, ipvs)?;
        self.claim_all(now, snapshot);
        let servers: usize = self.claims.values().map(|it| it.servers.len()).sum();
        let (services, policies) = (self.claims.len(), self.policies.len());
        self.log(
            Line::info("adopted")
                .with("services", services)
                .with("servers", servers)
                .with("plugins", policies),
        );
        self.start_policies(now);
        self.deliver(now);
        self.dirty = self.claims.keys().copied().collect();
        self.write(now, ipvs);
        Ok(())
    }

    /// Takes an event in. What follows from it happens in [`Manager::settle`], so that
    /// events that come together are one batch.
    pub(crate) fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Health(verdict) => self.handle_verdict(now, &verdict),
            Event::Due => {}
            Event::Stop => self.stop(now),
        }
    }

    /// Does what is due: plugins, then writes, then the look at the table.
    pub(crate) fn settle(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        if self.stopped {
            return;
        }
        self.expire_leases(now);
        self.start_policies(now);
        self.deliver(now);
        self.reconcile(now, ipvs);
        if self.next_poll <= now.monotonic {
            self.poll(now, ipvs);
        }
    }

    /// The next thing to do, in order.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`Manager::settle`] is due though no event came.
    pub(crate) fn deadline(&self) -> Duration {
        let starts = self.policies.iter().filter_map(Policy::start_at);
        let leases = self.statements.next_expiry();
        starts.chain(leases).fold(self.next_poll, Duration::min)
    }

    /// Whether [`Event::Stop`] was handled: there is nothing more to do.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn handle_verdict(&mut self, now: Now, verdict: &Verdict) {
        let key = verdict.key;
        let Some(server) =
            self.claims.get_mut(&key.service).and_then(|it| it.servers.get_mut(&key.server))
        else {
            return;
        };
        if server.watch != Some(verdict.watch) || !server.health.differs(verdict) {
            return;
        }
        let before = server.health.clone();
        server.health.take(verdict, now.monotonic);
        let after = verdict.state;
        if after == State::Up && server.held.take().is_some() {
            self.causes.insert(key, Cause::own(&verdict.detail));
        }
        self.dirty.insert(key.service);
        self.log(
            Line::info("health")
                .with("service", key.service)
                .with("server", key.server)
                .with("before", before.state)
                .with("after", after)
                .with("reason", &verdict.detail),
        );
        if before.state.status() == after.status() {
            return;
        }
        let change = HealthChange {
            server: key,
            detail: verdict.detail.clone(),
            before: before.state.status(),
            after: after.status(),
            lasted: now.monotonic.saturating_sub(before.since),
        };
        for policy in &mut self.policies {
            policy.queue(now.wall_ns(), PolicyEvent::Health(change.clone()));
        }
    }

    fn stop(&mut self, now: Now) {
        for policy in &mut self.policies {
            policy.queue(now.wall_ns(), PolicyEvent::Stopping(STOPPING));
        }
        for index in 0..self.policies.len() {
            let view = self.view(now, index);
            let policy = &mut self.policies[index];
            if let Err(report) = policy.deliver(view) {
                let line = Line::warn("plugin-failed").with("plugin", &policy.name);
                self.log(line.with("report", report));
            }
        }
        self.stopped = true;
        self.log(Line::info("stopped").with("table", "left as it is"));
    }

    fn start_policies(&mut self, now: Now) {
        for index in 0..self.policies.len() {
            let policy = &self.policies[index];
            if policy.start_at().is_none_or(|it| it > now.monotonic) {
                continue;
            }
            let granted = policy.grant.resolve(&self.claimed_names());
            let view = self.view(now, index);
            let policy = &mut self.policies[index];
            match policy.start(granted, view) {
                Ok(()) => {
                    let name = policy.name.clone();
                    self.statements.end_leases(&name);
                    self.log(Line::info("plugin-started").with("plugin", name));
                }
                Err(report) => self.policy_failed(now, index, &report),
            }
        }
    }

    /// Calls the policies that have something to hear. What they say takes effect only if
    /// the call succeeds.
    fn deliver(&mut self, now: Now) {
        for index in 0..self.policies.len() {
            if !self.policies[index].is_waiting_to_hear() {
                continue;
            }
            let view = self.view(now, index);
            match self.policies[index].deliver(view) {
                Ok(effects) => {
                    let name = self.policies[index].name.clone();
                    for effect in effects {
                        self.take_effect(&name, effect);
                    }
                }
                Err(report) => self.policy_failed(now, index, &report),
            }
        }
    }

    fn take_effect(&mut self, plugin: &str, effect: Effect) {
        let (key, reason) = match effect {
            Effect::Publish(statement) => {
                let (key, reason) = (statement.key, statement.reason.clone());
                if self.server(&key).is_none() || !self.statements.publish(plugin, statement) {
                    return;
                }
                (key, reason)
            }
            Effect::Withdraw(key) => {
                let Some(statement) = self.statements.withdraw(plugin, &key) else { return };
                let detail = self.server(&key).map_or("", |it| it.health.detail.as_str());
                (key, format!("{} withdrawn: {detail}", intent_words(statement.intent)))
            }
        };
        self.causes.insert(key, Cause { plugin: plugin.to_owned(), reason });
        self.dirty.insert(key.service);
    }

    fn policy_failed(&mut self, now: Now, index: usize, report: &str) {
        let policy = &mut self.policies[index];
        let remedy = policy.fail(now, report);
        let name = policy.name.clone();
        self.statements.begin_leases(&name, now.monotonic);
        self.log(match remedy {
            Remedy::Restart(delay) => Line::warn("plugin-failed")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("restart_in_s", delay.as_secs())
                .with("report", report),
            Remedy::Quarantine => Line::error("plugin-quarantined")
                .with("plugin", name)
                .with("applied", "nothing of that call")
                .with("until", "weir is started again; its statements end with their leases")
                .with("report", report),
        });
    }

    fn expire_leases(&mut self, now: Now) {
        for (plugin, statement) in self.statements.expire(now.monotonic) {
            let reason = format!("lease ended: {}", intent_words(statement.intent));
            self.causes.insert(statement.key, Cause { plugin, reason });
            self.dirty.insert(statement.key.service);
        }
    }

    fn log(&mut self, line: Line) {
        self.output.push_back(Output::Log(line));
    }
}

impl Now {
    fn wall_ns(self) -> u64 {
        nanoseconds(self.wall)
    }

    fn monotonic_ns(self) -> u64 {
        nanoseconds(self.monotonic)
    }
}

impl Cause {
    fn own(reason: &str) -> Self {
        Self { plugin: "weir".to_owned(), reason: reason.to_owned() }
    }
}

/// 584 years fit.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn intent_words(intent: Intent) -> String {
    match intent {
        Intent::Scale(scale) => format!("scale {scale}"),
        Intent::Floor(least) => format!("floor {least}"),
        Intent::Cap(most) => format!("cap {most}"),
        Intent::Drain => "drain".to_owned(),
    }
}
