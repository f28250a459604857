//! 12. A server is drained for maintenance.

use std::time::{Duration, Instant};

use weir_tests::{engine::PATIENCE, narrator::now};

use super::{
    record::Seen,
    stage::{self, ALL, Connection, Stage, WEB, WRITE, length, second_service},
};

/// How much longer than weir waits, until its table shows that it waited long enough.
const MOMENT: Duration = Duration::from_secs(1);

#[test]
fn a_server_is_drained_for_maintenance() {
    let [deadline, maintenance] = [length(12_000, 300_000), length(2_000, 600_000)];
    let persistent = second_service(81, "persistence = \"5m\"\n", 100);
    stage::play("drain", "slow-start = { window = \"5s\" }\n", &persistent, |stage| {
        let said = stage.weir("drain web-81 10.9.4.2 --keep");
        assert!(said.contains("clients that know 10.9.4.2:80 still come to it"), "{said}");
        let [mut one, mut two, ..] = connect(stage);
        let left = one.len() / 10;
        let order = format!("--deadline {}s", deadline.as_secs());
        let drain = now();
        let said = stage.weir(&format!("drain web 10.9.1.2 {order}"));
        assert!(said.contains(&format!("{} active", one.len())), "{said}");
        assert!(said.contains("those that are left then are cut"), "{said}");
        stage.expect("1 has no weight", MOMENT, |seen| seen.weights(WEB)[&1] == 0);
        let said = stage.weir(&format!("drain web 10.9.2.2 {order} --keep"));
        assert!(!said.contains("are cut"), "{said}");
        stage.expect("2 has no weight", MOMENT, |seen| seen.weights(WEB)[&2] == 0);

        one.truncate(left);
        status_shows(stage, left);
        let rest = (deadline - Duration::from_secs(1)).saturating_sub(drain.elapsed());
        stage.hold("no deadline yet", rest, |seen| seen.weights(WEB).get(&1) == Some(&0));
        // Checks went on, and nothing was cut.
        let seen = stage.record.seen();
        let checks = seen.arrivals.iter().filter(|(at, number, peer)| {
            *at >= drain && *number == 1 && peer.to_string() == "10.9.1.1"
        });
        assert!(checks.count() >= 2, "no checks\n{}", seen.story(drain));
        drop(seen);
        assert!(one.iter_mut().all(|it| it.ask().is_ok()));

        let bound = deadline + MOMENT;
        stage.expect_since(drain, "1 is away", bound, |seen| !seen.weights(WEB).contains_key(&1));
        stage.expect("both drains are over", bound, |seen| {
            [1, 2].iter().all(|it| !seen.lines("drained", Some(*it), drain).is_empty())
        });
        assert!(one[0].ask().is_err(), "it should have been cut");
        assert!(two.iter_mut().all(|it| it.ask().is_ok()));

        // One that failed meanwhile waits for its verdict.
        let crash = stage.crash(2);
        stage.expect("2 is down", stage.check.refused(), |seen| is_down(seen, crash));
        stage.hold("maintenance", maintenance, |seen| {
            let weights = seen.weights(WEB);
            !weights.contains_key(&1) && weights[&2] == 0
        });
        stage.weir("ready web 10.9.1.2");
        stage.weir("ready web 10.9.2.2");
        stage.expect("1 has weight again", MOMENT, |seen| seen.weights(WEB)[&1] > 0);
        assert!(stage.record.seen().weights(WEB)[&1] < 100, "without a slow start");
        stage.hold("2 waits", length(2_000, 10_000), |seen| seen.weights(WEB)[&2] == 0);
        stage.start_server(2);
        stage.expect("2 is back", stage.check.passed(), |seen| seen.weights(WEB)[&2] > 0);
        stage.expect("both are whole", PATIENCE, |seen| {
            ALL.iter().all(|it| seen.weights(WEB)[it] == 100)
        });

        // The last one is drained by force only.
        for number in [2, 3, 4] {
            stage.weir(&format!("drain web 10.9.{number}.2 --deadline 1h --keep"));
        }
        let refused = stage.try_weir("drain web 10.9.1.2 --keep");
        assert_eq!(refused.status, 3, "{refused}");
        stage.expect("1 serves alone", MOMENT + WRITE, |seen| {
            seen.weights(WEB).values().eq(&[100, 0, 0, 0])
        });
    });
}

/// As many connections to each of the four, by the number of the server.
fn connect(stage: &Stage) -> [Vec<Connection>; 4] {
    let each = length(20, 200).as_millis();
    let mut connections = [const { Vec::new() }; 4];
    for _ in 0..4 * each {
        let mut connection = stage.connect().unwrap();
        let number = connection.ask().unwrap();
        connections[usize::from(number) - 1].push(connection);
    }
    connections
}

/// Waits until `weir status` shows that so many connections are left.
fn status_shows(stage: &Stage, left: usize) {
    let mut status = String::new();
    let is_shown = weir_tests::engine::wait_for(PATIENCE, || {
        status = stage.weir("status web");
        let line = status.lines().find(|it| it.trim_start().starts_with("10.9.1.2:80"));
        let active = line.and_then(|it| it.split_whitespace().nth(5)?.parse().ok());
        active == Some(left)
    });
    assert!(is_shown, "not {left} connections:\n{status}");
}

fn is_down(seen: &Seen, since: Instant) -> bool {
    seen.lines("health", Some(2), since).iter().any(|(_, line)| line.contains("after=down"))
}
