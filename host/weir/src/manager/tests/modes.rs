//! Plugins in other modes, and other code in the place of theirs.

use super::*;
use crate::config::Mode;

const OTHER: &str = r#"
    [plugin.other]
    source = "x.wasm"
    grant = { services = "all", weights = { intents = ["scale"], scale = [1, 5000] } }
"#;

fn with(plugins: &str) -> Bench {
    settled_as(&format!("{CONFIG}{plugins}"))
}

/// `other` says something of the first real server.
fn say_scale(bench: &mut Bench, scale: u32) {
    let effects = vec![say(key("10.0.1.1:80"), Intent::Scale(scale))];
    bench.script.borrow_mut().effects.insert("other".into(), effects);
    poke(bench);
}

/// Has every policy called.
fn poke(bench: &mut Bench) {
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.pass(1);
    bench.verdicts(&["10.0.1.4:80 up"]);
    bench.pass(1);
    let others = bench.ipvs.writes.drain(..).filter(|it| !it.starts_with("10.0.1.4"));
    bench.put_by.extend(others);
}

fn written(bench: &mut Bench) -> Vec<String> {
    std::mem::take(&mut bench.put_by)
}

fn trap(bench: &mut Bench, is_trapping: bool) {
    bench.script.borrow_mut().trapping.insert("other".into(), is_trapping);
}

#[test]
fn what_a_plugin_says_in_shadow_is_told_and_has_no_effect() {
    let mut bench = with(&OTHER.replace("source", "mode = \"shadow\"\nsource"));
    say_scale(&mut bench, 500);
    assert_eq!(written(&mut bench), NONE);
    assert_eq!(
        bench.said("shadow"),
        ["shadow service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 plugin=other \
          says=\"scale 500\" reason=\"it is down\" weight=100 would_be=50"]
    );
    bench.manager.set_mode(bench.at(), "other", Mode::Enforce).unwrap();
    bench.settle();
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"], "what it said counts now");
    bench.pass(1);
    let off = bench.manager.set_mode(bench.at(), "other", Mode::Off).unwrap();
    assert_eq!((off.state, off.statements), ("off", 0));
    bench.settle();
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    bench.heard();
    poke(&mut bench);
    assert!(bench.heard().iter().all(|it| !it.starts_with("other")));
    assert_eq!(
        bench.manager.set_mode(bench.at(), "nobody", Mode::Off),
        Err("there is no plugin nobody, but health-weight, other".to_owned())
    );
}

#[test]
fn a_scale_that_begins_to_count_moves_by_its_steps() {
    let limited = OTHER.replace("5000]", "5000], max-step = \"20% / 10s\"");
    let mut bench = with(&limited.replace("source", "mode = \"shadow\"\nsource"));
    say_scale(&mut bench, 500);
    bench.pass(60);
    assert_eq!(written(&mut bench), NONE);
    bench.manager.set_mode(bench.at(), "other", Mode::Enforce).unwrap();
    bench.settle();
    assert_eq!(bench.writes(), ["10.0.1.1:80=80"], "and not what shadow had come to");
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=60"]);
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
}

#[test]
fn a_scale_with_steps_goes_on_from_where_weir_found_it() {
    let limited = OTHER.replace("5000]", "5000], max-step = \"20% / 10s\"");
    for (found, asked, steps) in [
        (30, 300, vec![]),
        (100, 300, vec!["10.0.1.1:80=80", "10.0.1.1:80=60", "10.0.1.1:80=40", "10.0.1.1:80=30"]),
        (70, 500, vec!["10.0.1.1:80=50"]),
        (30, 1000, vec!["10.0.1.1:80=100"]),
    ] {
        let table = TABLE.replace("1.1:80=100", &format!("1.1:80={found}"));
        let mut bench = Bench::stopped(&format!("{CONFIG}{limited}"), Fake::new(&table));
        let effects = vec![say(key("10.0.1.1:80"), Intent::Scale(asked))];
        bench.script.borrow_mut().effects.insert("other".into(), effects);
        bench.start();
        bench.settle();
        let all = ["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"];
        bench.verdicts(&all);
        bench.pass(60);
        assert_eq!(bench.writes(), steps, "found {found}, asked {asked}");
    }
}

#[test]
fn a_mode_that_an_operator_ordered_stands_until_the_configuration_says_another() {
    let config = format!("{CONFIG}{OTHER}");
    let mut bench = Bench::stopped(&config, Fake::new(TABLE));
    bench.recall(Default::default());
    bench.start();
    bench.settle();
    let mode = |bench: &Bench| {
        let standings = bench.manager.standings(bench.at());
        standings.into_iter().find(|it| it.name == "other").unwrap().mode
    };
    let kept = |bench: &Bench| bench.records.get("mode other").cloned();
    bench.manager.set_mode(bench.at(), "other", Mode::Off).unwrap();
    bench.settle();
    assert_eq!(kept(&bench).as_deref(), Some("off enforce"));
    bench.restart(&config, 30);
    assert_eq!(mode(&bench), Mode::Off, "a restart does not switch it on");
    bench.reload(&config.replace("5000", "4000"));
    assert_eq!(mode(&bench), Mode::Off, "it is another grant, and no other mode");
    let in_shadow = OTHER.replace("source", "mode = \"shadow\"\nsource");
    bench.restart(&format!("{CONFIG}{in_shadow}"), 30);
    assert_eq!((mode(&bench), kept(&bench)), (Mode::Shadow, None));
    bench.manager.set_mode(bench.at(), "other", Mode::Enforce).unwrap();
    bench.reload(&config);
    assert_eq!((mode(&bench), kept(&bench)), (Mode::Enforce, None));
}

#[test]
fn code_that_does_not_start_changes_nothing() {
    let mut bench = with(OTHER);
    say_scale(&mut bench, 500);
    bench.heard();
    bench.replace("other", Some("init failed: bad settings"));
    assert_eq!(
        bench.said("plugin-refused"),
        ["plugin-refused plugin=other then=\"the one before goes on\" \
          report=\"init failed: bad settings\""]
    );
    poke(&mut bench);
    let heard = bench.heard();
    assert!(heard.iter().any(|it| it.starts_with("other ")), "the old one goes on: {heard:?}");
    assert!(heard.iter().all(|it| !it.ends_with("Started")), "{heard:?}");
}

#[test]
fn code_that_fails_soon_makes_room_for_what_was_there() {
    let mut bench = with(OTHER);
    say_scale(&mut bench, 500);
    bench.pass(1);
    bench.replace("other", None);
    assert_eq!(bench.said("plugin-replaced").len(), 1);
    bench.pass(1);
    say_scale(&mut bench, 700);
    assert_eq!(written(&mut bench), ["10.0.1.1:80=50", "10.0.1.1:80=70"]);
    bench.pass(1);
    trap(&mut bench, true);
    poke(&mut bench);
    trap(&mut bench, false);
    assert_eq!(bench.said("plugin-returned").len(), 1);
    bench.pass(1);
    poke(&mut bench);
    assert_eq!(written(&mut bench), ["10.0.1.1:80=50"], "what it had said is back");
    bench.pass(120);
    trap(&mut bench, true);
    poke(&mut bench);
    assert_eq!(bench.said("plugin-returned"), NONE, "it was there before");
}

#[test]
fn probation_ends() {
    let mut bench = with(OTHER);
    bench.replace("other", None);
    bench.pass(61);
    trap(&mut bench, true);
    poke(&mut bench);
    assert_eq!(bench.said("plugin-returned"), NONE);
    bench.pass(60);
    assert_eq!(bench.said("plugin-quarantined").len(), 1);
    trap(&mut bench, false);
    bench.replace("other", None);
    assert_eq!(
        bench.said("plugin-replaced"),
        [
            "plugin-replaced plugin=other then=\"the one before does not come back, for it did not run\""
        ]
    );
    poke(&mut bench);
    assert!(bench.heard().iter().any(|it| it.starts_with("other")), "it begins anew");
}

#[test]
fn once_health_weight_is_given_up_weir_takes_dead_servers_out() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.script.borrow_mut().trapping.insert("health-weight".into(), true);
    bench.verdicts(&["10.0.1.2:80 down"]);
    bench.pass(14);
    assert_eq!(bench.writes(), NONE, "it may come back");
    bench.pass(16);
    assert_eq!(bench.said("plugin-quarantined").len(), 1);
    assert_eq!(bench.writes(), ["10.0.1.2:80=0"]);
    bench.pass(600);
    assert_eq!(bench.writes(), NONE, "its leases are over");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}
