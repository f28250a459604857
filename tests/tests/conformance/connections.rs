//! Connections: which packets begin one, how its state and its time-out follow from its
//! packets, and how it ends.

use std::time::Duration;

use weir_embedded::{Chunk, Packet, Sysctls};
use weir_ipvs::{
    Change, Connection, Endpoint, Family, Forwarding, RealServer, Service, ServiceFlags,
    ServiceKey, Timeouts,
};
use weir_tests::director::{self, Seen};

use super::{
    packets::{
        at, chunk, client, client_v6, datagram, fwmark, persistent, sctp, segment, server,
        server_at, server_v6, tcp, udp, vip, vip_v6,
    },
    subject::Subject,
};

/// A service with one real server, masqueraded.
fn service(subject: &mut dyn Subject, key: ServiceKey) {
    let server = match key.family() {
        Family::V4 => server(1, 1),
        Family::V6 => server_v6(1, 1),
    };
    subject.make(&[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server)]);
}

/// The state of the only connection, and about how many seconds it has: a time-out of these
/// tests, or a little more, for a moment has passed since its last packet.
#[track_caller]
fn only(subject: &mut dyn Subject) -> (String, u32) {
    let connections = subject.connections();
    let [connection] = &connections[..] else { panic!("{connections:?}") };
    const ABOUT: [u32; 7] = [5, 10, 40, 50, 65, 120, 900];
    let about = ABOUT.into_iter().find(|it| *it >= connection.expires_in);
    (connection.state.clone(), about.expect("no time-out is longer"))
}

/// Lets a conversation be held, a packet a word: `>` and `<` say from whom it is, then
/// come its flags. Returns the states it went through.
fn talk(subject: &mut dyn Subject, n: u16, words: &str) -> Vec<String> {
    let mut states = Vec::new();
    for word in words.split(' ') {
        match word.split_at(1) {
            (">", flags) => {
                subject.client_sends(&segment(client(n), vip(1, 80), flags));
            }
            (_, flags) => {
                let reply = segment(server(1, 1).endpoint, client(n), flags);
                assert_eq!(subject.server_sends(&reply), Seen::Client(vip(1, 80).into()));
            }
        }
        let connections = subject.connections();
        let this = connections.iter().find(|it| it.client == client(n)).expect("it is there");
        states.push(this.state.clone());
    }
    states
}

pub(crate) fn a_masqueraded_conversation_goes_through_the_states_of_tcp(subject: &mut dyn Subject) {
    service(subject, tcp(vip(1, 80)));
    let mut n = 0;
    let mut check = |words, states: &str| {
        n += 1;
        assert_eq!(talk(subject, n, words).join(" "), states, "{words}");
    };
    check(">S >S <SA >A >A <A", "SYN_RECV SYN_RECV SYN_RECV ESTABLISHED ESTABLISHED ESTABLISHED");
    check(
        ">S <SA >A >FA <A <FA >A",
        "SYN_RECV SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE_WAIT TIME_WAIT TIME_WAIT",
    );
    check(
        ">S <SA >A <FA >A >FA <A",
        "SYN_RECV SYN_RECV ESTABLISHED FIN_WAIT FIN_WAIT TIME_WAIT TIME_WAIT",
    );
    check(">S <SA >A >R", "SYN_RECV SYN_RECV ESTABLISHED CLOSE");
    check(">S <SA >A <R", "SYN_RECV SYN_RECV ESTABLISHED CLOSE");
    check(">S <RA", "SYN_RECV CLOSE");
    check(">S >R", "SYN_RECV SYN_RECV");
    check(">S <SA >FA", "SYN_RECV SYN_RECV TIME_WAIT");
    check(">S >A <FA <R", "SYN_RECV ESTABLISHED FIN_WAIT CLOSE");
    check(">S >", "SYN_RECV CLOSE");
    assert_eq!(subject.counts(tcp(vip(1, 80)), 1), (2, 8, 0));
}

pub(crate) fn of_direct_routing_only_the_client_is_heard(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    let server = RealServer::new(server_at(Family::V4, 2, 80), Forwarding::Direct, 1);
    subject.make(&[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server)]);
    let states = talk(subject, 1, ">S >A >FA >A").join(" ");
    assert_eq!(states, "SYN_RECV ESTABLISHED FIN_WAIT FIN_WAIT");
    let states = talk(subject, 2, ">S >A >R").join(" ");
    assert_eq!(states, "SYN_RECV ESTABLISHED CLOSE");
    let seen = subject.client_sends(&segment(client(1), vip(1, 80), "A"));
    assert_eq!(seen, Seen::Server(director::server_v4(2).into(), None));
}

pub(crate) fn each_state_has_its_timeout(subject: &mut dyn Subject) {
    service(subject, tcp(vip(1, 80)));
    let talk = |subject: &mut dyn Subject, words| {
        talk(subject, 1, words);
        only(subject)
    };
    assert_eq!(talk(subject, ">S"), ("SYN_RECV".to_owned(), 65));
    assert_eq!(talk(subject, "<SA >A"), ("ESTABLISHED".to_owned(), 900));
    subject.make(&[Change::SetTimeouts(Timeouts { tcp: 50, tcp_fin: 40, udp: 30 })]);
    // With the next packet, not at once.
    assert_eq!(only(subject), ("ESTABLISHED".to_owned(), 900));
    assert_eq!(talk(subject, ">A"), ("ESTABLISHED".to_owned(), 50));
    assert_eq!(talk(subject, "<FA"), ("FIN_WAIT".to_owned(), 40));
    assert_eq!(talk(subject, ">FA"), ("TIME_WAIT".to_owned(), 120));
    assert_eq!(talk(subject, "<R"), ("TIME_WAIT".to_owned(), 120));
    assert_eq!(talk(subject, ">R"), ("CLOSE".to_owned(), 10));
}

pub(crate) fn an_idle_connection_expires(subject: &mut dyn Subject) {
    let key = udp(vip(1, 53));
    service(subject, key);
    subject.make(&[Change::SetTimeouts(Timeouts { tcp: 0, tcp_fin: 0, udp: 1 })]);
    assert_eq!(subject.client_sends(&datagram(client(1), vip(1, 53))), at(1));
    assert_eq!(subject.counts(key, 1), (0, 1, 0));
    let took = subject.wait(|subject| subject.connections().is_empty());
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert_eq!(subject.counts(key, 1), (0, 0, 0));
}

pub(crate) fn udp_is_inactive_and_a_reply_keeps_it(subject: &mut dyn Subject) {
    for (key, from, vip, server) in [
        (udp(vip(1, 53)), client(1), vip(1, 53), server(1, 1)),
        (udp(vip_v6(1, 53)), client_v6(1), vip_v6(1, 53), server_v6(1, 1)),
    ] {
        service(subject, key);
        let forwarded = Seen::Server(server.endpoint.address, Some(8080));
        assert_eq!(subject.client_sends(&datagram(from, vip)), forwarded);
        let reply = subject.server_sends(&datagram(server.endpoint, from));
        assert_eq!(reply, Seen::Client(vip.into()));
        assert_eq!(subject.counts(key, 1), (0, 1, 0));
        assert_eq!(
            subject.connections().into_iter().find(|it| it.client == from).map(without_time),
            Some(Connection {
                protocol: "UDP".to_owned(),
                client: from,
                virtual_address: vip,
                server: server.endpoint,
                state: "UDP".to_owned(),
                expires_in: 0,
                engine: None,
            })
        );
    }
}

fn without_time(connection: Connection) -> Connection {
    Connection { expires_in: 0, ..connection }
}

pub(crate) fn sctp_goes_through_its_own_states(subject: &mut dyn Subject) {
    let key = sctp(vip(1, 99));
    service(subject, key);
    let mut say = |client_sends, what, state: &str, timeout| {
        let seen = if client_sends {
            subject.client_sends(&chunk(client(1), vip(1, 99), what))
        } else {
            subject.server_sends(&chunk(server(1, 1).endpoint, client(1), what))
        };
        assert!(matches!(seen, Seen::Server(..) | Seen::Client(_)), "{what:?}: {seen:?}");
        assert_eq!(only(subject), (state.to_owned(), timeout), "{what:?}");
        subject.counts(key, 1)
    };
    assert_eq!(say(true, Chunk::Init, "INIT1", 5), (0, 1, 0));
    say(false, Chunk::InitAck, "C-SENT", 65);
    say(true, Chunk::CookieEcho, "C-REPLIED", 65);
    assert_eq!(say(false, Chunk::CookieAck, "ESTABLISHED", 900), (1, 0, 0));
    say(true, Chunk::Data, "ESTABLISHED", 900);
    assert_eq!(say(true, Chunk::Shutdown, "S-RECEIVED", 65), (0, 1, 0));
    say(false, Chunk::ShutdownAck, "S-ACK-SENT", 65);
    say(true, Chunk::ShutdownComplete, "CLOSED", 65);
}

pub(crate) fn only_some_packets_begin_a_connection(subject: &mut dyn Subject) {
    service(subject, tcp(vip(1, 80)));
    service(subject, sctp(vip(1, 80)));
    // Nobody listens at the director itself.
    for flags in ["A", "FA", "SR", "SRA"] {
        let seen = subject.client_sends(&segment(client(1), vip(1, 80), flags));
        assert!(matches!(seen, Seen::Reset | Seen::Nothing), "{flags}: {seen:?}");
    }
    assert_eq!(subject.client_sends(&segment(client(1), vip(1, 80), "R")), Seen::Nothing);
    for what in [Chunk::Data, Chunk::InitAck, Chunk::CookieEcho, Chunk::Abort] {
        let seen = subject.client_sends(&chunk(client(1), vip(1, 80), what));
        assert_eq!(seen, Seen::Unreachable, "{what:?}");
    }
    // To where there is no service.
    assert_eq!(subject.client_sends(&segment(client(1), vip(1, 81), "S")), Seen::Reset);
    assert_eq!(subject.client_sends(&datagram(client(1), vip(1, 80))), Seen::Unreachable);
    // From where FTP sends its data.
    let ftp_data = Endpoint { port: 20, ..client(1) };
    assert_eq!(subject.client_sends(&segment(ftp_data, vip(1, 80), "S")), Seen::Reset);
    assert_eq!(subject.connections(), []);
    // A SYN does, with or without more, and what belongs to nothing is passed on as it is.
    assert_eq!(subject.client_sends(&segment(client(1), vip(1, 80), "SFA")), at(1));
    let stray = segment(server(1, 1).endpoint, client(2), "SA");
    assert_eq!(subject.server_sends(&stray), Seen::Client(server(1, 1).endpoint.into()));
}

pub(crate) fn sloppiness_lets_almost_any_packet_begin_one(subject: &mut dyn Subject) {
    service(subject, tcp(vip(1, 80)));
    service(subject, sctp(vip(1, 80)));
    subject.set(&Sysctls { sloppy_tcp: true, sloppy_sctp: true, ..Sysctls::default() });
    assert_eq!(subject.client_sends(&segment(client(1), vip(1, 80), "R")), Seen::Nothing);
    assert_eq!(subject.client_sends(&segment(client(1), vip(1, 80), "A")), at(1));
    assert_eq!(subject.client_sends(&segment(client(2), vip(1, 80), "FA")), at(1));
    assert_eq!(subject.client_sends(&chunk(client(1), vip(1, 80), Chunk::Data)), at(1));
    let states: Vec<_> = subject.connections().into_iter().map(|it| it.state).collect();
    assert_eq!(states, ["ESTABLISHED", "ESTABLISHED", "CLOSE"]);
}

pub(crate) fn port_0_needs_persistence(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 0));
    service(subject, key);
    assert_eq!(subject.client_sends(&segment(client(1), vip(1, 80), "S")), Seen::Unreachable);
    subject.make(&[Change::EditService(persistent(key, "rr", 60))]);
    // The port of the packet stays, whatever that of the real server is.
    let seen = subject.client_sends(&segment(client(1), vip(1, 80), "S"));
    assert_eq!(seen, Seen::Server(director::server_v4(1).into(), Some(80)));
}

pub(crate) fn a_server_at_port_0_has_the_port_of_the_packet(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    subject.make(&[
        Change::AddService(Service::new(key, "rr")),
        Change::AddServer(
            key,
            RealServer { endpoint: server_at(Family::V4, 3, 0), ..server(3, 1) },
        ),
    ]);
    let seen = subject.client_sends(&segment(client(1), vip(1, 80), "S"));
    assert_eq!(seen, Seen::Server(director::server_v4(3).into(), Some(80)));
}

pub(crate) fn a_mark_beats_an_address(subject: &mut dyn Subject) {
    let (marked, addressed) =
        (director::marked_v4(3), tcp(Endpoint::new(director::marked_v4(3), 80)));
    let key = fwmark(3, Family::V4);
    service(subject, addressed);
    let to = |port| segment(client(1), Endpoint::new(marked, port), "S");
    assert_eq!(subject.client_sends(&to(80)), at(1));
    assert_eq!(subject.client_sends(&to(81)), Seen::Reset);
    subject
        .make(&[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server(2, 1))]);
    // What has a connection keeps it.
    assert_eq!(subject.client_sends(&to(80)), at(1));
    assert_eq!(subject.client_sends(&to(81)), at(2));
    let other = segment(client(2), Endpoint::new(marked, 80), "S");
    assert_eq!(subject.client_sends(&other), at(2));
    let v6 = segment(client_v6(1), Endpoint::new(director::marked_v6(3), 81), "S");
    assert_eq!(subject.client_sends(&v6), Seen::Reset);
}

pub(crate) fn of_one_packet_nothing_is_kept(subject: &mut dyn Subject) {
    let key = udp(vip(1, 53));
    let one_packet = Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(key, "rr") };
    subject.make(&[
        Change::AddService(one_packet),
        Change::AddServer(key, server(1, 1)),
        Change::AddServer(key, server(2, 1)),
    ]);
    for n in [2, 1, 2, 1] {
        assert_eq!(subject.client_sends(&datagram(client(1), vip(1, 53))), at(n));
    }
    assert_eq!(subject.connections(), []);
    assert_eq!(subject.counts(key, 1), (0, 0, 0));
    // TCP knows nothing of it.
    let key = tcp(vip(1, 53));
    let one_packet = Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(key, "rr") };
    subject.make(&[Change::AddService(one_packet), Change::AddServer(key, server(1, 1))]);
    subject.client_sends(&segment(client(1), vip(1, 53), "S"));
    assert_eq!(only(subject).0, "SYN_RECV");
}

/// Brings a connection into `TIME_WAIT` at real server 1, and adds real server 2.
fn closed(subject: &mut dyn Subject) -> Packet {
    service(subject, tcp(vip(1, 80)));
    talk(subject, 1, ">S <SA >A >FA <FA");
    subject.add_server(tcp(vip(1, 80)), server(2, 1));
    segment(client(1), vip(1, 80), "S")
}

pub(crate) fn a_syn_begins_a_closed_connection_anew(subject: &mut dyn Subject) {
    let syn = closed(subject);
    assert_eq!(subject.client_sends(&syn), at(2));
    // The old one goes a moment later.
    subject.wait(|subject| subject.connections().len() == 1);
    assert_eq!(only(subject).0, "SYN_RECV");
    assert_eq!(subject.counts(tcp(vip(1, 80)), 1), (0, 0, 0));
    assert_eq!(subject.counts(tcp(vip(1, 80)), 2), (1, 0, 0));
}

pub(crate) fn without_reuse_a_closed_connection_goes_on(subject: &mut dyn Subject) {
    subject.set(&Sysctls { conn_reuse_mode: 0, ..Sysctls::default() });
    let syn = closed(subject);
    assert_eq!(subject.client_sends(&syn), at(1));
    assert_eq!(only(subject).0, "SYN_RECV");
}
