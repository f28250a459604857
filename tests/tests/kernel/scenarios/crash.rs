//! 1. A server process crashes.

use std::time::Duration;

use weir_tests::narrator::now;

use super::stage::{self, ALL, WEB, length, weights};

#[test]
fn a_server_process_crashes() {
    stage::play("crash", "", "", |stage| {
        stage.start_clients();
        let settled = now();
        stage.hold("a settled table", length(3_000, 600_000), |seen| {
            seen.lines("weight", None, settled).is_empty()
        });

        let crash = stage.crash(1);
        let bound = stage.check.refused();
        stage.expect_since(crash, "1 is out", bound, |seen| {
            seen.weights(WEB) == weights([0, 100, 100, 100])
        });
        let clear = now();
        stage.hold("and stays so", length(3_000, 60_000), |seen| {
            seen.weights(WEB) == weights([0, 100, 100, 100])
        });

        let seen = stage.record.seen();
        let writes = seen.lines("weight", None, crash);
        assert_eq!(writes.len(), 1, "{}", seen.story(crash));
        let (_, write) = writes[0];
        assert!(write.contains("server=10.9.1.2:80") && write.contains("refused"), "{write}");
        // Three failures are two fast periods, each shorter by a tenth at most, and by what the
        // first one was late.
        let health = seen.lines("health", Some(1), crash);
        let [(suspect, first), (down, last)] = health[..] else { panic!("{health:?}") };
        assert!(first.contains("after=suspect") && last.contains("after=down"), "{health:?}");
        let least = 2 * stage.check.fast.mul_f64(0.9);
        let late = Duration::from_millis(10) + seen.lag(crash);
        assert!(down - suspect + late >= least, "{:?}", down - suspect);
        // Nobody is sent there any more.
        let failed = seen.answers.iter().filter(|(at, answer)| *at >= clear && answer.is_none());
        assert_eq!(failed.count(), 0, "{}", seen.story(crash));
        let was_served = |number| seen.answers.iter().any(|(_, it)| *it == Some(number));
        assert!(ALL.into_iter().all(was_served));
    });
}
