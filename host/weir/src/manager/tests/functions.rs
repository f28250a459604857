//! Weighers and guards: when they are asked, and what becomes of what they answer.

use weir_wasm::{Judgement, Labels, Refusal};

use super::*;
use crate::{config::Mode, control::protocol::Explained};

const WEIGHER: &str = r#"
    [plugin.weigher]
    source = "x.wasm"
    grant = { services = ["web"], weights = { intents = ["scale"], scale = [500, 1500] } }
"#;

const GUARD: &str = r#"
    [plugin.guard]
    source = "x.wasm"
    grant = { services = "all" }
    [plugin.other]
    source = "x.wasm"
    grant = { services = "all", weights = { intents = ["scale", "drain"], scale = [1, 5000] } }
"#;

fn with(plugins: &str) -> Bench {
    settled_as(&format!("{CONFIG}{plugins}"))
}

#[test]
fn a_weigher_has_its_turn_once_a_period_and_its_scales_are_statements() {
    let mut bench = with(WEIGHER);
    bench.script.borrow_mut().scale = Some(700);
    bench.ipvs.connections.insert("10.0.1.2:80".into(), 7);
    bench.pass(12);
    let heard = bench.heard();
    assert!(heard.len() >= 2, "{heard:?}");
    assert_eq!(heard[0], "weigh web after 0ns: [0, 7, 0, 0], memo []");
    assert_eq!(heard[1], "weigh web after 5s: [0, 7, 0, 0], memo [7]");
    let lowered = ["10.0.1.1:80=70", "10.0.1.2:80=70", "10.0.1.3:80=70", "10.0.1.4:80=70"];
    assert_eq!(bench.writes(), lowered);
    assert!(bench.said("weight")[0].ends_with("plugin=weigher reason=\"scale 700: weighed\""));
    bench.script.borrow_mut().scale = Some(1);
    bench.pass(5);
    assert_eq!(bench.writes()[0], "10.0.1.1:80=50", "bounded by the grant");
}

#[test]
fn what_a_weigher_said_stands_until_its_lease_ends() {
    let mut bench = with(&WEIGHER.replace("services =", "lease = \"60s\", services ="));
    bench.script.borrow_mut().scale = Some(700);
    bench.pass(6);
    bench.writes();
    bench.script.borrow_mut().scale = None;
    bench.pass(60);
    assert_eq!(bench.said("plugin-quarantined").len(), 1);
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "others go on");
    bench.pass(60);
    assert_eq!(
        bench.writes(),
        ["10.0.1.2:80=100", "10.0.1.3:80=100", "10.0.1.4:80=100"],
        "back to the base"
    );
}

#[test]
fn a_weigher_says_no_more_at_a_time_than_its_grant_allows() {
    let mut bench = with(&WEIGHER.replace("services =", "changes = \"1/s burst 3\", services ="));
    bench.script.borrow_mut().scale = Some(700);
    bench.pass(5);
    assert_eq!(bench.writes().len(), 3);
    bench.pass(5);
    assert_eq!(bench.writes(), ["10.0.1.4:80=70"]);
}

#[test]
fn a_weigher_is_shown_what_servers_would_have_without_it_and_what_they_are_called() {
    let other = r#"
        [plugin.other]
        source = "x.wasm"
        grant = { services = "all", weights = { intents = ["scale"], scale = [1, 5000] } }
    "#;
    let mut bench = with(&[WEIGHER, other].concat());
    want(&mut bench, Intent::Scale(500));
    bench.script.borrow_mut().scale = Some(700);
    bench.pass(12);
    assert!(bench.ipvs.show().contains("10.0.1.1:80=35 10.0.1.2:80=70"), "{}", bench.ipvs.show());
    let shown = |bench: &Bench| bench.script.borrow().weighing.clone().unwrap();
    let weights: Vec<u32> = shown(&bench).candidates.iter().map(|it| it.unweighed).collect();
    assert_eq!(weights, [50, 100, 100, 100]);
    assert_eq!(shown(&bench).labels, Labels::new());
    let labelled = format!("{CONFIG}{WEIGHER}{other}").replacen(
        "[[service]]",
        "[[service]]\nlabels = { team = \"shop\" }",
        1,
    );
    bench.reload(&labelled);
    bench.pass(5);
    assert_eq!(shown(&bench).labels["team"], "shop");
}

#[test]
fn a_service_has_turns_whenever_it_comes_and_as_long_as_it_is_there() {
    let weigher = WEIGHER.replace("[\"web\"]", "\"all\"");
    let other = "[[service]]\nname = \"other\"\naddress = \"10.0.0.2:80\"\n\
                 server = [\"10.0.2.1:80\"]\n";
    let mut bench = with(&weigher);
    bench.script.borrow_mut().scale = Some(700);
    let turns = |bench: &mut Bench| {
        bench.heard();
        bench.pass(12);
        bench.heard().iter().filter(|it| it.starts_with("weigh other")).count()
    };
    assert_eq!(turns(&mut bench), 0);
    for _ in 0..2 {
        bench.reload(&format!("{CONFIG}{other}{weigher}"));
        assert!(turns(&mut bench) >= 2, "though the weigher runs on");
        bench.reload(&format!("{CONFIG}{weigher}"));
        bench.pass(5);
        assert_eq!(turns(&mut bench), 0);
    }
    assert_eq!(bench.said("plugin-started"), NONE);
    bench.manager.set_mode(bench.at(), "weigher", Mode::Off).unwrap();
    bench.reload(&format!("{CONFIG}{other}{weigher}"));
    bench.manager.set_mode(bench.at(), "weigher", Mode::Enforce).unwrap();
    bench.settle();
    assert!(turns(&mut bench) >= 2, "it came while the weigher was off");
}

#[test]
fn what_a_plugin_drains_stays_drained_though_it_weighs_too() {
    let mut bench = with(
        &WEIGHER
            .replace("plugin.weigher", "plugin.both")
            .replace("[\"scale\"]", "[\"scale\", \"drain\"]"),
    );
    let drained = key("10.0.1.1:80");
    bench.script.borrow_mut().effects.insert("both".into(), vec![bench::drain(drained)]);
    bench.script.borrow_mut().scale = Some(700);
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.pass(12);
    let shown = bench.ipvs.show();
    assert!(shown.contains("10.0.1.1:80=0 10.0.1.2:80=70"), "{shown}");
}

/// What weir says of the first real server.
fn explain(bench: &mut Bench) -> Explained {
    let (reply, mut answer) = Reply::new();
    let asked = Show::Explain("web".into(), Some("10.0.1.1:80".into()), reply);
    bench.manager.handle(bench.at(), Event::Show(asked));
    bench.settle();
    answer.try_recv().unwrap().unwrap()
}

/// What `other` wants of the first real server.
fn want(bench: &mut Bench, intent: Intent) {
    let effects = vec![say(key("10.0.1.1:80"), intent)];
    bench.script.borrow_mut().effects.insert("other".into(), effects);
    // It is called when something happens.
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.pass(1);
    bench.verdicts(&["10.0.1.4:80 up"]);
}

#[test]
fn what_a_guard_denies_is_not_written_and_asked_again() {
    let mut bench = with(GUARD);
    bench.script.borrow_mut().judgement = Some(Judgement::Deny("not now".into()));
    want(&mut bench, Intent::Scale(500));
    assert_eq!(bench.writes(), ["10.0.1.4:80=0", "10.0.1.4:80=100"], "nobody holds up health");
    assert_eq!(
        bench.said("rejected"),
        ["rejected service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 plugin=other \
          reason=\"guard guard: not now\""]
    );
    let asked =
        |bench: &mut Bench| bench.heard().iter().filter(|it| it.starts_with("judge")).count();
    assert_eq!(asked(&mut bench), 1);
    bench.pass(25);
    assert_eq!((asked(&mut bench), bench.writes()), (2, vec![]));
    assert_eq!(bench.said("rejected"), NONE, "it is told once");
    let explained = explain(&mut bench);
    let [denied] = &explained.servers[0].denied[..] else { panic!("{explained:?}") };
    let word = &denied.word;
    assert_eq!(
        (&*word.who, &*word.says, &*denied.why),
        ("other", "scale 500", "guard guard: not now")
    );
    assert!(explained.servers[0].server.words.iter().all(|it| it.who != "other"), "it is unsaid");
    bench.script.borrow_mut().judgement = Some(Judgement::Warn("well ..".into()));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
    assert_eq!(bench.said("guard-warns").len(), 1);
}

#[test]
fn a_guard_holds_up_no_drain_of_a_server_that_is_down() {
    let mut bench = with(GUARD);
    bench.script.borrow_mut().judgement = Some(Judgement::Deny("not now".into()));
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.2:80=0"]);
    assert!(bench.heard().iter().all(|it| !it.starts_with("judge")));
    want(&mut bench, Intent::Drain);
    assert_eq!(bench.said("rejected"), NONE, "it is down anyway");
}

#[test]
fn a_broken_guard_stops_plugins_and_lets_operators_through() {
    let mut bench = with(GUARD);
    want(&mut bench, Intent::Scale(500));
    assert_eq!(bench.writes(), ["10.0.1.4:80=0", "10.0.1.4:80=100"]);
    assert!(bench.said("rejected")[0].contains("guard guard is broken"));
    let edit = Change::EditServer(service_key("10.0.0.1:80"), server("10.0.1.2:80", 30));
    assert_eq!(bench.command(edit), []);
    assert_eq!(bench.said("guard-broken").len(), 1);
    assert!(bench.writes().contains(&"10.0.1.2:80=30".to_owned()));
    bench.script.borrow_mut().judgement = Some(Judgement::Allow);
    bench.pass(20);
    assert!(bench.writes().contains(&"10.0.1.1:80=50".to_owned()), "it judges again");
}

#[test]
fn a_guard_may_refuse_a_command() {
    let mut bench = with(GUARD);
    bench.script.borrow_mut().judgement = Some(Judgement::Deny("not now".into()));
    let edit = Change::EditServer(service_key("10.0.0.1:80"), server("10.0.1.2:80", 30));
    let error = Error::Rejected("guard guard: not now".into());
    assert_eq!(bench.command(edit), [Failure { step: 0, error }]);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.heard(), ["judge Operator: 1 changes to [100, 100, 100, 30]"]);
    let foreign = Change::AddService(weir_ipvs::Service::new(service_key("10.0.0.9:80"), "wrr"));
    assert_eq!(bench.command(foreign), [], "what it does not see is not its matter");
}

#[test]
fn what_a_grant_does_not_allow_is_told_once_and_explained() {
    let mut bench = with(GUARD);
    bench.script.borrow_mut().judgement = Some(Judgement::Allow);
    let refusal = |bench: &mut Bench| {
        let refusal = Refusal {
            key: key("10.0.1.1:80"),
            intent: Intent::Cap(5),
            reason: "too hot".into(),
            why: "cap needs the plugin's grant.weights.cap".into(),
        };
        bench.script.borrow_mut().refusals.insert("other".into(), vec![refusal]);
    };
    refusal(&mut bench);
    bench.script.borrow_mut().trapping.insert("other".into(), true);
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.script.borrow_mut().trapping.clear();
    assert_eq!(
        bench.said("refused"),
        ["refused service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 plugin=other \
          reason=\"cap needs the plugin's grant.weights.cap\""],
        "though the call failed"
    );
    bench.pass(5);
    refusal(&mut bench);
    bench.verdicts(&["10.0.1.4:80 up"]);
    assert_eq!(bench.said("refused"), NONE, "it is told once");
    let explained = explain(&mut bench);
    let [denied] = &explained.servers[0].denied[..] else { panic!("{explained:?}") };
    assert_eq!(
        (&*denied.word.says, &*denied.word.reason, &*denied.why, &denied.again),
        ("cap 5", "too hot", "cap needs the plugin's grant.weights.cap", &None)
    );
    want(&mut bench, Intent::Scale(500));
    assert_eq!(explain(&mut bench).servers[0].denied, [], "it says something else now");
}
