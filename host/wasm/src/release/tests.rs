//! Plugins of several releases, as `tests/compat` has them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use weir_ipvs::{
    Forwarding, Protocol, RealServer, RealServerKey, RealServerStatus, Service, ServiceKey,
    ServiceStatus, Snapshot, Stats, TableEntry,
};

use crate::{
    Birth, Effect, Envelope, Event, HealthChange, HealthStatus, Intent, Limits, Policy,
    PolicyGrant, Runtime, Services, Settings, Statement, Table, View,
};

fn corpus(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat").join(file)
}

/// The policy in `file`, started, and whether it asks for health.
fn start(runtime: &Runtime, file: &str) -> (Policy, bool) {
    let plugin = runtime.load(&corpus(file), None).unwrap();
    let settings = Settings {
        instance: "test".to_owned(),
        config_json: "{}".to_owned(),
        grant: PolicyGrant {
            services: Services::All,
            scale: Some(600..=1000),
            drain: true,
            lease: LEASE,
            ..PolicyGrant::default()
        },
        limits: Limits { cpu: Duration::from_secs(60), wall: None, ..Limits::for_policy() },
        log: Arc::new(|_| {}),
    };
    let (policy, subscription) =
        runtime.start_policy(&plugin, settings, Birth::Fresh, view()).unwrap();
    (policy, subscription.health)
}

const LEASE: Duration = Duration::from_secs(60);

fn key() -> RealServerKey {
    let service = ServiceKey::from((Protocol::Tcp, "192.0.2.1:80".parse().unwrap()));
    RealServerKey { service, server: "10.0.0.1:80".parse().unwrap() }
}

fn view() -> View {
    let config = Service::new(key().service, "wrr");
    let service = ServiceStatus { config, stats: Stats::default() };
    let server = RealServerStatus {
        config: RealServer::new(key().server, Forwarding::Masquerade, 1),
        active: 0,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    };
    let entries = vec![TableEntry { service, servers: vec![server] }];
    let mut table = Table::new(Snapshot { entries }, 0);
    table.names.insert(key().service, "web".to_owned());
    View { table: Arc::new(table), ..View::default() }
}

fn changed(after: HealthStatus) -> [Envelope; 1] {
    let change = HealthChange {
        server: key(),
        detail: "refused".to_owned(),
        before: HealthStatus::Unknown,
        after,
        lasted: Duration::ZERO,
    };
    [Envelope { sequence: 1, at_ns: 1, event: Event::Health(change) }]
}

fn says(intent: Intent) -> Vec<Effect> {
    let reason = "refused".to_owned();
    vec![Effect::Publish(Statement { key: key(), intent, lease: LEASE, reason })]
}

#[test]
fn a_plugin_of_0_1_and_one_of_0_2_are_served_side_by_side() {
    let runtime = Runtime::for_daemon().unwrap();
    let (mut old, old_hears) = start(&runtime, "0.1/policy_drains.wasm");
    let (mut new, new_hears) = start(&runtime, "0.2/policy_0_2.wasm");
    assert!(old_hears && new_hears);
    for policy in [&mut old, &mut new] {
        let down = policy.handle(view(), &changed(HealthStatus::Down)).unwrap();
        assert_eq!(down, says(Intent::Drain));
    }
    let up = changed(HealthStatus::Up);
    assert_eq!(old.handle(view(), &up).unwrap(), [], "it holds nothing to take back");
    // Half, which the grant does not go down to.
    assert_eq!(new.handle(view(), &up).unwrap(), says(Intent::Scale(600)));
}

#[test]
fn what_a_plugin_exports_is_of_one_release() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mixed.wasm");
    let mut bytes = fs::read(corpus("0.1/roles_both.wasm")).unwrap();
    let guarding = b"weir:plugin/guarding@0.1.0";
    for start in 0..bytes.len() - guarding.len() {
        if bytes[start..].starts_with(guarding) {
            bytes[start + guarding.len() - 3] = b'2';
        }
    }
    fs::write(&path, bytes).unwrap();
    let error = Runtime::for_daemon().unwrap().load(&path, None).err().unwrap();
    assert_eq!(
        error.to_string(),
        "load mixed: it is a policy (weir:plugin/reactor@0.1.0) and a guard \
         (weir:plugin/guarding@0.2.0) in one; all that a plugin exports is of one release"
    );
}
