//! Seeded random runs: faults, foreign edits, policies that talk and fail, operators, other
//! configurations, restarts, time; a kernel and a disk that fail, and a manager that is killed
//! between two writes. After every step, what must always hold is checked.
//!
//! Thousands of seeds, as far as there is time; with `WEIR_SEEDS=100000`, so many whatever time
//! it takes. A run that fails is made as short as it can be and told with its seed.

use std::ops::RangeInclusive;

use weir_ipvs::{Change, Error, Ipvs as _, Scope};
use weir_wasm::{HealthStatus, Intent};

use super::{
    super::bench::{Bench, key, named, say},
    *,
};
use crate::{
    control::Wish,
    health::State,
    plan::{Role, Server},
};

const SERVERS: [&str; 4] = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];
const FOREIGN: &str = "10.0.1.8:80";
const SORRY: &str = "10.0.1.9:80";
const STEPS: u64 = 120;

/// How many runs there are, unless `WEIR_SEEDS` says, and how long they may take together: where
/// machines are slow there are fewer.
const SEEDS: u64 = 3000;
const TIME: Duration = Duration::from_secs(45);

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
    config: String,
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
        let mut bench = Bench::stopped(&config, Fake::new(&table));
        bench.recall(Default::default());
        bench.start();
        bench.settle();
        let steps = vec![config.clone(), table];
        Self { bench, random, config, states: ["unknown"; 4], steps }
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
        self.config = config;
        self.begin_anew(&before);
    }

    /// What the checks say of each server that is watched anew, nobody was told yet.
    fn begin_anew(&mut self, before: &BTreeMap<RealServerKey, u64>) {
        for (server, state) in SERVERS.iter().zip(&mut self.states) {
            let key = key(server);
            let claim = &self.bench.manager.claims[&key.service];
            let known = claim.servers.get(&key.server).map(|it| it.health.state);
            if before.get(&key) != self.bench.watches.get(&key) && known != Some(State::Up) {
                *state = if known == Some(State::Down) { "down" } else { "unknown" };
            }
        }
    }

    /// An operator orders something, and may be refused.
    fn order(&mut self, server: &str) {
        let server = named("web", server);
        let deadline = Some(Duration::from_secs(self.random.number(0..=300).into()));
        let keep = self.random.below(2) == 0;
        let wish = match self.random.below(8) {
            0 | 1 => Wish::Drain { server, deadline, keep, force: false },
            2 => Wish::Maintain { server, force: false },
            3..=5 => Wish::Ready(server),
            6 => Wish::Freeze(None),
            _ => Wish::Thaw(None),
        };
        let before = self.bench.watches.clone();
        let is_obeyed = self.bench.order_if_alive(wish.clone());
        self.steps.push(format!("{wish:?}: {is_obeyed}"));
        self.begin_anew(&before);
    }

    /// weir is killed, and starts again.
    fn restart(&mut self) {
        let orders = |bench: &Bench| {
            let orders = bench.manager.orders.iter();
            orders.map(|(key, it)| (*key, it.since)).collect::<Vec<_>>()
        };
        let before = orders(&self.bench);
        self.steps.push("restart".to_owned());
        self.bench.restart(&self.config, 3);
        assert_eq!(orders(&self.bench), before, "what operators ordered");
        self.states = ["unknown"; 4];
    }

    /// weir is killed while something happens: just before a write or a commit of its own.
    /// It starts again.
    fn die(&mut self) {
        let operations = self.random.below(6);
        self.bench.fuse.set(operations);
        match self.random.below(4) {
            0 => self.reload(),
            _ => self.event(),
        }
        let is_dead = self.bench.fuse.left() == 0;
        self.bench.fuse.set(usize::MAX);
        if is_dead {
            self.steps.push(format!("killed after {operations} writes and commits"));
            self.bench.restart(&self.config, 3);
            self.states = ["unknown"; 4];
        }
    }

    /// Something happens while the kernel refuses every call.
    fn kernel_fails(&mut self) {
        self.bench.ipvs.broken = Some(Error::Errno(libc::ENOMEM));
        self.event();
        self.bench.pass(self.random.number(0..=20).into());
        self.bench.ipvs.broken = None;
        self.steps.push("though the kernel failed".to_owned());
        self.bench.pass(11);
    }

    /// Something happens while nothing can be kept.
    fn disk_fails(&mut self) {
        self.bench.is_disk_full = true;
        self.event();
        self.bench.pass(self.random.number(0..=20).into());
        self.bench.is_disk_full = false;
        self.steps.push("though the disk was full".to_owned());
        self.bench.pass(11);
    }

    fn step(&mut self) {
        match self.random.below(16) {
            0 => self.restart(),
            1 | 2 => self.die(),
            3 => self.kernel_fails(),
            4 => self.disk_fails(),
            5 => self.reload(),
            _ => self.event(),
        }
    }

    /// Something that happens whether or not the director is well.
    fn event(&mut self) {
        let server = self.random.below(4);
        let address = SERVERS[server];
        match self.random.below(12) {
            0..=3 if self.bench.watches.contains_key(&key(address)) => {
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
            8 | 9 => self.order(address),
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
        let is_frozen = self.bench.manager.freezes.of(key(SORRY).service).is_some();
        let is_up = |it: &Server| {
            let is_up = it.health.state.status() == HealthStatus::Up;
            it.role == Role::Real && is_up && !it.is_ordered_out()
        };
        if !is_frozen && claim.servers.values().any(is_up) {
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
            let is_held = said(|it| matches!(it, Says::Held(_) | Says::Lifted | Says::Frozen(_)));
            if self.bench.manager.orders.contains_key(&key(address)) && !is_frozen {
                assert_eq!(weight.unwrap_or(0), 0, "{address} is ordered out: {shown}");
            }
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

/// The run of `seed`, of its steps these alone; what was written.
fn run(seed: u64, steps: &[u64], is_told: bool) -> Vec<String> {
    let mut run = Told { run: Run::new(seed), is_told };
    let run = &mut run.run;
    let mut writes = Vec::new();
    for step in steps {
        // Each step has its own, so that it is the same without the others.
        run.random = Random(seed.wrapping_mul(0x100_0003) ^ step.wrapping_mul(0x9e37_79b9));
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

/// A run that tells what happened when it fails.
struct Told {
    run: Run,
    is_told: bool,
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() && self.is_told {
            println!("{}", self.run.steps.join("\n"));
            println!("{:#?}", self.run.bench.manager.claims);
        }
    }
}

/// As few of `steps` as it takes to fail.
fn shrink(seed: u64, mut steps: Vec<u64>) -> Vec<u64> {
    let fails = |steps: &[u64]| std::panic::catch_unwind(|| run(seed, steps, false)).is_err();
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            if fails(&fewer) {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    steps
}

#[test]
fn what_must_always_hold_holds_in_random_runs() {
    let steps: Vec<u64> = (0..STEPS).collect();
    let asked = std::env::var("WEIR_SEEDS").ok().map(|it| it.parse().unwrap());
    let start = now();
    let is_time = |_: &u64| asked.is_some() || start.elapsed() < TIME;
    let mut seeds = 0;
    for seed in (0..asked.unwrap_or(SEEDS)).take_while(is_time) {
        let Ok(first) = std::panic::catch_unwind(|| run(seed, &steps, false)) else {
            let few = shrink(seed, steps);
            println!("seed {seed} fails by its steps {few:?}:");
            run(seed, &few, true);
            panic!("seed {seed} fails, but not always");
        };
        if seed % 10 == 0 {
            let again = run(seed, &steps, false);
            assert_eq!(first, again, "the same events, other writes: seed {seed}");
        }
        seeds += 1;
    }
    println!("{seeds} runs in {:?}", start.elapsed());
}

#[expect(clippy::disallowed_methods, reason = "how long a test takes is real time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
