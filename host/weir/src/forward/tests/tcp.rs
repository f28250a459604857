//! Connections: what passes, what is passed on, and what happens when a real server will
//! not have one.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener},
    thread,
    time::Duration,
};

use weir_embedded::Settings;
use weir_ipvs::{Endpoint, Forwarding, Ipvs as _, Protocol, Service, ServiceKey, Traffic};

use super::bed::{
    Bed, accept, connect, is_refused, is_reset, listen, named, read, real_server, refusing, reset,
};
use crate::forward::connections::{Connections, Patience};

/// More than pipes, sockets and buffers of a machine hold.
const BULK: usize = 64 << 20;

/// Bytes that tell where they belong.
fn pattern(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|it| u8::try_from(it % 251).unwrap()).collect()
}

fn send_bulk(mut stream: &std::net::TcpStream) {
    for from in (0..BULK).step_by(1 << 16) {
        stream.write_all(&pattern(from, 1 << 16)).unwrap();
    }
}

fn receive_bulk(mut stream: &std::net::TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    for from in (0..BULK).step_by(1 << 16) {
        stream.read_exact(&mut buffer).unwrap();
        assert!(buffer == pattern(from, 1 << 16), "other bytes than were sent");
    }
}

#[test]
fn bytes_pass_both_ways_and_are_counted() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let mut client = connect(service);
    let mut server = accept(&listener);
    client.write_all(b"ping").unwrap();
    assert_eq!(read(&mut server, 4), "ping");
    server.write_all(b"pong!").unwrap();
    assert_eq!(read(&mut client, 5), "pong!");

    let status = bed.server(service, address);
    assert_eq!((status.active, status.inactive), (1, 0));
    let shown: Vec<_> = bed.handle.connections().unwrap().map(Result::unwrap).collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((&*shown[0].protocol, &*shown[0].state), ("TCP", "ESTABLISHED"));
    assert_eq!(shown[0].client, Endpoint::from(client.local_addr().unwrap()));
    assert_eq!(shown[0].server, address.into());

    drop((client, server));
    bed.wait_until("both ends have closed", |bed| bed.server(service, address).active == 0);
    bed.skip(Duration::from_secs(2));
    // SYN, ACK, 4 bytes and FIN; SYN ACK, 5 bytes and FIN; 40 bytes of headers each.
    let expected =
        Traffic { connections: 1, packets_in: 4, packets_out: 3, bytes_in: 164, bytes_out: 125 };
    assert_eq!(bed.server(service, address).stats.total, expected);
    assert_eq!(bed.handle.totals().unwrap().total, expected);
}

#[test]
fn ipv6_is_forwarded_too() {
    let mut bed = Bed::new();
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let free = TcpListener::bind("[::1]:0").unwrap().local_addr().unwrap();
    let key = ServiceKey::from((Protocol::Tcp, Endpoint::from(free)));
    bed.add(Service::new(key, "rr"), &[listener.local_addr().unwrap()]);
    let mut client = connect(key);
    client.write_all(b"ping").unwrap();
    assert_eq!(read(&mut accept(&listener), 4), "ping");
}

#[test]
fn a_half_closed_connection_goes_on_the_other_way() {
    for server_ends in [false, true] {
        let mut bed = Bed::new();
        let (listener, address) = listen();
        let service = bed.serve(Protocol::Tcp, "rr", &[address]);
        let (client, server) = (connect(service), accept(&listener));
        let (mut ending, mut going_on) =
            if server_ends { (server, client) } else { (client, server) };
        ending.write_all(b"that is all").unwrap();
        ending.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        going_on.read_to_string(&mut said).unwrap();
        assert_eq!(said, "that is all");
        for _ in 0..3 {
            going_on.write_all(b"more").unwrap();
            assert_eq!(read(&mut ending, 4), "more");
        }
        let state = bed.handle.connections().unwrap().next().unwrap().unwrap().state;
        assert_eq!(state, if server_ends { "FIN_WAIT" } else { "CLOSE_WAIT" });
        drop(going_on);
        assert_eq!(ending.read(&mut [0; 8]).unwrap(), 0);
        let state = bed.handle.connections().unwrap().next().unwrap().unwrap().state;
        assert_eq!(state, "TIME_WAIT");
    }
}

#[test]
fn a_reset_is_passed_on() {
    for server_resets in [false, true] {
        let mut bed = Bed::new();
        let (listener, address) = listen();
        let service = bed.serve(Protocol::Tcp, "rr", &[address]);
        let (client, server) = (connect(service), accept(&listener));
        let (resetting, mut other) =
            if server_resets { (server, client) } else { (client, server) };
        reset(resetting);
        assert!(is_reset(&mut other));
        let state = bed.handle.connections().unwrap().next().unwrap().unwrap().state;
        assert_eq!(state, "CLOSE");
        assert_eq!(bed.server(service, address).active, 0);
    }
}

#[test]
fn a_reset_right_after_accepting_is_no_refusal() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    for _ in 0..100 {
        let client = thread::spawn(move || is_refused(service));
        reset(accept(&listener));
        assert!(client.join().unwrap());
    }
    assert!(bed.lines().is_empty());
}

#[test]
fn a_reset_after_the_end_is_passed_on() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (client, mut server) = (connect(service), accept(&listener));
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    reset(client);
    bed.wait_until("the real server is reset", |_| server.write_all(b"?").is_err());
}

#[test]
fn bulk_arrives_whole_both_ways_at_once() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (client, server) = (connect(service), accept(&listener));
    thread::scope(|scope| {
        for stream in [&client, &server] {
            scope.spawn(|| send_bulk(stream));
            scope.spawn(|| receive_bulk(stream));
        }
    });
    bed.skip(Duration::from_secs(2));
    let total = bed.server(service, address).stats.total;
    let payload = total.bytes_in - 40 * total.packets_in;
    assert_eq!(payload, BULK as u64);
}

#[test]
fn a_slow_receiver_stops_its_sender_and_loses_nothing() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (client, server) = (connect(service), accept(&listener));
    thread::scope(|scope| {
        let sending = scope.spawn(|| send_bulk(&server));
        // Others are not kept waiting meanwhile.
        for _ in 0..100 {
            let mut other = connect(service);
            other.write_all(b"ping").unwrap();
            assert_eq!(read(&mut accept(&listener), 4), "ping");
        }
        bed.skip(Duration::from_secs(2));
        let taken = bed.server(service, address).stats.total.bytes_out;
        assert!(taken < BULK as u64 / 2, "{taken} bytes were taken from the sender");
        assert!(!sending.is_finished());
        receive_bulk(&client);
    });
}

#[test]
fn what_refuses_is_passed_over() {
    let mut bed = Bed::new();
    let (refusing, alive) = (refusing(), named("alive"));
    let service = bed.serve(Protocol::Tcp, "rr", &[refusing, alive]);
    for _ in 0..10 {
        assert_eq!(read(&mut connect(service), 5), "alive");
    }
    let line = bed.wait_for_line("unreachable");
    assert!(line.contains(&format!("server={refusing}")) && line.contains("refused"), "{line}");
    bed.skip(Duration::from_secs(2));
    let [refused, accepted] =
        [refusing, alive].map(|it| bed.server(service, it).stats.total.connections);
    assert_eq!(accepted, 10);
    assert!((4..=10).contains(&refused), "{refused}");
}

#[test]
fn what_does_not_answer_is_given_up_on() {
    let patience = Patience { each: Duration::from_millis(100), ..Patience::default() };
    let mut bed = Bed::with(Settings::default(), |it| it.connections = Connections::new(patience));
    // A full queue: further SYNs are dropped.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    silent.listen(0).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let _waiting = std::net::TcpStream::connect(address).unwrap();
    let service = bed.serve(Protocol::Tcp, "rr", &[named("alive"), address]);
    for _ in 0..2 {
        assert_eq!(read(&mut connect(service), 5), "alive");
    }
    assert!(bed.wait_for_line("unreachable").contains("timed out"));
}

#[test]
fn a_client_that_nobody_accepts_is_reset() {
    let mut bed = Bed::new();
    let service = bed.serve(Protocol::Tcp, "rr", &[refusing(), refusing()]);
    assert!(is_refused(service));
    let line = bed.wait_for_line("client-let-down");
    assert!(line.contains("times=1"), "{line}");
}

#[test]
fn a_client_that_leaves_early_is_told_to_the_core() {
    let mut bed = Bed::new();
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    silent.listen(0).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    let _waiting = std::net::TcpStream::connect(address).unwrap();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let client = connect(service);
    bed.wait_until("it is being connected", |bed| bed.open_connections() == 1);
    reset(client);
    bed.wait_until("it is closed", |bed| bed.open_connections() == 0);
}

#[test]
fn every_forwarding_method_is_shown_as_set_and_proxied() {
    let mut bed = Bed::new();
    let alive = named("alive");
    for forwarding in [Forwarding::Direct, Forwarding::Tunnel, Forwarding::Local] {
        let service = bed.serve(Protocol::Tcp, "rr", &[]);
        let server = weir_ipvs::RealServer { forwarding, ..real_server(alive, 1) };
        bed.change(&weir_ipvs::Change::AddServer(service, server));
        assert_eq!(read(&mut connect(service), 5), "alive");
        assert_eq!(bed.server(service, alive).config.forwarding, forwarding);
    }
}
