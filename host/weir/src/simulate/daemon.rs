//! weir in a simulation: the real manager with its real plugins, and its real checks, whose
//! probes see what the simulated servers do.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use weir_ipvs::{Change, Endpoint, RealServerKey};
use weir_wasm::{HealthStatus, LogSink};

use super::{
    machinery::{Machinery, Traps},
    server::Reception,
    stage::{Event, Request, Stage, Watch},
    timeline::Record,
};
use crate::{
    config::{self, CheckKind, Config, Files},
    health::{Cause, Checker, Evidence, Outcome, State, Verdict},
    manager::{self, Manager, Now, Output, Reload},
    report::Line,
    run::plugins,
};

/// What wall clocks show when a simulation begins, in seconds since the Unix epoch:
/// 2026-01-01T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// See the module. It runs, until it is dropped, which is a kill.
pub(crate) struct Daemon {
    manager: Manager,
    /// Which start of weir this is.
    run: u32,
    checks: BTreeMap<u64, Check>,
    said: Said,
}

/// What plugins logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<Line>>>);

impl Said {
    fn sink(&self) -> LogSink {
        let said = Arc::clone(&self.0);
        Arc::new(move |line| {
            said.lock().unwrap_or_else(PoisonError::into_inner).push(plugins::line_of(line));
        })
    }

    fn take(&self) -> Vec<Line> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Check {
    checker: Checker,
    /// The probe under way: its number, and when it started.
    probe: Option<(u32, Duration)>,
    probes: u32,
    /// Whether the scenario says the verdicts.
    is_scripted: bool,
}

impl Daemon {
    /// Starts weir for the `run`-th time.
    pub(crate) fn start(
        run: u32,
        config: &Config,
        machinery: &Machinery,
        traps: &mut Traps,
        stage: &mut Stage,
    ) -> anyhow::Result<Self> {
        let said = Said::default();
        let starters = machinery.starters(config, traps, &said.sink())?;
        traps.look();
        let manager = Manager::new(config.clone(), starters);
        let mut daemon = Self { manager, run, checks: BTreeMap::new(), said };
        let started = daemon.manager.start(now(stage), &mut stage.kernel);
        daemon.put_out(stage);
        if let Err(error) = started {
            let line = Line::error("failed").with("what", "start").with("reason", error);
            log(stage, &line);
        }
        Ok(daemon)
    }

    /// It takes over another configuration, if it has no mistakes.
    pub(crate) fn reload(
        &mut self,
        files: &Files,
        is_confirmed: bool,
        machinery: &Machinery,
        traps: &mut Traps,
        stage: &mut Stage,
    ) {
        let log_of_plugins = self.said.sink();
        let read = config::parse_files(files).and_then(|config| {
            let starters = machinery.starters(&config, traps, &log_of_plugins)?;
            Ok((config, starters))
        });
        match read {
            Ok((config, starters)) => {
                let replaced = traps.look();
                let reload = Reload { config, starters, replaced, is_confirmed };
                // What comes of it is told in the log.
                let _ = self.manager.reload(now(stage), reload);
            }
            Err(problems) => log(stage, &manager::reload_failed(&problems)),
        }
        self.settle(stage);
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self, stage: &mut Stage) {
        self.handle(manager::Event::Stop, stage);
    }

    /// When it has something to do though nothing happens.
    pub(crate) fn deadline(&self) -> Duration {
        self.manager.deadline()
    }

    /// It has something to do.
    pub(crate) fn due(&mut self, stage: &mut Stage) {
        self.handle(manager::Event::Due, stage);
    }

    /// [`Event::Probe`].
    pub(crate) fn probe(&mut self, watch: Watch, stage: &mut Stage) {
        let Some(check) = self.check(watch).filter(|it| !it.is_scripted) else { return };
        check.probes += 1;
        let number = check.probes;
        check.probe = Some((number, stage.now()));
        let target = check.checker.target();
        let (key, limit) = (target.key, target.check.timeout);
        let is_http = matches!(target.check.kind, CheckKind::Http(_));
        stage.board.health.entry(key).or_default().probes += 1;
        let server = stage.servers.checked_at(Endpoint::from(target.address));
        let seen = match stage.servers.at(server).receive() {
            Reception::Accepted if is_http => {
                stage.take(server, Request::Probe(watch, number));
                None
            }
            Reception::Accepted => Some(Outcome::Pass),
            Reception::Refused => Some(Outcome::Fail(Cause::Refused)),
            Reception::Unreachable => Some(Outcome::Fail(Cause::Unreachable)),
            Reception::Ignored => None,
        };
        match seen {
            Some(outcome) => self.seen(watch, &outcome, stage),
            None => stage.after(limit, Event::ProbeTimeout(watch, number)),
        }
    }

    /// A server has answered a probe.
    pub(crate) fn answered(
        &mut self,
        (watch, number): (Watch, u32),
        is_error: bool,
        stage: &mut Stage,
    ) {
        let Some(check) = self.check(watch) else { return };
        if check.probe.is_none_or(|it| it.0 != number) {
            return;
        }
        let CheckKind::Http(http) = &check.checker.target().check.kind else { return };
        let status = if is_error { 503 } else { 200 };
        let outcome = match http.expect.contains(&status) {
            true => Outcome::Pass,
            false => Outcome::content(format!("status {status}")),
        };
        self.seen(watch, &outcome, stage);
    }

    /// [`Event::ProbeTimeout`].
    pub(crate) fn timed_out(&mut self, (watch, number): (Watch, u32), stage: &mut Stage) {
        let is_under_way = |it: &mut Check| it.probe.is_some_and(|it| it.0 == number);
        if self.check(watch).is_some_and(is_under_way) {
            self.seen(watch, &Outcome::TIMED_OUT, stage);
        }
    }

    /// The process on this server is gone: probes that it worked on break.
    pub(crate) fn reset(&mut self, server: Endpoint, stage: &mut Stage) {
        let at = |it: &Check| stage.servers.checked_at(it.checker.target().address.into());
        let broken: Vec<u64> = self
            .checks
            .iter()
            .filter(|(_, it)| it.probe.is_some() && at(it) == server)
            .map(|(watch, _)| *watch)
            .collect();
        for watch in broken {
            let watch = Watch { run: self.run, watch };
            self.seen(watch, &Outcome::Fail(Cause::Broken), stage);
        }
    }

    /// The scenario says what the checks of `servers` say, now and from now on.
    pub(crate) fn say(
        &mut self,
        servers: &[Endpoint],
        status: HealthStatus,
        reason: &str,
        stage: &mut Stage,
    ) {
        let (state, evidence) = match status {
            HealthStatus::Up => (State::Up, Evidence::None),
            _ => (State::Down, Evidence::Hard),
        };
        let mut verdicts = Vec::new();
        for (watch, check) in &mut self.checks {
            let key = check.checker.target().key;
            if servers.contains(&key.server) {
                check.is_scripted = true;
                check.probe = None;
                let detail = reason.to_owned();
                verdicts.push(Verdict { key, watch: *watch, state, evidence, detail });
            }
        }
        self.tell(verdicts, stage);
    }

    /// A probe ended so.
    fn seen(&mut self, watch: Watch, outcome: &Outcome, stage: &mut Stage) {
        let Some(check) = self.check(watch) else { return };
        let Some((_, started)) = check.probe.take() else { return };
        let (verdict, next) = check.checker.record(outcome, stage.now().saturating_sub(started));
        let health = stage.board.health.entry(check.checker.target().key).or_default();
        health.failing = match outcome {
            Outcome::Pass => 0,
            Outcome::Fail(_) => health.failing + 1,
            Outcome::Indeterminate(_) => health.failing,
        };
        stage.changed.control = true;
        stage.agenda.put(started.saturating_add(next), Event::Probe(watch));
        self.tell(verdict, stage);
    }

    /// Tells verdicts to the manager: those that come together are one batch.
    fn tell(&mut self, verdicts: impl IntoIterator<Item = Verdict>, stage: &mut Stage) {
        let mut verdicts = verdicts.into_iter().peekable();
        if verdicts.peek().is_none() {
            return;
        }
        for verdict in verdicts {
            let health = stage.board.health.entry(verdict.key).or_default();
            health.status = verdict.state.status();
            let record = Record::verdict(&verdict, stage.timeline.names());
            stage.note(record);
            self.manager.handle(now(stage), manager::Event::Health(verdict));
        }
        self.settle(stage);
    }

    fn handle(&mut self, event: manager::Event, stage: &mut Stage) {
        self.manager.handle(now(stage), event);
        self.settle(stage);
    }

    fn settle(&mut self, stage: &mut Stage) {
        self.manager.settle(now(stage), &mut stage.kernel);
        self.put_out(stage);
    }

    /// Does what the manager wants, and takes note of what it wrote.
    fn put_out(&mut self, stage: &mut Stage) {
        let mut explained = Vec::new();
        for line in self.said.take() {
            log(stage, &line);
        }
        while let Some(output) = self.manager.poll_output() {
            match output {
                Output::Log(line) => {
                    explained.extend(Explanation::of(&line));
                    log(stage, &line);
                }
                Output::Watch(target) => {
                    let mut checker = Checker::new(target);
                    let watch = checker.target().watch;
                    stage.board.health.entry(checker.target().key).or_default();
                    stage.after(checker.first(), Event::Probe(Watch { run: self.run, watch }));
                    let check = Check { checker, probe: None, probes: 0, is_scripted: false };
                    self.checks.insert(watch, check);
                }
                Output::Unwatch(watch) => {
                    if let Some(check) = self.checks.remove(&watch) {
                        stage.board.health.remove(&check.checker.target().key);
                    }
                }
            }
        }
        for change in stage.kernel.take_written() {
            stage.changed.control = true;
            if let Some((key, weight)) = changed_weight(&change, stage) {
                match explained.iter().find(|it| it.is_of(&key)) {
                    Some(it) => drop(stage.board.reasons.insert(key, it.reason.clone())),
                    None => {
                        let server = stage.timeline.names().server(key.server);
                        let change = format!("{server} weight {weight}, without a reason");
                        stage.board.unexplained.get_or_insert(change);
                    }
                }
            }
            let record = Record::write(&change, stage.timeline.names());
            stage.note(record);
            stage.board.writes.push((stage.now(), change));
        }
    }

    fn check(&mut self, watch: Watch) -> Option<&mut Check> {
        if watch.run == self.run { self.checks.get_mut(&watch.watch) } else { None }
    }
}

fn now(stage: &Stage) -> Now {
    Now { monotonic: stage.now(), wall: wall(stage.now()) }
}

/// What wall clocks show at a time of the simulation, since the Unix epoch.
pub(crate) fn wall(now: Duration) -> Duration {
    EPOCH.saturating_add(now)
}

/// Takes note of a line of weir's log.
fn log(stage: &mut Stage, line: &Line) {
    stage.changed.control = true;
    stage.board.lines.push((stage.now(), line.to_string()));
    stage.note(Record::log(line));
}

/// Why a weight was changed, by a line of the log.
struct Explanation {
    service: String,
    server: String,
    reason: String,
}

impl Explanation {
    fn of(line: &Line) -> Option<Self> {
        let field = |key| line.field(key).filter(|it| !it.is_empty()).map(str::to_owned);
        let (service, server) = (field("service")?, field("server")?);
        let is_weight = line.event() == "weight";
        field("reason").filter(|_| is_weight).map(|reason| Self { service, server, reason })
    }

    fn is_of(&self, key: &RealServerKey) -> bool {
        self.server == key.server.to_string() && self.service == key.service.to_string()
    }
}

/// Whose weight a write changes, and to what.
fn changed_weight(change: &Change, stage: &Stage) -> Option<(RealServerKey, u32)> {
    let (Change::AddServer(service, it) | Change::EditServer(service, it)) = change else {
        return None;
    };
    let key = RealServerKey { service: *service, server: it.endpoint };
    (stage.board.weight(key) != Some(it.weight)).then_some((key, it.weight))
}
