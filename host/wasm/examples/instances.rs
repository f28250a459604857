//! How much memory live policies take: starts many, has each handle one event, and says
//! what the process grew by.
//!
//! `cargo run --release -p weir-wasm --example instances -- GUEST.wasm [COUNT]`. Fails if
//! 10,000 of them would not fit into 1 GiB.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use weir_ipvs::Snapshot;
use weir_wasm::{
    Birth, Envelope, Event, Limits, PolicyGrant, Runtime, Services, Settings, Table, View,
};

/// Bytes each may take, for 10,000 to fit into 1 GiB.
const BYTES_MAX: usize = (1 << 30) / 10_000;

fn main() -> io::Result<ExitCode> {
    let path = std::env::args().nth(1).expect("usage: instances GUEST.wasm [COUNT]");
    let count = std::env::args().nth(2).map_or(10_000, |text| text.parse().expect("a number"));
    let runtime = Runtime::for_daemon().expect("the engine starts");
    let plugin = runtime.load(Path::new(&path), None).expect("the guest loads");
    let view = View {
        table: Arc::new(Table::new(Snapshot::default(), 0)),
        health: Arc::new(BTreeMap::new()),
        held: Vec::new(),
        state: Arc::default(),
        wall_ns: 0,
        monotonic_ns: 0,
        ..View::default()
    };
    let event = [Envelope { sequence: 1, at_ns: 0, event: Event::Started }];
    let before = resident_bytes()?;
    let begin = now();
    let mut policies = Vec::with_capacity(count);
    for number in 0..count {
        let settings = Settings {
            instance: format!("policy-{number}"),
            config_json: "{}".to_owned(),
            grant: PolicyGrant { services: Services::All, ..PolicyGrant::default() },
            limits: Limits { cpu: Duration::from_secs(10), ..Limits::for_policy() },
            log: Arc::new(|_| {}),
        };
        let started = runtime.start_policy(&plugin, settings, Birth::Fresh, view.clone());
        let (mut policy, _) = started.expect("the guest starts");
        policy.handle(view.clone(), &event).expect("the guest handles an event");
        policies.push(policy);
    }
    let time = begin.elapsed();
    let each = resident_bytes()?.saturating_sub(before) / count.max(1);
    let mut out = io::stdout().lock();
    writeln!(out, "{count} instances, {:.1} KiB each, {time:?}", each as f64 / 1024.0)?;
    Ok(if each <= BYTES_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `VmRSS` of this process.
fn resident_bytes() -> io::Result<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes
        .map(|kilobytes: usize| kilobytes << 10)
        .ok_or_else(|| io::Error::other("/proc/self/status has no VmRSS"))
}

#[expect(clippy::disallowed_methods, reason = "a measurement owns its clock")]
fn now() -> Instant {
    Instant::now()
}
