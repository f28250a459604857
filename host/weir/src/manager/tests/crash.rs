//! The manager stopped before and after each of its writes and commits: started again, it
//! ends in the same table. What it leaves meanwhile serves, if it served before.

use super::{
    super::bench::{Bench, CONFIG, TABLE, named},
    *,
};
use crate::control::Wish;

const SERVERS: [&str; 4] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];

/// A configuration, the table that is found, and what happens.
struct Story {
    config: String,
    table: &'static str,
    steps: fn() -> Vec<Step>,
}

/// What happens, one after the other.
enum Step {
    /// A server is so from now on.
    Verdict(usize, &'static str),
    Order(fn() -> Wish),
    Pass(u64),
}

/// Operators, flapping and slow starts.
fn maintenance() -> Vec<Step> {
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

/// A table that is built, a fleet that dies and comes back, and a sorry server in between.
fn outage() -> Vec<Step> {
    vec![
        Step::Pass(30),
        Step::Verdict(0, "down"),
        Step::Verdict(1, "silent"),
        Step::Pass(5),
        Step::Verdict(2, "down"),
        Step::Verdict(3, "down"),
        Step::Pass(30),
        Step::Verdict(1, "up"),
        Step::Pass(5),
        Step::Verdict(3, "up"),
        Step::Pass(20),
    ]
}

/// Lives through the story with a manager that is killed just before its operation number
/// `kill_at`, be it a write or a commit, and started again 3 s later. Says where it ended, and
/// after how many operations.
fn live(story: &Story, kill_at: usize) -> (String, usize) {
    let mut bench = Bench::stopped(&story.config, Fake::new(story.table));
    bench.fuse.set(kill_at);
    bench.recall(Default::default());
    bench.start();
    let mut states = ["up"; 4];
    let mut killed = kill_at == 0 && revive(&mut bench, story, &states);
    tell(&mut bench, &states);
    let mut served = false;
    for step in (story.steps)() {
        served |= serves(&bench);
        match step {
            Step::Verdict(server, state) => {
                states[server] = state;
                bench.verdicts(&[&format!("{} {state}", SERVERS[server])]);
            }
            Step::Order(wish) => {
                // An operator who is not answered says it again, once weir runs again.
                let answered = bench.order_if_alive(wish());
                if !answered && !killed {
                    killed = revive(&mut bench, story, &states);
                    assert!(bench.order_if_alive(wish()));
                }
            }
            Step::Pass(seconds) => bench.pass(seconds),
        }
        if !killed && bench.fuse.left() == 0 {
            assert!(serves(&bench) || !served, "left behind: {}", bench.ipvs.show());
            killed = revive(&mut bench, story, &states);
        }
    }
    let operations = kill_at.saturating_sub(bench.fuse.left());
    bench.fuse.set(usize::MAX);
    bench.pass(700);
    (bench.ipvs.show(), operations)
}

fn serves(bench: &Bench) -> bool {
    let table = bench.ipvs.show();
    table.split(' ').any(|it| it.split_once('=').is_some_and(|(_, weight)| weight != "0"))
}

fn revive(bench: &mut Bench, story: &Story, states: &[&str; 4]) -> bool {
    bench.fuse.set(usize::MAX);
    bench.restart(&story.config, 3);
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
    check(&Story {
        config: format!("slow-start = {{}}\n[safety]\nflap-hold = \"30s\"\n{CONFIG}"),
        table: TABLE,
        steps: maintenance,
    });
}

#[test]
fn killed_in_an_outage_it_ends_in_the_same_table_and_leaves_what_serves() {
    let sorry = "sorry-server = { address = \"10.0.1.9:80\" }\n        scheduler";
    check(&Story {
        config: format!(
            "slow-start = {{}}\n[safety]\npanic-mode = \"off\"\n{}",
            CONFIG.replace("scheduler", sorry)
        ),
        table: "",
        steps: outage,
    });
}

fn check(story: &Story) {
    let (expected, operations) = live(story, usize::MAX);
    assert!(operations > 20, "a story of {operations} writes and commits");
    let sorted = |table: &str| {
        let mut words: Vec<String> = table.split(' ').map(str::to_owned).collect();
        words.sort();
        words
    };
    for kill_at in 0..=operations {
        let (found, _) = live(story, kill_at);
        assert_eq!(sorted(&found), sorted(&expected), "killed before operation {kill_at}");
    }
}
