//! Recorded requests and replies of Linux 6.1, and what must hold for any.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const GET_DEST: u64 = 8;
const GET_DAEMON: u64 = 11;

/// What `netlink-vectors.json` says of one request.
struct Vector {
    command: u64,
    payload: Vec<u8>,
    errno: String,
    replies: Vec<Vec<u8>>,
    about: String,
}

fn vectors() -> Vec<Vector> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/netlink-vectors.json");
    let text = std::fs::read_to_string(path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let requests = file["requests"].as_array().unwrap().iter().filter(|it| it["cmd"].is_u64());
    requests
        .map(|request| Vector {
            command: request["cmd"].as_u64().unwrap(),
            payload: bytes(&request["payload"]),
            errno: request["errno"].as_str().unwrap().to_owned(),
            replies: request["replies"].as_array().into_iter().flatten().map(bytes).collect(),
            about: request.to_string(),
        })
        .collect()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A request in our words, or none if they cannot or need not express it.
fn change(command: u64, payload: &[u8]) -> Option<Change> {
    let key = || {
        let nest: table::Service<'_> = nested(payload, SERVICE).ok()?;
        key_of(&nest).ok()
    };
    let whole_service = || {
        let nest: table::Service<'_> = nested(payload, SERVICE).ok()?;
        let whole = nest.flags?.mask == u32::MAX && nest.timeout.is_some();
        whole.then(|| service_of(&nest).ok()).flatten()
    };
    let dest = || nested::<table::Dest<'_>>(payload, DEST).ok();
    let whole_server = || {
        let nest = dest()?;
        let whole = nest.upper_threshold.is_some() && nest.lower_threshold.is_some();
        whole.then(|| server_of(&nest, key()?.family()).ok()).flatten()
    };
    let daemon = || nested::<table::Daemon<'_>>(payload, DAEMON).ok();
    Some(match command {
        1 => Change::AddService(whole_service()?),
        2 => Change::EditService(whole_service()?),
        3 => Change::DeleteService(key()?),
        5 => Change::AddServer(key()?, whole_server()?),
        6 => Change::EditServer(key()?, whole_server()?),
        7 => {
            let nest = dest()?;
            let family = nest.family.map_or(Some(key()?.family()), family_of)?;
            let server = endpoint_of(nest.address, nest.port, family).ok()?;
            Change::DeleteServer(RealServerKey { service: key()?, server })
        }
        9 => Change::StartDaemon(daemon_of(&daemon()?).ok()?),
        10 => {
            let nest = daemon()?;
            let role = match nest.state? {
                1 => SyncRole::Master,
                2 => SyncRole::Backup,
                _ => return None,
            };
            Change::StopDaemon(role, nest.sync_id.unwrap_or(0))
        }
        12 => Change::SetTimeouts(timeouts(payload).ok()?),
        16 if payload.is_empty() => Change::Zero(None),
        16 => Change::Zero(Some(key()?)),
        17 => Change::Flush,
        _ => return None,
    })
}

fn encoded(change: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    put_change(&mut out, change).unwrap();
    out
}

/// Attributes by number, of nests too, as far as the kernel looks at them.
fn flat(payload: &[u8]) -> BTreeMap<(u16, u16), Vec<u8>> {
    let mut flat = BTreeMap::new();
    for (number, payload) in Attributes::new(payload) {
        if number <= DAEMON {
            let inner = Attributes::new(payload);
            flat.extend(inner.map(|(it, payload)| ((number, it), payload.to_vec())));
        } else {
            flat.insert((number, 0), payload.to_vec());
        }
    }
    flat
}

/// Attributes that weir always sends, with what the kernel makes of their absence.
fn with_defaults(command: u64, sent: &[u8], ours: &[u8]) -> BTreeMap<(u16, u16), Vec<u8>> {
    let mut flat_sent = flat(sent);
    for (number, payload) in flat(ours) {
        let zeros = payload.iter().all(|&byte| byte == 0);
        let family = number == (DEST, 11);
        if family && flat_sent.get(&number).is_some_and(|sent| sent == &[0, 0]) {
            flat_sent.remove(&number);
        }
        if zeros || family || (command == 10 && number.0 == DAEMON) {
            flat_sent.entry(number).or_insert(payload);
        }
    }
    flat_sent
}

#[test]
fn recorded_requests_are_encoded_as_they_were_sent() {
    let mut compared = 0;
    for vector in vectors() {
        // What the kernel finds malformed our words cannot say, by intent.
        let malformed = vector.about.contains("attr 2 bytes") || vector.errno == "EOPNOTSUPP";
        if malformed {
            continue;
        }
        let Some(change) = change(vector.command, &vector.payload) else { continue };
        let mut ours = Vec::new();
        if let Err(error) = put_change(&mut ours, &change) {
            assert_eq!((error, vector.errno.as_str()), (Error::Errno(EINVAL), "EINVAL"));
            continue;
        }
        let sent = with_defaults(vector.command, &vector.payload, &ours);
        let v4 = sent.get(&(SERVICE, 1)).is_some_and(|family| family[0] == 2);
        for (number, payload) in flat(&ours) {
            let sent = sent.get(&number).unwrap_or_else(|| panic!("{number:?}: {}", vector.about));
            let expected = meant(v4, number, sent, payload.len());
            assert_eq!(payload, expected, "{number:?} of {change:?}: {}", vector.about);
        }
        assert_eq!(u64::from(Command::of(&change) as u8), vector.command);
        compared += 1;
    }
    assert!(compared > 200, "only {compared} requests could be expressed");
}

/// What the kernel takes a recorded payload for: addresses and flags may be short and
/// numbers long, of an IPv4 address four bytes count, of the forwarding method three bits count, of flags not its own.
fn meant(v4: bool, number: (u16, u16), payload: &[u8], length: usize) -> Vec<u8> {
    let mut meant = payload.to_vec();
    meant.resize(length, 0);
    match number {
        (SERVICE, 3) if v4 => meant[4..].fill(0),
        (SERVICE, 7) => meant[0] &= !2,
        (DEST, 3) => {
            meant[0] &= 7;
            meant[1..].fill(0);
        }
        _ => {}
    }
    meant
}

#[test]
fn every_recorded_reply_is_understood() {
    let mut understood = [0; 5];
    for vector in vectors() {
        for reply in &vector.replies {
            let body = &reply[GENERIC_HEADER_BYTES..];
            let index = match (vector.command, reply[0]) {
                (_, 1) => service(body).map(|_| 0),
                (GET_DEST, 5) => server(body, Family::V4, true).map(|_| 1),
                (GET_DAEMON, 9) => daemon(body).map(|_| 2),
                (_, 12) => timeouts(body).map(|_| 3),
                (_, 14) => info(body).map(|_| 4),
                (command, reply) => panic!("reply {reply} to {command}: {}", vector.about),
            };
            understood[index.unwrap_or_else(|error| panic!("{error}: {}", vector.about))] += 1;
        }
    }
    assert!(understood.iter().all(|&count| count > 0), "{understood:?}");
}

/// What the list says in words, the kernel says in numbers; each of its refusals has to
/// keep its number through our variants, for tools report it.
#[test]
fn recorded_refusals_keep_their_number() {
    let numbers = BTreeMap::from([
        ("ESRCH", 3),
        ("ENOENT", 2),
        ("EEXIST", 17),
        ("EINVAL", 22),
        ("ERANGE", 34),
        ("ENODEV", 19),
        ("EAFNOSUPPORT", 97),
        ("ENETUNREACH", 101),
    ]);
    let mut mapped = 0;
    for vector in vectors() {
        let Some(&errno) = numbers.get(vector.errno.as_str()) else { continue };
        let Some(change) = change(vector.command, &vector.payload) else { continue };
        let error = crate::errno::of_change(&change, errno);
        assert_eq!(error.errno(), errno, "{}", vector.about);
        let named = !matches!(error, Error::Errno(_));
        assert_eq!(named, matches!(errno, 2 | 3 | 17), "{error:?}: {}", vector.about);
        mapped += 1;
    }
    assert!(mapped > 30, "only {mapped} refusals");
}

#[test]
fn names_that_the_kernel_would_refuse_are_refused() {
    let key = ServiceKey::Fwmark { mark: 1, family: Family::V4 };
    let check = |scheduler: &str, engine: Option<&str>, fine: bool| {
        let mut service = Service::new(key, scheduler);
        service.engine = engine.map(str::to_owned);
        let result = put_change(&mut Vec::new(), &Change::AddService(service));
        assert_eq!(result, if fine { Ok(()) } else { Err(Error::Errno(EINVAL)) });
    };
    check("", None, true);
    check("fifteen-letters", Some("sixteen--letters"), true);
    check("sixteen--letters", None, false);
    check("rr", Some("seventeen-letters"), false);
    check("r\0r", None, false);
}

#[test]
fn wide_counters_win_over_narrow_ones() {
    let mut nest = Vec::new();
    for (number, width) in [(10, 4), (12, 8)] {
        let mut stats = Vec::new();
        for (attribute, value) in (1_u16..=10).zip(100_u64..) {
            let value = (value * u64::from(number)).to_ne_bytes();
            stats.extend_from_slice(&(4 + u16::try_from(width).unwrap()).to_ne_bytes());
            stats.extend_from_slice(&attribute.to_ne_bytes());
            stats.extend_from_slice(&value[..width]);
        }
        put_attribute(&mut nest, number, &Nest(&stats));
    }
    let both = table::Dest::take(&nest).unwrap();
    assert_eq!(stats_of(both.stats, both.stats64).total.connections, 1200);
    assert_eq!(stats_of(both.stats, None).total.connections, 1000);
    assert_eq!(stats_of(both.stats, None).per_second.bytes_out, 1090);
    assert_eq!(stats_of(None, None), Stats::default());
}

prop_compose! {
    fn any_endpoint()(address: IpAddr, port: u16) -> Endpoint {
        Endpoint { address, port }
    }
}

fn any_key() -> impl Strategy<Value = ServiceKey> {
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    prop_oneof![
        (any::<u16>(), any_endpoint()).prop_map(|(number, endpoint)| ServiceKey::Address {
            protocol: Protocol::from_number(number),
            endpoint
        }),
        (any::<u32>(), family).prop_map(|(mark, family)| ServiceKey::Fwmark { mark, family }),
    ]
}

prop_compose! {
    fn any_service()(
        key in any_key(),
        scheduler in "[a-z]{1,15}",
        bits: u32,
        persistence: Option<u32>,
        netmask: u32,
        engine in proptest::option::of("[!-~]{1,16}"),
    ) -> Service {
        let flags = ServiceFlags::from_bits(bits);
        Service { key, scheduler, flags, persistence, netmask, engine }
    }
}

prop_compose! {
    fn any_server()(
        endpoint in any_endpoint(),
        forwarding: u32,
        kind: u8,
        port: u16,
        checksum: u16,
        weight: u32,
        upper_threshold: u32,
        lower_threshold: u32,
    ) -> RealServer {
        RealServer {
            endpoint,
            forwarding: Forwarding::from_number(forwarding),
            tunnel: Tunnel {
                kind: TunnelKind::from_number(kind),
                port,
                checksum: TunnelChecksum::from_number(checksum),
            },
            weight,
            upper_threshold,
            lower_threshold,
        }
    }
}

prop_compose! {
    fn any_daemon()(
        master: bool,
        interface in "[!-~]{1,15}",
        sync_id: u32,
        max_length: Option<u16>,
        group: Option<IpAddr>,
        port: Option<u16>,
        ttl: Option<u8>,
    ) -> SyncDaemon {
        let role = if master { SyncRole::Master } else { SyncRole::Backup };
        SyncDaemon { role, interface: interface.into(), sync_id, max_length, group, port, ttl }
    }
}

proptest! {
    #[test]
    fn services_come_back(expected in any_service()) {
        let body = encoded(&Change::AddService(expected.clone()));
        prop_assert_eq!(service(&body).unwrap().config, expected);
        prop_assert!(body.len() + 64 < REQUEST_BYTES_MAX);
    }

    #[test]
    fn real_servers_come_back(key in any_key(), expected in any_server()) {
        let body = encoded(&Change::AddServer(key, expected));
        // Its own family counts, whatever the service's is.
        prop_assert_eq!(server(&body, key.family(), true).unwrap().config, expected);
        let nest: table::Service<'_> = nested(&body, SERVICE).unwrap();
        prop_assert_eq!(key_of(&nest).unwrap(), key);
        prop_assert!(body.len() + 64 < REQUEST_BYTES_MAX);
    }

    #[test]
    fn daemons_come_back(expected in any_daemon()) {
        let body = encoded(&Change::StartDaemon(expected.clone()));
        prop_assert_eq!(daemon(&body).unwrap(), expected);
    }

    #[test]
    fn timeouts_come_back(tcp: u32, tcp_fin: u32, udp: u32) {
        let expected = Timeouts { tcp, tcp_fin, udp };
        prop_assert_eq!(timeouts(&encoded(&Change::SetTimeouts(expected))).unwrap(), expected);
    }

    #[test]
    fn unknown_attributes_are_passed_over(
        key in any_key(),
        mut expected in any_server(),
        number in 100_u16..0x3fff,
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        // Without its own family a real server has the service's.
        expected.endpoint.address = key.family().unspecified();
        let mut nest = Vec::new();
        put_attribute(&mut nest, number, &Nest(&payload));
        table::Dest { family: None, ..dest_nest(&expected) }.put(&mut nest);
        put_attribute(&mut nest, number, &Nest(&payload));
        let mut body = Vec::new();
        put_attribute(&mut body, number, &Nest(&payload));
        put_attribute(&mut body, DEST, &Nest(&nest));
        prop_assert_eq!(server(&body, key.family(), true).unwrap().config, expected);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, number in 0_u16..5) {
        let mut body = Vec::new();
        put_attribute(&mut body, number, &Nest(&bytes));
        for body in [&bytes, &body] {
            decode_anything(body);
        }
    }
}
