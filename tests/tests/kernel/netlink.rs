//! The kernel backend on a real kernel: what is written is read back, every refusal finds
//! its step, and a table that moves is read whole.

use std::{
    collections::HashSet,
    io::Read as _,
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use weir_ipvs::{
    Availability, Change, Endpoint, Error, Failure, Family, Fields, Forwarding, Ipvs as _,
    OnFailure, Protocol, RealServer, RealServerKey, Scope, Service, ServiceFlags, ServiceKey,
    Snapshot, Stats, SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};
use weir_netlink::{Autoload, Netlink};
use weir_tests::{
    engine, guest, links,
    namespace::{self, Network},
};

/// What a plain listing asks for.
const PLAIN: Fields = Fields { details: false, connections: true, templates: false, stats: false };

/// Runs `body` with an IPVS of its own, empty.
fn with_ipvs(body: impl FnOnce(&mut Netlink) + Send) {
    let _alone = guest::alone();
    guest::load_modules();
    namespace::in_fresh_network(|| {
        links::set_up().expect("the guest has dummy devices");
        body(&mut Netlink::open(Autoload::No).expect("the guest has ip_vs"));
    });
}

fn tcp(endpoint: &str) -> ServiceKey {
    ServiceKey::from((Protocol::Tcp, endpoint.parse::<Endpoint>().unwrap()))
}

fn mark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::Fwmark { mark, family }
}

/// Service number `n` of many.
fn numbered(n: usize) -> ServiceKey {
    let port = u16::try_from(1 + n % 50_000).unwrap();
    let address = [10, 0, 0, u8::try_from(n / 50_000).unwrap()];
    ServiceKey::from((Protocol::Tcp, Endpoint::new(address, port)))
}

/// Real server number `n` of a service.
fn server(n: u8) -> RealServer {
    RealServer::new(Endpoint::new([192, 0, 2, 1 + n], 80), Forwarding::Masquerade, n.into())
}

/// Makes changes that all have to succeed.
fn make(ipvs: &mut Netlink, changes: &[Change]) {
    assert_eq!(ipvs.apply(changes, OnFailure::Proceed), []);
}

fn read(ipvs: &mut Netlink) -> Snapshot {
    ipvs.read(Scope::All, Fields::ALL).expect("the table can be read")
}

/// Services of every kind, with real servers of every kind.
fn motley() -> Vec<(Service, Vec<RealServer>)> {
    let gue = Tunnel { kind: TunnelKind::Gue, port: 6080, checksum: TunnelChecksum::Remote };
    let gre = Tunnel { kind: TunnelKind::Gre, port: 0, checksum: TunnelChecksum::Full };
    let tunnel = |endpoint: &str, tunnel| RealServer {
        tunnel,
        ..RealServer::new(endpoint.parse().unwrap(), Forwarding::Tunnel, 5)
    };
    let limited = RealServer { upper_threshold: 100, lower_threshold: 50, ..server(9) };
    let direct = RealServer {
        forwarding: Forwarding::Direct,
        weight: i32::MAX.cast_unsigned(),
        ..server(3)
    };
    let local6 = RealServer::new("[::1]:8080".parse().unwrap(), Forwarding::Masquerade, 1);
    let udp = ServiceKey::from((Protocol::Udp, "192.0.2.1:53".parse::<Endpoint>().unwrap()));
    let sctp = ServiceKey::from((Protocol::Sctp, "192.0.2.1:80".parse::<Endpoint>().unwrap()));
    let gre_protocol =
        ServiceKey::from((Protocol::Other(47), "192.0.2.1:0".parse::<Endpoint>().unwrap()));
    vec![
        (Service::new(tcp("192.0.2.1:80"), "wrr"), vec![server(1), server(2), direct, limited]),
        (
            Service {
                flags: ServiceFlags::SCHEDULER_1 | ServiceFlags::SCHEDULER_2,
                persistence: Some(360),
                netmask: 0xffff_ff00,
                ..Service::new(tcp("192.0.2.1:443"), "sh")
            },
            vec![tunnel("192.0.2.7:80", gue), tunnel("192.0.2.8:80", gre), tunnel("[::1]:80", gre)],
        ),
        (
            Service { flags: ServiceFlags::ONE_PACKET, ..Service::new(udp, "rr") },
            vec![server(1), server(2)],
        ),
        (
            Service {
                persistence: Some(300),
                engine: Some("sip".to_owned()),
                ..Service::new(
                    ServiceKey::from((
                        Protocol::Udp,
                        "192.0.2.1:5060".parse::<Endpoint>().unwrap(),
                    )),
                    "rr",
                )
            },
            vec![],
        ),
        (Service::new(sctp, "lc"), vec![server(4)]),
        (Service::new(gre_protocol, "none"), vec![server(5)]),
        (
            Service {
                persistence: Some(60),
                netmask: 64,
                ..Service::new(tcp("[2001:db8::1]:80"), "wlc")
            },
            vec![local6, tunnel("192.0.2.9:80", Tunnel::default())],
        ),
        (Service::new(mark(7, Family::V4), "mh"), vec![server(6), server(7)]),
        (Service::new(mark(7, Family::V6), "dh"), vec![local6]),
        (Service::new(mark(u32::MAX, Family::V4), "nq"), vec![]),
    ]
}

fn changes_for(table: &[(Service, Vec<RealServer>)]) -> Vec<Change> {
    let one = |(service, servers): &(Service, Vec<RealServer>)| {
        let key = service.key;
        let servers: Vec<_> = servers.iter().map(|it| Change::AddServer(key, *it)).collect();
        std::iter::once(Change::AddService(service.clone())).chain(servers)
    };
    table.iter().flat_map(one).collect()
}

/// The table as a walk tells it.
fn walk(ipvs: &mut Netlink, fields: Fields) -> Snapshot {
    let entries = ipvs.walk(fields).expect("the table can be walked through");
    Snapshot { entries: entries.map(|it| it.expect("it can to its end")).collect() }
}

#[test]
fn what_changes_during_a_walk_is_told_as_it_is_when_it_is_passed() {
    with_ipvs(|ipvs| {
        let service = |n| Service::new(numbered(n), "rr");
        make(ipvs, &[0, 1, 2].map(|n| Change::AddService(service(n))));
        let mut entries = ipvs.walk(Fields::ALL).unwrap();
        let first = entries.next().unwrap().unwrap().service.config.key;
        let left: Vec<_> = [0, 1, 2].map(numbered).into_iter().filter(|it| *it != first).collect();
        make(ipvs, &[Change::DeleteService(left[0]), Change::AddServer(left[1], server(0))]);
        let entries: Vec<_> = entries.map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1, "a service that is gone does not come");
        assert_eq!(entries[0].service.config.key, left[1]);
        assert_eq!(entries[0].servers.len(), 1);
    });
}

#[test]
fn what_is_written_is_read_back() {
    with_ipvs(|ipvs| {
        let table = motley();
        make(ipvs, &changes_for(&table));
        let snapshot = read(ipvs);
        assert_eq!(snapshot.entries.len(), table.len());
        for (service, servers) in &table {
            let entry = snapshot.get(&service.key).expect("it was added");
            assert_eq!(entry.service.config, *service);
            // Newest first.
            let found: Vec<_> = entry.servers.iter().rev().map(|it| it.config).collect();
            assert_eq!(found, *servers, "{}", service.key);
            let alone = ipvs.read(Scope::One(service.key), Fields::ALL).unwrap();
            assert_eq!(alone.entries, std::slice::from_ref(entry));
        }
    });
}

#[test]
fn the_quick_way_to_read_tells_the_same() {
    with_ipvs(|ipvs| {
        make(ipvs, &changes_for(&motley()));
        for n in 0..200 {
            let service = Service::new(numbered(n), "rr");
            make(ipvs, &[Change::AddService(service)]);
            let servers = (0..u8::try_from(n % 15).unwrap()).map(server);
            let changes: Vec<_> = servers.map(|it| Change::AddServer(numbered(n), it)).collect();
            make(ipvs, &changes);
        }
        let mut expected = read(ipvs);
        for server in expected.entries.iter_mut().flat_map(|entry| &mut entry.servers) {
            server.stats = Stats::default();
        }
        assert_eq!(ipvs.read(Scope::All, Fields::BUT_STATS).unwrap(), expected);
        assert_eq!(walk(ipvs, Fields::BUT_STATS), expected);
        assert_eq!(walk(ipvs, Fields::ALL), read(ipvs));
        let mut found = ipvs.read(Scope::All, PLAIN).unwrap();
        let all = expected.entries.iter().zip(&mut found.entries);
        for (expected, found) in
            all.flat_map(|(left, right)| left.servers.iter().zip(&mut right.servers))
        {
            // What was not asked for may come or not.
            found.config.tunnel = expected.config.tunnel;
            found.config.upper_threshold = expected.config.upper_threshold;
            found.config.lower_threshold = expected.config.lower_threshold;
        }
        assert_eq!(found, expected);
    });
}

#[test]
fn every_refusal_in_a_batch_finds_its_step() {
    with_ipvs(|ipvs| {
        let key = tcp("192.0.2.1:80");
        make(
            ipvs,
            &[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server(0))],
        );
        let missing = tcp("192.0.2.1:81");
        let mut changes = Vec::new();
        let mut expected = Vec::new();
        for step in 0..1500_usize {
            let (change, error) = match step % 100 {
                13 => (Change::AddServer(key, server(0)), Some(Error::ServerExists)),
                14 => (Change::EditServer(key, server(200)), Some(Error::NoSuchServer)),
                15 => (Change::DeleteService(missing), Some(Error::NoSuchService)),
                16 => (Change::AddService(Service::new(key, "rr")), Some(Error::ServiceExists)),
                17 => {
                    (Change::AddService(Service::new(missing, "nope")), Some(Error::NoSuchModule))
                }
                18 => {
                    let name = "longer-than-any-name";
                    (Change::AddService(Service::new(missing, name)), Some(Error::Errno(22)))
                }
                19 => {
                    let server = RealServer { weight: u32::MAX, ..server(0) };
                    (Change::EditServer(key, server), Some(Error::Errno(34)))
                }
                _ => {
                    let weight = u32::try_from(step).unwrap();
                    (Change::EditServer(key, RealServer { weight, ..server(0) }), None)
                }
            };
            changes.push(change);
            expected.extend(error.map(|error| Failure { step, error }));
        }
        assert_eq!(ipvs.apply(&changes, OnFailure::Proceed), expected);
        assert_eq!(read(ipvs).get(&key).unwrap().servers[0].config.weight, 1499);
    });
}

#[test]
fn none_of_very_many_refusals_is_lost() {
    with_ipvs(|ipvs| {
        let changes = vec![Change::DeleteService(tcp("192.0.2.1:80")); 20_000];
        let failures = ipvs.apply(&changes, OnFailure::Proceed);
        assert_eq!(failures.len(), changes.len());
        for (step, failure) in failures.iter().enumerate() {
            assert_eq!((failure.step, &failure.error), (step, &Error::NoSuchService));
        }
    });
}

#[test]
fn nothing_is_tried_after_a_failure_that_stops() {
    with_ipvs(|ipvs| {
        let key = tcp("192.0.2.1:80");
        let changes = [
            Change::AddService(Service::new(key, "rr")),
            Change::AddServer(key, server(1)),
            Change::AddServer(key, server(1)),
            Change::AddServer(key, server(2)),
            Change::Flush,
        ];
        let failures = ipvs.apply(&changes, OnFailure::Stop);
        assert_eq!(failures, [Failure { step: 2, error: Error::ServerExists }]);
        assert_eq!(read(ipvs).get(&key).unwrap().servers.len(), 1);
    });
}

#[test]
fn changes_take_place_in_their_order() {
    with_ipvs(|ipvs| {
        let key = tcp("192.0.2.1:80");
        let edited = Service { persistence: Some(50), ..Service::new(key, "wlc") };
        let server_key = RealServerKey { service: key, server: server(1).endpoint };
        make(
            ipvs,
            &[
                Change::AddService(Service::new(key, "rr")),
                Change::AddServer(key, server(1)),
                Change::DeleteServer(server_key),
                Change::AddServer(key, server(2)),
                Change::Zero(Some(key)),
                Change::Zero(None),
                Change::DeleteService(key),
                Change::AddService(Service::new(key, "rr")),
                Change::AddServer(key, server(3)),
                Change::EditService(edited.clone()),
            ],
        );
        let snapshot = read(ipvs);
        assert_eq!(snapshot.entries.len(), 1);
        assert_eq!(snapshot.entries[0].service.config, edited);
        assert_eq!(snapshot.entries[0].servers[0].config, server(3));
        make(ipvs, &[Change::Flush]);
        assert_eq!(read(ipvs).entries, []);
    });
}

fn daemon(role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: b"eth0".to_vec(),
        sync_id: 12,
        max_length: Some(1200),
        group: Some("224.0.1.2".parse().unwrap()),
        port: Some(9999),
        ttl: Some(3),
    }
}

#[test]
fn daemons_start_and_stop_however_quickly() {
    with_ipvs(|ipvs| {
        let (master, backup) = (daemon(SyncRole::Master), daemon(SyncRole::Backup));
        make(ipvs, &[Change::StartDaemon(backup.clone()), Change::StartDaemon(master.clone())]);
        assert_eq!(ipvs.daemons().unwrap(), [master.clone(), backup]);
        let again = ipvs.apply(&[Change::StartDaemon(master.clone())], OnFailure::Proceed);
        assert_eq!(again, [Failure { step: 0, error: Error::DaemonRunning }]);
        make(ipvs, &[Change::StopDaemon(SyncRole::Backup, 12)]);
        make(ipvs, &[Change::StopDaemon(SyncRole::Master, 12)]);
        assert_eq!(ipvs.daemons().unwrap(), []);
        // A thread that is stopped before it ran is not answered for, on some kernels.
        let stop = Change::StopDaemon(SyncRole::Master, 12);
        let both = vec![[Change::StartDaemon(master), stop.clone()]; 10].concat();
        make(ipvs, &both);
        assert_eq!(ipvs.daemons().unwrap(), []);
        let none = ipvs.apply(&[stop], OnFailure::Proceed);
        assert_eq!(none, [Failure { step: 0, error: Error::DaemonNotRunning }]);
        let absent = SyncDaemon { interface: b"absent0".to_vec(), ..daemon(SyncRole::Master) };
        let failures = ipvs.apply(&[Change::StartDaemon(absent)], OnFailure::Stop);
        assert_eq!(failures, [Failure { step: 0, error: Error::Errno(libc::ENODEV) }]);
    });
}

#[test]
fn the_kernel_tells_of_itself() {
    with_ipvs(|ipvs| {
        let info = ipvs.info().unwrap();
        assert_eq!(info.version, (1, 2, 1));
        assert!(info.connection_table_size >= 256, "{info:?}");
        assert_eq!(ipvs.timeouts(), Ok(Timeouts { tcp: 900, tcp_fin: 120, udp: 300 }));
        make(ipvs, &[Change::SetTimeouts(Timeouts { tcp: 0, tcp_fin: 33, udp: 44 })]);
        assert_eq!(ipvs.timeouts(), Ok(Timeouts { tcp: 900, tcp_fin: 33, udp: 44 }));
        assert_eq!(ipvs.totals(), Ok(Stats::default()));
        let schedulers = ipvs.schedulers().unwrap();
        let availability =
            |name: &str| schedulers.iter().find(|it| it.name == name).unwrap().availability;
        assert_eq!(availability("none"), Availability::BuiltIn);
        assert_eq!(availability("wrr"), Availability::Loaded);
        let absent = ipvs.read(Scope::One(tcp("192.0.2.1:80")), Fields::ALL);
        assert_eq!(absent, Err(Error::NoSuchService));
    });
}

#[test]
fn connections_are_shown() {
    with_ipvs(|ipvs| {
        assert_eq!(ipvs.connections().unwrap().count(), 0);
        let (key, target) = (tcp("192.0.2.1:80"), "192.0.2.1:8080".parse().unwrap());
        let server = RealServer::new(target, Forwarding::Masquerade, 1);
        make(ipvs, &[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server)]);
        let listener = TcpListener::bind("192.0.2.1:8080").unwrap();
        let client = TcpStream::connect("192.0.2.1:80").unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        let found: Vec<_> = ipvs.connections().unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].protocol.as_str(), found[0].state.as_str()), ("TCP", "ESTABLISHED"));
        assert_eq!(found[0].client, client.local_addr().unwrap().into());
        assert_eq!(found[0].virtual_address, "192.0.2.1:80".parse().unwrap());
        assert_eq!(found[0].server, target);
        assert!((1..=900).contains(&found[0].expires_in), "{found:?}");
        let connections = |fields| {
            let servers = ipvs_servers(&mut Netlink::open(Autoload::No).unwrap(), fields);
            (servers[0].active, servers[0].inactive)
        };
        assert_eq!(connections(Fields::ALL), (1, 0));
        // Enough services for the quick way.
        make(ipvs, &[1, 2, 3].map(|n| Change::AddService(Service::new(numbered(n), "rr"))));
        assert_eq!(connections(PLAIN), (1, 0));
        drop(client);
        assert_eq!(accepted.read(&mut [0]).unwrap(), 0, "the client has closed");
    });
}

fn ipvs_servers(ipvs: &mut Netlink, fields: Fields) -> Vec<weir_ipvs::RealServerStatus> {
    let snapshot = ipvs.read(Scope::All, fields).unwrap();
    snapshot.entries.into_iter().flat_map(|entry| entry.servers).collect()
}

#[test]
fn what_nobody_touches_is_never_left_out_of_a_table_that_moves() {
    const STEADY: usize = 400;
    with_ipvs(|ipvs| {
        let key = numbered(0);
        let mut changes: Vec<_> =
            (0..STEADY).map(|n| Change::AddService(Service::new(numbered(n), "rr"))).collect();
        changes.extend((0..100).map(|n| Change::AddServer(key, server(n))));
        make(ipvs, &changes);
        let done = AtomicBool::new(false);
        let network = Network::current();
        thread::scope(|scope| {
            scope.spawn(|| {
                network.enter();
                let mut other = Netlink::open(Autoload::No).unwrap();
                let services: Vec<_> = (STEADY..2 * STEADY).map(numbered).collect();
                while !done.load(Ordering::Relaxed) {
                    let adds =
                        services.iter().map(|it| Change::AddService(Service::new(*it, "rr")));
                    let servers = (100..150).map(|n| Change::AddServer(key, server(n)));
                    make(&mut other, &adds.chain(servers).collect::<Vec<_>>());
                    let gone = services.iter().map(|it| Change::DeleteService(*it));
                    let servers = (100..150).map(|n| {
                        let server = server(n).endpoint;
                        Change::DeleteServer(RealServerKey { service: key, server })
                    });
                    make(&mut other, &gone.chain(servers).collect::<Vec<_>>());
                }
            });
            let _stop = SetOnDrop(&done);
            for round in 0..60 {
                let fields = if round % 2 == 0 { Fields::ALL } else { PLAIN };
                let snapshot = ipvs.read(Scope::All, fields).unwrap();
                let keys: HashSet<_> =
                    snapshot.entries.iter().map(|entry| entry.service.config.key).collect();
                assert_eq!(keys.len(), snapshot.entries.len(), "a service came twice");
                let missing = (0..STEADY).filter(|n| !keys.contains(&numbered(*n))).count();
                assert_eq!(missing, 0, "round {round}");
                let servers = &snapshot.get(&key).unwrap().servers;
                let addresses: HashSet<_> = servers.iter().map(|it| it.config.endpoint).collect();
                assert_eq!(addresses.len(), servers.len(), "a real server came twice");
                let steady = (0..100).all(|n| addresses.contains(&server(n).endpoint));
                assert!(steady, "round {round}: {} real servers", servers.len());
            }
        });
    });
}

/// What tests see of a table is all of it.
#[test]
fn services_of_other_networks_hide_none_from_the_kernels_listing() {
    with_ipvs(|ipvs| {
        // All over the kernel's hash table, where they lie between the other's.
        let services: Vec<_> =
            (0..16).map(|n| Change::AddService(Service::new(numbered(16 * n), "rr"))).collect();
        make(ipvs, &services);
        let here = Network::current();
        let elsewhere = Network::fresh();
        elsewhere.enter();
        make(&mut Netlink::open(Autoload::No).unwrap(), &services);
        for network in [&here, &elsewhere] {
            network.enter();
            let listing = engine::listing();
            assert_eq!(listing.matches("\nTCP ").count(), 16, "{listing}");
        }
    });
}

/// Ends the other thread, even if this one panics.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn without_the_right_to_it_there_is_no_opening() {
    with_ipvs(|_| {
        let nobody = 65_534;
        // SAFETY: takes no pointers. The system call changes this thread alone.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, nobody, nobody, nobody) };
        assert_eq!(result, 0);
        assert_eq!(Netlink::open(Autoload::No).err(), Some(Error::NotPermitted));
    });
}
