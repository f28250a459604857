//! 7. Everything is down, and there is a sorry server.

use std::thread;

use weir_tests::{engine::PATIENCE, narrator::now};

use super::{
    record::Seen,
    stage::{self, WEB, WRITE, length},
};

/// The sorry server.
const SORRY: u8 = 5;

#[test]
fn everything_is_down_and_there_is_a_sorry_server() {
    let keys = "quorum = 1\nsorry-server = { address = \"10.9.5.2:80\" }\nslow-start = {}\n";
    stage::play("sorry", keys, "[safety]\npanic-mode = \"off\"\n", |stage| {
        stage.start_clients();
        let first = stage.crash(1);
        thread::sleep(length(200, 1_000));
        stage.crash(2);
        stage.crash(3);
        thread::sleep(length(200, 1_000));
        let last = stage.crash(4);
        let bound = stage.check.refused() + 3 * WRITE;
        stage.expect_since(last, "the sorry server serves alone", bound, |seen| {
            let mut weights = seen.weights(WEB);
            weights.remove(&SORRY).is_some_and(|it| it > 0) && weights.values().all(|it| *it == 0)
        });
        let alone = now();
        stage.hold("and goes on", length(3_000, 300_000), |seen| {
            seen.weights(WEB).get(&SORRY).is_some_and(|it| *it > 0)
        });
        let seen = stage.record.seen();
        let served = seen.answers.iter().filter(|(at, _)| *at >= alone);
        let others = served.filter(|(_, answer)| *answer != Some(SORRY)).count();
        assert_eq!(others, 0, "{}", seen.story(first));
        // It was put in before the last of the others was taken out.
        let put_in = position(&seen, "server=10.9.5.2:80 before=absent");
        let taken_out = |number| position(&seen, &format!("server=10.9.{number}.2:80 before=100"));
        let last_out = [1, 2, 3, 4].map(taken_out).into_iter().max();
        assert!(last_out > Some(put_in), "{}", seen.story(first));
        drop(seen);

        stage.start_server(2);
        let bound = stage.check.passed();
        stage.expect("2 serves alone, with all its weight", bound, |seen| {
            let weights = seen.weights(WEB);
            weights.get(&2) == Some(&100) && !weights.contains_key(&SORRY)
        });
        stage.expect("it is told", PATIENCE, |seen| {
            seen.lines("weight", Some(SORRY), last).iter().any(|(_, it)| it.contains("=absent p"))
        });
        let seen = stage.record.seen();
        let put_in = position(&seen, "server=10.9.2.2:80 before=0 after=100");
        let taken_out = position(&seen, "server=10.9.5.2:80 before=1 after=absent");
        assert!(put_in < taken_out, "{}", seen.story(first));
        for event in ["quorum-lost", "quorum-gained"] {
            assert_eq!(seen.lines(event, None, first).len(), 1, "{}", seen.story(first));
        }
    });
}

/// Which of weir's lines is the last one that tells of that write.
fn position(seen: &Seen, write: &str) -> usize {
    let found = seen.lines.iter().rposition(|it| it.text.contains(write));
    found.unwrap_or_else(|| panic!("no {write}\n{}", seen.story(seen.tables[0].0)))
}
