//! 2. A server goes silent: every packet to and from it is lost.

use std::{collections::BTreeMap, fs, time::Duration};

use weir_tests::narrator::now;

use super::{
    record::Seen,
    stage::{self, Stage, WEB, length, weights},
};

#[test]
fn a_server_goes_silent_and_is_heard_again() {
    let slow_start =
        format!("slow-start = {{ window = \"{}s\" }}\n", length(3_000, 60_000).as_secs());
    stage::play("silence", &slow_start, "", |stage| {
        let before = now();
        let silence = stage.silence(1);
        let bound = stage.check.silent();
        let sockets = || {
            let sockets = sockets();
            assert!(sockets.len() <= 1, "towards 1: {sockets:?}");
        };
        stage.expect_since(silence, "1 is out", bound, |seen| {
            sockets();
            seen.weights(WEB) == weights([0, 100, 100, 100])
        });
        stage.hold("and stays so", length(4_000, 60_000), |seen| {
            sockets();
            seen.weights(WEB) == weights([0, 100, 100, 100])
        });
        let seen = stage.record.seen();
        let writes = seen.lines("weight", None, before);
        assert!(writes.len() == 1 && writes[0].1.contains("timeout"), "{}", seen.story(silence));
        for number in [2, 3, 4] {
            is_punctual(&seen, stage, number);
        }
        drop(seen);

        let heard = stage.unsilence(1);
        // Of a probe that was sent before, the answer is only asked for again.
        let bound = stage.check.passed() + stage.check.timeout;
        stage.expect_since(heard, "1 is back", bound, |seen| seen.weights(WEB)[&1] > 0);
        let first = stage.record.seen().weights(WEB)[&1];
        assert!(first < 100, "it has {first} at once");
    });
}

/// The sockets of the director that speak to server 1, by their own addresses, with their
/// states. The kernel may list one twice, where others come while it is read.
fn sockets() -> BTreeMap<String, String> {
    let table = fs::read_to_string("/proc/thread-self/net/tcp").expect("/proc is mounted");
    let sockets = table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (own, peer, state) = (words.next()?, words.next()?, words.next()?);
        (peer == "0201090A:0050").then(|| (own.to_owned(), state.to_owned()))
    });
    sockets.collect()
}

/// No probe of that server was later than 100 ms.
fn is_punctual(seen: &Seen, stage: &Stage, number: u8) {
    let is_check = |of: u8, peer: &std::net::IpAddr| {
        of == number && peer.to_string() == format!("10.9.{number}.1")
    };
    let checks: Vec<_> =
        seen.arrivals.iter().filter(|(_, of, peer)| is_check(*of, peer)).map(|it| it.0).collect();
    for pair in checks.windows(2) {
        let bound = stage.check.interval.mul_f64(1.1) + Duration::from_millis(100);
        let gap = pair[1] - pair[0];
        assert!(gap <= bound + seen.lag(pair[0]), "{number} was asked after {gap:?}");
    }
    assert!(checks.len() >= 3, "{number} was asked {} times", checks.len());
}
