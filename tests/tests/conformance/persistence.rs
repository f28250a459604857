//! Persistence: which clients go together, where to, and for how long.

use std::time::Duration;

use weir_embedded::{Packet, Sysctls};
use weir_ipvs::{Change, Endpoint, Family, Service, ServiceFlags, ServiceKey, Timeouts};
use weir_tests::director;

use super::{
    packets::{
        choices, client, datagram, fwmark, persistent, segment, server, server_v6, tcp, udp, vip,
        vip_v6,
    },
    subject::Subject,
};

/// The service with real servers 1, 2 and 3, of which rr takes the last first.
fn service(subject: &mut dyn Subject, service: Service) {
    let key = service.key;
    subject.make(&[Change::AddService(service)]);
    for n in 1..=3 {
        let server = if key.family() == Family::V4 { server(n, 1) } else { server_v6(n, 1) };
        subject.add_server(key, server);
    }
}

/// A SYN of the client with that address.
fn syn(from: &str, to: Endpoint) -> Packet {
    segment(from.parse().unwrap(), to, "S")
}

/// What is shown of the templates: clients, virtual end, real server.
fn templates(subject: &mut dyn Subject) -> Vec<String> {
    let connections = subject.connections().into_iter();
    connections
        .filter(|it| it.client.port == 0)
        .map(|it| format!("{} {} {} {}", it.protocol, it.client, it.virtual_address, it.server))
        .collect()
}

pub(crate) fn a_client_stays_with_its_server(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    service(subject, persistent(key, "rr", 300));
    let clients = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.1:3"];
    assert_eq!(choices(subject, clients.map(|it| syn(it, vip(1, 80)))), "ccbac");
    assert_eq!(
        templates(subject),
        [
            "TCP 192.0.2.1:0 10.99.0.1:80 10.1.0.3:8080",
            "TCP 192.0.2.2:0 10.99.0.1:80 10.1.0.2:8080",
            "TCP 192.0.2.3:0 10.99.0.1:80 10.1.0.1:8080",
        ]
    );
    assert_eq!(subject.counts(key, 3), (3, 0, 1));
    assert_eq!(subject.connections().len(), 8);
}

pub(crate) fn clients_of_one_network_go_together(subject: &mut dyn Subject) {
    service(subject, Service { netmask: 0xffff_ff00, ..persistent(tcp(vip(1, 80)), "rr", 300) });
    let clients = ["192.0.2.1:1", "192.0.2.200:1", "192.0.3.1:1", "192.0.2.77:1", "192.0.4.1:1"];
    assert_eq!(choices(subject, clients.map(|it| syn(it, vip(1, 80)))), "ccbca");
    let key = tcp(vip_v6(1, 80));
    service(subject, Service { netmask: 65, ..persistent(key, "rr", 300) });
    let clients = ["[2001:db8::1]:1", "[2001:db8::7fff:0:0:1]:1", "[2001:db8::8000:0:0:1]:1"];
    assert_eq!(choices(subject, clients.map(|it| syn(it, vip_v6(1, 80)))), "ccb");
    assert_eq!(
        templates(subject),
        [
            "TCP 192.0.2.0:0 10.99.0.1:80 10.1.0.3:8080",
            "TCP 192.0.3.0:0 10.99.0.1:80 10.1.0.2:8080",
            "TCP 192.0.4.0:0 10.99.0.1:80 10.1.0.1:8080",
            "TCP [2001:db8::]:0 [fd99::1]:80 [fd01::3]:8080",
            "TCP [2001:db8:0:0:8000::]:0 [fd99::1]:80 [fd01::2]:8080",
        ]
    );
}

pub(crate) fn port_0_holds_all_ports_together(subject: &mut dyn Subject) {
    service(subject, persistent(tcp(vip(1, 0)), "rr", 300));
    let to = |port| syn("192.0.2.1:1", vip(1, port));
    assert_eq!(choices(subject, [to(80), to(443), to(8080)]), "ccc");
    // A service of the port itself comes first.
    service(subject, persistent(tcp(vip(1, 443)), "wrr", 300));
    let to = |port| syn("192.0.2.2:1", vip(1, port));
    assert_eq!(choices(subject, [to(80), to(443), to(8080)]), "bcb");
    assert_eq!(
        templates(subject),
        [
            "TCP 192.0.2.1:0 10.99.0.1:0 10.1.0.3:0",
            "TCP 192.0.2.2:0 10.99.0.1:0 10.1.0.2:0",
            "TCP 192.0.2.2:0 10.99.0.1:443 10.1.0.3:8080",
        ]
    );
}

pub(crate) fn a_mark_holds_all_that_bears_it_together(subject: &mut dyn Subject) {
    service(subject, persistent(fwmark(3, Family::V4), "rr", 300));
    let to = |port| syn("192.0.2.1:1", Endpoint::new(director::marked_v4(3), port));
    let datagram =
        datagram("192.0.2.1:7".parse().unwrap(), Endpoint::new(director::marked_v4(3), 53));
    assert_eq!(choices(subject, [to(80), to(443), datagram]), "ccc");
    assert_eq!(templates(subject), ["IP 192.0.2.1:0 0.0.0.3:0 10.1.0.3:0"]);
    service(subject, persistent(fwmark(4, Family::V6), "rr", 300));
    let to = |port| syn("[2001:db8::1]:1", Endpoint::new(director::marked_v6(4), port));
    assert_eq!(choices(subject, [to(80), to(443)]), "cc");
    assert_eq!(templates(subject)[1], "IP [2001:db8::1]:0 [0:4::]:0 [fd01::3]:0");
}

pub(crate) fn weight_0_ends_persistence_only_if_so_set(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    service(subject, persistent(key, "rr", 300));
    let from = |port: u16| syn(&format!("192.0.2.1:{port}"), vip(1, 80));
    assert_eq!(choices(subject, [from(1)]), "c");
    subject.make(&[Change::EditServer(key, server(3, 0))]);
    assert_eq!(choices(subject, [from(2)]), "c");
    subject.set(&Sysctls { expire_quiescent_template: true, ..Sysctls::default() });
    assert_eq!(choices(subject, [from(3), from(4)]), "bb");
    assert_eq!(
        templates(subject),
        [
            "TCP 192.0.2.1:0 10.99.0.1:80 10.1.0.2:8080",
            "TCP 192.0.2.1:0 10.99.0.1:65535 10.1.0.3:65535",
        ]
    );
}

/// The seconds that the only template has left, rounded up to a multiple of `step`.
fn left(subject: &mut dyn Subject, step: u32) -> u32 {
    let connections = subject.connections();
    let template = connections.iter().find(|it| it.client.port == 0).expect("it is there");
    template.expires_in.next_multiple_of(step)
}

pub(crate) fn a_template_is_renewed_by_new_connections_alone(subject: &mut dyn Subject) {
    service(subject, persistent(tcp(vip(1, 80)), "rr", 60));
    let from = |port: u16| syn(&format!("192.0.2.1:{port}"), vip(1, 80));
    assert_eq!(choices(subject, [from(1)]), "c");
    subject.wait(|subject| left(subject, 1) <= 58);
    // What has a connection is not new.
    assert_eq!(choices(subject, [from(1)]), "c");
    assert!(left(subject, 1) <= 58);
    assert_eq!(choices(subject, [from(2)]), "c");
    assert!(left(subject, 1) >= 59);
}

pub(crate) fn a_template_outlives_its_connections_or_waits_for_them(subject: &mut dyn Subject) {
    let key = udp(vip(1, 53));
    let set = |udp| Change::SetTimeouts(Timeouts { udp, ..Timeouts::default() });
    service(subject, persistent(key, "rr", 6));
    subject.make(&[set(1)]);
    let from = |port| datagram(Endpoint { port, ..client(1) }, vip(1, 53));
    assert_eq!(choices(subject, [from(1)]), "c");
    let took = subject.wait(|subject| subject.counts(key, 3).1 == 0)
        + subject.wait(|subject| subject.counts(key, 3).2 == 0);
    assert!(took >= Duration::from_millis(5900), "{took:?}");
    // While connections depend on it, it is given 60 s whenever it would expire.
    subject.make(&[set(300)]);
    assert_eq!(choices(subject, [from(1)]), "b");
    subject.wait(|subject| left(subject, 10) == 60);
    // And so it stays.
    assert_eq!(choices(subject, [from(2)]), "b");
    assert_eq!(left(subject, 10), 60);
}

pub(crate) fn an_edit_leaves_templates_as_they_are(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    service(subject, persistent(key, "rr", 300));
    let from = |port: u16| syn(&format!("192.0.2.1:{port}"), vip(1, 80));
    assert_eq!(choices(subject, [from(1)]), "c");
    subject.make(&[Change::EditService(persistent(key, "rr", 500))]);
    assert_eq!(left(subject, 100), 300);
    assert_eq!(choices(subject, [from(2)]), "c");
    assert_eq!(left(subject, 100), 300);
    // Without persistence the scheduler has its way.
    subject.make(&[Change::EditService(Service::new(key, "rr"))]);
    assert_eq!(choices(subject, [from(3), from(4), from(5)]), "bac");
}

pub(crate) fn each_packet_of_a_persistent_client_goes_to_its_server(subject: &mut dyn Subject) {
    let key = udp(vip(1, 53));
    service(subject, Service { flags: ServiceFlags::ONE_PACKET, ..persistent(key, "rr", 300) });
    let from = |n, port| datagram(Endpoint { port, ..client(n) }, vip(1, 53));
    assert_eq!(choices(subject, [from(1, 1), from(2, 1), from(1, 1), from(1, 2)]), "cbcc");
    assert_eq!(templates(subject).len(), 2);
    assert_eq!(subject.connections().len(), 2);
    assert_eq!(subject.counts(key, 3), (0, 0, 1));
}

pub(crate) fn a_template_is_assured_by_an_established_connection(subject: &mut dyn Subject) {
    let key: ServiceKey = tcp(vip(1, 80));
    service(subject, persistent(key, "rr", 300));
    let state = |subject: &mut dyn Subject| {
        let connections = subject.connections();
        connections.into_iter().find(|it| it.client.port == 0).expect("it is there").state
    };
    let from = "192.0.2.1:1".parse().unwrap();
    subject.client_sends(&segment(from, vip(1, 80), "S"));
    assert_eq!(state(subject), "NONE");
    subject.server_sends(&segment(server(3, 1).endpoint, from, "SA"));
    assert_eq!(state(subject), "NONE");
    subject.client_sends(&segment(from, vip(1, 80), "A"));
    assert_eq!(state(subject), "ASSURED");
}
