//! What weighers and guards are asked and answer, and what hostile ones come to.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use weir_ipvs::{Change, Forwarding, RealServer, Service, Traffic};
use weir_wasm::{
    Candidate, Checked, Checking, Conversation, Failure, Guard, HealthStatus, HttpRequest,
    HttpResponse, Judgement, Limits, Origin, PROBE_BYTES, PolicyGrant, ProbeError,
    QUESTIONS_PER_CHECK, Reach, Review, Runtime, Services, Settings, Weighed, Weigher, Weighing,
    World,
};

use crate::{
    fixtures::{Lines, Ticking, labels, patient, service, settings, snapshot, view},
    guests,
};

fn configured(behaviour: &str, limits: Limits, lines: &Lines) -> Settings {
    let config_json = match behaviour {
        "" => "{}".to_owned(),
        behaviour => format!("{{\"do\":\"{behaviour}\"}}"),
    };
    Settings { config_json, limits, ..settings(lines) }
}

fn weigher(runtime: &Runtime, behaviour: &str, limits: Limits, lines: &Lines) -> Weigher {
    let plugin = guests::plugin(runtime, "weigher_weighs");
    assert_eq!(plugin.worlds(), [World::Weigher]);
    runtime.weigher(&plugin, configured(behaviour, limits, lines)).unwrap()
}

/// The service 192.0.2.1:80, with two real servers of which the first has a check.
pub(crate) fn weighing(memo: &[u8]) -> Weighing {
    let entry = snapshot().entries.remove(0);
    let candidate = |(number, server)| Candidate {
        server,
        labels: labels("zone", "a"),
        base: 100,
        unweighed: 75,
        health: if number == 0 { HealthStatus::Up } else { HealthStatus::Unknown },
        latency: (number == 0).then_some(Duration::from_micros(250)),
        delta: Traffic { connections: 9, ..Traffic::default() },
    };
    Weighing {
        service: entry.service.config,
        name: "web".to_owned(),
        labels: labels("team", "shop"),
        at_ns: 7_000,
        period: Duration::from_millis(5000),
        candidates: entry.servers.into_iter().enumerate().map(candidate).collect(),
        memo: memo.to_vec(),
    }
}

#[test]
fn a_weigher_answers_from_what_it_is_given_and_remembers_by_its_memo() {
    let runtime = Runtime::for_daemon().unwrap();
    let lines = Lines::default();
    let weigher = weigher(&runtime, "", patient(), &lines);
    let first = weigher.weigh(&weighing(&[])).unwrap();
    assert_eq!(first, Weighed { scales: vec![142, 142], memo: vec![1] });
    let second = weigher.weigh(&weighing(&first.memo)).unwrap();
    assert_eq!(second.memo, [2]);
    let said = lines.messages();
    assert!(said[0].starts_with("web 7000 5000 "), "{}", said[0]);
    assert_eq!(
        said[1..4],
        [
            "[(\"team\", \"shop\")]",
            "100 HealthStatus::Up Some(250000) 9 75 [(\"zone\", \"a\")]",
            "100 HealthStatus::Unknown None 9 75 [(\"zone\", \"a\")]"
        ]
    );
}

fn fails_to_weigh(behaviour: &str, limits: Limits) -> Failure {
    let runtime = Runtime::for_daemon().unwrap();
    let _ticking = Ticking::start(&runtime);
    weigher(&runtime, behaviour, limits, &Lines::default()).weigh(&weighing(&[])).unwrap_err()
}

#[test]
fn an_answer_that_is_none_is_refused() {
    for (behaviour, reason) in [
        ("error", "the settings say so"),
        ("few", "it gave 1 scales for 2 real servers"),
        ("nothing", "it gave a scale of 0; the least is 1, and a policy can drain"),
        ("memo", "its memo of 65537 bytes is longer than 65536"),
    ] {
        let failure = fails_to_weigh(behaviour, patient());
        assert!(matches!(failure, Failure::Refused { .. }));
        assert_eq!(failure.to_string(), format!("test: weigh failed: {reason}"));
    }
}

fn report_of(failure: Failure) -> String {
    let Failure::Trapped(report) = failure else { panic!("{failure}") };
    format!("{}: {}", report.call, report.reason)
}

#[test]
fn a_weigher_that_traps_fails_alone() {
    let brief = Limits { cpu: Duration::from_millis(20), ..patient() };
    assert_eq!(report_of(fails_to_weigh("panic", patient())), "weigh: it panicked or aborted");
    assert_eq!(
        report_of(fails_to_weigh("loop", brief)),
        "weigh: used more than 20ms of processor time (limit cpu)"
    );
    assert_eq!(
        report_of(fails_to_weigh("many", patient())),
        "weigh: handed over more bytes in one call than it may (limit lifted_bytes)"
    );
}

fn guard(runtime: &Runtime, behaviour: &str, limits: Limits, lines: &Lines) -> Guard {
    let plugin = guests::plugin(runtime, "guard_judges");
    assert_eq!(plugin.worlds(), [World::Guard]);
    runtime.guard(&plugin, configured(behaviour, limits, lines)).unwrap()
}

pub(crate) fn review() -> Review {
    let server = RealServer::new("10.0.0.1:80".parse().unwrap(), Forwarding::Masquerade, 50);
    let key = service("192.0.2.1:80");
    Review {
        origin: Origin::Plugin("latency".to_owned()),
        reason: "slow".to_owned(),
        changes: vec![Change::EditServer(key, server)],
        outcome: vec![(Service::new(key, "wrr"), vec![server])],
    }
}

fn judged(behaviour: &str, limits: Limits, lines: &Lines) -> Result<Judgement, Failure> {
    let runtime = Runtime::for_daemon().unwrap();
    let _ticking = Ticking::start(&runtime);
    let grant = PolicyGrant {
        services: Services::Named(BTreeSet::from([service("192.0.2.1:80")])),
        ..PolicyGrant::default()
    };
    guard(&runtime, behaviour, limits, lines).judge(grant, review(), view())
}

#[test]
fn a_guard_sees_the_change_and_what_its_grant_shows() {
    let lines = Lines::default();
    assert_eq!(judged("", patient(), &lines).unwrap(), Judgement::Allow);
    let said = lines.messages();
    assert!(said[0].starts_with("Origin::Plugin(\"latency\") slow [Operation::EditServer("));
    assert!(said[0].ends_with(" at 2000"), "{}", said[0]);
    assert_eq!(said[1..], ["will be [50]", "sees 1"]);
}

#[test]
fn a_guard_warns_and_denies() {
    let lines = Lines::default();
    let warned = judged("warn", patient(), &lines).unwrap();
    assert_eq!(warned, Judgement::Warn("it is late".to_owned()));
    let denied = judged("deny", patient(), &lines).unwrap();
    assert_eq!(denied, Judgement::Deny("not on my watch".to_owned()));
}

#[test]
fn a_guard_that_traps_fails_alone() {
    let lines = Lines::default();
    let brief = Limits { cpu: Duration::from_millis(20), ..patient() };
    let failed = |behaviour, limits| report_of(judged(behaviour, limits, &lines).unwrap_err());
    assert_eq!(failed("panic", patient()), "judge: it panicked or aborted");
    assert_eq!(failed("loop", brief), "judge: used more than 20ms of processor time (limit cpu)");
}

#[test]
fn a_plugin_is_used_as_what_it_is() {
    let runtime = Runtime::for_daemon().unwrap();
    let weigher = guests::plugin(&runtime, "weigher_weighs");
    let failure = runtime.guard(&weigher, settings(&Lines::default())).err().unwrap();
    assert_eq!(
        failure.to_string(),
        "failed to load weigher_weighs: it is not a guard: it exports weir:plugin/weighing"
    );
}

fn roles(behaviour: &str) -> Result<Vec<World>, String> {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "roles_both");
    assert_eq!(plugin.worlds(), [World::Policy, World::Guard]);
    let settings = configured(behaviour, patient(), &Lines::default());
    runtime.roles(&plugin, settings).map_err(|failure| match failure {
        Failure::Trapped(report) => format!("{}: {}", report.call, report.reason),
        failure => failure.to_string(),
    })
}

#[test]
fn a_plugin_plays_the_roles_that_its_settings_choose() {
    assert_eq!(roles(""), Ok(vec![World::Policy, World::Guard]));
    assert_eq!(roles("policy"), Ok(vec![World::Policy]));
    for (behaviour, reason) in [
        ("nothing", "test: choose failed: it chose no role"),
        ("error", "test: choose failed: there is no such part"),
        ("panic", "choose: it panicked or aborted"),
        (
            "weigher",
            "failed to load roles_both: it is not a weigher: it exports weir:plugin/reactor, \
             weir:plugin/guarding",
        ),
    ] {
        assert_eq!(roles(behaviour), Err(reason.to_owned()), "{behaviour}");
    }
}

#[test]
fn one_that_chooses_nothing_plays_all_it_exports() {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "guard_judges");
    let roles = runtime.roles(&plugin, configured("", patient(), &Lines::default()));
    assert_eq!(roles.unwrap(), [World::Guard]);
}

#[test]
fn what_a_guard_may_import_as_a_policy_it_may_not_use_as_a_guard() {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "roles_both");
    let guard = runtime.guard(&plugin, configured("", patient(), &Lines::default())).unwrap();
    let grant = PolicyGrant { services: Services::All, drain: true, ..PolicyGrant::default() };
    let Judgement::Warn(said) = guard.judge(grant, review(), view()).unwrap() else { panic!() };
    assert!(said.contains("outside-handler"), "{said}");
}

/// A server that answers by what it is asked.
#[derive(Clone, Default)]
pub(crate) struct Served(Arc<Mutex<Vec<String>>>);

impl Served {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl Reach for Served {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        self.note("connect");
        Ok(Box::new(Talk(self.clone(), vec![b"one ".to_vec(), b"two".to_vec()])))
    }

    fn http(&mut self, request: HttpRequest) -> Result<HttpResponse, ProbeError> {
        self.note(format!("{request:?}"));
        let headers = vec![("x-state".to_owned(), b"cold".to_vec())];
        Ok(HttpResponse { status: 503, headers, body: b"no".to_vec() })
    }

    fn exchange(&mut self, datagram: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        self.note(String::from_utf8(datagram).unwrap());
        Err(ProbeError::Protocol("gibberish".to_owned()))
    }
}

struct Talk(Served, Vec<Vec<u8>>);

impl Conversation for Talk {
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), ProbeError> {
        self.0.note(String::from_utf8(bytes).unwrap());
        Ok(())
    }

    fn read(&mut self, max: usize) -> Result<Vec<u8>, ProbeError> {
        assert_eq!(max, PROBE_BYTES);
        Ok(if self.1.is_empty() { Vec::new() } else { self.1.remove(0) })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

struct Silent;

impl Reach for Silent {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        Err(ProbeError::Refused)
    }

    fn http(&mut self, _: HttpRequest) -> Result<HttpResponse, ProbeError> {
        Err(ProbeError::Timeout)
    }

    fn exchange(&mut self, _: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        Ok(Vec::new())
    }
}

/// What comes of a check that does this.
fn check(behaviour: &str, reach: impl Reach + 'static) -> Result<Checked, Failure> {
    check_by("checker_checks", behaviour, reach)
}

/// The same, by this guest.
pub(crate) fn check_by(
    guest: &str,
    behaviour: &str,
    reach: impl Reach + 'static,
) -> Result<Checked, Failure> {
    let runtime = Runtime::for_daemon().unwrap();
    let _ticking = Ticking::start(&runtime);
    let plugin = guests::plugin(&runtime, guest);
    assert_eq!(plugin.worlds(), [World::Checker]);
    let lines = Lines::default();
    let limits = Limits { cpu: Duration::from_millis(200), ..patient() };
    let checker = runtime.checker(&plugin, configured("", limits, &lines)).unwrap();
    let checking = Checking {
        server: "10.0.0.1:80".parse().unwrap(),
        settings: format!("{{\"do\":\"{behaviour}\"}}"),
        timeout: Duration::from_secs(30),
        at_ns: None,
    };
    checker.check(checking, Box::new(reach))
}

#[test]
fn a_checker_asks_the_server_that_it_is_given() {
    let served = Served::default();
    let fail = |what: &str| Ok(Checked::Fail(what.to_owned()));
    assert_eq!(check("http", served.clone()).map_err(|it| it.to_string()), fail("503 x-state 2"));
    let talked = check("connect", served.clone()).map_err(|it| it.to_string());
    assert_eq!(talked, fail("one two"));
    let exchanged = check("exchange", served.clone()).unwrap();
    assert_eq!(exchanged, Checked::Unreached(ProbeError::Protocol("gibberish".to_owned())));
    let heard = served.0.lock().unwrap().clone();
    assert!(heard[0].contains("path: \"/ready?deep=1\", headers: [(\"x-probe\", \"weir\")]"));
    assert_eq!(heard[1..], ["connect", "hello\n", "dropped", "ping"]);
}

#[test]
fn what_a_checker_finds_is_told_as_it_is() {
    assert_eq!(check("connect", Silent).unwrap(), Checked::Unreached(ProbeError::Refused));
    assert_eq!(check("http", Silent).unwrap(), Checked::Unreached(ProbeError::Timeout));
    assert_eq!(check("degrade", Silent).unwrap(), Checked::Degraded(40, "warm".to_owned()));
    assert_eq!(check("", Silent).unwrap(), Checked::Inconclusive("nothing to do".to_owned()));
}

#[test]
fn a_checker_that_is_broken_fails_alone() {
    let asked = format!(
        "{QUESTIONS_PER_CHECK} and then Error::Invalid(\"more than {QUESTIONS_PER_CHECK} questions \
         in one check\")"
    );
    assert_eq!(check("many", Silent).unwrap(), Checked::Fail(asked));
    assert_eq!(
        check("too-much", Silent).unwrap_err().to_string(),
        "test: check failed: it degrades to 100%: expected 1 to 99"
    );
    assert_eq!(report_of(check("panic", Silent).unwrap_err()), "check: it panicked or aborted");
    assert_eq!(
        report_of(check("loop", Silent).unwrap_err()),
        "check: used more than 200ms of processor time (limit cpu)"
    );
}
