//! The manager stopped before and after each of its writes and commits: started again, it
//! ends in the same table.

use super::{
    super::bench::{Bench, CONFIG, TABLE, named},
    *,
};
use crate::control::Wish;

const SERVERS: [&str; 4] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];

fn config() -> String {
    format!("slow-start = {{}}\n[safety]\nflap-hold = \"30s\"\n{CONFIG}")
}

/// What happens, one after the other.
enum Step {
    /// A server is so from now on.
    Verdict(usize, &'static str),
    Order(fn() -> Wish),
    Pass(u64),
}

fn story() -> Vec<Step> {
    let drain = || Wish::Drain {
        server: named("web", SERVERS[0]),
        deadline: Some(Duration::from_secs(20)),
        keep: false,
        force: false,
    };
    vec![
        Step::Order(drain),
        Step::Verdict(1, "down"),
        Step::Pass(40),
        Step::Verdict(1, "up"),
        Step::Pass(20),
        Step::Order(|| Wish::Maintain { server: named("web", SERVERS[2]), force: false }),
        Step::Order(|| Wish::Ready(named("web", SERVERS[0]))),
        Step::Pass(15),
        Step::Order(|| Wish::Freeze(None)),
        Step::Verdict(3, "down"),
        Step::Order(|| Wish::Thaw(None)),
        Step::Pass(5),
    ]
}

/// Lives through the story with a manager that is killed just before its operation number
/// `kill_at`, be it a write or a commit, and started again 3 s later. Says where it ended, and
/// after how many operations.
fn live(kill_at: usize) -> (String, usize) {
    let mut bench = Bench::stopped(&config(), Fake::new(TABLE));
    bench.recall(Default::default());
    bench.start();
    let mut states = ["up"; 4];
    tell(&mut bench, &states);
    bench.fuse.set(kill_at);
    let mut killed = false;
    for step in story() {
        match step {
            Step::Verdict(server, state) => {
                states[server] = state;
                bench.verdicts(&[&format!("{} {state}", SERVERS[server])]);
            }
            Step::Order(wish) => {
                // An operator who is not answered says it again, once weir runs again.
                let answered = bench.order_if_alive(wish());
                if !answered && !killed {
                    killed = revive(&mut bench, &states);
                    assert!(bench.order_if_alive(wish()));
                }
            }
            Step::Pass(seconds) => bench.pass(seconds),
        }
        if !killed && bench.fuse.left() == 0 {
            killed = revive(&mut bench, &states);
        }
    }
    let operations = kill_at.saturating_sub(bench.fuse.left());
    bench.fuse.set(usize::MAX);
    bench.pass(700);
    (bench.ipvs.show(), operations)
}

fn revive(bench: &mut Bench, states: &[&str; 4]) -> bool {
    bench.fuse.set(usize::MAX);
    bench.restart(&config(), 3);
    tell(bench, states);
    true
}

fn tell(bench: &mut Bench, states: &[&str; 4]) {
    let verdicts: Vec<String> =
        SERVERS.iter().zip(states).map(|(server, state)| format!("{server} {state}")).collect();
    let verdicts: Vec<&str> = verdicts.iter().map(String::as_str).collect();
    bench.verdicts(&verdicts);
}

#[test]
fn whenever_it_is_killed_it_ends_in_the_same_table() {
    let (expected, operations) = live(usize::MAX);
    assert!(operations > 30, "a story of {operations} writes and commits");
    let sorted = |table: &str| {
        let mut words: Vec<String> = table.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    for kill_at in 0..=operations {
        let (found, _) = live(kill_at);
        assert_eq!(sorted(&found), sorted(&expected), "killed before operation {kill_at}");
    }
}
