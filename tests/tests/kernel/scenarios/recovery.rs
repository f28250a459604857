//! 5. A server recovers: it gets its weight bit by bit.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use weir_tests::{engine::PATIENCE, narrator::now};

use super::stage::{self, Stage, WEB, WRITE, length, second_service, weights};

/// The port of a service whose base weights are 1.
const SMALL: u16 = 81;

/// With so many failures in a row, a single one is to be had for certain.
const KEYS: &str = "check = { fall = 12 }\n";

#[test]
fn a_server_recovers() {
    let window = length(10_000, 60_000);
    let keys = format!("slow-start = {{ window = \"{}s\" }}\n{KEYS}", window.as_secs());
    let small = second_service(SMALL, &keys, 1);
    stage::play("recovery", &keys, &small, |stage| {
        no_ramp_at_the_start(stage);
        stage.crash(1);
        stage.expect("1 is out", PATIENCE, |seen| seen.weights(WEB)[&1] == 0);
        stage.start_server(1);
        let back = now();
        let bound = stage.check.passed();
        stage.expect("1 has weight again", bound, |seen| seen.weights(WEB)[&1] > 0);
        let health: Vec<String> = {
            let seen = stage.record.seen();
            let lines = seen.lines("health", Some(1), back);
            let of_web = lines.into_iter().filter(|(_, line)| line.contains("10.9.0.100:80\""));
            of_web.map(|(_, line)| line.to_owned()).collect()
        };
        let is_two = health.len() == 2 && health[1].contains("before=rising after=up");
        assert!(is_two, "after two passes: {health:?}");

        stage.expect("half way", window, |seen| seen.weights(WEB)[&1] >= 50);
        // One failed probe does not reset it.
        let failure = stage.crash(1);
        stage.expect("a failed probe", PATIENCE, |seen| {
            seen.lines("health", Some(1), failure).iter().any(|(_, it)| it.contains("=suspect"))
        });
        stage.start_server(1);
        let end = window + Duration::from_secs(2);
        stage.expect("1 is whole", end, |seen| seen.weights(WEB) == weights([100; 4]));
        is_a_line(stage, back, window);
        // The smaller weights are in the same proportions, by as many steps.
        stage.expect("the other one too", WRITE, |seen| seen.weights(SMALL)[&1] == 20);
        let seen = stage.record.seen();
        assert_eq!(seen.weights(SMALL), weights([20; 4]));
        let steps: BTreeSet<_> = seen
            .tables
            .iter()
            .filter(|(at, _)| *at >= back)
            .map(|(_, table)| table[&SMALL][&1])
            .filter(|weight| *weight > 0)
            .collect();
        assert!(steps.len() >= 10, "{steps:?}");
    });
}

fn no_ramp_at_the_start(stage: &Stage) {
    let seen = stage.record.seen();
    let some = seen.tables.iter().filter_map(|(_, table)| table.get(&WEB));
    let mut weights = some.flat_map(|it| it.values());
    assert!(weights.all(|it| [0, 100].contains(it)), "{}", seen.story(seen.tables[0].0));
}

/// Checks each weight that server 1 had since it was `back` against the time since the first one.
fn is_a_line(stage: &Stage, back: Instant, window: Duration) {
    let step = (window / 20).max(Duration::from_secs(1));
    let seen = stage.record.seen();
    let mut way = Vec::new();
    for (at, table) in seen.tables.iter().filter(|(at, _)| *at >= back) {
        let weight = table[&WEB][&1];
        if way.last().map_or(weight > 0, |(_, before)| *before != weight) {
            way.push((*at, weight));
        }
    }
    // What was seen may have been seen late; weir says when it wrote.
    let lines = seen.lines("weight", Some(1), back);
    let first = lines.iter().find(|(_, it)| it.contains("10.9.0.100:80\"")).expect("it is told").0;
    assert!(way.len() <= 20 && way[0].1 == 10, "{way:?}");
    let steps_in_window = u32::try_from(window.as_millis() / step.as_millis()).unwrap();
    for &(at, weight) in &way {
        let t = at.saturating_duration_since(first);
        let steps = weight * steps_in_window / 100;
        let due = if weight == 10 { Duration::ZERO } else { step * steps };
        let late = t.saturating_sub(due);
        let early = due.saturating_sub(t);
        let is_in_time = late <= WRITE + seen.lag(first) && early <= WRITE;
        assert!(is_in_time && weight % 5 == 0, "{weight} after {t:?}, not {due:?}: {way:?}");
    }
}
