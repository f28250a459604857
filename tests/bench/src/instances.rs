//! How many instances of a policy live in a gibibyte.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use weir_ipvs::{
    Endpoint, Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service,
    ServiceKey, ServiceStatus, Snapshot, Stats, TableEntry,
};
use weir_wasm::{
    Birth, Builtin, Envelope, Event, HealthChange, HealthReport, HealthStatus, Limits, Plugin,
    Policy, PolicyGrant, Runtime, Services, Settings, Table, View, World,
};

use crate::{
    bed::Bed,
    daemon::resident_bytes,
    edits::{server_address, service_address},
    row::{Goal, Row},
    sample::now,
};

/// As many as the goal asks for, all alive at once.
const INSTANCES: u32 = 10_000;

const GIBIBYTE: f64 = (1_u64 << 30) as f64;

static HEALTH_WEIGHT: Builtin =
    weir_wasm::builtin!("health-weight", &[World::Policy], "health-weight.cwasm");

pub(crate) fn run(bed: &Bed) -> Result<Row> {
    let runtime = Runtime::for_daemon()?;
    let plugin = runtime.builtin(&HEALTH_WEIGHT, None)?;
    let view = world(10);
    let key = *view.health.keys().next().context("the world is empty")?;
    let mut policies = Vec::with_capacity(INSTANCES as usize);
    // What all instances share is paid for by the first.
    let mut first = start(&runtime, &plugin, "{}", &view)?;
    drains(&mut first, &key, &view, 1)?;
    policies.push(first);
    let before = resident_bytes("self")?;
    let begin = now();
    for _ in 1..INSTANCES {
        let mut policy = start(&runtime, &plugin, "{}", &view)?;
        drains(&mut policy, &key, &view, 1)?;
        policies.push(policy);
    }
    let took = begin.elapsed();
    // All are alive: each still answers.
    for policy in &mut policies {
        drains(policy, &key, &view, 2)?;
    }
    let each = (resident_bytes("self")? - before) / f64::from(INSTANCES - 1);
    Ok(Row {
        weir: GIBIBYTE / each,
        goal: Some(Goal::AtLeast(10_000.0)),
        samples: INSTANCES as usize,
        note: format!(
            "by resident memory: {:.1} KiB each of {INSTANCES} live instances of health-weight \
             that have drained a server twice; started and called in {:.0} us each",
            each / 1024.0,
            took.as_secs_f64() * 1e6 / f64::from(INSTANCES - 1)
        ),
        ..bed.row("live plugin instances in 1 GiB", "instances")
    })
}

/// Starts it as the daemon does, with the limits of those whose operator names none.
pub(crate) fn start(
    runtime: &Runtime,
    plugin: &Plugin,
    config_json: &str,
    view: &View,
) -> Result<Policy> {
    let grant = PolicyGrant {
        services: Services::All,
        drain: true,
        lease: Duration::from_secs(60),
        ..PolicyGrant::default()
    };
    let settings = Settings {
        instance: "policy".to_owned(),
        config_json: config_json.to_owned(),
        grant,
        limits: Limits::for_policy(),
        log: Arc::new(|_| {}),
    };
    Ok(runtime.start_policy(plugin, settings, Birth::Fresh, view.clone())?.0)
}

/// Has the policy drain a real server, and sees that it does.
fn drains(policy: &mut Policy, key: &RealServerKey, view: &View, sequence: u64) -> Result<()> {
    let effects = policy.handle(view.clone(), &[change(key, HealthStatus::Down, sequence)])?;
    ensure!(effects.len() == 1, "the policy wants {} effects, not one", effects.len());
    Ok(())
}

/// That this real server became what it is now, `after`.
pub(crate) fn change(key: &RealServerKey, after: HealthStatus, sequence: u64) -> Envelope {
    let change = HealthChange {
        server: *key,
        detail: "refused".to_owned(),
        before: if after == HealthStatus::Up { HealthStatus::Down } else { HealthStatus::Up },
        after,
        lasted: Duration::from_secs(1),
    };
    Envelope { sequence, at_ns: 1, event: Event::Health(change) }
}

/// One service with so many real servers, all of them up.
pub(crate) fn world(servers: u32) -> View {
    let service = ServiceKey::from((Protocol::Tcp, service_address(0).into(), 80));
    let servers: Vec<_> = (0..servers)
        .map(|number| {
            let endpoint = Endpoint::new(server_address(0, number), 8080);
            RealServerStatus {
                config: RealServer::new(endpoint, Forwarding::Masquerade, 1),
                active: 0,
                inactive: 0,
                persistent: 0,
                stats: Stats::default(),
            }
        })
        .collect();
    let report = HealthReport {
        status: HealthStatus::Up,
        since: Duration::from_secs(1),
        ..HealthReport::default()
    };
    let key = |it: &RealServerStatus| RealServerKey { service, server: it.config.endpoint };
    let health: BTreeMap<_, _> = servers.iter().map(|it| (key(it), report.clone())).collect();
    let entry = TableEntry {
        service: ServiceStatus { config: Service::new(service, "wrr"), stats: Stats::default() },
        servers,
    };
    View {
        table: Arc::new(Table::new(Snapshot { entries: vec![entry] }, 1)),
        health: Arc::new(health),
        held: Vec::new(),
        state: Arc::default(),
        wall_ns: 1_000_000_000,
        // Go's runtime refuses a clock that stands at zero.
        monotonic_ns: 1_000_000_000,
        changes_left: None,
        ..View::default()
    }
}
