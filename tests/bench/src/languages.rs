//! The same policy in every language: what a call, an event, an instance and its load cost.
//!
//! It drains a real server that is down, by one call of the host for each change that it is told
//! of, whatever it is written in. All languages are measured in turns; beside each stands Rust.

mod runner;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use weir_build::Language;
use weir_languages::Ticking;
use weir_wasm::{
    Cache, Envelope, Event, HealthStatus, Intent, Plugin, Policy, Runtime, Statement, View,
};

use crate::{
    bed::{Bed, scratch},
    daemon::resident_bytes,
    instances::{change, start, world},
    row::{Goal, Outcome, Row},
    sample::{median, now, percentile},
};

const HEALTH_WEIGHT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/health-weight.wasm"));
const INTERPRETER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/starlark.wasm"));
const SCRIPT: &str = include_str!("../../../sdk/starlark/drain.star");

/// Each with microseconds that four changes, four calls of the host, may take it.
const LANGUAGES: [(&str, Kind, f64); 7] = [
    ("Rust", Kind::Rust, 5.0),
    ("Starlark", Kind::Starlark, 20.0),
    ("C", Kind::Other(Language::C), 5.0),
    ("Zig", Kind::Other(Language::Zig), 5.0),
    ("Go", Kind::Other(Language::Go), 20.0),
    ("JavaScript", Kind::Other(Language::JavaScript), 150.0),
    ("Python", Kind::Other(Language::Python), 100.0),
];

/// Milliseconds that the load of a component may take that was compiled before.
const LOAD_MS: f64 = 5.0;

/// What is handed over in one call: how many changes, in a table of how many real servers.
const BATCHES: [(usize, u32); 6] = [(0, 10), (1, 10), (1, 100), (1, 1000), (4, 10), (100, 100)];

/// Those that the cost of one more change is found by.
const ONE_OF_100: usize = 2;
const ALL_OF_100: usize = 5;

/// Calls with each batch in a round.
const CALLS: usize = 50;

/// Live instances that memory is divided by: so many, or fewer once they hold this much.
const INSTANCES: usize = 1000;
const INSTANCES_BYTES: f64 = (256_u32 << 20) as f64;

#[derive(Clone, Copy)]
enum Kind {
    Rust,
    Starlark,
    Other(Language),
}

/// A language, and what came of it so far, times in microseconds.
struct Subject {
    language: &'static str,
    goal: f64,
    file: PathBuf,
    component_bytes: usize,
    config_json: String,
    plugin: Plugin,
    policy: Policy,
    compiled: Duration,
    instances: usize,
    instance_bytes: f64,
    calls: [Vec<f64>; BATCHES.len()],
    starts: Vec<f64>,
    loads: Vec<f64>,
}

/// What all are measured with.
struct Rig {
    runtime: Runtime,
    cache: Cache,
    /// What there is to look at, and what is told: real servers go down, and come up again.
    batches: [[(View, Vec<Envelope>); 2]; BATCHES.len()],
}

pub(crate) fn run(bed: &Bed) -> Result<Vec<Outcome>> {
    let rig = Rig {
        runtime: Runtime::for_daemon()?,
        cache: Cache::open(&scratch().join("cache"))?,
        batches: BATCHES.map(|(changes, servers)| batches(changes, servers)),
    };
    let _ticking = Ticking::start(&rig.runtime);
    let (mut subjects, mut outcomes) = (Vec::new(), Vec::new());
    let failed = |language: &str, error: &_| bed.failed(format!("languages, {language}"), error);
    for (language, kind, goal) in LANGUAGES {
        match rig.subject(language, kind, goal) {
            Ok(subject) => subjects.push(subject),
            Err(error) => outcomes.push(failed(language, &error)),
        }
    }
    for _ in 0..bed.rounds(40, 10) {
        subjects.retain_mut(|subject| match rig.measure(subject) {
            Ok(()) => true,
            Err(error) => {
                outcomes.push(failed(subject.language, &error));
                false
            }
        });
    }
    let is_peer = |it: &&Subject| it.language == LANGUAGES[0].0;
    let peer = subjects.first().filter(is_peer).map(|it| it.rows(bed));
    let mut rows: Vec<_> = subjects.iter().map(|it| it.rows(bed).into_iter()).collect();
    // What is to be compared stands together.
    for number in 0..Subject::ROWS {
        for (index, rows) in rows.iter_mut().enumerate() {
            let original = peer.as_ref().filter(|_| index > 0).map(|it| it[number].weir);
            outcomes.extend(rows.next().map(|it| Outcome::Measured(Row { original, ..it })));
        }
    }
    outcomes.push(match runner::run(bed, &rig.runtime) {
        Ok(row) => Outcome::Measured(row),
        Err(error) => failed("the built-in interpreter", &error),
    });
    Ok(outcomes)
}

impl Rig {
    /// Builds and starts it, and sees what its instances hold, before there is anything else.
    fn subject(&self, language: &'static str, kind: Kind, goal: f64) -> Result<Subject> {
        let component = component(kind)?;
        let file = scratch().join(format!("{language}.wasm"));
        fs::write(&file, &component)?;
        let config_json = match kind {
            Kind::Starlark => {
                let script = json!({ "name": "drain.star", "text": SCRIPT });
                json!({ "script": script, "config": {} }).to_string()
            }
            Kind::Rust | Kind::Other(_) => "{}".to_owned(),
        };
        let begin = now();
        let plugin = self.runtime.load(&file, Some(&self.cache))?;
        let compiled = begin.elapsed();
        let begun = || -> Result<Policy> {
            let down = &self.batches[ONE_OF_100][0];
            let mut policy = start(&self.runtime, &plugin, &config_json, &down.0)?;
            let started = Envelope { sequence: 1, at_ns: 1, event: Event::Started };
            policy.handle(down.0.clone(), &[started]).context("the first event")?;
            handle(&mut policy, down).context("the second event")?;
            Ok(policy)
        };
        // What all instances share is paid for by the first, and what a language before this one
        // gave back is none of this one's.
        let policy = begun()?;
        // SAFETY: it takes no pointers.
        unsafe { libc::malloc_trim(0) };
        let before = resident_bytes("self")?;
        let (mut policies, mut held) = (Vec::new(), 0.0);
        while policies.len() < INSTANCES && held < INSTANCES_BYTES {
            policies.push(begun()?);
            held = resident_bytes("self")? - before;
        }
        Ok(Subject {
            language,
            goal,
            file,
            component_bytes: component.len(),
            config_json,
            plugin,
            policy,
            compiled,
            instances: policies.len(),
            instance_bytes: held / policies.len() as f64,
            calls: Default::default(),
            starts: Vec::new(),
            loads: Vec::new(),
        })
    }

    /// One round: a turn of each measurement.
    fn measure(&self, subject: &mut Subject) -> Result<()> {
        for (batches, times) in self.batches.iter().zip(&mut subject.calls) {
            for _ in 0..CALLS {
                let [down, up] = batches;
                // Not both are timed: a median of two kinds would be neither's. To drain is more
                // work than to take it back.
                times.push(microseconds(handle(&mut subject.policy, down)?));
                handle(&mut subject.policy, up)?;
            }
        }
        let (view, _) = &self.batches[0][0];
        let begin = now();
        let started = start(&self.runtime, &subject.plugin, &subject.config_json, view)?;
        subject.starts.push(microseconds(begin.elapsed()));
        drop(started);
        let begin = now();
        let loaded = self.runtime.load(&subject.file, Some(&self.cache))?;
        subject.loads.push(microseconds(begin.elapsed()));
        drop(loaded);
        Ok(())
    }
}

/// How long it takes over a batch, each change of which must have an effect.
fn handle(policy: &mut Policy, (view, batch): &(View, Vec<Envelope>)) -> Result<Duration> {
    let view = view.clone();
    let begin = now();
    let effects = policy.handle(view, batch)?;
    let took = begin.elapsed();
    let (found, expected) = (effects.len(), batch.len());
    ensure!(found == expected, "{found} effects of {expected} changes");
    Ok(took)
}

impl Subject {
    const ROWS: usize = BATCHES.len() + 3;

    fn rows(&self, bed: &Bed) -> [Row; Self::ROWS] {
        let language = self.language;
        let row = |name: &str, what: &str, unit: &str| Row {
            name: format!("languages-{name}-{}", language.to_lowercase()),
            ..bed.row(format!("{what}, {language}"), unit)
        };
        let timed = |name: &str, what: &str, times: &[f64]| Row {
            weir: median(times),
            samples: times.len(),
            note: told(times),
            ..row(name, what, "us")
        };
        let [empty, ten, hundred, thousand, four, all] = &self.calls;
        let more = (BATCHES[ALL_OF_100].0 - BATCHES[ONE_OF_100].0) as f64;
        let loads: Vec<_> = self.loads.iter().map(|it| it / 1e3).collect();
        [
            timed("call", "a call with nothing to tell", empty),
            timed("event-10", "a server down, 10 real servers", ten),
            timed("event-100", "a server down, 100 real servers", hundred),
            timed("event-1000", "a server down, 1,000 real servers", thousand),
            Row {
                goal: Some(Goal::AtMost(self.goal)),
                ..timed("event-four", "four down, so four host calls", four)
            },
            Row {
                weir: (median(all) - median(hundred)) / more,
                samples: all.len(),
                note: format!(
                    "what each of {more:.0} more changes in a call adds, its host call included: \
                     the call of 100 takes {}",
                    told(all)
                ),
                ..row("host-call", "one more down, by one host call", "us")
            },
            timed("instantiate", "an instance, ready", &self.starts),
            Row {
                weir: self.instance_bytes / 1024.0,
                samples: self.instances,
                note: "by resident memory, of live instances that have drained".to_owned(),
                ..row("memory", "memory of an instance", "KiB")
            },
            Row {
                weir: median(&loads),
                goal: Some(Goal::AtMost(LOAD_MS)),
                samples: loads.len(),
                note: format!(
                    "a component of {} KiB, which takes {:.1} s to compile",
                    self.component_bytes >> 10,
                    self.compiled.as_secs_f64()
                ),
                ..row("load", "load of a cached component", "ms")
            },
        ]
    }
}

/// What a median leaves out.
fn told(times: &[f64]) -> String {
    let (least, middle) = (percentile(times, 0), median(times));
    let most = percentile(times, 99);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    format!("{middle:.1} us, mean {mean:.1}, least {least:.1}, p99 {most:.1}")
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn component(kind: Kind) -> Result<Vec<u8>> {
    match kind {
        Kind::Rust => Ok(HEALTH_WEIGHT.to_vec()),
        Kind::Starlark => Ok(INTERPRETER.to_vec()),
        Kind::Other(language) => {
            let file = weir_languages::example(language, "drain");
            let folder = scratch().join(language.name());
            weir_languages::component(language, "policy", &file, &folder)
        }
    }
}

/// So many real servers of a table of so many go down, and come up again.
fn batches(changes: usize, servers: u32) -> [(View, Vec<Envelope>); 2] {
    let up = world(servers);
    let keys: Vec<_> = up.health.keys().copied().take(changes).collect();
    let told = |after| {
        let events = (1..).zip(&keys).map(|(number, key)| change(key, after, number));
        events.collect::<Vec<_>>()
    };
    let mut down = up.clone();
    for key in &keys {
        let reason = "refused".to_owned();
        let lease = Duration::from_secs(60);
        down.held.push(Statement { key: *key, intent: Intent::Drain, lease, reason });
    }
    [(up, told(HealthStatus::Down)), (down, told(HealthStatus::Up))]
}
