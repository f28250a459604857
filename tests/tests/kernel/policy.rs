//! A policy on the real kernel, with real traffic: what `weir run` is for.

use std::{fs, path::PathBuf, time::Instant};

use weir_tests::{
    engine::{BOUND, Engine, PATIENCE, WEIGHTS, configuration, wait_for, weights},
    guest,
    lab::Lab,
    namespace::{in_fresh_network, scratch},
};

/// A policy that says drain and panics, each time it is called.
const FAILS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy_fails.wasm"));

const ALL: [Option<u32>; 3] = [Some(WEIGHTS[0]), Some(WEIGHTS[1]), Some(WEIGHTS[2])];

/// Writes `weir.toml` of the test called `name`.
fn config(name: &str, text: &str) -> PathBuf {
    let path = scratch(name).join("weir.toml");
    fs::write(&path, text).unwrap();
    path
}

fn start(config: &std::path::Path) -> Engine {
    let engine = Engine::start(&guest::weir(), config, |line| println!("{line}"));
    assert!(engine.wait_for_line(PATIENCE, |line| line.contains(" ready ")), "never ready");
    engine
}

/// Who answered 60 connections, by number; the first counts those that failed.
fn answers(lab: &Lab) -> [u32; 4] {
    let mut answers = [0; 4];
    for _ in 0..60 {
        answers[lab.request().map_or(0, usize::from).min(3)] += 1;
    }
    answers
}

#[test]
fn a_dead_server_is_drained_and_comes_back() {
    let _alone = guest::alone();
    guest::load_modules();
    in_fresh_network(|| {
        let lab = Lab::set_up(3);
        let _one = lab.start_server(1);
        let two = lab.start_server(2);
        let _three = lab.start_server(3);
        let config = config("policy-drain", &configuration());
        let mut engine = start(&config);
        assert!(wait_for(PATIENCE, || weights() == ALL), "{:?}", weights());
        assert_eq!(answers(&lab), [0, 30, 20, 10]);

        let crash = now();
        two.kill();
        assert!(wait_for(PATIENCE, || weights()[1] == Some(0)), "{:?}", weights());
        assert!(crash.elapsed() <= BOUND, "drained after {:?}", crash.elapsed());
        assert_eq!(weights(), [Some(3), Some(0), Some(1)]);
        assert_eq!(answers(&lab), [0, 45, 0, 15]);

        let _two = lab.start_server(2);
        assert!(wait_for(PATIENCE, || weights() == ALL), "{:?}", weights());
        assert_eq!(answers(&lab), [0, 30, 20, 10]);

        engine.kill();
        assert_eq!(weights(), ALL);
        assert_eq!(answers(&lab), [0, 30, 20, 10]);

        let engine = start(&config);
        assert!(engine.lines().iter().all(|it| !it.contains(" weight ")), "{:?}", engine.lines());
        assert_eq!(weights(), ALL);
    });
}

#[test]
fn of_a_policy_that_traps_nothing_is_applied_and_checks_go_on() {
    let _alone = guest::alone();
    guest::load_modules();
    in_fresh_network(|| {
        let lab = Lab::set_up(3);
        let _one = lab.start_server(1);
        let two = lab.start_server(2);
        let _three = lab.start_server(3);
        let component = scratch("policy-trap").join("fails.wasm");
        fs::write(&component, FAILS).unwrap();
        let text = format!(
            "{}\n[plugin.health-weight]\n\n[plugin.fails]\nsource = \"{}\"\n\
             config = {{ handle = \"panic\" }}\n\
             grant = {{ services = \"all\", weights = {{ intents = [\"drain\"] }} }}\n",
            configuration(),
            component.display()
        );
        let engine = start(&config("policy-trap", &text));
        let failed = |line: &str| line.contains("fails") && line.contains("out of ideas");
        assert!(engine.wait_for_line(PATIENCE, failed), "{:?}", engine.lines());
        assert!(wait_for(PATIENCE, || weights() == ALL), "{:?}", weights());

        two.kill();
        assert!(wait_for(PATIENCE, || weights()[1] == Some(0)), "{:?}", weights());
        assert_eq!(weights(), [Some(3), Some(0), Some(1)]);
        assert_eq!(answers(&lab), [0, 45, 0, 15]);
        assert!(
            engine.lines().iter().all(|it| !it.contains("plugin=fails reason")),
            "{:?}",
            engine.lines()
        );
    });
}

#[expect(clippy::disallowed_methods, reason = "what is tested is real time")]
fn now() -> Instant {
    Instant::now()
}
