//! Recorded conversations with a kernel, said to the embedded core in the trait's words.
//!
//! The requests are one long story: each is made on the table that those before it left.
//! What the trait has no words for is left out, and is always something that the kernel
//! refuses, or does not carry out.

use std::{net::IpAddr, path::Path};

use serde_json::Value;
use weir_embedded::{Embedded, Generation, Interface, Machine, Settings};
use weir_ipvs::{
    Change, Endpoint, Error, Family, Fields, Forwarding, Ipvs, OnFailure, Protocol, RealServer,
    RealServerKey, Scope, Service, ServiceFlags, ServiceKey, SyncDaemon, SyncRole, TableEntry,
    Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};
use weir_tests::netlink::{Attributes, REQUEST, attributes, number};

const GENL_HEADER: usize = 4;

#[test]
fn recorded_exchanges_go_the_same_way() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/netlink-vectors.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut story = Story::new();
    for step in file["requests"].as_array().unwrap() {
        story.go_on(step);
    }
    // So that no decoder leaves out half in silence.
    assert_eq!((story.said, story.unsaid), (291, 77), "exchanges said and left out");
}

/// The core, the machine around it, and how far the story has come.
struct Story {
    core: Embedded,
    machine: Machine,
    said: usize,
    unsaid: usize,
}

impl Story {
    fn new() -> Self {
        let mut settings = Settings { generation: Generation::Older, ..Settings::default() };
        settings.schedulers.retain(|name| !matches!(name.as_str(), "ovf" | "twos"));
        let machine = machine();
        let mut core = Embedded::new(settings);
        core.set_machine(machine.clone());
        Self { core, machine, said: 0, unsaid: 0 }
    }

    fn go_on(&mut self, step: &Value) {
        if let Some(change) = step["environment"].as_str() {
            return self.change_environment(change);
        }
        let executed = step["flags"].as_u64().unwrap() & u64::from(REQUEST) != 0
            && step["errno"] != "EOPNOTSUPP";
        if executed && self.say(step) {
            self.said += 1;
        } else {
            self.unsaid += 1;
            println!("left out: {} {}", step["label"], step["errno"]);
            // A dump of nothing that could be named is empty, and no error.
            let nothing = step["dump"] == true && step["replies"].as_array().unwrap().is_empty();
            assert!(!executed || nothing || step["errno"] != "OK", "no words for {step}");
        }
    }

    fn change_environment(&mut self, change: &str) {
        let dummy = &mut self.machine.interfaces[2];
        match change {
            "ip link set dummy0 up" => {
                dummy.multicast_routes = vec![Family::V4, Family::V6];
            }
            "ip addr add 10.77.0.1/24 dev dummy0" => {
                dummy.addresses.push(([10, 77, 0, 1].into(), 24));
            }
            "ip link set dummy0 mtu 9000" => dummy.mtu = 9000,
            "insmod nf_conntrack_sip.ko; insmod ip_vs_pe_sip.ko" => {
                self.core.settings_mut().engines.push("sip".to_owned());
            }
            // How many threads a daemon has is of no concern.
            "sysctl net.ipv4.vs.sync_ports=4" => {}
            other => panic!("the machine cannot {other}"),
        }
        self.core.set_machine(self.machine.clone());
    }

    /// Says it, and compares what comes of it; false if there are no words for it.
    fn say(&mut self, step: &Value) -> bool {
        let payload = bytes(&step["payload"]);
        let request = Request { attributes: attributes(&payload), core: &mut self.core };
        let command = step["cmd"].as_u64().unwrap();
        let dump = step["dump"].as_bool().unwrap_or_default();
        let errno = match (command, dump) {
            (4 | 8, true) | (4 | 11 | 13 | 15, _) => return self.compare_reading(step, &payload),
            _ => match request.change(command) {
                Some(change) => {
                    self.core.apply(&[change], OnFailure::Stop).pop().map(|it| it.error)
                }
                None => return false,
            },
        };
        assert_eq!(name(errno.as_ref()), expected(step), "{step}");
        true
    }

    fn compare_reading(&mut self, step: &Value, payload: &[u8]) -> bool {
        let replies: Vec<Attributes> = step["replies"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|reply| attributes(&bytes(reply)[GENL_HEADER..]))
            .collect();
        let key = nest(&attributes(payload), 1).and_then(|nest| key(&nest));
        match (step["cmd"].as_u64().unwrap(), step["dump"].as_bool().unwrap_or_default()) {
            (4, true) => {
                let mut found = self.entries(Scope::All).unwrap();
                found.sort_by_key(|entry| entry.service.config.key);
                let found: Vec<_> = found.into_iter().map(|entry| entry.service.config).collect();
                let mut expected: Vec<_> = replies.iter().map(recorded_service).collect();
                expected.sort_by_key(|service| service.key);
                assert_eq!(found, expected, "{step}");
            }
            (4, false) => {
                let Some(key) = key else { return false };
                let found = self.entries(Scope::One(key));
                assert_eq!(name(found.as_ref().err()), expected(step), "{step}");
                if let Ok(entries) = found {
                    assert_eq!(entries[0].service.config, recorded_service(&replies[0]), "{step}");
                }
            }
            (8, _) => {
                let Some(key) = key else { return false };
                let found = self.entries(Scope::One(key)).unwrap_or_default();
                let found: Vec<_> = found.iter().flat_map(|entry| &entry.servers).collect();
                let found: Vec<_> = found.into_iter().map(|it| it.config).collect();
                let expected: Vec<_> = replies
                    .iter()
                    .map(|it| {
                        server(&nest(it, 2).expect("it is there"), key.family()).expect("whole")
                    })
                    .collect();
                assert_eq!(found, expected, "{step}");
            }
            (11, _) => {
                let daemons = replies.iter().map(|it| nest(it, 3).expect("it is there"));
                let expected: Vec<_> = daemons.map(|it| daemon(&it).expect("whole")).collect();
                assert_eq!(self.core.daemons().unwrap(), expected, "{step}");
            }
            (13, _) => {
                assert_eq!(self.core.timeouts().unwrap(), timeouts(&replies[0]), "{step}");
            }
            _ => {
                let info = self.core.info().unwrap();
                let size = find(&replies[0], 2).map(number);
                assert_eq!(Some(info.connection_table_size), size, "{step}");
            }
        }
        true
    }

    fn entries(&mut self, scope: Scope) -> Result<Vec<TableEntry>, Error> {
        self.core.read(scope, Fields::ALL).map(|it| it.entries)
    }
}

/// A request, and the table that it is made on.
struct Request<'a> {
    attributes: Attributes,
    core: &'a mut Embedded,
}

impl Request<'_> {
    /// It as a change, if there are words for it.
    fn change(self, command: u64) -> Option<Change> {
        let service_nest = || nest(&self.attributes, 1);
        let key = || key(&service_nest()?);
        let server_nest = || nest(&self.attributes, 2);
        Some(match command {
            1 => Change::AddService(service(&service_nest()?, 0)?),
            2 => {
                let now = self.core.read(Scope::One(key()?), Fields::CONFIG).ok();
                let flags = now.map_or(0, |it| flags(&it.entries[0].service.config));
                Change::EditService(service(&service_nest()?, flags)?)
            }
            3 => Change::DeleteService(key()?),
            5 => Change::AddServer(key()?, server(&server_nest()?, key()?.family())?),
            6 => Change::EditServer(key()?, server(&server_nest()?, key()?.family())?),
            7 => {
                let server = endpoint(
                    &server_nest()?,
                    1,
                    2,
                    server_family(&server_nest()?, key()?.family())?,
                )?;
                Change::DeleteServer(RealServerKey { service: key()?, server })
            }
            9 => Change::StartDaemon(daemon(&nest(&self.attributes, 3)?)?),
            10 => {
                let nest = nest(&self.attributes, 3)?;
                Change::StopDaemon(role(&nest)?, 0)
            }
            12 => Change::SetTimeouts(whole_timeouts(&self.attributes)?),
            16 if self.attributes.is_empty() => Change::Zero(None),
            16 => Change::Zero(Some(key()?)),
            17 => Change::Flush,
            _ => return None,
        })
    }
}

/// The machine that the story was recorded on.
fn machine() -> Machine {
    let address = |text: &str, prefix| (text.parse::<IpAddr>().unwrap(), prefix);
    let interface = |name: &str, mtu, families: &[Family], addresses| Interface {
        name: name.into(),
        mtu,
        addresses,
        multicast_routes: families.to_vec(),
    };
    let lo = vec![address("127.0.0.1", 8), address("10.99.0.1", 32), address("::1", 128)];
    let tun0 = vec![address("10.254.0.1", 30)];
    Machine {
        interfaces: vec![
            interface("lo", 65_536, &[Family::V4], lo),
            interface("tun0", 1500, &[Family::V4, Family::V6], tun0),
            interface("dummy0", 1500, &[], Vec::new()),
        ],
    }
}

fn expected(step: &Value) -> &str {
    match step["errno"].as_str().unwrap() {
        // The kernel did not answer; it was done.
        "none" => "OK",
        errno => errno,
    }
}

fn name(error: Option<&Error>) -> &'static str {
    match error.map(Error::errno) {
        None => "OK",
        Some(2) => "ENOENT",
        Some(3) => "ESRCH",
        Some(17) => "EEXIST",
        Some(19) => "ENODEV",
        Some(22) => "EINVAL",
        Some(34) => "ERANGE",
        Some(101) => "ENETUNREACH",
        Some(other) => panic!("errno {other}"),
    }
}

fn recorded_service(reply: &Attributes) -> Service {
    service(&nest(reply, 1).expect("it is there"), 0).expect("replies are whole")
}

fn service(nest: &Attributes, flags_before: u32) -> Option<Service> {
    let key = key(nest)?;
    let whole = find(nest, 7).filter(|it| it.len() <= 8);
    let [flags, mask] = [0, 4].map(|at| whole.map(|it| padded(it, at)));
    let (flags, mask) = (flags?, mask?);
    let flags = flags_before & !mask | flags & mask;
    let seconds = find(nest, 8).filter(|it| it.len() >= 4).map(number)?;
    let netmask = find(nest, 9).map(number)?;
    Some(Service {
        key,
        scheduler: text(find(nest, 6)?)?,
        flags: ServiceFlags::from_bits(flags),
        persistence: (flags & 1 != 0).then_some(seconds),
        netmask: if key.family() == Family::V4 { u32::from_be(netmask) } else { netmask },
        engine: find(nest, 11).map(text).unwrap_or(Some(String::new())).filter(|it| !it.is_empty()),
    })
}

/// As the kernel numbers them.
fn flags(service: &Service) -> u32 {
    service.flags.bits() | u32::from(service.persistence.is_some())
}

fn key(nest: &Attributes) -> Option<ServiceKey> {
    let family = family(find(nest, 1)?)?;
    if let Some(mark) = find(nest, 5) {
        return Some(ServiceKey::Fwmark { mark: number(mark), family });
    }
    let protocol = Protocol::from_number(half(find(nest, 2)?)?);
    Some(ServiceKey::Address { protocol, endpoint: endpoint(nest, 3, 4, family)? })
}

fn server(nest: &Attributes, service_family: Family) -> Option<RealServer> {
    let word = |kind| find(nest, kind).filter(|it| it.len() >= 4).map(number);
    let half_of = |kind| find(nest, kind).and_then(half).unwrap_or_default();
    Some(RealServer {
        endpoint: endpoint(nest, 1, 2, server_family(nest, service_family)?)?,
        forwarding: Forwarding::from_number(word(3)?),
        weight: word(4)?,
        upper_threshold: word(5)?,
        lower_threshold: word(6)?,
        tunnel: Tunnel {
            kind: TunnelKind::from_number(find(nest, 13).map_or(0, |it| it[0])),
            port: u16::from_be(half_of(14)),
            checksum: TunnelChecksum::from_number(half_of(15)),
        },
    })
}

fn server_family(nest: &Attributes, service_family: Family) -> Option<Family> {
    match find(nest, 11) {
        Some(number) if half(number)? != 0 => family(number),
        _ => Some(service_family),
    }
}

fn daemon(nest: &Attributes) -> Option<SyncDaemon> {
    let group = match (find(nest, 5), find(nest, 6)) {
        (Some(group), _) => Some(IpAddr::from(*group.first_chunk::<4>()?)),
        (None, Some(group)) => Some(IpAddr::from(*group.first_chunk::<16>()?)),
        (None, None) => None,
    };
    Some(SyncDaemon {
        role: role(nest)?,
        interface: find(nest, 2)?.strip_suffix(&[0])?.to_vec(),
        sync_id: number(find(nest, 3)?),
        max_length: find(nest, 4).and_then(half),
        group,
        port: find(nest, 7).and_then(half),
        ttl: find(nest, 8).map(|it| it[0]),
    })
}

fn role(nest: &Attributes) -> Option<SyncRole> {
    match number(find(nest, 1)?) {
        1 => Some(SyncRole::Master),
        2 => Some(SyncRole::Backup),
        _ => None,
    }
}

fn timeouts(attributes: &Attributes) -> Timeouts {
    let seconds = |kind| find(attributes, kind).map_or(0, number);
    Timeouts { tcp: seconds(4), tcp_fin: seconds(5), udp: seconds(6) }
}

fn whole_timeouts(attributes: &Attributes) -> Option<Timeouts> {
    attributes.iter().all(|(_, value)| value.len() >= 4).then(|| timeouts(attributes))
}

fn endpoint(nest: &Attributes, address: u16, port: u16, family: Family) -> Option<Endpoint> {
    let bytes = find(nest, address).filter(|it| it.len() <= 16)?;
    let mut whole = [0; 16];
    whole[..bytes.len()].copy_from_slice(bytes);
    let address = match family {
        Family::V4 => IpAddr::from(*whole.first_chunk::<4>()?),
        Family::V6 => whole.into(),
    };
    Some(Endpoint { address, port: u16::from_be(half(find(nest, port)?)?) })
}

fn family(number: &[u8]) -> Option<Family> {
    match half(number)? {
        2 => Some(Family::V4),
        10 => Some(Family::V6),
        _ => None,
    }
}

/// A text that ends as it must, and in our words says it all.
fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.strip_suffix(&[0])?.to_vec()).ok()
}

fn half(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.first_chunk()?))
}

/// Four bytes as a number, of which those that are missing are zeros.
fn padded(bytes: &[u8], at: usize) -> u32 {
    let mut whole = [0; 4];
    for (to, from) in whole.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    u32::from_ne_bytes(whole)
}

fn nest(attributes: &Attributes, kind: u16) -> Option<Attributes> {
    find(attributes, kind).map(weir_tests::netlink::attributes)
}

/// The last of its kind, which is the one that counts.
fn find(attributes: &Attributes, kind: u16) -> Option<&[u8]> {
    attributes.iter().rfind(|(it, _)| *it == kind).map(|(_, value)| value.as_slice())
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
