//! Deleted real servers: what becomes of their connections, and what is left of them when
//! they come back.

use weir_embedded::Sysctls;
use weir_ipvs::{Change, Forwarding, RealServer, RealServerKey, Service, ServiceKey};
use weir_tests::director::Seen;

use super::{
    packets::{at, client, opened, persistent, segment, server, tcp, vip},
    subject::Subject,
};

/// A service with real servers 1 and 2, and two connections to each: clients 1 and 3 are at
/// the second.
fn busy(subject: &mut dyn Subject) -> ServiceKey {
    let key = tcp(vip(1, 80));
    subject.make(&[
        Change::AddService(Service::new(key, "rr")),
        Change::AddServer(key, server(1, 1)),
        Change::AddServer(key, server(2, 1)),
    ]);
    assert_eq!(opened(subject, vip(1, 80), 1..=4), "baba");
    key
}

fn delete(service: ServiceKey, number: u8) -> Change {
    Change::DeleteServer(RealServerKey { service, server: server(number, 1).endpoint })
}

/// What becomes of client 1, which has a connection to real server 2.
fn client_1(subject: &mut dyn Subject, flags: &str) -> Seen {
    subject.client_sends(&segment(client(1), vip(1, 80), flags))
}

pub(crate) fn packets_to_a_deleted_server_disappear(subject: &mut dyn Subject) {
    let key = busy(subject);
    subject.make(&[delete(key, 2)]);
    for flags in ["S", "A", "FA", "R"] {
        assert_eq!(client_1(subject, flags), Seen::Nothing, "{flags}");
    }
    // The connections stay as they were, and replies still pass.
    let states: Vec<_> = subject.connections().into_iter().map(|it| it.state).collect();
    assert_eq!(states, ["SYN_RECV"; 4]);
    let reply = segment(server(2, 1).endpoint, client(1), "SA");
    assert_eq!(subject.server_sends(&reply), Seen::Client(vip(1, 80).into()));
    assert_eq!(opened(subject, vip(1, 80), 5..=6), "aa");
}

pub(crate) fn a_server_that_comes_back_has_its_connections(subject: &mut dyn Subject) {
    let key = busy(subject);
    subject.make(&[delete(key, 1)]);
    let back = RealServer { upper_threshold: 2, weight: 7, ..server(1, 7) };
    subject.add_server(key, back);
    // In front, as a new one is, and as the request has it.
    let order: Vec<_> = subject.servers(key).iter().map(|it| it.config).collect();
    assert_eq!(order, [back, server(2, 1)]);
    assert_eq!(subject.counts(key, 1), (2, 0, 0));
    assert_eq!(subject.client_sends(&segment(client(2), vip(1, 80), "A")), at(1));
}

pub(crate) fn a_server_comes_back_to_a_service_made_anew(subject: &mut dyn Subject) {
    let key = busy(subject);
    subject.make(&[
        Change::DeleteService(key),
        Change::AddService(Service::new(key, "wlc")),
        Change::AddServer(key, server(2, 1)),
    ]);
    assert_eq!(subject.counts(key, 2), (2, 0, 0));
    assert_eq!(client_1(subject, "A"), at(2));
    assert_eq!(subject.client_sends(&segment(client(2), vip(1, 80), "A")), Seen::Nothing);
    // Not to another service, and not at another port.
    let other = tcp(vip(2, 80));
    let port = RealServer {
        endpoint: weir_ipvs::Endpoint { port: 9, ..server(1, 1).endpoint },
        ..server(1, 1)
    };
    subject.make(&[
        Change::AddService(Service::new(other, "rr")),
        Change::AddServer(other, server(1, 1)),
        Change::AddServer(key, port),
    ]);
    assert_eq!(subject.counts(other, 1), (0, 0, 0));
    assert_eq!(subject.counts(key, 1), (0, 0, 0));
}

pub(crate) fn a_full_server_comes_back_full(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    let full = RealServer { upper_threshold: 2, ..server(1, 1) };
    subject.make(&[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, full)]);
    assert_eq!(opened(subject, vip(1, 80), 1..=3), "aa-");
    subject.make(&[delete(key, 1), Change::AddServer(key, full)]);
    assert_eq!(opened(subject, vip(1, 80), 4..=5), "--");
    subject.make(&[delete(key, 1), Change::AddServer(key, server(1, 1))]);
    assert_eq!(opened(subject, vip(1, 80), 6..=7), "aa");
}

pub(crate) fn connections_can_end_with_their_server(subject: &mut dyn Subject) {
    let key = busy(subject);
    subject.set(&Sysctls { expire_nodest_conn: true, ..Sysctls::default() });
    subject.make(&[delete(key, 2)]);
    subject.wait(|subject| subject.connections().len() == 2);
    // As one that was never known.
    assert_eq!(client_1(subject, "A"), Seen::Reset);
    assert_eq!(client_1(subject, "S"), at(1));
    // A service takes all its real servers along.
    subject.make(&[Change::DeleteService(key)]);
    subject.wait(|subject| subject.connections().is_empty());
}

pub(crate) fn a_quiesced_server_keeps_its_connections(subject: &mut dyn Subject) {
    let key = busy(subject);
    subject.make(&[Change::EditServer(key, server(2, 0))]);
    assert_eq!(opened(subject, vip(1, 80), 5..=7), "aaa");
    for flags in ["S", "A", "S"] {
        assert_eq!(client_1(subject, flags), at(2), "{flags}");
    }
    subject.set(&Sysctls { expire_nodest_conn: true, ..Sysctls::default() });
    assert_eq!(client_1(subject, "A"), at(2));
    // Now a SYN begins a connection anew, to one that takes new ones.
    assert_eq!(client_1(subject, "S"), at(1));
    subject.wait(|subject| subject.counts(key, 2) == (1, 0, 0));
}

pub(crate) fn a_template_of_a_deleted_server_leads_nowhere(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    subject.make(&[
        Change::AddService(persistent(key, "rr", 300)),
        Change::AddServer(key, server(1, 1)),
        Change::AddServer(key, server(2, 1)),
    ]);
    assert_eq!(client_1(subject, "S"), at(2));
    subject.make(&[delete(key, 2)]);
    let another = weir_ipvs::Endpoint { port: 7, ..client(1) };
    assert_eq!(subject.client_sends(&segment(another, vip(1, 80), "S")), at(1));
    // The old template is there until it expires, and is never found again.
    subject.add_server(key, server(2, 1));
    assert_eq!(subject.counts(key, 2), (1, 0, 1));
    let third = weir_ipvs::Endpoint { port: 8, ..client(1) };
    assert_eq!(subject.client_sends(&segment(third, vip(1, 80), "S")), at(1));
    assert_eq!(subject.counts(key, 1), (2, 0, 1));
    // A way of forwarding belongs to the connection, and not to the real server.
    subject.make(&[Change::EditServer(
        key,
        RealServer { forwarding: Forwarding::Direct, ..server(1, 1) },
    )]);
    assert_eq!(subject.client_sends(&segment(third, vip(1, 80), "A")), at(1));
}
