//! Walks of connections, as they were measured on Linux 6.1.

use std::time::Duration;

use weir_ipvs::{Change, Forwarding, RealServer, Service, ServiceFlags, Timeouts};

use super::*;
use crate::{
    Settings, Sysctls,
    testing::{endpoint, key, packet, server, words},
};

const WEB: &str = "tcp 192.0.2.1:80";
const VIP: &str = "192.0.2.1:80";
const CLIENT: &str = "198.51.100.7:4000";
const ONE: &str = "10.0.0.1:8080";
const TWO: &str = "10.0.0.2:8080";

fn web() -> Embedded {
    Embedded::with(Service::new(key(WEB), "rr"), &[server(ONE, 1), server(TWO, 1)])
}

fn web_with(sysctls: Sysctls) -> Embedded {
    let settings = Settings { sysctls, ..Settings::default() };
    let service = Service::new(key(WEB), "rr");
    Embedded::with_settings(settings, service, &[server(ONE, 1), server(TWO, 1)])
}

fn syn() -> Packet {
    packet(CLIENT, VIP, "syn")
}

/// Walks one connection through packets, `>` from and `<` to the client, and returns its
/// states with the seconds left.
fn walk(core: &mut Embedded, steps: &[&str]) -> Vec<String> {
    let mut states = Vec::new();
    for step in steps {
        let verdict = match step.split_at(1) {
            (">", words) => core.receive(&packet(CLIENT, VIP, words)),
            ("<", words) => core.reply(&packet(ONE, CLIENT, words)),
            other => panic!("{other:?}"),
        };
        assert!(matches!(verdict, Verdict::Forward(_)), "{step}: {verdict:?}");
        let lines = core.listed();
        let words: Vec<_> = lines[0].split(' ').collect();
        states.push(words[4..].join(" "));
    }
    states
}

#[test]
fn a_client_that_closes_first() {
    let states = walk(&mut web(), &[">syn", "<syn+ack", ">ack", ">fin+ack", "<fin+ack", ">ack"]);
    assert_eq!(
        states,
        [
            "SYN_RECV 60",
            "SYN_RECV 60",
            "ESTABLISHED 900",
            "CLOSE_WAIT 60",
            "TIME_WAIT 120",
            "TIME_WAIT 120"
        ]
    );
}

#[test]
fn a_server_that_closes_first() {
    let states = walk(&mut web(), &[">syn", "<syn+ack", ">ack", "<fin+ack", ">fin+ack"]);
    assert_eq!(states[3..], ["FIN_WAIT 120", "TIME_WAIT 120"]);
}

#[test]
fn a_client_that_resets() {
    let states = walk(&mut web(), &[">syn", "<syn+ack", ">ack", ">rst"]);
    assert_eq!(states[3..], ["CLOSE 10"]);
}

#[test]
fn direct_routing_shows_the_client_only() {
    let direct = RealServer { forwarding: Forwarding::Direct, ..server(ONE, 1) };
    let mut core = Embedded::with(Service::new(key(WEB), "rr"), &[direct]);
    let states = walk(&mut core, &[">syn", ">ack", ">fin+ack"]);
    assert_eq!(states, ["SYN_RECV 60", "ESTABLISHED 900", "FIN_WAIT 120"]);
    // What the server sends does not come by.
    assert_eq!(core.reply(&packet(ONE, CLIENT, "ack")), Verdict::Pass);
    assert_eq!(core.reply(&packet(VIP, CLIENT, "ack")), Verdict::Pass);
}

#[test]
fn connections_expire_and_are_counted_until_they_do() {
    let mut core = web();
    core.receive(&syn());
    assert_eq!(core.counts(key(WEB), ONE), (1, 0, 0), "active from the first SYN on");
    core.wait(59);
    assert_eq!(core.counts(key(WEB), ONE), (1, 0, 0));
    core.wait(1);
    assert_eq!(core.counts(key(WEB), ONE), (0, 0, 0));
    assert!(core.listed().is_empty());
}

#[test]
fn a_packet_begins_the_time_out_again() {
    let mut core = web();
    walk(&mut core, &[">syn", "<syn+ack", ">ack"]);
    core.wait(899);
    walk(&mut core, &[">ack"]);
    core.wait(899);
    assert_eq!(core.counts(key(WEB), ONE), (1, 0, 0));
    walk(&mut core, &[">fin+ack"]);
    assert_eq!(core.counts(key(WEB), ONE), (0, 1, 0));
    core.wait(60);
    assert!(core.listed().is_empty());
}

#[test]
fn a_new_time_out_holds_from_the_next_packet_on() {
    let mut core = web();
    walk(&mut core, &[">syn", "<syn+ack", ">ack"]);
    core.make(Change::SetTimeouts(Timeouts { tcp: 7, ..Timeouts::default() })).unwrap();
    assert!(core.listed()[0].ends_with("ESTABLISHED 900"));
    assert_eq!(walk(&mut core, &[">ack"]), ["ESTABLISHED 7"]);
    core.wait(7);
    assert!(core.listed().is_empty());
}

#[test]
fn datagrams_are_inactive_and_have_one_state() {
    let dns = key("udp 192.0.2.1:53");
    let mut core = Embedded::with(Service::new(dns, "rr"), &[server("10.0.0.1:53", 1)]);
    let query = packet(CLIENT, "192.0.2.1:53", "datagram");
    assert_eq!(core.send(&query), "10.0.0.1:53");
    assert_eq!(core.send(&query), "10.0.0.1:53");
    assert_eq!(core.counts(dns, "10.0.0.1:53"), (0, 1, 0));
    assert_eq!(core.listed(), [format!("UDP {CLIENT} 192.0.2.1:53 10.0.0.1:53 UDP 300")]);
}

#[test]
fn one_packet_leaves_no_connection() {
    let dns = key("udp 192.0.2.1:53");
    let service = Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(dns, "rr") };
    let servers = [server("10.0.0.1:53", 1), server("10.0.0.2:53", 1)];
    let mut core = Embedded::with(service, &servers);
    let query = packet(CLIENT, "192.0.2.1:53", "datagram");
    assert_eq!(core.send(&query), "10.0.0.1:53");
    assert_eq!(core.send(&query), "10.0.0.2:53", "each is scheduled anew");
    assert!(core.listed().is_empty());
    assert_eq!(core.counts(dns, "10.0.0.1:53"), (0, 0, 0));
    core.wait(2);
    let total = core.status(dns, "10.0.0.1:53").stats.total;
    assert_eq!((total.connections, total.packets_in, total.bytes_in), (1, 1, 40));
    let gone = core.begun(&query);
    assert_eq!(core.carry_one(gone, Direction::Out, "datagram"), "pass");
}

#[test]
fn only_some_packets_begin_connections() {
    let mut core = web();
    let mut check = |source, destination, words, expected| {
        assert_eq!(core.send(&packet(source, destination, words)), expected, "{words}");
    };
    check(CLIENT, VIP, "ack", "pass");
    check(CLIENT, VIP, "rst", "pass");
    check(CLIENT, VIP, "syn+rst", "pass");
    check(CLIENT, "192.0.2.1:81", "syn", "pass");
    check("198.51.100.7:20", VIP, "syn", "pass");
    check(CLIENT, VIP, "syn+ack", ONE);
    let mut sloppy = web_with(Sysctls { sloppy_tcp: true, ..Sysctls::default() });
    assert_eq!(sloppy.send(&packet(CLIENT, VIP, "rst")), "pass");
    assert_eq!(sloppy.send(&packet(CLIENT, VIP, "ack")), ONE);
}

#[test]
fn nobody_to_connect_to_is_told_so() {
    let mut core = Embedded::with(Service::new(key(WEB), "rr"), &[server(ONE, 0)]);
    assert_eq!(core.send(&syn()), "refuse");
    core.wait(2);
    assert_eq!(core.totals.stats(), weir_ipvs::Stats::default(), "nothing is counted");
}

#[test]
fn any_port_needs_persistence_or_a_mark() {
    let mut core =
        Embedded::with(Service::new(key("tcp 192.0.2.1:0"), "rr"), &[server("10.0.0.1:0", 1)]);
    assert_eq!(core.send(&syn()), "refuse");
    let mut marked =
        Embedded::with(Service::new(key("fwmark 7"), "rr"), &[server("10.0.0.1:0", 1)]);
    assert_eq!(marked.send(&syn()), "pass");
    assert_eq!(marked.send(&Packet { mark: 7, ..syn() }), "10.0.0.1:80", "the packet's port");
}

#[test]
fn packets_of_a_deleted_server_are_dropped() {
    let mut core = web();
    walk(&mut core, &[">syn", "<syn+ack", ">ack"]);
    core.delete(key(WEB), ONE);
    core.wait(10);
    assert_eq!(core.send(&packet(CLIENT, VIP, "ack")), "drop");
    assert!(core.listed()[0].ends_with("ESTABLISHED 890"), "the timer goes on");
    assert_eq!(core.send(&syn()), "drop");
    // Replies go their way, uncounted.
    assert!(matches!(core.reply(&packet(ONE, CLIENT, "ack")), Verdict::Forward(_)));
    core.make(Change::AddServer(key(WEB), server(ONE, 1))).unwrap();
    assert_eq!(core.counts(key(WEB), ONE), (1, 0, 0), "it comes back with its connections");
    assert_eq!(core.send(&packet(CLIENT, VIP, "ack")), ONE);
}

#[test]
fn expire_nodest_conn_ends_connections_of_deleted_servers() {
    let mut core = web_with(Sysctls { expire_nodest_conn: true, ..Sysctls::default() });
    walk(&mut core, &[">syn", "<syn+ack", ">ack"]);
    core.delete(key(WEB), ONE);
    assert_eq!(core.send(&packet(CLIENT, VIP, "ack")), "pass");
    assert_eq!(core.send(&syn()), TWO, "scheduled anew");
    assert_eq!(core.listed().len(), 2, "until the next tick");
    core.advance(core.next_deadline().unwrap());
    assert_eq!(core.listed().len(), 1);
    core.delete(key(WEB), TWO);
    core.advance(core.next_deadline().unwrap());
    assert!(core.listed().is_empty(), "though no packet came");
}

#[test]
fn without_a_service_of_its_family_no_packet_is_looked_at() {
    let mut core = web();
    let connection = core.begun(&syn());
    core.make(Change::AddService(Service::new(key("fwmark6 1"), "rr"))).unwrap();
    core.make(Change::DeleteService(key(WEB))).unwrap();
    let pass_by = |core: &mut Embedded| {
        let [request, reply] = [packet(CLIENT, VIP, "ack"), packet(ONE, CLIENT, "ack")];
        [
            core.send(&request),
            words(core.reply(&reply)),
            core.carry_one(connection, Direction::In, "ack"),
            core.carry_one(connection, Direction::Out, "ack"),
        ]
    };
    assert_eq!(pass_by(&mut core), ["pass"; 4]);
    core.make(Change::AddService(Service::new(key("udp 192.0.2.9:53"), "rr"))).unwrap();
    assert_eq!(pass_by(&mut core), ["drop", ONE, "drop", ONE]);
}

#[test]
fn a_reset_by_this_machine_is_of_the_connection_that_it_ends() {
    let tunnelled = RealServer { forwarding: Forwarding::Tunnel, ..server(ONE, 1) };
    let mut core = Embedded::with(Service::new(key(WEB), "rr"), &[tunnelled]);
    core.receive(&syn());
    assert_eq!(core.reply(&packet(VIP, CLIENT, "rst")), Verdict::Pass, "as it is");
    assert_eq!(core.listed(), [format!("TCP {CLIENT} {VIP} {ONE} CLOSE 10")]);
    core.wait(2);
    assert_eq!(core.status(key(WEB), ONE).stats.total.packets_out, 1);
}

#[test]
fn a_quiesced_server_keeps_its_connections() {
    let mut core = web();
    walk(&mut core, &[">syn"]);
    core.make(Change::EditServer(key(WEB), server(ONE, 0))).unwrap();
    assert_eq!(core.send(&syn()), ONE, "sent again");
    core.settings_mut().sysctls.expire_nodest_conn = true;
    assert_eq!(core.send(&packet(CLIENT, VIP, "ack")), ONE);
    assert_eq!(core.send(&syn()), TWO, "scheduled anew");
}

#[test]
fn the_ports_of_a_closed_connection_are_used_again() {
    let closed = [">syn", "<syn+ack", ">ack", ">fin+ack", "<fin+ack"];
    let mut core = web();
    walk(&mut core, &closed);
    assert_eq!(core.send(&syn()), TWO);
    let mut core = web_with(Sysctls { conn_reuse_mode: 0, ..Sysctls::default() });
    walk(&mut core, &closed);
    assert_eq!(core.send(&syn()), ONE);
    assert!(core.listed()[0].ends_with("SYN_RECV 60"));
}

#[test]
fn an_unanswered_fin_wait_is_used_again_if_so_set() {
    let direct = |text| RealServer { forwarding: Forwarding::Direct, ..server(text, 1) };
    let check = |conn_reuse_mode, expected| {
        let settings = Settings {
            sysctls: Sysctls { conn_reuse_mode, ..Sysctls::default() },
            ..Settings::default()
        };
        let service = Service::new(key(WEB), "rr");
        let mut core = Embedded::with_settings(settings, service, &[direct(ONE), direct(TWO)]);
        walk(&mut core, &[">syn", ">ack", ">fin+ack"]);
        assert_eq!(core.send(&syn()), expected, "mode {conn_reuse_mode}");
    };
    check(1, ONE);
    check(2, TWO);
    check(3, TWO);
}

#[test]
fn a_name_is_of_one_connection_for_ever() {
    let mut core = web();
    let first = core.begun(&syn());
    assert_eq!(core.carry_one(first, Direction::Out, "syn+ack"), ONE);
    assert_eq!(core.carry_one(first, Direction::In, "ack"), ONE);
    core.wait(900);
    let second = core.begun(&syn());
    assert_ne!(first, second);
    assert_eq!(core.carry_one(first, Direction::In, "ack"), "pass");
    assert_eq!(core.carry_one(first, Direction::Out, "ack"), "pass");
    assert_eq!(core.carry_one(second, Direction::In, "ack"), TWO);
}

#[test]
fn a_driver_may_carry_what_ipvs_would_not_see() {
    let direct = RealServer { forwarding: Forwarding::Direct, ..server(ONE, 1) };
    let mut core = Embedded::with(Service::new(key(WEB), "rr"), &[direct]);
    let connection = core.begun(&syn());
    core.carry_one(connection, Direction::Out, "syn+ack");
    core.carry(connection, Direction::Out, signal_ack(), 1000, 1_500_000);
    core.wait(2);
    let total = core.status(key(WEB), ONE).stats.total;
    assert_eq!((total.packets_out, total.bytes_out), (1001, 1_500_040));
    // With replies seen, it is the client that waits for the server to close.
    core.carry_one(connection, Direction::In, "fin+ack");
    assert!(core.listed()[0].contains("CLOSE_WAIT"));
}

fn signal_ack() -> Signal {
    crate::testing::signal("ack")
}

#[test]
fn protected_packets_follow_their_key_exchange() {
    let ike = key("udp 192.0.2.1:500");
    let mut core = Embedded::with(Service::new(ike, "rr"), &[server("10.0.0.1:500", 1)]);
    let at = |text: &str| endpoint(text);
    let esp = Packet {
        protocol: Protocol::Other(50),
        source: at("198.51.100.7:0"),
        destination: at("192.0.2.1:0"),
        ..packet(CLIENT, VIP, "datagram")
    };
    assert_eq!(core.send(&esp), "pass");
    core.receive(&packet("198.51.100.7:500", "192.0.2.1:500", "datagram"));
    assert_eq!(core.send(&esp), "10.0.0.1:500");
    assert_eq!(core.send(&Packet { protocol: Protocol::Other(47), ..esp }), "pass");
}

#[test]
fn clients_without_a_port_have_no_connection() {
    let dns = key("udp 192.0.2.1:53");
    let mut core = Embedded::with(Service::new(dns, "rr"), &[server("10.0.0.1:53", 1)]);
    let query = packet("198.51.100.7:0", "192.0.2.1:53", "datagram");
    core.receive(&query);
    core.receive(&query);
    assert_eq!(core.listed().len(), 2);
}

#[test]
fn ftp_takes_the_other_ports_of_its_address() {
    let ftp = key("tcp 192.0.2.1:21");
    let service = Service { persistence: Some(300), ..Service::new(ftp, "rr") };
    let mut core = Embedded::with(service, &[server("10.0.0.1:21", 1), server("10.0.0.2:21", 1)]);
    let mut to = |port: u16| {
        core.send(&packet(
            &format!("198.51.100.7:{}", 4000 + port),
            &format!("192.0.2.1:{port}"),
            "syn",
        ))
    };
    assert_eq!(to(21), "10.0.0.1:21");
    assert_eq!(to(2000), "10.0.0.1:2000", "the same server, the packet's port");
    assert_eq!(to(20), "10.0.0.1:20");
    assert_eq!(to(80), "pass");
    let mut alone = Embedded::with(Service::new(ftp, "rr"), &[server("10.0.0.1:21", 1)]);
    assert_eq!(alone.send(&packet(CLIENT, "192.0.2.1:2000", "syn")), "pass");
}

#[test]
fn cache_bypass_leads_around_a_service_without_servers() {
    let mut core = Embedded::with(Service::new(key("fwmark 7"), "rr"), &[]);
    let marked = Packet { mark: 7, ..syn() };
    assert_eq!(core.send(&marked), "refuse");
    core.settings_mut().sysctls.cache_bypass = true;
    assert_eq!(core.send(&marked), VIP);
    assert_eq!(core.listed(), [format!("TCP {CLIENT} {VIP} 0.0.0.0:0 SYN_RECV 60")]);
    assert_eq!(core.send(&packet(CLIENT, VIP, "ack")), VIP);
    core.wait(900);
    assert!(core.listed().is_empty());
}

#[test]
fn a_driver_hears_of_the_end_of_its_connections() {
    let mut core = Embedded::with(Service::new(key(WEB), "rr"), &[server("10.0.0.1:80", 1)]);
    let Verdict::Forward(route) = core.receive(&syn()) else { panic!("it is forwarded") };
    core.advance(Duration::from_secs(59));
    assert_eq!(core.ended(), []);
    core.advance(Duration::from_secs(61));
    assert_eq!(core.ended(), [route.connection]);
    core.advance(Duration::from_secs(62));
    assert_eq!(core.ended(), []);
}

#[test]
fn a_connection_of_one_packet_is_gone() {
    let dns = key("udp 192.0.2.1:53");
    let service = Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(dns, "rr") };
    let mut core = Embedded::with(service, &[server("10.0.0.1:53", 1)]);
    let query = packet(CLIENT, "192.0.2.1:53", "datagram");
    let Verdict::Forward(route) = core.receive(&query) else { panic!("it is forwarded") };
    assert!(route.connection.is_gone());
    assert_eq!(core.ended(), []);
}

#[test]
fn a_million_come_and_go() {
    const COUNT: u32 = 1_000_000;
    let dns = key("udp 192.0.2.1:53");
    let servers = ["10.0.0.1:53", "10.0.0.2:53"].map(|it| server(it, 1));
    let mut core = Embedded::with(Service::new(dns, "rr"), &servers);
    let query = packet(CLIENT, "192.0.2.1:53", "datagram");
    let from = |client: u32| {
        let source = endpoint(CLIENT);
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + client).into();
        Packet { source: Endpoint { address, ..source }, ..query }
    };
    for _ in 0..2 {
        for client in 0..COUNT {
            core.receive(&from(client));
        }
        assert_eq!(core.connections.len(), COUNT as usize);
        let half = COUNT / 2;
        assert_eq!(core.counts(dns, "10.0.0.1:53"), (0, half, 0));
        // Each is found again, and none is taken for another.
        core.wait(100);
        for client in 0..half {
            let Verdict::Forward(route) = core.receive(&from(client)) else { panic!("{client}") };
            assert!(!route.is_new);
        }
        core.wait(201);
        assert_eq!(core.connections.len(), half as usize, "those that were not used again");
        core.wait(100);
        assert_eq!((core.connections.len(), core.counts(dns, "10.0.0.1:53")), (0, (0, 0, 0)));
        assert!(core.connections.capacity() <= 1024, "their memory is given back");
    }
}
