//! 10. Someone else edits the table.

use weir_tests::{engine::PATIENCE, narrator::now};

use super::{
    record::{Seen, Weights},
    stage::{self, CYCLE, Stage, WEB, WRITE, second_service, weights},
};

/// The port of a service whose weights are the operator's.
const SHOP: u16 = 81;

/// The port of a service that is none of weir's.
const OTHER: u16 = 82;

#[test]
fn someone_else_edits_the_table() {
    let shop = second_service(SHOP, "drift = { weight = \"adopt\" }\n", 100);
    stage::play("foreign", "slow-start = { window = \"5s\" }\n", &shop, |stage| {
        stage.settled(SHOP);
        let edit = now();
        stage.ipvsadm("-e -t 10.9.0.100:80 -r 10.9.1.2:80 -m -w 30");
        stage.ipvsadm("-e -t 10.9.0.100:81 -r 10.9.1.2:80 -m -w 30");
        stage.expect("the edit shows", PATIENCE, |seen| seen.weights(WEB)[&1] == 30);
        repaired(stage, "a weight is repaired", |seen| seen.weights(WEB) == weights([100; 4]));
        is_told(stage, edit, 1);
        stage.ipvsadm("-d -t 10.9.0.100:80 -r 10.9.2.2:80");
        let removal = now();
        stage.expect("it is away", PATIENCE, |seen| !seen.weights(WEB).contains_key(&2));
        stage.ipvsadm("-A -t 10.9.0.100:82 -s rr");
        repaired(stage, "a server is put back", |seen| seen.weights(WEB) == weights([100; 4]));
        is_told(stage, removal, 2);
        stage.expect("both writes are told", PATIENCE, |seen| {
            seen.lines("weight", None, edit).len() >= 2
        });
        // One write for each of the two, and the operator's own weight stayed.
        let seen = stage.record.seen();
        let writes = seen.lines("weight", None, edit);
        let is_one = |number: u8| writes.iter().filter(|(_, it)| it.contains(&at(number))).count();
        assert_eq!((writes.len(), is_one(1), is_one(2)), (2, 1, 1), "{}", seen.story(edit));
        assert_eq!(seen.weights(SHOP), weights([30, 100, 100, 100]));
        drop(seen);

        // A verdict works on it, and it comes back to what the operator gave it.
        stage.crash(1);
        let bound = stage.check.refused();
        stage.expect("1 is out", bound, |seen| {
            [WEB, SHOP].iter().all(|port| seen.weights(*port)[&1] == 0)
        });
        stage.start_server(1);
        let bound = stage.check.passed();
        stage.expect("1 is back", bound, |seen| seen.weights(SHOP)[&1] == 30);
        stage.expect("in both", PATIENCE, |seen| seen.weights(WEB)[&1] == 100);

        stage.crash(4);
        let bound = stage.check.refused();
        stage.expect("4 is out", bound, |seen| seen.weights(WEB)[&4] == 0);
        assert!(stage.record.seen().tables.last().unwrap().1.contains_key(&OTHER));
        let clear = now();
        stage.clear();
        stage.expect("all is gone", PATIENCE, |seen| {
            seen.tables.iter().any(|(at, table)| *at >= clear && table.is_empty())
        });
        // Those that are up have all their weight, without a slow start.
        let bound = CYCLE + 10 * WRITE;
        stage.expect("all is back", bound, |seen| {
            seen.weights(WEB) == weights([100, 100, 100, 0])
                && seen.weights(SHOP) == weights([30, 100, 100, 0])
        });
        let seen = stage.record.seen();
        assert!(!seen.tables.last().unwrap().1.contains_key(&OTHER));
        let last = seen.tables.iter().rposition(|(_, table)| table.is_empty()).expect("it was");
        let mut after = seen.tables[last..].iter().filter_map(|(_, table)| table.get(&WEB));
        let is_whole = |weights: &Weights| weights.values().all(|it| [0, 100].contains(it));
        assert!(after.all(is_whole), "{}", seen.story(edit));
    });
}

/// Within a cycle.
fn repaired(stage: &Stage, what: &str, is_so: impl Fn(&Seen) -> bool) {
    stage.expect(what, CYCLE + WRITE, is_so);
}

/// Whether weir said that someone changed that server.
fn is_told(stage: &Stage, since: std::time::Instant, number: u8) {
    stage.expect("it is told", PATIENCE, |seen| {
        let lines = seen.lines("foreign-edit", Some(number), since);
        lines.iter().any(|(_, line)| line.contains("10.9.0.100:80\""))
    });
}

fn at(number: u8) -> String {
    format!("server=10.9.{number}.2:80 ")
}
