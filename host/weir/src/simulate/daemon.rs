//! weir in a simulation: the real manager with its real plugins, and its real checks, whose
//! probes see what the simulated servers do.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use weir_ipvs::{Change, Endpoint, RealServerKey};
use weir_wasm::{
    Checking, Conversation, HealthStatus, HttpAnswer, HttpCall, HttpFailure, HttpReply,
    HttpRequest, HttpResponse, LogSink, ProbeError, Reach,
};

use super::{
    board::Health,
    machinery::{Machinery, Traps},
    scenario::Outside,
    server::{Answer, Reception},
    stage::{Event, Request, Stage, Stream},
    timeline::Record,
};
use crate::{
    config::{self, CheckKind, Config, Files, Mode, PluginCheck},
    control::{self, Expiry, Steer, Wish},
    health::{
        Ask, Cause, Changes, Checker, Evidence, Outcome, Reply, Seen, State, StreamId, Streams,
        Subject, Told, Verdict, http_request,
    },
    manager::{self, Manager, Now, Output, Reload},
    report::Line,
    run::plugins,
    store,
};

/// What wall clocks show when a simulation begins, in seconds since the Unix epoch:
/// 2026-01-01T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// How long others take to answer controllers.
const ANSWERS_AFTER: Duration = Duration::from_millis(10);

/// See the module. It runs, until it is dropped, which is a kill.
pub(crate) struct Daemon {
    manager: Manager,
    config: Config,
    /// Which start of weir this is.
    run: u32,
    streams: Streams,
    probes: BTreeMap<StreamId, Probes>,
    watched: BTreeMap<u64, RealServerKey>,
    /// Plugins that check, by their names.
    checkers: BTreeMap<String, Checker>,
    /// What is answered to controllers, and by whom it was asked.
    answers: Vec<Option<(String, HttpAnswer)>>,
    /// Watches whose verdicts the scenario says.
    scripted: BTreeSet<u64>,
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

/// What is known of a stream of probes.
#[derive(Default)]
struct Probes {
    /// The probe under way: its number, and when it started.
    under_way: Option<(u32, Duration)>,
    begun: u32,
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
        let codes = machinery.codes(config, traps, &said.sink())?;
        traps.look();
        let mut manager = Manager::new(config.clone(), codes);
        manager.recall(stage.kept.clone(), None);
        let mut daemon = Self {
            manager,
            config: config.clone(),
            run,
            streams: Streams::default(),
            probes: BTreeMap::new(),
            watched: BTreeMap::new(),
            checkers: BTreeMap::new(),
            answers: Vec::new(),
            scripted: BTreeSet::new(),
            said,
        };
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
            let codes = machinery.codes(&config, traps, &log_of_plugins)?;
            Ok((config, codes))
        });
        match read {
            Ok((config, codes)) => {
                let replaced = traps.look();
                let reload = Reload { config: config.clone(), codes, replaced, is_confirmed };
                // What else comes of it is told in the log.
                if self.manager.reload(now(stage), reload).is_ok() {
                    self.config = config;
                }
            }
            Err(problems) => log(stage, &manager::reload_failed(&problems)),
        }
        self.settle(stage);
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(mut self, stage: &mut Stage) {
        self.handle(manager::Event::Stop, stage);
    }

    /// The file of a plugin was replaced, and is found so.
    pub(crate) fn replace(
        &mut self,
        plugin: &str,
        machinery: &Machinery,
        traps: &mut Traps,
        stage: &mut Stage,
    ) {
        let code = machinery.code(&self.config, plugin, traps, &self.said.sink());
        traps.look();
        // What comes of it is told in the log.
        let code = code.map_err(|error| format!("{error:#}"));
        let _ = self.manager.replace(now(stage), plugin, code);
        self.settle(stage);
    }

    /// An operator changes a plugin's mode.
    pub(crate) fn set_mode(&mut self, plugin: &str, mode: Mode, stage: &mut Stage) {
        if let Err(reason) = self.manager.set_mode(now(stage), plugin, mode) {
            log(stage, &Line::error("failed").with("to", "change a mode").with("error", reason));
        }
        self.settle(stage);
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
    pub(crate) fn probe(&mut self, stream: Stream, stage: &mut Stage) {
        let Some((ask, probes)) = self.stream(stream) else { return };
        probes.begun += 1;
        let number = probes.begun;
        probes.under_way = Some((number, stage.now()));
        for key in self.checked_by(stream.id) {
            stage.board.health.entry(key).or_default().probes += 1;
        }
        let server = stage.servers.checked_at(Endpoint::from(ask.place.address));
        let seen = match (&ask.check.kind, stage.servers.at(server).receive()) {
            (CheckKind::Agent(_), _) => stage.servers.at(server).agent_line().map(heard),
            (CheckKind::Http(_) | CheckKind::Plugin(_), Reception::Accepted) => {
                stage.take(server, Request::Probe(stream, number));
                None
            }
            // Its host is there.
            (CheckKind::Icmp, Reception::Refused) => Some(Outcome::Pass.into()),
            (_, Reception::Accepted) => Some(Outcome::Pass.into()),
            (_, Reception::Refused) => Some(self.failed(&ask, Cause::Refused, stage)),
            (_, Reception::Unreachable) => Some(self.failed(&ask, Cause::Unreachable, stage)),
            (_, Reception::Ignored) => None,
        };
        match seen {
            Some(seen) => self.seen(stream, &seen, stage),
            None => stage.after(ask.check.timeout, Event::ProbeTimeout(stream, number)),
        }
    }

    /// A server has answered a probe.
    pub(crate) fn answered(
        &mut self,
        (stream, number): (Stream, u32),
        answer: &Answer,
        stage: &mut Stage,
    ) {
        let Some((ask, probes)) = self.stream(stream) else { return };
        if probes.under_way.is_none_or(|it| it.0 != number) {
            return;
        }
        if let CheckKind::Plugin(check) = &ask.check.kind {
            let seen = self.checked(check, &ask, Ok(answer.status), stage);
            return self.seen(stream, &seen, stage);
        }
        let CheckKind::Http(http) = &ask.check.kind else { return };
        let status = answer.status;
        let degraded = http.degraded.as_ref().filter(|it| it.statuses.contains(&status));
        let outcome = match degraded {
            Some(it) => Outcome::Degraded(it.percent, format!("status {status}")),
            None if http.expect.contains(&status) => Outcome::Pass,
            None => Outcome::content(format!("status {status}")),
        };
        let header = answer.agent.as_deref().and_then(Reply::parse);
        let agent = http.agent_header.as_ref().map(|_| header);
        self.seen(stream, &Seen { outcome: Some(outcome), agent }, stage);
    }

    /// [`Event::ProbeTimeout`].
    pub(crate) fn timed_out(&mut self, (stream, number): (Stream, u32), stage: &mut Stage) {
        let Some((ask, probes)) = self.stream(stream) else { return };
        if probes.under_way.is_some_and(|it| it.0 == number) {
            let seen = match &ask.check.kind {
                CheckKind::Udp(check) if check.silence_passes => Outcome::Pass.into(),
                _ => self.failed(&ask, Cause::Timeout(""), stage),
            };
            self.seen(stream, &seen, stage);
        }
    }

    /// The process on this server is gone: probes that it worked on break.
    pub(crate) fn reset(&mut self, server: Endpoint, stage: &mut Stage) {
        let asked = |id: &StreamId| {
            let ask = self.streams.ask(*id).filter(|it| it.check.kind.says_health())?;
            (stage.servers.checked_at(ask.place.address.into()) == server).then(|| ask.clone())
        };
        let under_way = self.probes.iter().filter(|(_, it)| it.under_way.is_some());
        let broken: Vec<(StreamId, Ask)> =
            under_way.filter_map(|(id, _)| Some((*id, asked(id)?))).collect();
        for (id, ask) in broken {
            let stream = Stream { run: self.run, id };
            let seen = self.failed(&ask, Cause::Broken, stage);
            self.seen(stream, &seen, stage);
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
        let mut told = Vec::new();
        for (watch, key) in self.watched.iter().filter(|(_, key)| servers.contains(&key.server)) {
            self.scripted.insert(*watch);
            let (key, watch, detail) = (*key, *watch, reason.to_owned());
            let subject = Subject::Server(key);
            let verdict = Verdict { subject, watch, state, evidence, percent: 100, detail };
            told.push(Told::Verdict(verdict));
        }
        self.tell(told, stage);
    }

    /// An operator orders something, and is told what becomes of it.
    pub(crate) fn order(&mut self, wish: Wish, stage: &mut Stage) {
        let (reply, mut answer) = control::Reply::new();
        let sysctls = &stage.kernel.core.settings().sysctls;
        let expiry = Expiry {
            nodest: Some(sysctls.expire_nodest_conn),
            quiescent_template: Some(sysctls.expire_quiescent_template),
        };
        let (by, reason) = ("the operator".to_owned(), None);
        let steer = Steer { by, reason, expiry, wish, reply };
        self.handle(manager::Event::Steer(steer), stage);
        let told = match answer.try_recv() {
            Ok(Ok(steered)) => steered.notes.join("; "),
            Ok(Err(refused)) => format!("refused, {}: {}", refused.code, refused.message),
            Err(_) => "no answer".to_owned(),
        };
        let line = format!("the operator is told: {told}");
        stage.note(Record::Scenario { line: 0, what: line.clone() });
        stage.board.lines.push((stage.now(), line));
    }

    /// A probe ended so.
    fn seen(&mut self, stream: Stream, seen: &Seen, stage: &mut Stage) {
        let Some((_, probes)) = self.stream(stream) else { return };
        let Some((_, started)) = probes.under_way.take() else { return };
        for key in self.checked_by(stream.id) {
            let health = stage.board.health.entry(key).or_default();
            health.failing = match &seen.outcome {
                None | Some(Outcome::Indeterminate(_)) => health.failing,
                Some(Outcome::Fail(_)) => health.failing + 1,
                Some(_) => 0,
            };
        }
        stage.changed.control = true;
        let took = stage.now().saturating_sub(started);
        let Some((mut told, next)) = self.streams.record(stream.id, seen, took) else { return };
        stage.agenda.put(started.saturating_add(next), Event::Probe(stream));
        told.retain(|it| match it {
            Told::Verdict(verdict) => !self.scripted.contains(&verdict.watch),
            _ => true,
        });
        self.tell(told, stage);
    }

    /// The real servers that a stream checks.
    fn checked_by(&self, stream: StreamId) -> Vec<RealServerKey> {
        let subjects = self.streams.subjects(stream).into_iter();
        let server = |it| if let Subject::Server(key) = it { Some(key) } else { None };
        subjects.filter_map(server).collect()
    }

    /// Tells the manager: what comes together is one batch.
    fn tell(&mut self, told: Vec<Told>, stage: &mut Stage) {
        if told.is_empty() {
            return;
        }
        for told in told {
            if let Told::Verdict(verdict) = &told
                && let Subject::Server(key) = verdict.subject
            {
                let health = stage.board.health.entry(key).or_default();
                health.status = verdict.state.status();
                let record = Record::verdict(key, verdict, stage.timeline.names());
                stage.note(record);
            }
            self.manager.handle(now(stage), told.into());
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
        let mut explained = BTreeMap::new();
        let mut kept = None;
        for line in self.said.take() {
            log(stage, &line);
        }
        while let Some(output) = self.manager.poll_output() {
            match output {
                Output::Log(line) => {
                    explained.extend(explanation(&line));
                    log(stage, &line);
                }
                Output::Watch(target) => {
                    if let Subject::Server(key) = target.subject {
                        let health = stage.board.health.entry(key).or_default();
                        *health = Health { probes: health.probes, ..Health::default() };
                        self.watched.insert(target.watch, key);
                    }
                    let changes = self.streams.watch(target);
                    self.change(changes, stage);
                }
                Output::Unwatch(watch) => {
                    // Another watch of the same server may have taken its place.
                    if let Some(key) = self.watched.remove(&watch)
                        && !self.watched.values().any(|it| *it == key)
                    {
                        stage.board.health.remove(&key);
                    }
                    self.scripted.remove(&watch);
                    let changes = self.streams.unwatch(watch);
                    self.change(changes, stage);
                }
                Output::Checker(plugin, Some(checker)) => {
                    self.checkers.insert(plugin, checker);
                }
                Output::Checker(plugin, None) => drop(self.checkers.remove(&plugin)),
                Output::Call(plugin, call) => self.call(plugin, call, stage),
                Output::Keep(keep) => {
                    store::apply(&mut stage.kept, &keep.changes);
                    kept = Some(keep.number);
                }
            }
        }
        for change in stage.kernel.take_written() {
            stage.changed.control = true;
            if let Some((key, weight)) = changed_weight(&change, stage) {
                match explained.get(&(key.service.to_string(), key.server.to_string())) {
                    Some(reason) => drop(stage.board.reasons.insert(key, reason.clone())),
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
        // Disks of simulations are fast, and never full.
        if let Some(number) = kept {
            self.handle(manager::Event::Kept(number, Ok(())), stage);
        }
    }

    /// A controller asks: others answer as the scenario says, and soon.
    fn call(&mut self, plugin: String, call: HttpCall, stage: &mut Stage) {
        let outcome = match stage.outside.get(&call.uri.to_string()) {
            Some(Outside::Answers(status, body)) => {
                let body = body.clone().into_bytes();
                Ok(HttpReply { status: *status, headers: Vec::new(), body })
            }
            Some(Outside::Fails(why)) => Err(HttpFailure::Failed(why.clone())),
            None => Err(HttpFailure::Failed(format!("nobody answers at {}", call.uri))),
        };
        self.answers.push(Some((plugin, HttpAnswer { tag: call.tag, outcome })));
        stage.after(ANSWERS_AFTER, Event::Answer(self.run, self.answers.len() - 1));
    }

    /// [`Event::Answer`].
    pub(crate) fn call_answered(&mut self, run: u32, number: usize, stage: &mut Stage) {
        let answer = self.answers.get_mut(number).filter(|_| run == self.run);
        if let Some((plugin, answer)) = answer.and_then(Option::take) {
            self.handle(manager::Event::Answered(plugin, answer), stage);
        }
    }

    fn change(&mut self, changes: Changes, stage: &mut Stage) {
        for (id, first) in changes.begun {
            self.probes.insert(id, Probes::default());
            stage.after(first, Event::Probe(Stream { run: self.run, id }));
        }
        for id in changes.ended {
            self.probes.remove(&id);
        }
        // What is known already: the manager hears of it when it is done with what it does.
        for told in changes.told {
            self.manager.handle(now(stage), told.into());
        }
    }

    /// A probe that failed. An agent that does not answer is no failure of its server; of what a
    /// plugin asks in vain, the plugin says what that means.
    fn failed(&self, ask: &Ask, cause: Cause, stage: &Stage) -> Seen {
        if let CheckKind::Plugin(check) = &ask.check.kind {
            let error = match cause {
                Cause::Refused => ProbeError::Refused,
                Cause::Unreachable => ProbeError::Unreachable,
                Cause::Timeout(_) => ProbeError::Timeout,
                _ => ProbeError::Broken,
            };
            return self.checked(check, ask, Err(error), stage);
        }
        let says_health = ask.check.kind.says_health();
        Seen {
            outcome: says_health.then_some(Outcome::Fail(cause)),
            agent: ask.check.kind.carries_agent().then_some(None),
        }
    }

    /// What a plugin makes of a server that answers whatever it is asked with this status, or not
    /// at all. No time passes for it.
    fn checked(
        &self,
        check: &PluginCheck,
        ask: &Ask,
        answer: Result<u16, ProbeError>,
        stage: &Stage,
    ) -> Seen {
        let Some(checker) = self.checkers.get(&check.plugin) else {
            return Outcome::unable(format!("plugin {} does not run", check.plugin)).into();
        };
        let checking = Checking {
            server: ask.place.address,
            settings: check.config_json.clone(),
            timeout: ask.check.timeout,
            at_ns: u64::try_from(wall(stage.now()).as_nanos()).ok(),
        };
        checker.counted(checker.check(checking, Box::new(Simulated(answer)))).into()
    }

    /// What a stream of this run of weir asks, and its probes.
    fn stream(&mut self, stream: Stream) -> Option<(Ask, &mut Probes)> {
        let ask = self.streams.ask(stream.id).filter(|_| stream.run == self.run)?.clone();
        Some((ask, self.probes.get_mut(&stream.id)?))
    }
}

/// A server as a checker reaches it: it answers by HTTP with a status and no more, accepts
/// connections that end at once, and datagrams with an empty one.
struct Simulated(Result<u16, ProbeError>);

impl Reach for Simulated {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        self.0.clone().map(|_| Box::new(Ended) as Box<dyn Conversation>)
    }

    fn http(&mut self, request: HttpRequest) -> Result<HttpResponse, ProbeError> {
        http_request(request, String::new())?;
        let status = self.0.clone()?;
        Ok(HttpResponse { status, headers: Vec::new(), body: Vec::new() })
    }

    fn exchange(&mut self, _: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        self.0.clone().map(|_| Vec::new())
    }
}

/// A connection that the server ended.
struct Ended;

impl Conversation for Ended {
    fn write(&mut self, _: Vec<u8>) -> Result<(), ProbeError> {
        Ok(())
    }

    fn read(&mut self, _: usize) -> Result<Vec<u8>, ProbeError> {
        Ok(Vec::new())
    }
}

/// What an agent said.
fn heard(line: &str) -> Seen {
    Seen { outcome: None, agent: Some(Reply::parse(line)) }
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

/// Why a weight was changed, and whose, by service and server, if a line of the log says so.
fn explanation(line: &Line) -> Option<((String, String), String)> {
    let field = |key| line.field(key).filter(|it| !it.is_empty()).map(str::to_owned);
    let whose = (field("service")?, field("server")?);
    let is_weight = line.event() == "weight";
    field("reason").filter(|_| is_weight).map(|reason| (whose, reason))
}

/// Whose weight a write changes, and to what.
fn changed_weight(change: &Change, stage: &Stage) -> Option<(RealServerKey, u32)> {
    let (Change::AddServer(service, it) | Change::EditServer(service, it)) = change else {
        return None;
    };
    let key = RealServerKey { service: *service, server: it.endpoint };
    (stage.board.weight(key) != Some(it.weight)).then_some((key, it.weight))
}
