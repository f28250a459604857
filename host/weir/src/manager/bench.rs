//! A manager, a table in memory and scripted guests, in virtual time.

use std::{cell::RefCell, rc::Rc};

use weir_ipvs::{Change, Failure, OnFailure, RealServerKey};
use weir_wasm::{
    Birth, Checked, Effect, Entries, Envelope, HealthReport, HealthStatus, HttpCall, Intent,
    Judgement, Refusal, Review, Statement, Subscription, View, Weighed, Weighing,
};

use super::{
    fake::{Fake, Fuse, service_key},
    *,
};
use crate::{
    config,
    control::{Expiry, Named, Refused, Reply, Steered, Wish, protocol::Head},
    health::{Checker, Evidence, State},
    store::{Changes, Records, apply},
};

/// What the scripted guests share with their test.
#[derive(Default)]
pub(super) struct Script {
    /// Whether the next calls fail, by plugin.
    pub(super) trapping: BTreeMap<String, bool>,
    /// What the next call of a plugin wants.
    pub(super) effects: BTreeMap<String, Vec<Effect>>,
    /// What the next call of a plugin is refused.
    pub(super) refusals: BTreeMap<String, Vec<Refusal>>,
    /// What plugins found remembered when they were last called.
    pub(super) remembered: BTreeMap<String, Entries>,
    /// What happened: births and events.
    pub(super) heard: Vec<String>,
    /// What weighers answer, for each real server; those that are not there trap.
    pub(super) scale: Option<u32>,
    /// What weighers were given last.
    pub(super) weighing: Option<Weighing>,
    /// What guards answer; those that have nothing to say trap.
    pub(super) judgement: Option<Judgement>,
}

impl Script {
    fn weigh(&mut self, weighing: &Weighing) -> Result<Weighed, String> {
        let Weighing { name, period, candidates, memo, .. } = weighing;
        let active: Vec<u32> = candidates.iter().map(|it| it.server.active).collect();
        self.heard.push(format!("weigh {name} after {period:?}: {active:?}, memo {memo:?}"));
        self.weighing = Some(weighing.clone());
        let scale = self.scale.ok_or("weigh failed: unreachable")?;
        Ok(Weighed {
            scales: vec![scale; candidates.len()],
            memo: [memo.as_slice(), &[7]].concat(),
        })
    }

    fn judge(&mut self, review: &Review) -> Result<Judgement, String> {
        let weights = review.outcome.iter().flat_map(|(_, servers)| servers);
        let weights: Vec<u32> = weights.map(|it| it.weight).collect();
        let (origin, count) = (&review.origin, review.changes.len());
        self.heard.push(format!("judge {origin:?}: {count} changes to {weights:?}"));
        self.judgement.clone().ok_or_else(|| "judge failed: unreachable".to_owned())
    }
}

/// A guest that does what `health-weight` does, and what its script says besides.
pub(super) struct Scripted {
    pub(super) name: String,
    pub(super) script: Rc<RefCell<Script>>,
}

impl Scripted {
    fn drains(&self, view: &View) -> Vec<Effect> {
        if self.name != "health-weight" {
            return Vec::new();
        }
        let held = |key| view.held.iter().any(|it| it.key == key);
        let word = |(key, report): (&RealServerKey, &HealthReport)| match report.status {
            HealthStatus::Down => Some(drain(*key)),
            HealthStatus::Up if held(*key) => Some(Effect::Withdraw(*key)),
            _ => None,
        };
        view.health.iter().filter_map(word).collect()
    }
}

pub(super) fn drain(key: RealServerKey) -> Effect {
    say(key, Intent::Drain)
}

pub(super) fn say(key: RealServerKey, intent: Intent) -> Effect {
    let lease = Duration::from_secs(60);
    Effect::Publish(Statement { key, intent, lease, reason: "it is down".into() })
}

impl Guest for Scripted {
    fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, String> {
        let mut script = self.script.borrow_mut();
        for envelope in batch {
            let words = match &envelope.event {
                PolicyEvent::Health(change) => {
                    format!(
                        "{} {}",
                        change.server.server,
                        format!("{:?}", change.after).to_lowercase()
                    )
                }
                other => format!("{other:?}"),
            };
            script.heard.push(format!("{} {}: {words}", self.name, envelope.sequence));
        }
        script.remembered.insert(self.name.clone(), (*view.state).clone());
        let mut effects = self.drains(&view);
        effects.extend(script.effects.remove(&self.name).unwrap_or_default());
        if script.trapping.get(&self.name) == Some(&true) {
            return Err(format!("{}: handle failed: unreachable", self.name));
        }
        Ok(effects)
    }

    fn take_refusals(&mut self) -> Vec<Refusal> {
        self.script.borrow_mut().refusals.remove(&self.name).unwrap_or_default()
    }
}

pub(super) struct Bench {
    pub(super) manager: Manager,
    pub(super) ipvs: Fake,
    pub(super) now: Duration,
    pub(super) script: Rc<RefCell<Script>>,
    pub(super) lines: Vec<String>,
    /// Writes that a test put by.
    pub(super) put_by: Vec<String>,
    pub(super) watches: BTreeMap<RealServerKey, u64>,
    /// What was asked of real servers that were taken up since last looked at.
    pub(super) asks: Vec<Vec<String>>,
    /// Which plugins check, and which do no more.
    pub(super) checkers: Vec<String>,
    /// What controllers asked by HTTP.
    pub(super) calls: Vec<(String, HttpCall)>,
    /// That of the last self-probe.
    self_watch: Option<u64>,
    /// Plugins whose code the next reload replaces.
    pub(super) replaced: BTreeSet<String>,
    /// What is to be committed.
    pub(super) keeps: Vec<Keep>,
    /// What is committed, and by which commits.
    pub(super) records: Records,
    pub(super) commits: Vec<Changes>,
    /// Writes and commits until the manager is dead.
    pub(super) fuse: Fuse,
    /// Whether commits wait for the test to make them.
    pub(super) is_disk_slow: bool,
    /// Whether commits fail; what they left is committed with the first that does not.
    pub(super) is_disk_full: bool,
    uncommitted: Changes,
}

fn parse(config: &str) -> Config {
    config::parse("weir.toml", config).unwrap_or_else(|it| panic!("{it}"))
}

fn codes(config: &Config, script: &Rc<RefCell<Script>>) -> Vec<Code> {
    let names: Vec<String> = config.plugins.iter().map(|it| it.name.clone()).collect();
    codes_of(&names, script)
}

fn codes_of(names: &[String], script: &Rc<RefCell<Script>>) -> Vec<Code> {
    let code = |name: &String| -> Code {
        let (name, script) = (name.clone(), Rc::clone(script));
        if name.starts_with("weigher") {
            let weigh = move |weighing: &Weighing| script.borrow_mut().weigh(weighing);
            return Code { weigher: Some(Box::new(weigh)), ..Code::default() };
        }
        if name.starts_with("checker") {
            let checker = Checker::new(|_, _| Ok(Checked::Pass));
            return Code { checker: Some(checker), ..Code::default() };
        }
        if name.starts_with("guard") {
            let judge = move |_, review: Review, _| script.borrow_mut().judge(&review);
            return Code { guard: Some(Rc::new(judge)), ..Code::default() };
        }
        let weigh = Rc::clone(&script);
        let weigh = move |weighing: &Weighing| weigh.borrow_mut().weigh(weighing);
        let weigher: Option<Weigh> = name.starts_with("both").then(|| Box::new(weigh) as Weigh);
        let policy = Code::of_policy(move |_, birth, _| {
            if let Birth::Recovery(why) = birth {
                script.borrow_mut().heard.push(format!("{name} recovers from {why}"));
            }
            let guest = Scripted { name: name.clone(), script: Rc::clone(&script) };
            let subscription = Subscription { health: true, ..Subscription::default() };
            Ok((Box::new(guest) as Box<dyn Guest>, subscription))
        });
        Code { weigher, ..policy }
    };
    names.iter().map(code).collect()
}

impl Bench {
    pub(super) fn new(config: &str, table: &str) -> Self {
        let mut bench = Self::stopped(config, Fake::new(table));
        bench.start();
        bench
    }

    pub(super) fn stopped(config: &str, ipvs: Fake) -> Self {
        let config = parse(config);
        let script = Rc::new(RefCell::new(Script::default()));
        let codes = codes(&config, &script);
        let fuse = ipvs.fuse.clone();
        Self {
            manager: Manager::new(config, codes),
            ipvs,
            fuse,
            now: Duration::from_secs(1000),
            script,
            lines: Vec::new(),
            put_by: Vec::new(),
            watches: BTreeMap::new(),
            asks: Vec::new(),
            checkers: Vec::new(),
            calls: Vec::new(),
            self_watch: None,
            replaced: BTreeSet::new(),
            keeps: Vec::new(),
            records: Records::new(),
            commits: Vec::new(),
            is_disk_slow: false,
            is_disk_full: false,
            uncommitted: Changes::new(),
        }
    }

    /// Kills the manager, and starts another after `seconds` on what it left.
    pub(super) fn restart(&mut self, config: &str, seconds: u64) {
        let ipvs = std::mem::take(&mut self.ipvs);
        let (now, records) = (self.now, std::mem::take(&mut self.records));
        *self = Self::stopped(config, ipvs);
        self.now = now + Duration::from_secs(seconds);
        self.recall(records);
        self.start();
        self.settle();
    }

    /// Whoever keeps has these.
    pub(super) fn recall(&mut self, records: Records) {
        self.manager.recall(records.clone(), None);
        self.records = records;
    }

    /// Another configuration.
    pub(super) fn reload(&mut self, config: &str) {
        self.reload_as(parse(config));
    }

    /// The same, whose last line has no end.
    pub(super) fn reload_unfinished(&mut self, config: &str) {
        let mut config = parse(config);
        config.unfinished = Some("weir.toml".into());
        self.reload_as(config);
    }

    fn reload_as(&mut self, config: Config) {
        let codes = codes(&config, &self.script);
        let replaced = self.replaced.clone();
        let reload = Reload { config, codes, replaced, is_confirmed: false };
        // What becomes of it is seen in the log and the table.
        let _ = self.manager.reload(self.at(), reload);
        self.settle();
    }

    pub(super) fn at(&self) -> Now {
        Now { monotonic: self.now, wall: self.now }
    }

    pub(super) fn start(&mut self) {
        self.manager.start(self.at(), &mut self.ipvs).unwrap();
        self.drain_output();
    }

    pub(super) fn drain_output(&mut self) {
        while let Some(output) = self.manager.poll_output() {
            match output {
                Output::Log(line) => self.lines.push(line.to_string()),
                Output::Watch(target) => match target.subject {
                    Subject::Server(key) => {
                        self.watches.insert(key, target.watch);
                        self.asks.push(target.asks.iter().map(ToString::to_string).collect());
                    }
                    Subject::Director => self.self_watch = Some(target.watch),
                },
                Output::Unwatch(watch) => self.watches.retain(|_, it| *it != watch),
                Output::Keep(keep) => self.keeps.push(keep),
                Output::Call(plugin, call) => self.calls.push((plugin, call)),
                Output::Checker(plugin, checker) => {
                    let now = if checker.is_some() { "checks" } else { "checks no more" };
                    self.checkers.push(format!("{plugin} {now}"));
                }
            }
        }
    }

    /// Commits what is to be kept, as a disk does that is fast.
    fn keep(&mut self) {
        for keep in std::mem::take(&mut self.keeps) {
            if self.is_disk_full {
                self.uncommitted.extend(keep.changes);
                let full = Err("no space left on device".to_owned());
                self.manager.handle(self.at(), Event::Kept(keep.number, full));
                continue;
            }
            if !self.fuse.burn() {
                continue;
            }
            apply(&mut self.records, &std::mem::take(&mut self.uncommitted));
            apply(&mut self.records, &keep.changes);
            self.commits.push(keep.changes);
            self.manager.handle(self.at(), Event::Kept(keep.number, Ok(())));
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            self.manager.settle(self.at(), &mut self.ipvs);
            self.drain_output();
            if self.is_disk_slow || self.keeps.is_empty() {
                break;
            }
            self.keep();
        }
    }

    /// Lets `seconds` pass, settling whenever the manager asks for it.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.manager.deadline() <= end {
            self.now = self.manager.deadline().max(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Verdicts that come together, as `10.0.1.1:80 down` (refused), `.. silent`, `.. up`,
    /// `.. suspect`; of the service 10.0.0.1:80, unless `10.0.0.2:80 ..` goes before. Of the
    /// self-probe, as `director down`.
    pub(super) fn verdicts(&mut self, verdicts: &[&str]) {
        for verdict in verdicts {
            let mut words = verdict.rsplit(' ');
            let (state, evidence, detail) = match words.next().unwrap() {
                "up" => (State::Up, Evidence::None, "passed, 2 in a row"),
                "suspect" => (State::Suspect, Evidence::Hard, "refused, 1 of 3"),
                "silent" => (State::Down, Evidence::Soft, "timeout, 3 in a row"),
                "down" => (State::Down, Evidence::Hard, "refused, 3 in a row"),
                other => panic!("{other}"),
            };
            let server = words.next().unwrap();
            let service = words.next().unwrap_or("10.0.0.1:80");
            let (subject, watch) = match server {
                "director" => (Subject::Director, self.self_watch),
                _ => {
                    let (service, server) = (service_key(service), server.parse().unwrap());
                    let key = RealServerKey { service, server };
                    (Subject::Server(key), self.watches.get(&key).copied())
                }
            };
            let watch = watch.unwrap_or(0);
            let detail = detail.to_owned();
            let verdict = Verdict { subject, watch, state, evidence, percent: 100, detail };
            self.manager.handle(self.at(), Event::Health(verdict));
        }
        self.settle();
    }

    /// Which real servers are checked.
    pub(super) fn watched(&self) -> Vec<String> {
        self.watches.keys().map(|it| it.server.to_string()).collect()
    }

    pub(super) fn writes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.ipvs.writes)
    }

    /// Lines since last asked that begin with `event`.
    pub(super) fn said(&mut self, event: &str) -> Vec<String> {
        let lines = std::mem::take(&mut self.lines);
        lines.into_iter().filter(|it| it.starts_with(event)).collect()
    }

    pub(super) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.script.borrow_mut().heard)
    }

    /// Other code for a plugin, which starts or, with `Some`, does not.
    pub(super) fn replace(&mut self, name: &str, fails: Option<&str>) {
        let code = match fails {
            None => codes_of(&[name.to_owned()], &self.script).remove(0),
            Some(why) => {
                let why = why.to_owned();
                Code::of_policy(move |_, _, _| Err(why.clone()))
            }
        };
        self.replace_by(name, code);
    }

    /// The same with this code.
    pub(super) fn replace_by(&mut self, name: &str, code: Code) {
        // What becomes of it is seen in the log.
        let _ = self.manager.replace(self.at(), name, Ok(code));
        self.settle();
    }

    /// A change that a command makes by way of us.
    pub(super) fn command(&mut self, change: Change) -> Vec<Failure> {
        let (reply, mut answer) = Reply::new();
        let request = Request::Apply(vec![change], OnFailure::Proceed, reply);
        self.manager.handle(self.at(), Event::Request(request));
        self.settle();
        answer.try_recv().unwrap()
    }

    /// An operator's order: what they are told.
    pub(super) fn order(&mut self, wish: Wish) -> Result<Steered, Refused> {
        self.order_where(Expiry::default(), wish)
    }

    pub(super) fn order_where(&mut self, expiry: Expiry, wish: Wish) -> Result<Steered, Refused> {
        let (reply, mut answer) = Reply::new();
        let steer = Steer { by: "root".into(), reason: None, expiry, wish, reply };
        self.manager.handle(self.at(), Event::Steer(steer));
        self.settle();
        answer.try_recv().unwrap()
    }

    /// What `weir status` says of everything.
    pub(super) fn status(&mut self) -> Head {
        let (reply, mut answer) = Reply::new();
        self.manager.handle(self.at(), Event::Show(Show::Status(None, reply)));
        self.settle();
        answer.try_recv().unwrap().unwrap().0
    }

    /// Whether an operator, who gives an order, is answered: the manager may be dead.
    pub(super) fn order_if_alive(&mut self, wish: Wish) -> bool {
        let (reply, mut answer) = Reply::new();
        let expiry = Expiry::default();
        let steer = Steer { by: "root".into(), reason: None, expiry, wish, reply };
        self.manager.handle(self.at(), Event::Steer(steer));
        self.settle();
        self.fuse.left() > 0 && answer.try_recv().is_ok_and(|it| it.is_ok())
    }

    /// A drain of a server of `web`, as `weir drain web SERVER` orders it.
    pub(super) fn drain(&mut self, server: &str) -> Result<Steered, Refused> {
        let server = named("web", server);
        self.order(Wish::Drain { server, deadline: None, keep: false, force: false })
    }

    /// Someone else's change.
    pub(super) fn foreign(&mut self, change: &Change) {
        self.ipvs.make(change).unwrap();
    }
}

pub(super) fn named(service: &str, server: &str) -> Named {
    Named { service: service.into(), server: server.into() }
}

pub(super) const NONE: [String; 0] = [];

pub(super) const CONFIG: &str = r#"
    [check]
    [[service]]
    name = "web"
    address = "10.0.0.1:80"
    scheduler = "wrr"
    server = [
        { address = "10.0.1.1:80", weight = 100 },
        { address = "10.0.1.2:80", weight = 100 },
        { address = "10.0.1.3:80", weight = 100 },
        { address = "10.0.1.4:80", weight = 100 },
    ]
"#;

pub(super) const TABLE: &str =
    "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=100 10.0.1.3:80=100 10.0.1.4:80=100";

/// The common setup of the scenarios: all up and settled.
pub(super) fn settled() -> Bench {
    settled_as(CONFIG)
}

/// The same with another configuration.
pub(super) fn settled_as(config: &str) -> Bench {
    let mut bench = Bench::new(config, TABLE);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), NONE);
    bench.lines.clear();
    bench.heard();
    bench
}

pub(super) fn key(address: &str) -> RealServerKey {
    RealServerKey { service: service_key("10.0.0.1:80"), server: address.parse().unwrap() }
}
