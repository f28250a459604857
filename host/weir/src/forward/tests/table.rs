//! The table while traffic flows: services and real servers come, change and go.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use weir_embedded::{Settings, Sysctls};
use weir_ipvs::{
    Change, Endpoint, Error, Family, Ipvs as _, OnFailure, Protocol, RealServer, Service,
    ServiceKey, SyncDaemon, SyncRole,
};

use super::bed::{
    Bed, PATIENCE, accept, address, connect, connect_from, endpoint, is_refused, is_reset, listen,
    named, read, real_server, server_key,
};
use crate::forward::{Forwarder, traffic};

#[test]
fn services_come_and_go_while_others_are_used() {
    let mut bed = Bed::new();
    let alive = named("alive");
    let stays = bed.serve(Protocol::Tcp, "rr", &[alive]);
    let mut open = connect(stays);
    assert_eq!(read(&mut open, 5), "alive");
    for _ in 0..20 {
        let comes = bed.serve(Protocol::Tcp, "rr", &[alive]);
        assert_eq!(read(&mut connect(comes), 5), "alive");
        bed.change(&Change::DeleteService(comes));
        assert!(std::net::TcpStream::connect(endpoint(comes)).is_err());
        open.write_all(b"ping").unwrap();
        assert_eq!(read(&mut open, 4), "ping");
    }
    bed.change(&Change::Flush);
    assert!(std::net::TcpStream::connect(endpoint(stays)).is_err());
}

#[test]
fn an_edited_service_schedules_anew_and_keeps_its_connections() {
    let mut bed = Bed::new();
    let [a, b] = ["a", "b"].map(named);
    let service = bed.serve(Protocol::Tcp, "rr", &[a, b]);
    let mut open = connect(service);
    let first = read(&mut open, 1);
    bed.change(&Change::EditService(Service::new(service, "sh")));
    let chosen: Vec<_> = (0..4).map(|_| read(&mut connect(service), 1)).collect();
    assert!(chosen.iter().all(|it| *it == chosen[0]), "{chosen:?}");
    open.write_all(b"x").unwrap();
    assert_eq!((first.len(), &*read(&mut open, 1)), (1, "x"));
}

#[test]
fn shares_follow_weights() {
    let mut bed = Bed::new();
    let [a, b] = ["a", "b"].map(named);
    let service = bed.serve(Protocol::Tcp, "wrr", &[a, b]);
    bed.change(&Change::EditServer(service, real_server(a, 3)));
    let chosen: Vec<_> = (0..40).map(|_| read(&mut connect(service), 1)).collect();
    assert_eq!(chosen.iter().filter(|it| *it == "a").count(), 30);
}

#[test]
fn a_weight_of_zero_quiesces() {
    let mut bed = Bed::new();
    let [a, b] = ["a", "b"].map(named);
    let service = bed.serve(Protocol::Tcp, "rr", &[a, b]);
    let mut open = [connect(service), connect(service)];
    let mut names = open.each_mut().map(|it| read(it, 1));
    names.sort();
    assert_eq!(names, ["a", "b"]);
    bed.change(&Change::EditServer(service, real_server(a, 0)));
    for _ in 0..4 {
        assert_eq!(read(&mut connect(service), 1), "b");
    }
    for it in &mut open {
        it.write_all(b"on").unwrap();
        assert_eq!(read(it, 2), "on", "what is open goes on");
    }
}

#[test]
fn persistent_clients_stay_and_are_told_apart_by_address() {
    let mut bed = Bed::new();
    let key = ServiceKey::from((Protocol::Tcp, address().into()));
    bed.add(Service { persistence: Some(300), ..Service::new(key, "rr") }, &["a", "b"].map(named));
    let names = |last| {
        let from = Ipv4Addr::new(127, 0, 0, last).into();
        let names: Vec<_> = (0..4).map(|_| read(&mut connect_from(from, key), 1)).collect();
        assert!(names.iter().all(|it| *it == names[0]), "{names:?}");
        names[0].clone()
    };
    assert_ne!(names(1), names(2));
    let persistent: u32 = bed.entry(key).servers.iter().map(|it| it.persistent).sum();
    assert_eq!(persistent, 2);
}

#[test]
fn a_full_real_server_is_passed_over_and_a_full_service_resets() {
    let mut bed = Bed::new();
    let service = bed.serve(Protocol::Tcp, "rr", &[]);
    let [a, b] = ["a", "b"].map(named);
    for address in [a, b] {
        let server = RealServer { upper_threshold: 2, ..real_server(address, 1) };
        bed.change(&Change::AddServer(service, server));
    }
    let mut open: Vec<_> = (0..4).map(|_| connect(service)).collect();
    let mut names: Vec<_> = open.iter_mut().map(|it| read(it, 1)).collect();
    names.sort();
    assert_eq!(names, ["a", "a", "b", "b"]);
    assert!(is_refused(service));
    bed.skip(Duration::from_secs(2));
    assert_eq!(bed.handle.totals().unwrap().total.connections, 4, "a refusal counts nowhere");
}

#[test]
fn a_deleted_real_server_keeps_its_connections_waiting_until_it_comes_back() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (mut client, mut server) = (connect(service), accept(&listener));
    bed.change(&Change::DeleteServer(server_key(service, address)));
    client.write_all(b"held back").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(server.read(&mut [0; 16]).is_err(), "as a packet that is dropped");
    bed.change(&Change::AddServer(service, real_server(address, 1)));
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(read(&mut server, 9), "held back");
}

#[test]
fn a_deleted_real_server_ends_its_connections_if_it_is_to() {
    let sysctls = Sysctls { expire_nodest_conn: true, ..Sysctls::default() };
    let mut bed = Bed::with(Settings { sysctls, ..Settings::default() }, |_| {});
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (mut client, mut server) = (connect(service), accept(&listener));
    bed.change(&Change::DeleteServer(server_key(service, address)));
    assert!(is_reset(&mut client) && is_reset(&mut server));
}

#[test]
fn a_connection_ends_with_its_time_out() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (mut client, mut server) = (connect(service), accept(&listener));
    bed.wait_until("it is established", |bed| bed.server(service, address).active == 1);
    client.write_all(b"?").unwrap();
    read(&mut server, 1);
    bed.skip(Duration::from_secs(899));
    assert_eq!(bed.open_connections(), 1);
    bed.skip(Duration::from_secs(2));
    assert!(is_reset(&mut client) && is_reset(&mut server));
    assert_eq!(bed.open_connections(), 0);
}

#[test]
fn a_service_of_every_address_has_those_that_no_other_service_has() {
    let mut bed = Bed::new();
    let free = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap();
    let every = ServiceKey::from((Protocol::Tcp, Endpoint::from(free)));
    bed.add(Service::new(every, "rr"), &[named("every")]);
    let at = |last| {
        let endpoint = Endpoint::new(Ipv4Addr::new(127, 0, 0, last), free.port());
        ServiceKey::from((Protocol::Tcp, endpoint))
    };
    bed.add(Service::new(at(2), "rr"), &[named("exact")]);
    assert_eq!(read(&mut connect(at(1)), 5), "every");
    assert_eq!(read(&mut connect(at(2)), 5), "exact");
    bed.change(&Change::DeleteService(every));
    assert!(std::net::TcpStream::connect(endpoint(at(1))).is_err());
    assert_eq!(read(&mut connect(at(2)), 5), "exact");
}

#[test]
fn what_user_space_cannot_do_is_shown_and_told_once() {
    let mut bed = Bed::new();
    let any: Endpoint = "127.0.0.1:0".parse().unwrap();
    let sctp: Endpoint = "127.0.0.1:7000".parse().unwrap();
    let persistent = |key| Service { persistence: Some(300), ..Service::new(key, "rr") };
    let services = [
        Service::new(ServiceKey::Fwmark { mark: 7, family: Family::V4 }, "rr"),
        Service::new((Protocol::Sctp, sctp).into(), "rr"),
        persistent((Protocol::Tcp, any).into()),
    ];
    for service in &services {
        bed.change(&Change::AddService(service.clone()));
        assert_eq!(bed.entry(service.key).service.config, *service);
        bed.change(&Change::EditService(service.clone()));
    }
    let daemon = |role| SyncDaemon {
        role,
        interface: b"lo".to_vec(),
        sync_id: 1,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    };
    bed.change(&Change::StartDaemon(daemon(SyncRole::Master)));
    bed.change(&Change::StartDaemon(daemon(SyncRole::Backup)));
    assert_eq!(bed.handle.daemons().unwrap().len(), 2);
    let told: Vec<_> =
        bed.lines().iter().map(|it| it.split(" reason").next().unwrap().to_owned()).collect();
    assert_eq!(
        told,
        [
            "not-forwarded service=\"fwmark 7\"",
            "not-forwarded service=\"sctp 127.0.0.1:7000\"",
            "not-forwarded service=\"tcp 127.0.0.1:0\"",
            "not-synchronised",
        ]
    );
}

#[test]
fn an_address_that_cannot_be_had_is_told_once_and_tried_again() {
    let mut bed = Bed::new();
    let taken = TcpListener::bind(address()).unwrap();
    let key = ServiceKey::from((Protocol::Tcp, Endpoint::from(taken.local_addr().unwrap())));
    bed.add(Service::new(key, "rr"), &[named("alive")]);
    let line = bed.wait_for_line("listen-failed");
    assert!(line.contains(&format!("service=\"{key}\"")) && line.contains("remedy="), "{line}");
    let other = bed.serve(Protocol::Tcp, "rr", &[named("other")]);
    assert_eq!(read(&mut connect(other), 5), "other");
    for _ in 0..3 {
        bed.skip(Duration::from_secs(3));
    }
    assert!(bed.lines().is_empty(), "it is told once");
    drop(taken);
    bed.skip(Duration::from_secs(3));
    bed.wait_for_line("listening");
    assert_eq!(read(&mut connect(key), 5), "alive");

    let elsewhere: SocketAddr = "192.0.2.1:7000".parse().unwrap();
    let key = ServiceKey::from((Protocol::Udp, Endpoint::from(elsewhere)));
    bed.add(Service::new(key, "rr"), &[]);
    assert!(bed.wait_for_line("listen-failed").contains("ip address add"));
    bed.change(&Change::DeleteService(key));
    bed.skip(Duration::from_secs(3));
    assert!(bed.lines().is_empty(), "what is deleted is not tried again");
}

#[test]
fn a_batch_stops_where_it_is_told_to() {
    let mut bed = Bed::new();
    let [first, second] =
        [address(), address()].map(|it| ServiceKey::from((Protocol::Tcp, it.into())));
    let changes = [
        Change::AddService(Service::new(first, "rr")),
        Change::AddService(Service::new(first, "rr")),
        Change::AddService(Service::new(second, "rr")),
    ];
    let failures = bed.handle.apply(&changes, OnFailure::Stop);
    assert_eq!(
        (failures.len(), failures[0].step, &failures[0].error),
        (1, 1, &Error::ServiceExists)
    );
    assert!(std::net::TcpStream::connect(endpoint(first)).is_ok());
    assert!(std::net::TcpStream::connect(endpoint(second)).is_err());
}

#[test]
fn a_walk_through_a_large_table_gives_others_their_turns() {
    const ENTRIES: u32 = 20_000;
    /// Entries of a page; see `host/embedded/src/listing.rs`.
    const PAGE: u32 = 1024;
    let mut bed = Bed::new();
    let service = bed.serve(Protocol::Udp, "rr", &[address()]);
    let to = Endpoint::from(endpoint(service));
    let begin = move |it: &mut Forwarder| {
        for client in 0..ENTRIES {
            let client = Endpoint::new(Ipv4Addr::from(0x0a00_0000 + client), 53);
            it.core().receive(&traffic::datagram(client, to, 1));
        }
    };
    bed.handle.ask(begin).unwrap();
    let turns = bed.turns();
    assert_eq!(bed.handle.connections().unwrap().count(), ENTRIES as usize);
    assert!(bed.turns() - turns >= u64::from(ENTRIES / PAGE), "it pauses after each page");

    // Between two pages there is time for whatever else.
    let mut walk = bed.handle.connections().unwrap();
    walk.next().unwrap().unwrap();
    let alive = bed.serve(Protocol::Tcp, "rr", &[named("alive")]);
    assert_eq!(read(&mut connect(alive), 5), "alive");
    bed.change(&Change::DeleteService(alive));
    assert!(walk.by_ref().take(ENTRIES as usize / 2).all(|it| it.is_ok()));
    bed.handle.stop();
    bed.join();
    assert!(walk.any(|it| it.is_err()), "a walk that is cut short says so");
}

#[test]
fn stopping_lets_connections_finish() {
    let mut bed = Bed::new();
    let (listener, address) = listen();
    let service = bed.serve(Protocol::Tcp, "rr", &[address]);
    let (mut client, mut server) = (connect(service), accept(&listener));
    bed.handle.stop();
    bed.wait_for_line("draining");
    bed.wait_until("no further client is let in", |_| {
        std::net::TcpStream::connect(endpoint(service)).is_err()
    });
    client.write_all(b"still here").unwrap();
    assert_eq!(read(&mut server, 10), "still here");
    drop((client, server));
    bed.join();
    assert!(bed.handle.info().is_err(), "who asks later hears that it has ended");
}

#[test]
fn what_has_not_finished_in_time_is_reset() {
    for twice in [false, true] {
        let mut bed = Bed::new();
        let (listener, address) = listen();
        let service = bed.serve(Protocol::Tcp, "rr", &[address]);
        let (mut client, mut server) = (connect(service), accept(&listener));
        bed.handle.stop();
        bed.wait_for_line("draining");
        if twice {
            bed.handle.stop();
        } else {
            bed.skip(PATIENCE);
        }
        assert!(is_reset(&mut client) && is_reset(&mut server));
        assert!(bed.wait_for_line("connections-reset").contains("connections=1"));
        bed.join();
    }
}

#[test]
fn the_handle_may_be_used_by_many() {
    let bed = Bed::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut handle = bed.handle.clone();
            scope.spawn(move || {
                for _ in 0..100 {
                    handle.info().unwrap();
                }
            });
        }
    });
}
