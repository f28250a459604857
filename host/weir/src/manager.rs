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
//! [`calls`], [`weighers`] and [`guards`] say when plugins are called, by their world,
//! [`checkers`] which of them check servers, [`owned`] which services are theirs, [`entries`] what
//! they remember for good,
//! [`plugin`] what becomes of one that failed, [`replace`] how other code takes its place,
//! [`statements`] how long its words stand, [`claims`] what is ours and [`drift`] what
//! becomes of edits by others, [`self_probes`] whether what checks say is to be believed,
//! [`globals`] time-outs and sync daemons, [`reconcile`] how the
//! table becomes what it should be,
//! [`reload`] how another configuration is taken over, [`rehearsal`] what that would change,
//! [`requests`] what others ask and do by way of us, [`operator`] what operators order,
//! [`spoken`] what they call things, [`status`] what they see, [`memory`] what of all this
//! survives, and [`view`] what plugins see of it. What a weight should be is decided in [`crate::plan`].

mod calls;
mod checkers;
mod claims;
mod drift;
mod entries;
mod freeze;
mod globals;
mod guards;
mod heard;
mod memory;
mod operator;
mod owned;
mod plugin;
mod policy;
mod reconcile;
mod rehearsal;
mod reload;
mod replace;
mod requests;
mod self_probes;
mod spoken;
mod statements;
mod status;
mod timers;
mod view;
mod walk;
mod weighers;

#[cfg(test)]
mod bench;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use weir_ipvs::{Entries, Error, Ipvs, RealServerKey, ServiceKey, SyncRole};
use weir_wasm::{Event as PolicyEvent, HealthChange, HealthStatus, HttpAnswer, HttpCall};

use self::{
    checkers::Offered, freeze::Freezes, heard::Hindered, memory::Memory, operator::Awaiting,
    owned::Owned, plugin::Plugin, reload::Refused, self_probes::SelfProbes, statements::Statements,
    timers::Timers, view::World,
};
pub(crate) use self::{
    checkers::idle,
    memory::Keep,
    plugin::{Code, Judge, Weigh},
    policy::{Guest, Starter},
    rehearsal::{Rehearsal, Step},
    reload::{Refusal, Reload, failed as reload_failed},
    replace::PluginStanding,
};
use crate::{
    config::{self, Config, Mode},
    control::{Request, Show, Steer},
    health::{
        AgentReport, Checker, CheckerFailure, LagNews, Notice, StreamId, Subject, Target, Told,
        Verdict,
    },
    plan::Claim,
    report::Line,
    safety::{doubt::Doubt, order::Order},
};

/// How soon a write that did not succeed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Claimed services that are looked at one by one, whatever the table is; for more, the whole
/// table may be cheaper.
const LOOKS_MAX: usize = 32;

/// How many services are read with the whole table in the time that one takes by itself: several
/// system calls, or a wait for the forwarder.
const LOOK_COSTS: usize = 4;

/// How long weights stay as they were found, at the start, for want of verdicts.
const GRACE: Duration = Duration::from_secs(10);

/// A moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since an arbitrary moment, never backwards. All that is timed is timed by it.
    pub(crate) monotonic: Duration,
    /// Since the Unix epoch; for people.
    pub(crate) wall: Duration,
}

/// What happens to the manager.
#[derive(Debug)]
pub(crate) enum Event {
    /// What checks tell at once. It is one event, so that a real server of a thousand services
    /// that fails is one batch of changes.
    Told(Vec<Told>),
    /// A check changed its mind.
    Health(Verdict),
    /// An agent says something else.
    Agent(Box<AgentReport>),
    /// There is something about a check that people should know.
    Notice(Notice),
    /// The checker of a plugin failed.
    CheckerFailed(Box<CheckerFailure>),
    /// Probes are late, or no longer.
    Lag(LagNews),
    /// A command asks, or changes the table.
    Request(Request),
    /// An operator takes the wheel.
    Steer(Steer),
    /// An operator asks how it stands.
    Show(Show),
    /// All batches up to this number were committed, or why they could not be.
    Kept(u64, Result<(), String>),
    /// What the plugin of this name asked by HTTP is answered.
    Answered(String, HttpAnswer),
    /// Something beside the manager fails, for the reason given; none = it works again.
    Trouble(&'static str, Option<String>),
    /// The time that [`Manager::deadline`] named has come.
    Due,
    /// weir is to stop. The kernel's table stays as it is.
    Stop,
}

impl From<Told> for Event {
    fn from(told: Told) -> Self {
        match told {
            Told::Verdict(verdict) => Self::Health(verdict),
            Told::Agent(report) => Self::Agent(report),
            Told::Notice(notice) => Self::Notice(notice),
            Told::Failed(failure) => Self::CheckerFailed(failure),
            Told::Lag(news) => Self::Lag(news),
        }
    }
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
    /// The plugin of this name checks, from now on so; none = no more.
    Checker(String, Option<Checker>),
    /// The plugin of this name asks this by HTTP; tell by [`Event::Answered`].
    Call(String, HttpCall),
    /// Commit this, in the order in which it comes, and tell by [`Event::Kept`].
    Keep(Keep),
}

/// See the module.
pub(crate) struct Manager {
    config: Config,
    claims: BTreeMap<ServiceKey, Claim>,
    plugins: Vec<Plugin>,
    statements: Statements,
    /// What controllers own.
    owned: Owned,
    /// Services to be decided anew.
    undecided: BTreeSet<ServiceKey>,
    /// Services that may not be what was decided.
    dirty: BTreeSet<ServiceKey>,
    /// What commands ask, in the order in which it came.
    requests: VecDeque<Request>,
    timers: Timers,
    doubt: Doubt,
    self_probes: SelfProbes,
    freezes: Freezes,
    /// What operators ordered, of real servers that are there and of others.
    orders: BTreeMap<RealServerKey, Order>,
    /// What of this survives us.
    memory: Memory,
    /// Operators who wait to be told what became of their word.
    awaiting: Vec<Awaiting>,
    /// Operators who asked how it stands.
    shows: Vec<Show>,
    /// Services to be read again though nothing is to be written yet: something drains, or a
    /// command touched them.
    stale: BTreeSet<ServiceKey>,
    /// Checks under way.
    checked: usize,
    refused: Option<Refused>,
    /// Sync daemons that the configuration stated and states no more, until they have ended.
    ending: BTreeSet<SyncRole>,
    /// Whether the table was adopted: what comes now is new.
    is_started: bool,
    world: World,
    /// Which plugins check, as it was told last.
    offered: Offered,
    /// When the whole table is to be read at once; the maximum = not before the next walk.
    next_poll: Duration,
    /// When the next walk through the table begins.
    next_walk: Duration,
    /// The one that is under way.
    walk: Option<Entries>,
    /// The number of the look at the whole table that is under way, or was the last.
    look: u64,
    next_watch: u64,
    /// What could not be done, so that it is said once, not at every attempt.
    troubles: BTreeMap<String, String>,
    /// Checks of which nothing comes.
    hindered: BTreeMap<StreamId, Hindered>,
    /// Since when probes are later than their interval, and how late that was.
    late: Option<(Duration, Duration)>,
    output: VecDeque<Output>,
    stopped: bool,
}

impl Manager {
    /// A manager of what `config` claims; `codes` are those of its plugins, in their order.
    pub(crate) fn new(config: Config, codes: impl IntoIterator<Item = Code>) -> Self {
        let plugin = |(plugin, code): (&config::Plugin, _)| Plugin::new(plugin, code);
        let plugins: Vec<Plugin> = config.plugins.iter().zip(codes).map(plugin).collect();
        let mut statements = Statements::default();
        for plugin in plugins.iter().filter(|it| it.mode == Mode::Shadow) {
            statements.mute(&plugin.name, true);
        }
        let mut world = World::default();
        world.label(&config.services);
        Self {
            config,
            claims: BTreeMap::new(),
            plugins,
            statements,
            owned: Owned::default(),
            undecided: BTreeSet::new(),
            dirty: BTreeSet::new(),
            requests: VecDeque::new(),
            timers: Timers::default(),
            doubt: Doubt::default(),
            self_probes: SelfProbes::default(),
            freezes: Freezes::default(),
            orders: BTreeMap::new(),
            memory: Memory::default(),
            awaiting: Vec::new(),
            shows: Vec::new(),
            stale: BTreeSet::new(),
            checked: 0,
            refused: None,
            ending: BTreeSet::new(),
            is_started: false,
            world,
            offered: Offered::new(),
            next_poll: Duration::ZERO,
            next_walk: Duration::ZERO,
            walk: None,
            look: 0,
            next_watch: 0,
            troubles: BTreeMap::new(),
            hindered: BTreeMap::new(),
            late: None,
            output: VecDeque::new(),
            stopped: false,
        }
    }

    /// Adopts the table as it is, starts the plugins, and writes what the configuration
    /// states otherwise. Fails only if the table cannot be read.
    pub(crate) fn start(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<(), Error> {
        let snapshot = self.read_all(now, ipvs)?;
        self.take_up_owned(now);
        self.doubt_departures();
        self.claim_all(now, snapshot);
        self.note_scaled();
        let servers: usize = self.claims.values().map(|it| it.servers.len()).sum();
        let (services, plugins) = (self.claims.len(), self.plugins.len());
        self.log(
            Line::info("adopted")
                .with("services", services)
                .with("servers", servers)
                .with("plugins", plugins),
        );
        self.probe_itself();
        self.doubt_on(now);
        self.start_plugins(now);
        self.offer_checkers();
        self.deliver(now);
        self.write(now, ipvs);
        self.write_globals(now, ipvs);
        self.is_started = true;
        self.forget_unseen();
        self.remember(now);
        Ok(())
    }

    /// Takes an event in. What follows from it happens in [`Manager::settle`], so that
    /// events that come together are one batch.
    pub(crate) fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Told(told) => told.into_iter().for_each(|it| self.handle(now, it.into())),
            Event::Health(verdict) => self.handle_verdict(now, &verdict),
            Event::Agent(report) => self.hear_agent(now, *report),
            Event::Notice(notice) => self.hear_notice(now, notice),
            Event::CheckerFailed(failure) => self.checker_failed(now, &failure),
            Event::Lag(news) => self.hear_lag(now, news),
            Event::Request(request) => self.requests.push_back(request),
            Event::Steer(steer) => self.steer(now, steer),
            Event::Show(show) => self.shows.push(show),
            Event::Kept(number, result) => self.kept(now, number, result),
            Event::Answered(plugin, answer) => self.pass_answer(now, &plugin, answer),
            Event::Trouble(what, Some(error)) => self.note_trouble(what, &error),
            Event::Trouble(what, None) => self.no_trouble(what),
            Event::Due => {}
            Event::Stop => {
                self.stop(now);
                self.remember_all(now);
            }
        }
    }

    /// Does what is due: requests, plugins, then writes, then the look at the table.
    pub(crate) fn settle(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        self.answer_requests(now, ipvs);
        if self.stopped {
            return;
        }
        self.plugins.iter_mut().for_each(|it| it.end_probation(now));
        self.freeze_in_doubt(now);
        self.lose_patience(now);
        self.advance_statements(now);
        self.start_plugins(now);
        self.gather_stats(now, ipvs);
        self.deliver(now);
        self.weigh(now, ipvs);
        self.thaw_when_due(now);
        while let Some(service) = self.timers.pop(now.monotonic) {
            self.undecided.insert(service);
            if self.claims.get(&service).is_some_and(Claim::drains) {
                self.stale.insert(service);
            }
        }
        self.reconcile(now, ipvs);
        if self.next_poll <= now.monotonic {
            self.poll(now, ipvs);
        } else if self.walk.is_some() || self.next_walk <= now.monotonic {
            self.walk_on(now, ipvs);
        }
        self.offer_checkers();
        self.remember(now);
        self.answer_operators();
        self.show(now);
    }

    /// The next thing to do, in order.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`Manager::settle`] is due though no event came.
    pub(crate) fn deadline(&self) -> Duration {
        let starts = self.plugins.iter().filter_map(Plugin::next);
        let leases = self.statements.next_expiry().into_iter().chain(self.statements.next_step());
        let leases = leases.chain(self.statements.next_asking());
        let times = starts.chain(leases).chain(self.timers.next()).chain(self.freezes.until());
        let walk = if self.walk.is_some() { Duration::ZERO } else { self.next_walk };
        let times = times.chain(self.keeps_at()).chain([walk]);
        times.fold(self.next_poll, Duration::min)
    }

    /// Whether [`Event::Stop`] was handled: there is nothing more to do.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn handle_verdict(&mut self, now: Now, verdict: &Verdict) {
        let Subject::Server(key) = verdict.subject else {
            return self.hear_of_itself(now, verdict);
        };
        let Some(claim) = self.claims.get_mut(&key.service) else { return };
        let Some(server) = claim.servers.get_mut(&key.server) else { return };
        if server.watch != Some(verdict.watch) || !server.health.differs(verdict) {
            return;
        }
        let (before, since) = (server.health.state, server.health.since);
        server.health.take(verdict, now.monotonic);
        self.world.follow_health(&key, &server.health);
        match (before.status(), verdict.state.status()) {
            (HealthStatus::Up, HealthStatus::Down) => {
                server.flaps.went_down(now.monotonic, claim.rules.damping.as_ref());
            }
            (HealthStatus::Down | HealthStatus::Unknown, HealthStatus::Up) => {
                server.flaps.came_up(now.monotonic);
            }
            _ => {}
        }
        let after = verdict.state;
        self.undecided.insert(key.service);
        self.log(
            Line::info("health")
                .with("service", key.service)
                .with("server", key.server)
                .with("before", before)
                .with("after", after)
                .with("reason", &verdict.detail),
        );
        self.doubt(now, key, before, after);
        if before.status() == after.status() {
            return;
        }
        let change = HealthChange {
            server: key,
            detail: verdict.detail.clone(),
            before: before.status(),
            after: after.status(),
            lasted: now.monotonic.saturating_sub(since),
        };
        self.tell_policies(now, &PolicyEvent::Health(change));
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

/// 584 years fit.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
