//! The manager against a table in memory, in virtual time.

use std::{cell::RefCell, rc::Rc};

use weir_ipvs::Change;
use weir_wasm::{Birth, Envelope, HealthReport, HealthStatus, Statement, Subscription, View};

use super::{
    fake::{Fake, server, service_key},
    *,
};
use crate::{config, health::Evidence};

/// What the scripted guests share with their test.
#[derive(Default)]
struct Script {
    /// Whether the next calls fail, by plugin.
    trapping: BTreeMap<String, bool>,
    /// What the next call of a plugin wants.
    effects: BTreeMap<String, Vec<Effect>>,
    /// What happened: births and events.
    heard: Vec<String>,
}

/// A guest that does what `health-weight` does, and what its script says besides.
struct Scripted {
    name: String,
    script: Rc<RefCell<Script>>,
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

fn drain(key: RealServerKey) -> Effect {
    say(key, Intent::Drain)
}

fn say(key: RealServerKey, intent: Intent) -> Effect {
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
        let mut effects = self.drains(&view);
        effects.extend(script.effects.remove(&self.name).unwrap_or_default());
        if script.trapping.get(&self.name) == Some(&true) {
            return Err(format!("{}: handle failed: unreachable", self.name));
        }
        Ok(effects)
    }
}

struct Bench {
    manager: Manager,
    ipvs: Fake,
    now: Duration,
    script: Rc<RefCell<Script>>,
    lines: Vec<String>,
    watches: BTreeMap<String, u64>,
}

impl Bench {
    fn new(config: &str, table: &str) -> Self {
        let mut bench = Self::stopped(config, Fake::new(table));
        bench.start();
        bench
    }

    fn stopped(config: &str, ipvs: Fake) -> Self {
        let config = config::parse("weir.toml", config).unwrap_or_else(|it| panic!("{it}"));
        let script = Rc::new(RefCell::new(Script::default()));
        let starter = |name: &String| -> Starter {
            let (name, script) = (name.clone(), Rc::clone(&script));
            Box::new(move |_, birth, _| {
                if let Birth::Recovery(why) = birth {
                    script.borrow_mut().heard.push(format!("{name} recovers from {why}"));
                }
                let guest = Scripted { name: name.clone(), script: Rc::clone(&script) };
                Ok((Box::new(guest) as Box<dyn Guest>, Subscription { health: true, other: false }))
            })
        };
        let starters: Vec<Starter> = config.plugins.iter().map(|it| starter(&it.name)).collect();
        let manager = Manager::new(config, starters);
        let now = Duration::from_secs(1000);
        Self { manager, ipvs, now, script, lines: Vec::new(), watches: BTreeMap::new() }
    }

    fn at(&self) -> Now {
        Now { monotonic: self.now, wall: self.now }
    }

    fn start(&mut self) {
        self.manager.start(self.at(), &mut self.ipvs).unwrap();
        self.drain_output();
    }

    fn drain_output(&mut self) {
        while let Some(output) = self.manager.poll_output() {
            match output {
                Output::Log(line) => self.lines.push(line.to_string()),
                Output::Watch(target) => {
                    self.watches.insert(target.key.server.to_string(), target.watch);
                }
                Output::Unwatch(watch) => self.watches.retain(|_, it| *it != watch),
            }
        }
    }

    fn settle(&mut self) {
        self.manager.settle(self.at(), &mut self.ipvs);
        self.drain_output();
    }

    /// Lets `seconds` pass, settling whenever the manager asks for it.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while self.manager.deadline() <= end {
            self.now = self.manager.deadline().max(self.now);
            self.settle();
        }
        self.now = end;
    }

    /// Verdicts that come together, as `10.0.1.1:80 down`.
    fn verdicts(&mut self, verdicts: &[&str]) {
        for verdict in verdicts {
            let (address, status) = verdict.split_once(' ').unwrap();
            let (state, evidence, detail) = match status {
                "up" => (State::Up, Evidence::None, "passed, 2 in a row"),
                _ => (State::Down, Evidence::Hard, "refused, 3 in a row"),
            };
            let service = service_key("10.0.0.1:80");
            let verdict = Verdict {
                key: RealServerKey { service, server: address.parse().unwrap() },
                watch: self.watches.get(address).copied().unwrap_or(0),
                state,
                evidence,
                detail: detail.to_owned(),
            };
            self.manager.handle(self.at(), Event::Health(verdict));
        }
        self.settle();
    }

    fn writes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.ipvs.writes)
    }

    /// Lines since last asked that begin with `event`.
    fn said(&mut self, event: &str) -> Vec<String> {
        let lines = std::mem::take(&mut self.lines);
        lines.into_iter().filter(|it| it.starts_with(event)).collect()
    }

    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.script.borrow_mut().heard)
    }

    /// Someone else's change.
    fn foreign(&mut self, change: &Change) {
        self.ipvs.make(change).unwrap();
    }
}

const NONE: [String; 0] = [];

const CONFIG: &str = r#"
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

const TABLE: &str =
    "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=100 10.0.1.3:80=100 10.0.1.4:80=100";

/// The common setup of the scenarios: all up and settled.
fn settled() -> Bench {
    let mut bench = Bench::new(CONFIG, TABLE);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), NONE);
    bench.lines.clear();
    bench.heard();
    bench
}

fn key(address: &str) -> RealServerKey {
    RealServerKey { service: service_key("10.0.0.1:80"), server: address.parse().unwrap() }
}

#[test]
fn a_settled_table_sees_no_writes() {
    let mut bench = settled();
    bench.pass(600);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.said(""), NONE);
}

/// Scenario 1.
#[test]
fn a_crashed_server_is_drained_and_nothing_else_is_written() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!(
        bench.said(""),
        [
            "health service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=up after=down \
             reason=\"refused, 3 in a row\"",
            "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=100 after=0 \
             plugin=health-weight reason=\"it is down\"",
        ]
    );
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "a second identical write");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=100 \
          plugin=health-weight reason=\"drain withdrawn: passed, 2 in a row\""]
    );
}

/// Scenario 2: a verdict of one server leaves the others alone; several at once are one
/// batch, and what rises comes before what falls.
#[test]
fn verdicts_that_come_together_are_one_batch() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.writes();
    bench.heard();
    let reads = bench.ipvs.reads;
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.4:80=100", "10.0.1.1:80=0", "10.0.1.2:80=0"]);
    assert_eq!(bench.ipvs.reads - reads, 1);
    assert_eq!(
        bench.heard(),
        [
            "health-weight 7: 10.0.1.1:80 down",
            "health-weight 8: 10.0.1.2:80 down",
            "health-weight 9: 10.0.1.4:80 up",
        ]
    );
}

/// Scenario 8.
#[test]
fn a_restart_gives_no_traffic_to_a_server_that_had_none() {
    let table = "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=0 10.0.1.3:80=40 10.0.1.9:80=5";
    let mut bench = Bench::new(CONFIG, table);
    assert_eq!(bench.writes(), ["add 10.0.1.4:80=0"], "new, and not yet known to be up");
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "before there are verdicts");
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 down", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.3:80=100", "10.0.1.4:80=100"]);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
    let end = "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=100 10.0.1.3:80=100 \
               10.0.1.9:80=5 10.0.1.4:80=100";
    assert_eq!(bench.ipvs.show(), end);
    bench.manager.handle(bench.at(), Event::Stop);
    bench.settle();
    bench.settle();
    assert!(bench.manager.is_stopped());
    assert_eq!((bench.writes(), bench.ipvs.show().as_str()), (vec![], end));
}

#[test]
fn a_server_found_at_zero_stays_there_without_its_plugin() {
    let config = format!("{CONFIG}\n[plugin.health-weight]\nmode = \"off\"");
    let mut bench = Bench::new(&config, &TABLE.replace("1.2:80=100", "1.2:80=0"));
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.2:80 before=0 after=100 \
          plugin=weir reason=\"passed, 2 in a row\""]
    );
}

#[test]
fn a_missing_service_is_made_and_servers_get_weight_as_they_pass() {
    let mut bench = Bench::new(CONFIG, "");
    assert_eq!(
        bench.writes(),
        [
            "add tcp 10.0.0.1:80",
            "add 10.0.1.1:80=0",
            "add 10.0.1.2:80=0",
            "add 10.0.1.3:80=0",
            "add 10.0.1.4:80=0"
        ]
    );
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}

#[test]
fn without_checks_the_stated_weights_hold_at_once() {
    let config = CONFIG.replace("[check]", "");
    let mut bench = Bench::new(&config, &TABLE.replace("1.2:80=100", "1.2:80=7"));
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
    assert!(bench.watches.is_empty());
    assert_eq!(bench.heard(), NONE, "no checks, no health-weight");
}

/// Scenario 9.
#[test]
fn a_trap_applies_nothing_of_its_call_and_checks_go_on() {
    let config = format!(
        "{CONFIG}\n[plugin.setter]\nsource = \"x.wasm\"\n\
         grant = {{ services = \"all\", weights = {{ intents = [\"cap\"] }} }}"
    );
    let mut bench = Bench::new(&config, TABLE);
    let up = ["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"];
    bench.verdicts(&up);
    bench.heard();
    bench.lines.clear();
    {
        let mut script = bench.script.borrow_mut();
        script.trapping.insert("setter".into(), true);
        let caps = ["10.0.1.1:80", "10.0.1.2:80"].map(|it| say(key(it), Intent::Cap(10)));
        script.effects.insert("setter".into(), caps.into());
    }
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.4:80=0"], "health-weight runs on");
    assert_eq!(
        bench.said("plugin"),
        ["plugin-failed plugin=setter applied=\"nothing of that call\" restart_in_s=1 \
          report=\"setter: handle failed: unreachable\""]
    );
    bench.heard();
    bench.pass(1);
    assert_eq!(
        bench.heard(),
        ["setter recovers from setter: handle failed: unreachable", "setter 1: Started"]
    );
    assert_eq!(bench.said("plugin-failed").len(), 1);
    bench.pass(14);
    let said = bench.said("plugin");
    assert!(said.last().unwrap().starts_with("plugin-quarantined plugin=setter"), "{said:?}");
    let delays: Vec<_> =
        said.iter().filter_map(|it| it.split("restart_in_s=").nth(1)?.split(' ').next()).collect();
    assert_eq!(delays, ["4", "8"]);
    bench.pass(1200);
    assert_eq!(bench.said("plugin"), NONE, "it is given up");
    bench.verdicts(&["10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.4:80=100"]);
}

#[test]
fn statements_outlive_their_plugin_by_their_lease() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.pass(600);
    assert_eq!(bench.writes(), NONE, "a plugin that runs need not renew");
    bench.script.borrow_mut().trapping.insert("health-weight".into(), true);
    bench.verdicts(&["10.0.1.2:80 down"]);
    bench.lines.clear();
    bench.pass(74);
    assert_eq!(bench.writes(), NONE, "held while restarts are tried, and for the lease");
    bench.pass(2);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=100 \
          plugin=health-weight reason=\"lease ended: drain\""]
    );
}

#[test]
fn an_instance_that_recovers_catches_up() {
    let mut bench = settled();
    bench.script.borrow_mut().trapping.insert("health-weight".into(), true);
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), NONE);
    bench.script.borrow_mut().trapping.clear();
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
}

#[test]
fn statements_of_two_plugins_merge() {
    let config = format!(
        "{CONFIG}\n[plugin.half]\nsource = \"x.wasm\"\n\
         grant = {{ services = [\"web\"], weights = {{ intents = [\"scale\"], scale = [1, 2000] }} }}"
    );
    let mut bench = Bench::new(&config, TABLE);
    let half = say(key("10.0.1.1:80"), Intent::Scale(500));
    bench.script.borrow_mut().effects.insert("half".into(), vec![half]);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.1:80=50"]);
}

/// Scenario 10.
#[test]
fn edits_by_others_are_undone_where_the_configuration_states_otherwise() {
    let mut bench = settled();
    let service = service_key("10.0.0.1:80");
    bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 30)));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("foreign-edit"),
        ["foreign-edit service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 \
          expected=\"weight 100, masquerade\" found=\"weight 30, masquerade\" then=restored"]
    );
    bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
    bench.pass(10);
    assert_eq!(bench.writes(), ["add 10.0.1.2:80=100"]);
    assert_eq!(bench.said("foreign-edit").len(), 1);

    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.foreign(&Change::AddService(weir_ipvs::Service::new(service_key("10.0.0.9:80"), "rr")));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.4:80=0"], "T is not touched");
    bench.foreign(&Change::Flush);
    bench.pass(10);
    assert_eq!(
        bench.ipvs.show(),
        "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=100 10.0.1.3:80=100 10.0.1.4:80=0"
    );
    assert_eq!(bench.writes().len(), 5, "once, and T is not restored");
}

#[test]
fn an_edited_service_is_edited_back_in_place() {
    let mut bench = settled();
    let service = weir_ipvs::Service::new(service_key("10.0.0.1:80"), "rr");
    bench.foreign(&Change::EditService(service));
    bench.pass(10);
    assert_eq!(bench.writes(), ["edit tcp 10.0.0.1:80 wrr"]);
    assert_eq!(
        bench.said("foreign-edit"),
        ["foreign-edit service=\"tcp 10.0.0.1:80\" expected=\"scheduler wrr\" \
          found=\"scheduler rr\" then=restored"]
    );
}

#[test]
fn foreign_real_servers_of_a_named_service_are_never_touched() {
    let mut bench = Bench::new(CONFIG, &format!("{TABLE} 10.0.1.9:80=3"));
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.foreign(&Change::EditServer(service_key("10.0.0.1:80"), server("10.0.1.9:80", 4)));
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    assert!(bench.ipvs.show().ends_with("10.0.1.9:80=4"));
    assert!(!bench.watches.contains_key("10.0.1.9:80"));
}

#[test]
fn a_view_that_went_stale_is_read_again() {
    let mut bench = settled();
    bench.ipvs.before_write = vec![Change::DeleteServer(key("10.0.1.1:80"))];
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=0", "add 10.0.1.1:80=0"]);
    assert_eq!(bench.said("foreign-edit").len(), 1);
}

#[test]
fn an_unreadable_table_is_not_an_empty_one() {
    let mut bench = settled();
    bench.ipvs.broken = Some(Error::NoIpvs);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(30);
    let said = bench.said("failed");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("failed to=\"read the table\" error="), "{said:?}");
    assert_eq!(bench.writes(), NONE);
    bench.ipvs.broken = None;
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!(bench.said("works-again"), ["works-again to=\"read the table\""]);
}

#[test]
fn what_the_kernel_refuses_is_said_once_and_tried_again() {
    let config = CONFIG.replace("wrr", "missing");
    let mut bench = Bench::new(&config, "");
    bench.pass(60);
    let said = bench.said("failed");
    assert_eq!(
        said,
        ["failed to=\"add tcp 10.0.0.1:80\" \
          error=\"no such scheduler or persistence engine\""]
    );
    bench.pass(5);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn a_matched_service_is_claimed_as_it_comes_and_goes() {
    let config =
        "[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"\naddresses = [\"10.0.0.0/16\"]";
    let mut bench = Bench::new(config, "tcp 10.9.0.1:80 rr 10.0.1.1:80=1");
    assert!(bench.watches.is_empty());
    let service = service_key("10.0.0.1:80");
    bench.foreign(&Change::AddService(weir_ipvs::Service::new(service, "wrr")));
    bench.foreign(&Change::AddServer(service, server("10.0.1.1:80", 30)));
    bench.foreign(&Change::AddServer(service, server("10.0.1.2:80", 0)));
    bench.pass(10);
    assert_eq!(Vec::from_iter(bench.watches.keys()), ["10.0.1.1:80", "10.0.1.2:80"]);
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=1", "10.0.1.1:80=0"], "0 is no base of its own");

    // The operator owns a base that the configuration does not state.
    bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 50)));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
    bench.foreign(&Change::EditServer(service, server("10.0.1.2:80", 0)));
    bench.pass(30);
    assert_eq!(bench.writes(), NONE, "an operator's drain");

    bench.foreign(&Change::DeleteServer(key("10.0.1.1:80")));
    bench.pass(10);
    assert_eq!(Vec::from_iter(bench.watches.keys()), ["10.0.1.2:80"]);
    bench.foreign(&Change::DeleteService(service));
    bench.pass(10);
    assert!(bench.watches.is_empty());
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.said("gone").len(), 2);
}

#[test]
fn a_stated_weight_of_a_match_is_kept() {
    let config = "[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"\nweight = 10";
    let mut bench = Bench::new(config, "tcp 10.0.0.1:80 wrr 10.0.1.1:80=30");
    assert_eq!(bench.writes(), NONE, "not before it passes");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=10"]);
    let service = service_key("10.0.0.1:80");
    bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 50)));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=10"]);
}

#[test]
fn a_verdict_of_an_earlier_watch_counts_for_nothing() {
    let mut bench = settled();
    bench.watches.insert("10.0.1.1:80".into(), 99);
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.77:80 down"]);
    assert_eq!((bench.writes(), bench.said("")), (vec![], vec![]));
}

#[test]
fn a_grant_by_name_follows_what_its_match_claims() {
    let config = "[[match]]\nname = \"all\"\nprotocol = \"tcp\"\n\
                  [plugin.p]\nsource = \"x.wasm\"\ngrant = { services = [\"all\"] }";
    let mut bench = Bench::new(config, "");
    assert_eq!(bench.heard(), ["p 1: Started"]);
    let service = weir_ipvs::Service::new(service_key("10.0.0.1:80"), "wrr");
    bench.foreign(&Change::AddService(service));
    bench.pass(10);
    assert_eq!(
        bench.heard(),
        ["p recovers from the services within its grant changed", "p 1: Started"]
    );
}

#[test]
fn a_table_that_cannot_be_read_at_the_start_is_an_error() {
    let mut ipvs = Fake::default();
    ipvs.broken = Some(Error::NotPermitted);
    let mut bench = Bench::stopped(CONFIG, ipvs);
    assert_eq!(bench.manager.start(bench.at(), &mut bench.ipvs), Err(Error::NotPermitted));
}
