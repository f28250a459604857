//! Tables: edits, the trash and what comes back from it. What is refused, and with which
//! errno, is proven by recorded exchanges (`tests/tests/vectors.rs`).

use std::time::Duration;

use weir_ipvs::{Change, Fields, Ipvs, Protocol, RealServer, Scope, Service, ServiceKey, Stats};

use super::*;
use crate::{
    Interface, Machine, Packet, Settings,
    testing::{endpoint, key, packet, server},
};

const VIP: &str = "192.0.2.1:80";
const ONE: &str = "10.0.0.1:8080";
const TWO: &str = "10.0.0.2:8080";

fn web() -> ServiceKey {
    key("tcp 192.0.2.1:80")
}

fn core() -> Embedded {
    Embedded::with(Service::new(web(), "rr"), &[server(ONE, 1), server(TWO, 1)])
}

/// Connections of these clients.
fn connect(core: &mut Embedded, clients: std::ops::Range<u16>) -> Vec<String> {
    let mut connect = |client| {
        let source = format!("198.51.100.7:{}", 4000 + client);
        core.send(&packet(&source, VIP, "syn"))
    };
    clients.map(&mut connect).collect()
}

fn keys(core: &mut Embedded) -> Vec<String> {
    let snapshot = core.read(Scope::All, Fields::CONFIG).unwrap();
    snapshot.entries.iter().map(|entry| entry.service.config.key.to_string()).collect()
}

#[test]
fn services_are_listed_by_key_and_those_by_mark_last() {
    let mut core = Embedded::new(Settings::default());
    for text in
        ["fwmark6 1", "udp 192.0.2.1:53", "fwmark 1", "tcp [2001:db8::1]:80", "tcp 192.0.2.1:80"]
    {
        core.make(Change::AddService(Service::new(key(text), "rr"))).unwrap();
    }
    assert_eq!(
        keys(&mut core),
        [
            "tcp 192.0.2.1:80",
            "tcp [2001:db8::1]:80",
            "udp 192.0.2.1:53",
            "fwmark 1",
            "fwmark 1 IPv6"
        ]
    );
}

#[test]
fn a_mark_of_zero_is_a_service_by_address() {
    let mut core = Embedded::new(Settings::default());
    core.make(Change::AddService(Service::new(key("fwmark 0"), "rr"))).unwrap();
    assert_eq!(keys(&mut core), ["tcp 0.0.0.0:0"]);
    let again =
        ServiceKey::Address { protocol: Protocol::Other(6), endpoint: endpoint("0.0.0.0:0") };
    let result = core.make(Change::AddService(Service::new(again, "rr")));
    assert_eq!(result, Err(Error::ServiceExists));
    assert_eq!(core.make(Change::DeleteService(key("fwmark 0"))), Ok(()));
}

#[test]
fn numbers_with_a_name_are_seen_as_what_they_name() {
    let mut core = core();
    let tunnel = Tunnel { kind: TunnelKind::Other(1), ..Tunnel::default() };
    let gue = RealServer { forwarding: Forwarding::Other(2), tunnel, ..server("10.0.0.3:80", 1) };
    assert_eq!(core.make(Change::AddServer(web(), gue)), Err(EINVAL), "it lacks its port");
    let gue = RealServer { tunnel: Tunnel { port: 6080, ..tunnel }, ..gue };
    core.make(Change::AddServer(web(), gue)).unwrap();
    let found = core.status(web(), "10.0.0.3:80").config;
    assert_eq!((found.forwarding, found.tunnel.kind), (Forwarding::Tunnel, TunnelKind::Gue));
}

#[test]
fn real_servers_are_listed_newest_first() {
    let mut core = core();
    core.make(Change::AddServer(web(), server("10.0.0.3:80", 1))).unwrap();
    core.make(Change::EditServer(web(), server(TWO, 5))).unwrap();
    let snapshot = core.read(Scope::One(web()), Fields::ALL).unwrap();
    let listed: Vec<_> =
        snapshot.entries[0].servers.iter().map(|it| it.config.endpoint.to_string()).collect();
    assert_eq!(listed, ["10.0.0.3:80", ONE, TWO]);
}

#[test]
fn the_same_scheduler_keeps_its_position_and_another_begins_anew() {
    let mut core = core();
    assert_eq!(connect(&mut core, 1..2), [ONE]);
    core.make(Change::EditService(Service::new(web(), "rr"))).unwrap();
    assert_eq!(connect(&mut core, 2..3), [TWO]);
    assert_eq!(connect(&mut core, 3..4), [ONE]);
    core.make(Change::EditService(Service::new(web(), "none"))).unwrap();
    assert_eq!(connect(&mut core, 4..5), ["refuse"]);
    core.make(Change::EditService(Service::new(web(), "rr"))).unwrap();
    assert_eq!(connect(&mut core, 5..6), [ONE]);
}

#[test]
fn a_scheduler_that_refuses_to_start_leaves_the_old_one_at_work() {
    let mut core = core();
    for number in 0..4094_u16 {
        let [high, low] = number.to_be_bytes();
        let endpoint = weir_ipvs::Endpoint::new([10, 1, high, low], 80);
        let server = RealServer::new(endpoint, Forwarding::Masquerade, 0);
        core.make(Change::AddServer(web(), server)).unwrap();
    }
    assert_eq!(core.make(Change::EditService(Service::new(web(), "mh"))), Err(EINVAL));
    let snapshot = core.read(Scope::One(web()), Fields::ALL).unwrap();
    assert_eq!(snapshot.entries[0].service.config.scheduler, "rr");
    assert_eq!(connect(&mut core, 0..3), [ONE, TWO, ONE]);
}

#[test]
fn an_edit_replaces_all_but_the_key() {
    let settings = Settings { engines: vec!["sip".to_owned()], ..Settings::default() };
    let first = Service {
        engine: Some("sip".to_owned()),
        persistence: Some(60),
        ..Service::new(web(), "rr")
    };
    let mut core = Embedded::with_settings(settings, first, &[]);
    let second = Service { netmask: 0, ..Service::new(web(), "none") };
    core.make(Change::EditService(second.clone())).unwrap();
    let snapshot = core.read(Scope::One(web()), Fields::ALL).unwrap();
    assert_eq!(snapshot.entries[0].service.config, second);
}

/// A real server with this limit and four connections.
fn limited(generation: Generation, upper_threshold: u32) -> Embedded {
    let settings = Settings { generation, ..Settings::default() };
    let limited = RealServer { upper_threshold, ..server(ONE, 1) };
    let mut core = Embedded::with_settings(settings, Service::new(web(), "rr"), &[limited]);
    connect(&mut core, 0..4);
    core
}

#[test]
fn the_fifth_connection_is_refused_until_two_are_gone() {
    for generation in [Generation::Older, Generation::Newer] {
        let mut core = limited(generation, 4);
        assert_eq!(connect(&mut core, 4..5), ["refuse"]);
        let end = |core: &mut Embedded, source| {
            core.receive(&packet(source, VIP, "ack"));
            core.receive(&packet(source, VIP, "rst"));
            core.wait(10);
        };
        end(&mut core, "198.51.100.7:4000");
        assert_eq!(core.counts(web(), ONE), (3, 0, 0));
        assert_eq!(connect(&mut core, 4..5), ["refuse"], "one is gone");
        end(&mut core, "198.51.100.7:4001");
        assert_eq!(connect(&mut core, 4..7), [ONE, ONE, "refuse"], "two are gone");
    }
}

#[test]
fn a_limit_set_below_the_count_holds_at_once_or_from_the_next_connection_on() {
    let lowered = RealServer { upper_threshold: 2, ..server(ONE, 1) };
    let mut core = limited(Generation::Older, 9);
    core.make(Change::EditServer(web(), lowered)).unwrap();
    assert_eq!(connect(&mut core, 4..6), [ONE, "refuse"]);
    let mut core = limited(Generation::Newer, 9);
    core.make(Change::EditServer(web(), lowered)).unwrap();
    assert_eq!(connect(&mut core, 4..6), ["refuse", "refuse"]);
    let raised = RealServer { upper_threshold: 6, ..lowered };
    core.make(Change::EditServer(web(), raised)).unwrap();
    assert_eq!(connect(&mut core, 6..9), [ONE, ONE, "refuse"]);
}

#[test]
fn a_deleted_server_comes_back_as_it_went() {
    let mut core = core();
    connect(&mut core, 0..4);
    let limited = RealServer { upper_threshold: 2, ..server(ONE, 1) };
    core.make(Change::EditServer(web(), limited)).unwrap();
    core.wait(2);
    core.delete(web(), ONE);
    assert_eq!(connect(&mut core, 4..6), [TWO, TWO]);
    core.make(Change::AddServer(web(), limited)).unwrap();
    let back = core.status(web(), ONE);
    assert_eq!((back.active, back.stats.total.connections), (2, 2));
    assert_eq!(connect(&mut core, 6..8), [TWO, TWO], "overloaded, as it was");
}

#[test]
fn a_service_made_anew_gets_its_servers_back_but_not_their_traffic() {
    let mut core = core();
    connect(&mut core, 0..2);
    core.wait(2);
    core.make(Change::DeleteService(web())).unwrap();
    core.make(Change::AddService(Service::new(web(), "rr"))).unwrap();
    assert_eq!(connect(&mut core, 0..1), ["drop"], "its connection waits for it");
    core.make(Change::AddServer(web(), server(ONE, 1))).unwrap();
    let back = core.status(web(), ONE);
    assert_eq!((back.active, back.stats), (1, Stats::default()));
    assert_eq!(connect(&mut core, 0..1), [ONE], "its connection goes on");
}

#[test]
fn servers_of_one_mark_come_back_to_either_family() {
    let mut core = Embedded::new(Settings::default());
    for text in ["fwmark 1", "fwmark6 1"] {
        core.make(Change::AddService(Service::new(key(text), "rr"))).unwrap();
    }
    let tunnelled = RealServer { forwarding: Forwarding::Tunnel, ..server(ONE, 1) };
    core.make(Change::AddServer(key("fwmark 1"), tunnelled)).unwrap();
    core.receive(&Packet { mark: 1, ..packet("198.51.100.7:1", VIP, "syn") });
    core.delete(key("fwmark 1"), ONE);
    core.make(Change::AddServer(key("fwmark6 1"), tunnelled)).unwrap();
    assert_eq!(core.counts(key("fwmark6 1"), ONE), (1, 0, 0));
}

#[test]
fn an_idle_server_leaves_the_trash_after_two_to_three_minutes() {
    let mut core = core();
    core.delete(web(), ONE);
    // The sweep at 60 s finds it idle, that at 120 s is too early, that at 180 s frees it.
    core.wait(179);
    assert!(core.trash.deadline().is_some());
    core.wait(1);
    assert_eq!(core.trash.deadline(), None);
    assert_eq!(core.next_deadline(), None);
}

#[test]
fn a_server_with_connections_leaves_the_trash_after_them() {
    let mut core = core();
    connect(&mut core, 0..1);
    core.delete(web(), ONE);
    // The connection ends at 60 s, before the sweep looks.
    core.wait(179);
    core.make(Change::AddServer(web(), server(ONE, 1))).unwrap();
    assert_eq!(core.counts(web(), ONE), (0, 0, 0));
    core.delete(web(), ONE);
    core.make(Change::DeleteService(web())).unwrap();
    core.wait(600);
    assert_eq!(core.trash.deadline(), None);
    let connection = core.servers.insert(Server::new(server(ONE, 1), ServiceId::NONE));
    assert!(connection.0 < 2, "ids are used again");
}

#[test]
fn a_server_that_its_scheduler_remembers_leaves_the_trash_after_a_day() {
    let mut core = Embedded::with(Service::new(web(), "lblc"), &[server(ONE, 1)]);
    assert_eq!(connect(&mut core, 0..1), [ONE]);
    core.delete(web(), ONE);
    core.wait(86_400);
    assert!(core.trash.deadline().is_some());
    core.wait(120);
    assert_eq!(core.trash.deadline(), None);
}

#[test]
fn what_comes_back_is_not_asked_for_its_address() {
    let mut core = core();
    let broadcast = server("10.0.0.3:80", 1);
    core.make(Change::AddServer(web(), broadcast)).unwrap();
    core.delete(web(), "10.0.0.3:80");
    core.set_machine(Machine {
        interfaces: vec![Interface {
            name: b"eth0".to_vec(),
            mtu: 1500,
            addresses: vec![("10.0.0.1".parse().unwrap(), 30)],
            multicast_routes: Vec::new(),
        }],
    });
    let other = server("10.0.0.3:81", 1);
    assert_eq!(core.make(Change::AddServer(web(), other)), Err(EINVAL));
    assert_eq!(core.make(Change::AddServer(web(), broadcast)), Ok(()));
}

#[test]
fn zeroing_is_of_a_service_or_of_all() {
    let mut core = core();
    connect(&mut core, 0..4);
    core.wait(2);
    assert_eq!(core.totals.stats().total.connections, 4);
    core.make(Change::Zero(Some(web()))).unwrap();
    assert_eq!(core.status(web(), ONE).stats, Stats::default());
    assert_eq!(core.totals.stats().total.connections, 4);
    core.make(Change::Zero(None)).unwrap();
    assert_eq!(core.totals.stats(), Stats::default());
}

#[test]
fn traffic_is_shown_as_last_sampled() {
    let mut core = core();
    connect(&mut core, 0..2);
    core.advance(Duration::from_millis(1999));
    assert_eq!(core.totals.stats(), Stats::default());
    core.advance(Duration::from_millis(2000));
    assert_eq!(core.totals.stats().total.connections, 2);
    core.settings_mut().sysctls.run_estimation = false;
    connect(&mut core, 2..42);
    core.wait(20);
    assert_eq!(core.totals.stats().total.connections, 2, "frozen");
    core.settings_mut().sysctls.run_estimation = true;
    core.wait(2);
    assert_eq!(core.totals.stats().total.connections, 42);
    assert_eq!(core.totals.stats().per_second.connections, 5, "one burst");
}
