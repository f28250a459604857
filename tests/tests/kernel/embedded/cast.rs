//! Who takes part in a sequence: services, real servers, clients, and what they say.
//!
//! Sequences that share a namespace share no service: what one leaves behind, in the
//! connection table or in the trash, is nothing to another.

use weir_embedded::{Chunk, Packet};
use weir_ipvs::{
    Endpoint, Family, Forwarding, Protocol, RealServer, Service, ServiceFlags, ServiceKey,
    SyncDaemon, SyncRole, Timeouts, Tunnel, TunnelChecksum, TunnelKind,
};
use weir_tests::{
    director::{self, CARD, MARKS},
    random::Random,
};

use crate::conformance::packets::{chunk, datagram, segment, server_at};

/// How many sequences may share a namespace.
pub(crate) const SEQUENCES: u64 = 16;

/// Services by address of a sequence, and all.
const ADDRESSES: u16 = 4;
const KEYS: usize = 5;

/// Real servers that a sequence knows.
const SERVERS: usize = 6;

pub(crate) const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "sed", "nq", "mh", "none"];

/// Whether counters are zeroed in the sequences that share a namespace with this one.
pub(crate) fn zeroes(seed: u64) -> bool {
    seed / SEQUENCES % 2 == 1
}

/// What belongs to one sequence.
pub(crate) struct Cast {
    pub(crate) keys: [ServiceKey; KEYS],
    /// Those that its services have, of which the first is the most frequent.
    schedulers: Vec<&'static str>,
    /// Whether there is traffic. If there is, nothing leads to the director itself, and no
    /// weight makes a scheduler count for minutes.
    pub(crate) traffic: bool,
    /// Whether counters are zeroed. What is zero afterwards depends on when they were last
    /// sampled, which no two IPVS do together, so then they are not compared.
    pub(crate) zeroes: bool,
    /// Chances out of a hundred.
    persistence: usize,
    thresholds: usize,
    /// The port of the next client.
    port: u16,
}

impl Cast {
    pub(crate) fn new(seed: u64, random: &mut Random) -> Self {
        let number = |n: u16| u16::try_from(seed % 4096).expect("it is small") * ADDRESSES + n;
        let (v4, v6) = (director::vip_v4, director::vip_v6);
        let at = |protocol, endpoint| ServiceKey::Address { protocol, endpoint };
        let first_mark = u8::try_from(seed % SEQUENCES).expect("it is small") * 2 + 1;
        const { assert!(SEQUENCES * 2 <= MARKS as u64, "each sequence has two marks") };
        let mark = first_mark + u8::from(random.percent(50));
        let family = *random.pick(&[Family::V4, Family::V6]);
        let port = *random.pick(&[443, 21, 0, 80]);
        let keys = [
            at(Protocol::Tcp, Endpoint::new(v4(number(0)), 80)),
            at(Protocol::Tcp, Endpoint::new(v4(number(1)), port)),
            at(*random.pick(&[Protocol::Udp, Protocol::Sctp]), Endpoint::new(v4(number(1)), 53)),
            at(*random.pick(&[Protocol::Tcp, Protocol::Udp]), Endpoint::new(v6(number(2)), 53)),
            ServiceKey::Fwmark { mark: mark.into(), family },
        ];
        let schedulers = (0..3).map(|_| *random.pick(&SCHEDULERS)).collect();
        Self {
            keys,
            schedulers,
            traffic: random.percent(80),
            zeroes: zeroes(seed),
            persistence: *random.pick(&[0, 10, 40, 80]),
            thresholds: *random.pick(&[0, 30, 70]),
            port: 1024,
        }
    }

    pub(crate) fn key(&self, random: &mut Random) -> ServiceKey {
        *random.pick(&self.keys)
    }

    /// A service that is accepted, if its key is.
    pub(crate) fn service(&self, key: ServiceKey, random: &mut Random) -> Service {
        let scheduler = match random.below(10) {
            0..6 => self.schedulers[0],
            6..8 => self.schedulers[1],
            _ => self.schedulers[2],
        };
        let bits = match random.below(10) {
            0..4 => 0,
            4..6 => ServiceFlags::SCHEDULER_1.bits(),
            6 => ServiceFlags::SCHEDULER_2.bits(),
            7 => (ServiceFlags::SCHEDULER_1 | ServiceFlags::SCHEDULER_2).bits(),
            8 => ServiceFlags::ONE_PACKET.bits(),
            _ => 0xfc & u32::try_from(random.below(256)).expect("it is small"),
        };
        let netmask = match (key.family(), random.percent(60)) {
            (family, true) => Service::whole_netmask(family),
            (Family::V4, false) => *random.pick(&[0xffff_ff00, 0xffff_fffe, 0, 0xff00_00ff]),
            (Family::V6, false) => *random.pick(&[64, 127, 1]),
        };
        let engine = random.percent(if self.traffic { 1 } else { 15 }).then(|| "sip".to_owned());
        let persistence = random.percent(self.persistence).then(|| *random.pick(&[60, 300, 360]));
        let flags = ServiceFlags::from_bits(bits);
        Service { flags, persistence, netmask, engine, ..Service::new(key, scheduler) }
    }

    /// The address and port of some real server for a service.
    pub(crate) fn endpoint(&self, key: ServiceKey, random: &mut Random) -> Endpoint {
        let number = u8::try_from(1 + random.below(SERVERS)).expect("it is small");
        let port = *random.pick(&[8080, 8080, 80, 53, 0]);
        server_at(key.family(), number, port)
    }

    /// A real server that is accepted, if its service is there.
    pub(crate) fn server(
        &self,
        endpoint: Endpoint,
        key: ServiceKey,
        random: &mut Random,
    ) -> RealServer {
        let forwarding = match random.below(10) {
            _ if endpoint.family() != key.family() => Forwarding::Tunnel,
            0..6 => Forwarding::Masquerade,
            6..8 => Forwarding::Direct,
            8 => Forwarding::Tunnel,
            _ if self.traffic => Forwarding::Masquerade,
            _ => Forwarding::from_number(u32::try_from(random.below(8)).expect("it is small")),
        };
        let weight = match random.below(10) {
            0 => 0,
            1..4 => 1,
            4..9 => u32::try_from(random.below(10)).expect("it is small"),
            _ if self.traffic => *random.pick(&[50, 100, 255]),
            _ => *random.pick(&[65_535, 65_536, i32::MAX.cast_unsigned()]),
        };
        let (upper_threshold, lower_threshold) = match random.percent(self.thresholds) {
            true => {
                let upper = 1 + random.below(6);
                let lower = if random.percent(50) { 0 } else { random.below(upper + 1) };
                (u32::try_from(upper).expect("small"), u32::try_from(lower).expect("small"))
            }
            false => (0, 0),
        };
        let tunnel = if random.percent(15) { tunnel(random) } else { Tunnel::default() };
        RealServer { endpoint, forwarding, tunnel, weight, upper_threshold, lower_threshold }
    }

    /// A packet that may begin a connection to a service with this key.
    pub(crate) fn first_packet(&mut self, key: ServiceKey, random: &mut Random) -> Packet {
        let client = self.client(key.family(), random);
        let other_port = *random.pick(&[80, 443, 53, 5000]);
        let (protocol, to) = match key {
            ServiceKey::Address { protocol, endpoint: Endpoint { port: 0, address } } => {
                (protocol, Endpoint { port: other_port, address })
            }
            ServiceKey::Address { protocol, endpoint } if random.percent(95) => {
                (protocol, endpoint)
            }
            ServiceKey::Address { protocol, endpoint } => {
                (protocol, Endpoint { port: other_port, ..endpoint })
            }
            ServiceKey::Fwmark { mark, family } => {
                let mark = u8::try_from(mark).expect("marks of sequences are small");
                let address = match family {
                    Family::V4 => director::marked_v4(mark).into(),
                    Family::V6 => director::marked_v6(mark).into(),
                };
                let protocol = *random.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp]);
                (protocol, Endpoint { address, port: other_port })
            }
        };
        match protocol {
            Protocol::Tcp => {
                let flags = match random.below(20) {
                    0 => random.word(&["A", "R", "FA", ""]),
                    1 => "SA",
                    _ => "S",
                };
                segment(client, to, flags)
            }
            Protocol::Sctp => {
                let what = random.pick(&[Chunk::Init, Chunk::Init, Chunk::Init, Chunk::Data]);
                chunk(client, to, *what)
            }
            _ => datagram(client, to),
        }
    }

    fn client(&mut self, family: Family, random: &mut Random) -> Endpoint {
        let number = u8::try_from(1 + random.below(12)).expect("it is small");
        self.port += 1;
        let port = if random.percent(1) { 20 } else { self.port };
        match family {
            Family::V4 => Endpoint::new([198, 51, 100 + number % 2, number], port),
            Family::V6 => {
                let network = u16::from(number % 2);
                Endpoint::new([0x2001, 0xdb8, 0, network, 0, 0, 0, number.into()], port)
            }
        }
    }
}

/// What a client says next that began with `first`.
pub(crate) fn next_of_client(first: &Packet, random: &mut Random) -> Packet {
    let flags = random.word(&["A", "A", "A", "FA", "FA", "R", "S", "SA", "F", ""]);
    say(first, first.source, first.destination, flags, random)
}

/// What the real server at `server` says to a client that began with `first`.
pub(crate) fn next_of_server(first: &Packet, server: Endpoint, random: &mut Random) -> Packet {
    let flags = random.word(&["SA", "SA", "A", "A", "FA", "FA", "R", "RA", "S", ""]);
    say(first, server, first.source, flags, random)
}

fn say(first: &Packet, from: Endpoint, to: Endpoint, flags: &str, random: &mut Random) -> Packet {
    let packet = match first.protocol {
        Protocol::Tcp => segment(from, to, flags),
        Protocol::Sctp => chunk(from, to, *random.pick(&CHUNKS)),
        _ => datagram(from, to),
    };
    let more = u32::try_from(random.below(200)).expect("it is small");
    Packet { bytes: packet.bytes + more, ..packet }
}

const CHUNKS: [Chunk; 10] = [
    Chunk::Data,
    Chunk::Init,
    Chunk::InitAck,
    Chunk::CookieEcho,
    Chunk::CookieAck,
    Chunk::Shutdown,
    Chunk::ShutdownAck,
    Chunk::ShutdownComplete,
    Chunk::Error,
    Chunk::Abort,
];

fn tunnel(random: &mut Random) -> Tunnel {
    let checksum = *random.pick(&[TunnelChecksum::None, TunnelChecksum::Full]);
    match random.below(4) {
        0 => Tunnel { kind: TunnelKind::Gue, port: 6080, checksum },
        1 => Tunnel { kind: TunnelKind::Gre, port: 0, checksum },
        2 => Tunnel { kind: TunnelKind::Ipip, port: 9, checksum },
        _ => Tunnel::default(),
    }
}

/// Time-outs that nothing runs into while a sequence lasts.
pub(crate) fn timeouts(random: &mut Random) -> Timeouts {
    let mut seconds = || *random.pick(&[0, 0, 60, 100, 900, 2_678_400]);
    Timeouts { tcp: seconds(), tcp_fin: seconds(), udp: seconds() }
}

pub(crate) fn daemon(random: &mut Random) -> SyncDaemon {
    let role = *random.pick(&[SyncRole::Master, SyncRole::Backup]);
    SyncDaemon {
        role,
        interface: random.word(&[CARD, CARD, "lo", "absent0"]).into(),
        sync_id: *random.pick(&[0, 7, 255, 256]),
        max_length: *random.pick(&[None, Some(1), Some(1200), Some(u16::MAX)]),
        group: random.percent(40).then(|| {
            let groups = ["224.0.0.81", "239.1.2.3", "ff02::51", "10.0.0.1", "2001:db8::1"];
            random.word(&groups).parse().expect("they are addresses")
        }),
        port: *random.pick(&[None, Some(9000)]),
        ttl: *random.pick(&[None, Some(7)]),
    }
}
