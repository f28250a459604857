//! The fake host shows what the test says, and changes are as the real one writes them.

use super::*;
use crate::guard::{RealServerKey, clock, deny, health, settings, table};

const WEB: &str = "tcp 192.0.2.1:80";

fn host() -> Host {
    Host::new().with_service(WEB, &[("10.0.0.1:80", 100), ("10.0.0.2:80", 50)])
}

fn weights(review: &Review) -> Vec<Vec<u32>> {
    let services = review.outcome.iter();
    services.map(|it| it.real_servers.iter().map(|it| it.weight).collect()).collect()
}

#[test]
fn a_change_is_of_the_services_that_it_touches() {
    let _host =
        host().with_service("fwmark 7", &[("10.0.0.3:80", 1)]).with_service("fwmark 8", &[]);
    let both = changed(&[("10.0.0.2:80", 0), ("10.0.0.3:80", 5), ("10.0.0.1:80", 7)]);
    assert_eq!(weights(&both), [vec![7, 0], vec![5]]);
    assert_eq!(both.operations.len(), 3);
    assert!(matches!(&both.operations[0], Operation::EditServer(it) if it.config.weight == 0));
    let gone = removed(&["10.0.0.1:80"]);
    assert_eq!(weights(&gone), [[50]]);
    assert!(matches!(&gone.operations[..], [Operation::DeleteServer(_)]));
}

#[test]
fn a_guard_sees_what_the_test_says() {
    let host = host().with_settings("[7]").with_name(WEB, "web").with_utc_offset(3600);
    host.set_connections("10.0.0.1:80", 3, 4);
    host.set_health("10.0.0.2:80", HealthStatus::Down);
    host.set_latency("10.0.0.2:80", Duration::from_millis(2));
    host.pass(Duration::from_secs(1));
    let judge = |review: &Review| {
        assert_eq!(settings::<[u32; 1]>(), Ok([7]));
        let key = review.outcome[0].config.key;
        assert_eq!(table::name(key).as_deref(), Some("web"));
        let snapshot = table::current();
        let servers = snapshot.real_servers(snapshot.find(key).unwrap());
        assert_eq!((servers[0].active, servers[0].inactive, servers[0].config.weight), (3, 4, 100));
        let second = RealServerKey { service: key, server: servers[1].config.server };
        let report = health::current(&[second])[0];
        assert_eq!((report.status, report.since), (HealthStatus::Down, 1000));
        assert_eq!(report.latency, Some(2_000_000));
        assert_eq!((clock::monotonic(), clock::utc_offset()), (1_000_000_000, 3600));
        log::write(log::Level::Warn, "seen", &[]);
        deny("no", second.to_string())
    };
    let verdict = host.judge(judge, &changed(&[("10.0.0.1:80", 0)]));
    assert_eq!(verdict, deny("no", "10.0.0.2:80"));
    assert_eq!(host.logged(), ["warn: seen"]);
}

#[test]
#[should_panic(expected = "no real server 10.0.0.9:80")]
fn what_is_not_there_is_not_changed() {
    let _host = host();
    changed(&[("10.0.0.9:80", 0)]);
}

#[test]
#[should_panic(expected = "no host: make a weir_sdk::guard::fake::Host first")]
fn without_a_host_that_is_said() {
    drop(host());
    table::current();
}

/// A guard that compiles natively compiles for Wasm, too: both of each have one type.
#[test]
fn functions_are_called_as_the_bindings_are() {
    use crate::guard::{
        config,
        weir::{host, ipvs, plugin},
    };

    let _ = [clock::wall, host::clock::wall, clock::monotonic, host::clock::monotonic];
    let _ = [clock::utc_offset, host::clock::utc_offset];
    let _ = [config::get, host::config::get];
    let _ = [log::write, host::log::write];
    let _ = [health::current, plugin::health::current];
    let _ = [table::generation, ipvs::table::generation];
    let _ = [table::name, ipvs::table::name];
    let _ = [table::schedulers, ipvs::table::schedulers];
    let _ = [table::totals, ipvs::table::totals];
    let _ = [table::timeouts, ipvs::table::timeouts];
    let _ = [table::daemons, ipvs::table::daemons];
}
