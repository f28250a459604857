//! What policies see, say and stage.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use weir_wasm::{
    Birth, Effect, Event, Failure, HealthStatus, Intent, PolicyGrant, Runtime, Services, Statement,
    View, World,
};

use crate::{
    fixtures::{Lines, event, health_event, held, key, service, settings, start, view},
    guests,
};

#[test]
fn a_policy_drains_and_withdraws() {
    let (mut policy, subscription) = start("policy_drains", settings(&Lines::default()));
    assert!(subscription.health);
    assert!(!subscription.other);
    let down = policy.handle(view(), &[health_event(1, HealthStatus::Down)]).unwrap();
    let statement = Statement {
        key: key("192.0.2.1:80", "10.0.0.1:80"),
        intent: Intent::Drain,
        lease: Duration::from_secs(60),
        reason: "connection refused".to_owned(),
    };
    assert_eq!(down, [Effect::Publish(statement.clone())]);

    let mut holding = view();
    holding.held = vec![statement.clone()];
    let up = policy.handle(holding, &[health_event(2, HealthStatus::Up)]).unwrap();
    assert_eq!(up, [Effect::Withdraw(statement.key)]);
    let batch = [health_event(3, HealthStatus::Down), health_event(4, HealthStatus::Up)];
    let both = policy.handle(view(), &batch).unwrap();
    assert_eq!(both, [], "what is taken back before it took effect never was");
}

fn grant(services: Services) -> PolicyGrant {
    PolicyGrant { services, ..PolicyGrant::default() }
}

fn looks(grant: PolicyGrant) -> Vec<String> {
    let lines = Lines::default();
    let settings =
        weir_wasm::Settings { grant, config_json: r#"{"a":1}"#.to_owned(), ..settings(&lines) };
    let (mut policy, _) = start("policy_looks", settings);
    let mut view = view();
    view.held = vec![held("10.0.0.1:80")];
    policy.handle(view, &[event(9, Event::Started)]).unwrap();
    let fields = vec![("kind".to_owned(), "look".to_owned())];
    assert!(lines.all().iter().all(|line| line.fields == fields && line.plugin == "test"));
    lines.messages()
}

#[test]
fn a_policy_sees_everything_that_its_grant_shows() {
    let lines = looks(grant(Services::All));
    assert!(lines[0].starts_with("test Birth::Fresh 0."), "{}", lines[0]);
    assert!(lines[1].contains("sequence: 9, at: 1, event: Event::Started"), "{}", lines[1]);
    assert_eq!(lines[2], r#"{"a":1} 2000 5000000000"#);
    assert_eq!(lines[3], "2 services at 1000");
    assert!(lines[4].ends_with(r#"is Some(0) named Some("web")"#), "{}", lines[4]);
    assert!(lines[5].ends_with(r#"is Some(1) named Some("api")"#), "{}", lines[5]);
    assert_eq!(lines[6], "weights [1, 2, 3] active [7, 7, 7] totals []");
    assert_eq!(
        lines[7..],
        [
            "80 HealthStatus::Up for 1500",
            "80 HealthStatus::Unknown for 0",
            "80 HealthStatus::Up for 1500",
            "labels [[(\"team\", \"shop\"), (\"tier\", \"1\")], []]",
            "labels [[], [(\"zone\", \"a\")], []]",
            "holds 1"
        ]
    );
}

#[test]
fn what_is_outside_the_grant_is_not_there() {
    let lines = looks(grant(Services::Named(BTreeSet::from([
        service("192.0.2.2:80"),
        service("192.0.2.9:80"),
    ]))));
    assert_eq!(lines[3], "1 services at 1000");
    assert!(lines[4].ends_with(r#"is Some(0) named Some("api")"#), "{}", lines[4]);
    assert_eq!(lines[5], "weights [3] active [7] totals []");
}

#[test]
fn without_a_grant_nothing_is_there() {
    let lines = looks(PolicyGrant::default());
    assert_eq!(
        lines[3..],
        [
            "0 services at 1000",
            "weights [] active [] totals []",
            "labels []",
            "labels []",
            "holds 1"
        ]
    );
}

#[test]
fn statements_are_bounded_by_the_grant() {
    let lines = Lines::default();
    let grant = PolicyGrant {
        services: Services::All,
        base: Some(1..=100),
        scale: Some(100..=1500),
        floor: Some(10),
        cap: true,
        drain: false,
        state_bytes: 0,
        lease: Duration::from_secs(30),
        ..PolicyGrant::default()
    };
    let (mut policy, _) = start("policy_states", weir_wasm::Settings { grant, ..settings(&lines) });
    let mut view = view();
    view.held = vec![held("10.0.0.2:80")];
    let effects = policy.handle(view, &[]).unwrap();

    let lines = lines.messages();
    assert!(lines[0].contains("zero-scale"), "{}", lines[0]);
    assert_eq!(lines[1], "1 Verdict::Clamped(1500)");
    assert_eq!(lines[2], "1 Verdict::Clamped(10)");
    assert!(lines[3].contains("zero-cap"), "{}", lines[3]);
    assert_eq!(lines[4], "1 Verdict::Accepted");
    assert!(lines[5].contains("drain needs the plugin's grant.weights.drain"), "{}", lines[5]);
    assert_eq!(lines[6], "1 Verdict::Accepted");
    assert!(lines[15].ends_with("NoSuchServer)"), "{}", lines[15]);
    assert_eq!(lines[21], "holds 1");

    let statement = Statement {
        key: key("192.0.2.1:80", "10.0.0.1:80"),
        intent: Intent::Scale(500),
        lease: Duration::from_secs(30),
        reason: "why not".to_owned(),
    };
    let other = key("192.0.2.1:80", "10.0.0.2:80");
    assert_eq!(effects, [Effect::Publish(statement), Effect::Withdraw(other)]);
}

#[test]
fn without_a_grant_every_statement_is_denied() {
    let lines = Lines::default();
    let grant = PolicyGrant::default();
    let (mut policy, _) = start("policy_states", weir_wasm::Settings { grant, ..settings(&lines) });
    assert_eq!(policy.handle(view(), &[]).unwrap(), []);
    let lines = lines.messages();
    assert!(lines[..21].iter().all(|line| line.contains("outside the plugin's grant.services")));
    assert_eq!(lines[21], "holds 0");
}

fn failing(config_json: &str) -> (Lines, weir_wasm::Settings) {
    let lines = Lines::default();
    let config_json = config_json.to_owned();
    let settings = weir_wasm::Settings { config_json, ..settings(&lines) };
    (lines, settings)
}

#[test]
fn a_handler_that_fails_changes_nothing_and_goes_on() {
    let (_, settings) = failing(r#"{"handle": "retryable"}"#);
    let (mut policy, _) = start("policy_fails", settings);
    for _ in 0..2 {
        let failure = policy.handle(view(), &[]).unwrap_err();
        assert_eq!(failure.to_string(), "test: handle failed: the settings say so");
        assert!(matches!(failure, Failure::Refused { retryable: true, .. }));
    }
}

#[test]
fn a_handler_that_panics_changes_nothing_and_is_gone() {
    let (_, settings) = failing(r#"{"handle": "panic"}"#);
    let (mut policy, _) = start("policy_fails", settings);
    let failure = policy.handle(view(), &[]).unwrap_err();
    let Failure::Trapped(report) = &failure else { panic!("{failure}") };
    assert_eq!(report.reason, "it panicked or aborted");
    assert!(report.last_words[0].contains("out of ideas"), "{report}");
    assert!(report.last_words[0].contains("policy_fails.rs:"), "{report}");
    assert!(
        report.frames.iter().any(|frame| frame.contains("policy_fails::fail_in")),
        "{:?}",
        report.frames
    );
    let text = failure.to_string();
    assert!(text.starts_with("test: handle failed: it panicked or aborted\n  it said: "), "{text}");
    let again = policy.handle(view(), &[]).unwrap_err().to_string();
    assert!(again.contains("failed before"), "{again}");
}

fn refuses_to_start(config_json: &str) -> Failure {
    let (_, settings) = failing(config_json);
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "policy_fails");
    let birth = Birth::Recovery("it trapped".to_owned());
    match runtime.start_policy(&plugin, settings, birth, view()) {
        Ok(_) => panic!("it started"),
        Err(failure) => failure,
    }
}

#[test]
fn a_policy_may_refuse_to_start() {
    let failure = refuses_to_start(r#"{"init": "error"}"#);
    assert!(matches!(failure, Failure::Refused { call: "init", retryable: false, .. }));
    let failure = refuses_to_start(r#"{"init": "retryable"}"#);
    assert!(matches!(failure, Failure::Refused { call: "init", retryable: true, .. }));
    let failure = refuses_to_start(r#"{"init": "panic"}"#);
    let Failure::Trapped(report) = failure else { panic!("{failure}") };
    assert_eq!(report.call, "init");
}

#[test]
fn nothing_is_staged_in_init() {
    let (lines, settings) = failing("{}");
    let (mut policy, _) = start("policy_fails", settings);
    assert!(lines.messages()[0].contains("outside-handler"), "{:?}", lines.messages());
    assert_eq!(policy.handle(view(), &[]).unwrap().len(), 1);
}

#[test]
fn a_command_is_not_a_policy() {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "command_echoes");
    assert_eq!(plugin.worlds(), [World::Command]);
    let settings = settings(&Lines::default());
    let failure = runtime.start_policy(&plugin, settings, Birth::Fresh, view());
    let text = failure.err().unwrap().to_string();
    assert_eq!(
        text,
        "failed to load command_echoes: it is not a policy: it exports weir:plugin/cli"
    );
}

/// What a policy hears that does this, one word and its arguments each, having remembered `x`
/// and `y` of 10 bytes; and what it wants.
fn remembering(state_bytes: usize, steps: &str) -> (Vec<String>, Vec<Effect>) {
    let lines = Lines::default();
    let grant = PolicyGrant { state_bytes, ..PolicyGrant::default() };
    let config_json = format!("{{{steps}}}");
    let settings = weir_wasm::Settings { grant, config_json, ..settings(&lines) };
    let state = ["x", "y"].map(|it| (it.to_owned(), vec![0; 10]));
    let view = || View { state: Arc::new(state.clone().into()), ..view() };
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = guests::plugin(&runtime, "policy_remembers");
    let (mut policy, _) = runtime.start_policy(&plugin, settings, Birth::Fresh, view()).unwrap();
    let effects = policy.handle(view(), &[]).unwrap();
    (lines.messages(), effects)
}

fn note(name: &str, bytes: Option<usize>) -> Effect {
    Effect::Note(name.to_owned(), bytes.map(|it| vec![b'x'; it]))
}

#[test]
fn a_policy_remembers_what_its_handler_stages() {
    let steps = "get x; set x 3; get x; remove y; get y; set a 0; set b 1; remove b; get b; \
                 keys - - 9; keys a - 9; keys x a 0";
    let (heard, effects) = remembering(1000, steps);
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    assert_eq!(
        heard,
        ["Some(10)", "Ok(())", "Some(3)", "()", "None", "Ok(())", "Ok(())", "()", "None", "[]"]
            .into_iter()
            .chain(["[\"a\"]", "[]"])
            .collect::<Vec<_>>()
    );
    assert_eq!(effects, [note("a", Some(0)), note("x", Some(3)), note("y", None)]);
}

#[test]
fn names_of_entries_come_in_order_and_in_parts() {
    let (heard, _) =
        remembering(1000, "; set w1 1; set w3 1; set w2 1; keys w - 2; keys w w2 9; keys w x 9");
    assert_eq!(heard[3..], [r#"["w1", "w2"]"#, r#"["w3"]"#, "[]"]);
}

#[test]
fn what_is_remembered_is_bounded_by_the_grant() {
    // Two entries of 1 + 10 + 32 bytes are there.
    let (heard, effects) =
        remembering(2 * 43 + 40, "set q 1; set q 7; set q 8; both r s 1; set x 17");
    let quota = "Err(Error::Quota(126))";
    assert_eq!(heard, ["Err(Error::OutsideHandler)", "Ok(())", quota, quota, quota]);
    assert_eq!(effects, [note("q", Some(7))]);
    let (heard, effects) = remembering(0, "; set q 0; get x; long 0; long 256; long 257; remove x");
    let length = "Err(Error::KeyLength(256))";
    assert_eq!(
        heard,
        ["Err(Error::Quota(0))", "Some(10)", length, "Err(Error::Quota(0))", length, "()"]
    );
    assert_eq!(effects, [note("x", None)]);
}
