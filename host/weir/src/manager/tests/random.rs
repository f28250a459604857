//! Seeded random runs: faults, foreign edits, policies that talk and fail, time. After
//! every step, what must always hold is checked.

use std::ops::RangeInclusive;

use weir_ipvs::{Change, Ipvs as _, Scope};
use weir_wasm::{HealthStatus, Intent};

use super::{
    super::bench::{Bench, key, say},
    *,
};
use crate::{
    health::State,
    plan::{Role, Server},
};

const SERVERS: [&str; 4] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];
const FOREIGN: &str = "10.0.1.8:80";
const SORRY: &str = "10.0.1.9:80";
const STEPS: usize = 120;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % bound
    }

    fn number(&mut self, range: RangeInclusive<u32>) -> u32 {
        let span = usize::try_from(range.end() - range.start() + 1).unwrap();
        range.start() + u32::try_from(self.below(span)).unwrap()
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

struct Run {
    bench: Bench,
    random: Random,
    /// What the checks say of each server, as the manager was told.
    states: [&'static str; 4],
    /// What happened, for the report of a failure.
    steps: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let (config, scheduler) = Self::config(&mut random, &SERVERS);
        let found = SERVERS.map(|it| format!(" {it}={}", random.pick(&["0", "1", "100"])));
        let table = format!("tcp 10.0.0.1:80 {scheduler}{} {FOREIGN}=7", found.concat());
        let table = random.pick(&[table.as_str(), ""]).to_owned();
        let bench = Bench::new(&config, &table);
        Self { bench, random, states: ["unknown"; 4], steps: vec![config, table] }
    }

    /// A configuration with these servers, and its scheduler.
    fn config(random: &mut Random, servers: &[&str]) -> (String, &'static str) {
        let scheduler = random.pick(&["wrr", "wlc", "rr", "mh"]);
        let weight = random.pick(&["1", "3", "100"]);
        let server = |it: &&str| format!("{{ address = \"{it}\", weight = {weight} }}");
        let servers: Vec<String> = servers.iter().map(server).collect();
        let sorry = ["", "sorry-server = { address = \"10.0.1.9:80\", weight = 2 }\nquorum = 2"];
        let config = format!(
            "slow-start = {}\n[safety]\npanic-mode = \"{}\"\npanic-floor = \"{}\"\n\
             flap-hold = \"{}\"\n[check]\n[[service]]\nname = \"web\"\n\
             address = \"10.0.0.1:80\"\nscheduler = \"{scheduler}\"\n{}\nserver = [{}]\n\
             [plugin.p]\nsource = \"x.wasm\"\n[plugin.p.grant]\nservices = \"all\"\n\
             lease = \"30s\"\nweights = {{ intents = [\"scale\", \"floor\", \"cap\", \"drain\"], \
             scale = [1, 3000], floor = 1000 }}\n",
            random.pick(&["{}", "false", "{ window = \"20s\", aggression = 2 }"]),
            random.pick(&["hold", "all", "off"]),
            random.pick(&["50%", "30%", "100%"]),
            random.pick(&["0s", "30s"]),
            random.pick(&sorry),
            servers.join(", "),
        );
        (config, scheduler)
    }

    /// Another configuration, of at least half of the servers.
    fn reload(&mut self) {
        let gone = self.random.below(6);
        let servers = SERVERS.iter().enumerate().filter(|(index, _)| *index != gone);
        let servers: Vec<&str> = servers.map(|(_, it)| *it).collect();
        let (config, _) = Self::config(&mut self.random, &servers);
        self.steps.push(format!("reload {config}"));
        let before = self.bench.watches.clone();
        self.bench.reload(&config);
        // What the checks say of a server that is watched anew, nobody was told yet.
        for (server, state) in SERVERS.iter().zip(&mut self.states) {
            let key = key(server);
            let claim = &self.bench.manager.claims[&key.service];
            let known = claim.servers.get(&key.server).map(|it| it.health.state);
            if before.get(&key) != self.bench.watches.get(&key) && known != Some(State::Up) {
                *state = if known == Some(State::Down) { "down" } else { "unknown" };
            }
        }
    }

    fn step(&mut self) {
        let server = self.random.below(4);
        let address = SERVERS[server];
        match self.random.below(11) {
            0..=3 => {
                let next: &[&'static str] = match self.states[server] {
                    "unknown" => &["up", "down", "silent"],
                    "up" => &["suspect"],
                    "suspect" => &["up", "down", "silent"],
                    "down" => &["up", "silent"],
                    _ => &["up", "down"],
                };
                self.states[server] = self.random.pick(next);
                let verdict = format!("{address} {}", self.states[server]);
                self.bench.verdicts(&[&verdict]);
                self.steps.push(verdict);
            }
            4 => {
                let weight = self.random.pick(&["0", "7", "100"]).parse().unwrap();
                let change = match self.random.below(3) {
                    0 => Change::EditServer(
                        service_key("10.0.0.1:80"),
                        super::server(address, weight),
                    ),
                    1 => Change::DeleteServer(key(address)),
                    _ => Change::Flush,
                };
                let done = self.bench.ipvs.make(&change);
                self.steps.push(format!("foreign {change:?}: {done:?}"));
            }
            5 | 6 => {
                let intent = match self.random.below(5) {
                    0 => Intent::Scale(self.random.number(1..=3000)),
                    1 => Intent::Floor(self.random.number(0..=1000)),
                    2 => Intent::Cap(self.random.number(1..=1000)),
                    _ => Intent::Drain,
                };
                let effect = match self.random.below(3) {
                    0 => weir_wasm::Effect::Withdraw(key(address)),
                    _ => say(key(address), intent),
                };
                self.steps.push(format!("p wants {effect:?}"));
                self.bench.script.borrow_mut().effects.insert("p".into(), vec![effect]);
            }
            7 => {
                let plugin = self.random.pick(&["p", "p", "health-weight"]);
                let traps = self.random.below(3) == 0;
                self.steps.push(format!("{plugin} traps: {traps}"));
                self.bench.script.borrow_mut().trapping.insert(plugin.into(), traps);
            }
            8 => self.reload(),
            _ => {
                let seconds = self.random.pick(&["1", "2", "11", "70"]).parse().unwrap();
                self.steps.push(format!("{seconds} s pass"));
                self.bench.pass(seconds);
            }
        }
    }

    fn weight(&mut self, address: &str) -> Option<u32> {
        let snapshot = self.bench.ipvs.read(Scope::All, weir_ipvs::Fields::ALL).unwrap();
        let servers = snapshot.entries.into_iter().flat_map(|it| it.servers);
        let server = address.parse().unwrap();
        servers.map(|it| it.config).find(|it| it.endpoint == server).map(|it| it.weight)
    }

    /// What holds whenever the manager looked at the table since the last foreign edit.
    fn check(&mut self) {
        let weights = SERVERS.map(|it| self.weight(it));
        let sorry = self.weight(SORRY);
        let shown = format!("{:?} {weights:?} sorry {sorry:?}", self.states);
        let claim = &self.bench.manager.claims[&service_key("10.0.0.1:80")];
        let is_up =
            |it: &Server| it.role == Role::Real && it.health.state.status() == HealthStatus::Up;
        if claim.servers.values().any(is_up) {
            let serves = weights.iter().chain([&sorry]).any(|it| it.is_some_and(|it| it > 0));
            assert!(serves, "a server is up, and nothing serves: {shown}");
        }
        for (address, weight) in SERVERS.iter().zip(weights) {
            let Some(server) = claim.servers.get(&address.parse().unwrap()) else {
                assert_eq!(weight, None, "{address} is gone: {shown}");
                continue;
            };
            assert_eq!(server.decision.weight, weight, "{address} is as decided: {shown}");
            assert_eq!(server.seen.map(|it| it.weight), weight, "{address} is as seen");
            let said =
                |says: fn(&Says) -> bool| server.decision.words.iter().any(|it| says(&it.says));
            let is_out = said(|it| matches!(it, Says::Drain | Says::Zero | Says::Absent));
            let is_held = said(|it| matches!(it, Says::Held(_) | Says::Lifted));
            let is_paced = server.decision.goal != server.decision.weight;
            if !is_out && !is_held && !is_paced {
                assert_ne!(weight, Some(0), "{address} is eligible: {shown}");
            }
            if is_out && !is_held {
                assert_eq!(weight.unwrap_or(0), 0, "{address} is not eligible: {shown}");
            }
        }
        for line in self.bench.said("weight") {
            let reason = line.split("reason=").nth(1).unwrap();
            assert!(reason.len() > 2, "a change without a reason: {line}");
        }
    }

    fn is_foreign(&self) -> bool {
        self.steps.last().is_some_and(|it| it.starts_with("foreign"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.steps.join("\n"));
            println!("{:#?}", self.bench.manager.claims);
        }
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut run = Run::new(seed);
    let mut writes = Vec::new();
    for _ in 0..STEPS {
        run.step();
        if run.is_foreign() {
            run.bench.pass(11);
        }
        run.check();
        writes.extend(run.bench.writes());
    }
    run.bench.script.borrow_mut().trapping.clear();
    run.bench.pass(700);
    run.bench.writes();
    run.bench.pass(600);
    assert_eq!(run.bench.writes(), Vec::<String>::new(), "settled, and written to");
    writes
}

#[test]
fn what_must_always_hold_holds_in_random_runs() {
    for seed in 0..300 {
        let first = std::panic::catch_unwind(|| run(seed));
        let first = first.unwrap_or_else(|_| panic!("seed {seed}"));
        if seed % 10 == 0 {
            assert_eq!(first, run(seed), "the same events, other writes: seed {seed}");
        }
    }
}
