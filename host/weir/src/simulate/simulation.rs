//! One run of one scenario: the loop that moves the time, and the script that acts on
//! everything.

use std::{collections::BTreeMap, io::Write, path::Path, time::Duration};

use anyhow::{Context as _, anyhow};
use weir_embedded::{Embedded, Settings};
use weir_ipvs::{Endpoint, RealServerKey};

use super::{
    agenda::Agenda,
    board::{self, Board},
    daemon::Daemon,
    disorder::{Disorder, Turn},
    judge::{Changed, Failure, Judge, Moment},
    kernel::Kernel,
    language::show_duration,
    machinery::{Machinery, Traps},
    scenario::{Action, Change, Fault, Order, Scenario, Step, What},
    script::{Script, Waiting},
    stage::{Event, Request, Servers, Stage},
    timeline::{Entry, Record, Timeline},
    traffic::Traffic,
    words,
};
use crate::{
    control::{Named, Wish},
    random::Random,
    store::Records,
};

/// What came of a run.
pub(crate) struct Outcome {
    /// Expectations that were not met, in the order in which that was known.
    pub(crate) failures: Vec<Failure>,
    /// What happened before the first of them, in words, oldest first.
    pub(crate) before: Vec<String>,
    /// How many were met.
    pub(crate) met: usize,
    /// When it ended.
    pub(crate) end: Duration,
    /// What happened: all of it, if it was to be kept.
    pub(crate) entries: Vec<Entry>,
}

/// Runs `scenario`; writes its timeline to `out`, if there is one, and keeps all of it if `keeps`
/// says so: of many servers it is larger than all else. Fails if it cannot be set up: a plugin
/// that cannot be loaded, a table that ipvsadm refuses.
pub(crate) fn run(
    scenario: &Scenario,
    machinery: &Machinery,
    mut out: Option<&mut dyn Write>,
    keeps: bool,
) -> anyhow::Result<Outcome> {
    let mut simulation = Simulation::new(scenario, machinery)?;
    simulation.begin()?;
    loop {
        let is_over = !simulation.step()?;
        if is_over {
            simulation.finish();
        }
        if let Some(out) = &mut out {
            let written = simulation.stage.timeline.write(out);
            written.context("failed to write the timeline")?;
        }
        if !keeps {
            simulation.stage.timeline.forget();
        }
        if is_over {
            return Ok(simulation.into_outcome());
        }
    }
}

struct Simulation<'s> {
    scenario: &'s Scenario,
    machinery: &'s Machinery,
    stage: Stage,
    traffic: Traffic,
    /// None = weir does not run.
    daemon: Option<Daemon>,
    starts: u32,
    traps: Traps,
    disorder: Disorder,
    script: Script<'s>,
    /// At which the script stands.
    moment: Moment,
    judge: Judge,
    /// Failures that the timeline has.
    reported: usize,
    /// What happened before the first of them.
    before: Vec<String>,
}

/// Who is next, of those whose turns come at one time: in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turned {
    Script,
    Event,
    Daemon,
}

impl<'s> Simulation<'s> {
    fn new(scenario: &'s Scenario, machinery: &'s Machinery) -> anyhow::Result<Self> {
        let settings = Settings { seed: scenario.seed, ..Settings::default() };
        let (path, lines) = (&scenario.path, &scenario.table);
        let kernel = Kernel::new(table(Embedded::new(settings), path, lines, machinery)?);
        let stage = Stage {
            agenda: Agenda::new(),
            kernel,
            kept: Records::new(),
            outside: BTreeMap::new(),
            servers: Servers::new(scenario),
            board: Board::default(),
            changed: Changed::default(),
            timeline: Timeline::new(scenario),
        };
        Ok(Self {
            scenario,
            machinery,
            stage,
            traffic: Traffic::new(scenario),
            daemon: None,
            starts: 0,
            traps: Traps::default(),
            disorder: Disorder::default(),
            script: Script::new(&scenario.script),
            moment: Moment::default(),
            judge: Judge::new(scenario.names.clone()),
            reported: 0,
            before: Vec::new(),
        })
    }

    /// What stands before the first time of the script happens before weir starts.
    fn begin(&mut self) -> anyhow::Result<()> {
        self.stage.refresh();
        self.traffic.begin(&mut self.stage);
        self.moment.mark = self.stage.board.mark();
        while let Some(step) = self.script.next(Duration::ZERO) {
            self.carry_out(step)?;
        }
        self.start(None)?;
        self.stage.agenda.put(Duration::ZERO, Event::Sample);
        self.look();
        Ok(())
    }

    /// Does what comes next; says whether there is more.
    fn step(&mut self) -> anyhow::Result<bool> {
        let turns = [
            (self.script.due(), Turned::Script),
            (self.stage.agenda.next_at(), Turned::Event),
            (self.daemon.as_ref().map(Daemon::deadline), Turned::Daemon),
        ];
        let next = turns.into_iter().filter_map(|(at, who)| Some((at?, who))).min();
        let end = self.end();
        let Some((at, who)) = next.filter(|(at, _)| *at <= end) else {
            self.stage.agenda.advance(end);
            return Ok(false);
        };
        self.judge.close(at, &self.stage.board);
        self.stage.agenda.advance(at);
        self.stage.kernel.core.advance(self.stage.now());
        match who {
            Turned::Script => self.read_on()?,
            Turned::Event => {
                if let Some(event) = self.stage.agenda.next(at) {
                    self.happen(event);
                }
            }
            Turned::Daemon => self.with_daemon(Daemon::due),
        }
        self.look();
        Ok(true)
    }

    /// When the simulation ends, as far as that is known.
    fn end(&self) -> Duration {
        if let Some(duration) = self.scenario.duration {
            return duration;
        }
        match self.script.waiting() {
            Waiting::Over => self.judge.last_deadline().unwrap_or_default().max(self.script.time()),
            _ => Duration::MAX,
        }
    }

    /// Lets the judge and the script see what changed.
    fn look(&mut self) {
        let changed = std::mem::take(&mut self.stage.changed);
        // A big table is not read for nobody, each time that something changes.
        if !self.judge.watches(changed) && !self.script.watches(changed) {
            return self.report();
        }
        self.stage.refresh();
        let (now, board) = (self.stage.now(), &self.stage.board);
        self.judge.look(now, board, changed);
        if let Waiting::For(fact, _, _) = self.script.waiting()
            && board.holds(fact, None)
        {
            self.script.go_on(now);
        }
        self.report();
    }

    /// Writes new failures into the timeline.
    fn report(&mut self) {
        let failures = &self.judge.failures()[self.reported..];
        if let Some(first) = failures.first().filter(|_| self.reported == 0) {
            self.before = self.stage.timeline.before(first.at);
        }
        self.reported += failures.len();
        for failure in failures {
            self.stage.note(Record::failed(failure));
        }
    }

    fn happen(&mut self, event: Event) {
        let stage = &mut self.stage;
        match event {
            Event::Arrive(arrival) => self.traffic.arrive(stage, arrival),
            Event::Retry(attempt) => self.traffic.attempt(stage, attempt),
            Event::Syn(key, again) => self.traffic.knock(stage, key, again),
            Event::Request(key) => self.traffic.ask(stage, key),
            Event::Close(key) => self.traffic.close(stage, key),
            Event::GiveUp(key) => self.traffic.give_up(stage, key),
            Event::Finish(server, work) => {
                if stage.servers.at(server).life() == work.life {
                    self.finished(server, work.request);
                }
            }
            Event::Probe(stream) => self.with_daemon(|it, stage| it.probe(stream, stage)),
            Event::Answer(run, number) => {
                self.with_daemon(|it, stage| it.call_answered(run, number, stage));
            }
            Event::ProbeTimeout(stream, number) => {
                self.with_daemon(|it, stage| it.timed_out((stream, number), stage));
            }
            Event::Flap(server, order) => {
                let turn = self.disorder.flap(stage.now(), server, order);
                self.take_turn(turn, "flaps");
                if let Some(next) = turn.and_then(|it| it.next) {
                    self.stage.after(next, Event::Flap(server, order));
                }
            }
            Event::Chaos(number) => {
                let (turn, next) = self.disorder.strike(stage.now(), number);
                self.take_turn(turn.map(|it| it.0), "chaos");
                if let Some((turn, lasts)) = turn {
                    self.stage.after(lasts, Event::ChaosEnds(number, turn.server));
                }
                if let Some(next) = next {
                    self.stage.after(next, Event::Chaos(number));
                }
            }
            Event::ChaosEnds(number, server) => {
                let turn = self.disorder.relent(number, server);
                self.take_turn(Some(turn), "chaos");
            }
            Event::Sample => {
                stage.refresh();
                stage.timeline.sample(stage.agenda.now(), &stage.board, self.scenario);
                stage.after(self.scenario.sample, Event::Sample);
            }
        }
    }

    /// A server has an answer, which arrives if anything does.
    fn finished(&mut self, server: Endpoint, request: Request) {
        let next = self.stage.servers.at(server).finish();
        self.stage.begin(server, next);
        if !self.stage.servers.at(server).is_connected() {
            return;
        }
        let answer = self.stage.servers.at(server).answer();
        match request {
            Request::Client(key) => {
                self.traffic.answered(&mut self.stage, key, answer.status >= 500);
            }
            Request::Probe(stream, number) => {
                self.with_daemon(|it, stage| it.answered((stream, number), &answer, stage));
            }
        }
    }

    fn with_daemon(&mut self, act: impl FnOnce(&mut Daemon, &mut Stage)) {
        if let Some(daemon) = &mut self.daemon {
            act(daemon, &mut self.stage);
        }
    }

    fn finish(&mut self) {
        let end = self.stage.now();
        self.stage.refresh();
        self.judge.finish(end, &self.stage.board);
        for step in self.script.rest() {
            if matches!(step.what, What::Expect(_)) {
                self.judge.fail(Failure {
                    line: step.line,
                    text: step.text.clone(),
                    at: end,
                    expected: step.text.clone(),
                    seen: "the script did not come so far".to_owned(),
                });
            }
        }
        self.report();
        let (met, failed) = (self.judge.met(), self.judge.failures().len());
        self.stage.note(Record::End { met, failed });
    }

    fn into_outcome(self) -> Outcome {
        Outcome {
            failures: self.judge.failures().to_vec(),
            before: self.before,
            met: self.judge.met(),
            end: self.stage.now(),
            entries: self.stage.timeline.into_entries(),
        }
    }
}

/// The script.
impl<'s> Simulation<'s> {
    /// Carries out what is due, and says so where what the script waits for did not come.
    fn read_on(&mut self) -> anyhow::Result<()> {
        if let Waiting::For(fact, Some(_), step) = self.script.waiting() {
            let (board, names) = (&self.stage.board, &self.scenario.names);
            self.judge.fail(Failure {
                line: step.line,
                text: format!("when {}", step.text),
                at: self.stage.now(),
                expected: format!("{} by {}", step.text, show_duration(self.stage.now())),
                seen: board::show(board, fact, None, true, names),
            });
            self.script.give_up();
        }
        self.moment = Moment { at: self.stage.now(), mark: self.stage.board.mark() };
        while let Some(step) = self.script.next(self.stage.now()) {
            self.carry_out(step)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, step: &'s Step) -> anyhow::Result<()> {
        match &step.what {
            What::Expect(expectation) => {
                self.stage.refresh();
                self.judge.expect(step, expectation, &self.moment, &self.stage.board);
                Ok(())
            }
            What::Do(action) => {
                let what = match action {
                    Action::Note(text) => text,
                    _ => &step.text,
                };
                self.note(step.line, what);
                self.act(action)
            }
            What::At(_) | What::After(_) | What::When(..) => Ok(()),
        }
    }

    fn note(&mut self, line: usize, what: &str) {
        self.stage.note(Record::Scenario { line, what: what.to_owned() });
    }

    fn act(&mut self, action: &'s Action) -> anyhow::Result<()> {
        self.stage.changed = Changed { control: true, traffic: true };
        match action {
            Action::Servers(servers, change) => {
                servers.iter().for_each(|it| self.change(*it, *change));
            }
            Action::Agent(servers, line) => {
                for server in servers {
                    self.stage.servers.at(*server).hear_agent(line.clone());
                }
            }
            Action::Verdict(servers, status, reason) => {
                self.with_daemon(|it, stage| it.say(servers, *status, reason, stage));
            }
            Action::Arrive(clients, arrival) => {
                self.traffic.change(&mut self.stage, *clients, *arrival);
            }
            Action::Stop => {
                if let Some(daemon) = self.daemon.take() {
                    daemon.stop(&mut self.stage);
                }
            }
            Action::Kill => self.daemon = None,
            Action::Start(config) => self.start(config.as_deref())?,
            Action::Reload(files, is_confirmed) => {
                let (machinery, traps, stage) = (self.machinery, &mut self.traps, &mut self.stage);
                if let Some(daemon) = &mut self.daemon {
                    daemon.reload(files, *is_confirmed, machinery, traps, stage);
                }
            }
            Action::Kernel(fault) => self.stage.kernel.fail(*fault),
            Action::KernelRecovers => self.stage.kernel.recover(),
            Action::Trap(plugin, times) => self.traps.trap(plugin, *times),
            Action::Replace(plugin, file) => {
                self.traps.replace(plugin, file.clone());
                if let Some(daemon) = &mut self.daemon {
                    daemon.replace(plugin, self.machinery, &mut self.traps, &mut self.stage);
                }
            }
            Action::Mode(plugin, mode) => {
                self.with_daemon(|it, stage| it.set_mode(plugin, *mode, stage));
            }
            Action::Ipvsadm(arguments) => self.ipvsadm(arguments)?,
            Action::Order(servers, order) => {
                for server in servers {
                    self.with_daemon(|it, stage| it.order(order.of(server), stage));
                }
            }
            Action::Freeze(of, freezes) => {
                let of = of.map(|it| it.to_string());
                let wish = if *freezes { Wish::Freeze(of) } else { Wish::Thaw(of) };
                self.with_daemon(|it, stage| it.order(wish, stage));
            }
            Action::Outside(url, outside) => {
                self.stage.outside.insert(url.clone(), outside.clone());
            }
            Action::Chaos(chaos) => {
                let seed = format!("{} chaos {}", self.scenario.seed, self.stage.now().as_nanos());
                let random = Random::named(&seed);
                let (number, first) = self.disorder.begin(self.stage.now(), chaos, random);
                self.stage.after(first, Event::Chaos(number));
            }
            Action::Note(_) => {}
        }
        Ok(())
    }

    /// Something happens to a server.
    fn change(&mut self, server: Endpoint, change: Change) {
        match self.disorder.order(self.stage.now(), server, change) {
            Some(order) => self.stage.after(Duration::ZERO, Event::Flap(server, order)),
            None => match change {
                Change::Fault(fault) => self.fail(server, fault),
                Change::Recover | Change::Flap { .. } => self.stage.servers.at(server).recover(),
            },
        }
    }

    fn fail(&mut self, server: Endpoint, fault: Fault) {
        self.stage.servers.at(server).fail(fault);
        if fault == Fault::Crash {
            self.traffic.reset(&mut self.stage, server);
            self.with_daemon(|it, stage| it.reset(server, stage));
        }
    }

    fn take_turn(&mut self, turn: Option<Turn>, why: &str) {
        let Some(turn) = turn else { return };
        let name = self.scenario.names.server(turn.server);
        match turn.fault {
            Some(fault) => {
                self.note(0, &format!("{name} {} ({why})", words::fault(&fault)));
                self.fail(turn.server, fault);
            }
            None => {
                self.note(0, &format!("{name} recovers ({why})"));
                self.stage.servers.at(turn.server).recover();
            }
        }
    }

    /// weir starts, unless it runs already.
    fn start(&mut self, config: Option<&'s crate::config::Config>) -> anyhow::Result<()> {
        let Some(config) = config.or(self.scenario.config.as_ref()) else { return Ok(()) };
        if self.daemon.is_none() {
            self.starts += 1;
            self.stage.board.health.clear();
            let (traps, stage) = (&mut self.traps, &mut self.stage);
            let started = Daemon::start(self.starts, config, self.machinery, traps, stage)?;
            self.daemon = Some(started);
        }
        Ok(())
    }

    fn ipvsadm(&mut self, arguments: &str) -> anyhow::Result<()> {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let ran = self.machinery.ipvsadm(&mut self.stage.kernel, &words, "")?;
        // What someone else wrote is no write of weir.
        self.stage.kernel.take_written();
        let (output, error) = (ran.output, ran.error);
        let arguments = arguments.to_owned();
        let record = Record::Ipvsadm { arguments, status: ran.status, output, error };
        self.stage.note(record);
        Ok(())
    }
}

impl Order {
    /// The same as operators wish it of weir.
    fn of(self, key: &RealServerKey) -> Wish {
        let server = Named { service: key.service.to_string(), server: key.server.to_string() };
        match self {
            Self::Drain { deadline, keep, force } => Wish::Drain { server, deadline, keep, force },
            Self::Maintain { force } => Wish::Maintain { server, force },
            Self::Ready => Wish::Ready(server),
        }
    }
}

/// `empty` with the table that `lines` of the file at `path` make, as `ipvsadm -S` prints it;
/// what ipvsadm refuses is named by its line.
pub(crate) fn table(
    empty: Embedded,
    path: &Path,
    lines: &[(usize, String)],
    machinery: &Machinery,
) -> anyhow::Result<Embedded> {
    if lines.is_empty() {
        return Ok(empty);
    }
    let settings = empty.settings().clone();
    let mut kernel = Kernel::new(empty);
    let all: String = lines.iter().map(|(_, text)| format!("{text}\n")).collect();
    let ran = machinery.ipvsadm(&mut kernel, &["-R"], &all)?;
    if ran.status == 0 && ran.error.is_empty() {
        return Ok(kernel.core);
    }
    // Once more line by line, to name the one.
    let mut kernel = Kernel::new(Embedded::new(settings));
    for (number, text) in lines {
        let ran = machinery.ipvsadm(&mut kernel, &["-R"], &format!("{text}\n"))?;
        if ran.status != 0 || !ran.error.is_empty() {
            let file = path.display();
            let complaint = ran.error.trim().replace('\n', "; ");
            return Err(anyhow!("{file}:{number}:1: ipvsadm refuses `{text}`: {complaint}"));
        }
    }
    Err(anyhow!("ipvsadm refuses the table: {}", ran.error.trim()))
}
