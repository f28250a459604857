//! How long a policy takes to load, to start, and to handle an event: the best of many
//! runs.
//!
//! `cargo run --release -p weir-wasm --example policy -- GUEST.wasm [SCRIPT]`. The event is
//! a real server going down and up again, in a table of two services; a script goes to the
//! guest as `weir run` hands it over.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_ipvs::{
    Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service, ServiceKey,
    ServiceStatus, Snapshot, Stats, TableEntry,
};
use weir_wasm::{
    Birth, Builtin, Envelope, Event, HealthChange, HealthReport, HealthStatus, Limits, Metering,
    PageAligned, PolicyGrant, Runtime, Services, Settings, Table, View, World, precompile,
};

/// Batches that are timed, each of this many events.
const BATCHES: u32 = 200;
const EVENTS: u32 = 100;

/// Times it is loaded and started.
const STARTS: u32 = 50;

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).expect("usage: policy GUEST.wasm [SCRIPT]");
    let script = std::env::args().nth(2).map(fs::read_to_string).transpose()?;
    let config_json = script.map_or_else(
        || "{}".to_owned(),
        |text| {
            format!("{{\"script\":{{\"name\":\"policy.star\",\"text\":{text:?}}},\"config\":{{}}}}")
        },
    );
    let target = if cfg!(target_arch = "aarch64") {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    };
    let begin = now();
    let code = precompile(&fs::read(path)?, target, Metering::Time).expect("the guest compiles");
    let compiled = begin.elapsed();
    let size = code.len();
    // SAFETY: this is what `precompile` just returned.
    let builtin = unsafe { Builtin::embedded("guest", &[World::Policy], in_pages(&code)) };

    let runtime = Runtime::for_daemon().expect("the engine starts");
    let view = view();
    let start = || {
        let begin = now();
        let plugin = runtime.builtin(&builtin, None).expect("the code fits");
        let loaded = begin.elapsed();
        let settings = settings(&config_json);
        let started = runtime.start_policy(&plugin, settings, Birth::Fresh, view.clone());
        let (policy, _) = started.expect("the guest starts");
        (loaded, begin.elapsed() - loaded, policy)
    };
    let (mut load, mut init) = (Duration::MAX, Duration::MAX);
    for _ in 0..STARTS {
        let (loaded, started, _) = start();
        (load, init) = (load.min(loaded), init.min(started));
    }
    let (_, _, mut policy) = start();
    let events = [change(HealthStatus::Down), change(HealthStatus::Up)];
    let mut each = Duration::MAX;
    for _ in 0..BATCHES {
        let begin = now();
        for round in 0..EVENTS {
            let event = &events[usize::from(round % 2 == 1)];
            let handled = policy.handle(view.clone(), std::slice::from_ref(event));
            handled.expect("the guest handles an event");
        }
        each = each.min(begin.elapsed() / EVENTS);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "code {size} bytes, compiled in {compiled:.1?}")?;
    writeln!(out, "load {load:.1?}, start {init:.1?}, event {each:.2?}")
}

/// The code as an executable has it: where whole pages can be made executable.
fn in_pages(code: &[u8]) -> &'static [u8] {
    const PAGE: usize = align_of::<PageAligned<()>>();
    let pages: Vec<_> = code.chunks(PAGE).map(|_| PageAligned([0; PAGE])).collect();
    let pages = pages.leak();
    // SAFETY: pages are bytes, as many as are taken, and nobody else has them.
    let bytes = unsafe { std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), code.len()) };
    bytes.copy_from_slice(code);
    bytes
}

fn settings(config_json: &str) -> Settings {
    Settings {
        instance: "policy".to_owned(),
        config_json: config_json.to_owned(),
        grant: PolicyGrant {
            services: Services::All,
            base: None,
            scale: Some(1..=1_000_000),
            floor: Some(u32::MAX),
            cap: true,
            drain: true,
            state_bytes: 1 << 20,
            lease: Duration::from_secs(60),
            ..PolicyGrant::default()
        },
        limits: Limits { cpu: Duration::from_secs(10), ..Limits::for_policy() },
        log: Arc::new(|_| {}),
    }
}

fn service(text: &str) -> ServiceKey {
    (Protocol::Tcp, text.parse().expect("an endpoint")).into()
}

/// Two services of eight real servers.
fn view() -> View {
    let server = |number: u8| RealServerStatus {
        config: RealServer::new(
            weir_ipvs::Endpoint::new([10, 0, 0, number], 80),
            Forwarding::Masquerade,
            10,
        ),
        active: 7,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    };
    let entry = |text| TableEntry {
        service: ServiceStatus {
            config: Service::new(service(text), "wrr"),
            stats: Stats::default(),
        },
        servers: (1..=8).map(server).collect(),
    };
    let snapshot = Snapshot { entries: vec![entry("192.0.2.1:80"), entry("192.0.2.2:80")] };
    let report = HealthReport {
        status: HealthStatus::Up,
        since: Duration::from_secs(1),
        ..HealthReport::default()
    };
    View {
        table: Arc::new(Table::new(snapshot, 0)),
        health: Arc::new(BTreeMap::from([(key(), report)])),
        held: Vec::new(),
        state: Arc::default(),
        wall_ns: 0,
        monotonic_ns: 0,
        ..View::default()
    }
}

fn key() -> RealServerKey {
    let server = weir_ipvs::Endpoint::new([10, 0, 0, 1], 80);
    RealServerKey { service: service("192.0.2.1:80"), server }
}

fn change(after: HealthStatus) -> Envelope {
    let change = HealthChange {
        server: key(),
        detail: "connection refused".to_owned(),
        before: HealthStatus::Unknown,
        after,
        lasted: Duration::from_secs(1),
    };
    Envelope { sequence: 1, at_ns: 0, event: Event::Health(change) }
}

#[expect(clippy::disallowed_methods, reason = "a measurement owns its clock")]
fn now() -> Instant {
    Instant::now()
}
