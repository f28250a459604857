//! A director with one card, and clients and real servers that are packets on its wire:
//! thousands of connections a second, and for each packet what became of it.
//!
//! ```text
//! clients, any address ---+
//!                         +--- tap0 10.254.0.1/24, fd54::1/64 --- VIPs 10.99.0.0/16, fd99::/64
//! real servers 10.1.0.N --+
//! ```
//!
//! A packet to 10.98.0.N or fd98::N gets the firewall mark N, from 1 to [`MARKS`].

use std::{
    cell::Cell,
    fmt::Write as _,
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{Command, Stdio},
};

use crate::{
    frame::{Content, Frame, Mac, Packet},
    tap::Tap,
};

/// The name of the card, and its addresses.
pub const CARD: &str = "tap0";
pub const CARD_V4: Ipv4Addr = Ipv4Addr::new(10, 254, 0, 1);
pub const CARD_V6: Ipv6Addr = Ipv6Addr::new(0xfd54, 0, 0, 0, 0, 0, 0, 1);

const CARD_MAC: Mac = [2, 0, 0, 0, 0, 1];

/// Whatever is on the wire, as far as frames to the card tell.
const WIRE_MAC: Mac = [2, 0, 0, 0, 0, 2];

/// How many real servers have an address on the wire, in each family.
pub const SERVERS: u8 = 16;

/// Marks that packets can have: from 1 to this.
pub const MARKS: u8 = 32;

/// The address of real server `number`, from 1 to [`SERVERS`].
pub fn server_v4(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, number)
}

/// As [`server_v4`].
pub fn server_v6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, number.into())
}

/// A virtual address of the director's.
pub fn vip_v4(number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 99, high, low)
}

/// As [`vip_v4`].
pub fn vip_v6(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, number)
}

/// Where packets go that get that mark.
pub fn marked_v4(mark: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 98, 0, mark)
}

/// As [`marked_v4`].
pub fn marked_v6(mark: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd98, 0, 0, 0, 0, 0, 0, mark.into())
}

/// The mark that packets to this address get; 0 = none.
pub fn mark_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) if v4 == marked_v4(v4.octets()[3]) => v4.octets()[3].into(),
        IpAddr::V6(v6) if v6 == marked_v6(v6.octets()[15]) => v6.octets()[15].into(),
        _ => 0,
    }
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It arrived at that real server. The port is known where it was rewritten to it.
    Server(IpAddr, Option<u16>),
    /// It arrived at its client, with that source.
    Client(SocketAddr),
    /// The client was told that there is no such connection.
    Reset,
    /// The client was told that there is nobody at that port.
    Unreachable,
    /// It disappeared.
    Nothing,
}

/// The director, in the network namespace of the thread that set it up.
pub struct Director {
    tap: Tap,
    /// Whether packets are marked: it takes time, and few want it.
    marks: Cell<bool>,
}

impl Director {
    /// Lays everything out in this thread's network namespace, which must be fresh.
    pub fn set_up() -> Self {
        for (name, value) in SETTINGS {
            fs::write(format!("/proc/sys/net/{name}"), value)
                .unwrap_or_else(|error| panic!("net/{name}: {error}"));
        }
        let tap = Tap::open(CARD).expect("the guest has tun");
        batch("ip", &layout());
        Self { tap, marks: Cell::new(false) }
    }

    /// What becomes of a packet of a client's.
    pub fn client_sends(&self, packet: &Packet) -> Seen {
        let Some(frame) = self.pass(packet) else { return Seen::Nothing };
        match frame.content {
            Content::Unreachable => Seen::Unreachable,
            Content::Transport { reset: true, .. } if frame.destination == packet.source.ip() => {
                Seen::Reset
            }
            // Encapsulated, or not changed at all but for the card it was sent to.
            _ if frame.source != packet.source.ip() => Seen::Server(frame.destination, None),
            _ if frame.destination == packet.destination.ip() => {
                Seen::Server(server_of(frame.to, packet), None)
            }
            Content::Transport { destination_port, .. } => {
                Seen::Server(frame.destination, Some(destination_port))
            }
            Content::Redirect | Content::Other => panic!("{packet:?} became {frame:?}"),
        }
    }

    /// What becomes of a packet of a real server's to its client.
    pub fn server_sends(&self, packet: &Packet) -> Seen {
        let Some(frame) = self.pass(packet) else { return Seen::Nothing };
        match frame.content {
            Content::Unreachable => Seen::Unreachable,
            Content::Transport { source_port, .. }
                if frame.destination == packet.destination.ip() =>
            {
                Seen::Client(SocketAddr::new(frame.source, source_port))
            }
            _ => panic!("{packet:?} became {frame:?}"),
        }
    }

    /// Lets the card receive the packet, and returns the frame that it sent therefore: the
    /// kernel has done everything when a write to the card returns.
    fn pass(&self, packet: &Packet) -> Option<Frame> {
        if mark_of(packet.destination.ip()) != 0 && !self.marks.replace(true) {
            batch("tc", &marking());
        }
        let stray = self.next();
        assert!(stray.is_none(), "the card sent unasked: {stray:?}");
        self.tap.send(&packet.frame(WIRE_MAC, CARD_MAC)).expect("the card is up");
        self.next()
    }

    fn next(&self) -> Option<Frame> {
        loop {
            let bytes = self.tap.receive().expect("the card is up")?;
            match Frame::read(&bytes) {
                Some(frame) if !frame.is_chatter() => return Some(frame),
                _ => {}
            }
        }
    }
}

/// Where the kernel differs from what is needed.
const SETTINGS: [(&str, &str); 9] = [
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    // Each refusal is told to the client.
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/accept_dad", "0"),
];

/// The card's side, for `ip -batch`. Real servers have cards of their own by which they are
/// known where their addresses are not written into packets; and each is its own gateway, or
/// the kernel may send on the link what an older connection is to have routed directly: of a
/// real server whose forwarding method was edited it remembers one route.
fn layout() -> String {
    let mac = text(CARD_MAC);
    let mut lines = format!(
        "link set lo up\n\
         link set {CARD} address {mac} arp off addrgenmode none up\n\
         addr add {CARD_V4}/24 brd + dev {CARD}\n\
         addr add {CARD_V6}/64 dev {CARD} nodad\n\
         route add default dev {CARD}\n\
         route add ::/0 dev {CARD}\n\
         route add local 10.98.0.0/15 dev lo\n\
         route add local fd98::/64 dev lo\n\
         route add local fd99::/64 dev lo\n"
    );
    for number in 1..=SERVERS {
        let mac = text(server_mac(number));
        let gateway_v4 = Ipv4Addr::new(10, 254, 0, 100 + number);
        let gateway_v6 = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, number.into());
        for (server, gateway) in [
            (IpAddr::V4(server_v4(number)), IpAddr::V4(gateway_v4)),
            (server_v6(number).into(), gateway_v6.into()),
        ] {
            let _ = writeln!(
                lines,
                "neigh add {gateway} lladdr {mac} nud permanent dev {CARD}\n\
                 route add {server} via {gateway} dev {CARD} onlink"
            );
        }
    }
    lines
}

/// Marks by destination, for `tc -batch`.
fn marking() -> String {
    let mut lines = format!("qdisc add dev {CARD} clsact\n");
    for mark in 1..=MARKS {
        let (v4, v6) = (marked_v4(mark), marked_v6(mark));
        for (family, matched) in
            [("ip", format!("ip dst {v4}/32")), ("ipv6", format!("ip6 dst {v6}/128"))]
        {
            let _ = writeln!(
                lines,
                "filter add dev {CARD} ingress protocol {family} u32 match {matched} \
                 action skbedit mark {mark}"
            );
        }
    }
    lines
}

fn server_mac(number: u8) -> Mac {
    [2, 0, 0, 0, 1, number]
}

/// The real server whose card a packet was sent to as it was.
fn server_of(mac: Mac, packet: &Packet) -> IpAddr {
    assert_eq!(mac[..5], server_mac(0)[..5], "{packet:?}: no real server's card is {mac:?}");
    if packet.source.is_ipv4() { server_v4(mac[5]).into() } else { server_v6(mac[5]).into() }
}

fn text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Runs the lines by one process of `program`.
fn batch(program: &str, lines: &str) {
    let mut command = Command::new(program);
    let command = command.args(["-batch", "-"]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("iproute2 is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(lines.as_bytes()).expect("the program reads its lines");
    drop(stdin);
    let status = child.wait().expect("a child can be waited for");
    assert!(status.success(), "{program} -batch: {status}");
}
