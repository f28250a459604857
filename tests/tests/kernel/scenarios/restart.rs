//! 8. The director is restarted: once cleanly, once by SIGKILL, once without what it remembers.

use std::{fs, time::Instant};

use weir_tests::{engine::PATIENCE, narrator::now};

use super::{
    record::{Seen, read_table},
    stage::{self, Connection, Stage, WEB, WRITE, length, weights},
};

const CONNECTIONS: usize = 50;

/// That 3 is found in its slow start.
const HALF_WAY: u32 = 40;

#[test]
fn the_director_is_restarted() {
    let window = length(20_000, 60_000);
    let keys = format!("slow-start = {{ window = \"{}s\" }}\n", window.as_secs());
    stage::play("restart", &keys, "[safety]\npanic-mode = \"off\"\n", |stage| {
        stage.crash(2);
        stage.crash(3);
        stage.weir("drain web 10.9.4.2 --deadline 1h --keep");
        stage.expect("1 serves alone", PATIENCE, |seen| {
            seen.weights(WEB) == weights([100, 0, 0, 0])
        });
        stage.start_server(3);
        stage.expect("3 is half way", 2 * window, |seen| seen.weights(WEB)[&3] == HALF_WAY);
        let mut connections: Vec<Connection> =
            (0..CONNECTIONS).map(|_| stage.connect().unwrap()).collect();
        live(&mut connections);
        stage.start_clients();

        let counted = counted(stage);
        let stop = now();
        stage.stop_weir();
        down(stage);
        stage.start_weir();
        stage.expect("3 is whole", 2 * window, |seen| seen.weights(WEB)[&3] == 100);
        // In one direction, and nobody else has what he had not.
        untouched(&stage.record.seen(), stop, &[100, 0, HALF_WAY, 0]);
        live(&mut connections);
        assert!(self::counted(stage) >= counted, "statistics begin anew");

        let kill = now();
        stage.kill_weir();
        stage.start_server(2);
        down(stage);
        stage.start_weir();
        // The first check decides.
        let bound = stage.check.interval.mul_f64(1.1) + stage.check.timeout + WRITE;
        stage.expect("2 is back", bound, |seen| seen.weights(WEB)[&2] > 0);
        stage.expect("2 is whole", 2 * window, |seen| seen.weights(WEB)[&2] == 100);
        untouched(&stage.record.seen(), kill, &[100, 0, 100, 0]);
        live(&mut connections);

        let loss = now();
        stage.stop_weir();
        fs::write(stage.state(), "what a broken disk gives back").unwrap();
        stage.start_weir();
        let seen = stage.record.seen();
        assert_eq!(seen.lines("state-lost", None, loss).len(), 1, "{}", seen.story(loss));
        let failed = seen.answers.iter().filter(|(_, answer)| answer.is_none()).count();
        assert_eq!(failed, 0, "{}", seen.story(stop));
    });
}

/// While weir is down nobody touches the table.
fn down(stage: &Stage) {
    let table = read_table();
    let is_same = |seen: &Seen| seen.tables.last().is_some_and(|(_, it)| *it == table);
    stage.expect("the last table", PATIENCE, is_same);
    stage.hold("the table without weir", length(2_000, 30_000), is_same);
}

/// No entry was ever away, or had less than `least`; those that had nothing and are out, nothing.
fn untouched(seen: &Seen, since: Instant, least: &[u32; 4]) {
    let mut before = least.to_vec();
    for (at, table) in seen.tables.iter().filter(|(at, _)| *at >= since) {
        let weights: Vec<u32> = table[&WEB].values().copied().collect();
        let grows = weights.len() == 4 && weights.iter().zip(&before).all(|(now, it)| now >= it);
        assert!(grows && weights[3] == 0, "{weights:?}\n{}", seen.story(*at));
        before = weights;
    }
}

/// Each connection is still served.
fn live(connections: &mut [Connection]) {
    for connection in connections {
        connection.ask().unwrap();
    }
}

/// How many connections the service has had.
fn counted(stage: &Stage) -> u64 {
    let listing = stage.ipvsadm("-Ln --stats --exact -t 10.9.0.100:80");
    let line = listing.lines().find(|it| it.starts_with("TCP")).expect("it is there");
    line.split_whitespace().nth(2).and_then(|it| it.parse().ok()).expect("a number")
}
