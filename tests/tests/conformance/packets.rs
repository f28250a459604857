//! Packets of clients and real servers, and the network they are in, for test bodies.

use std::net::IpAddr;

use weir_embedded::{Chunk, Packet, Signal, TcpFlags};
use weir_ipvs::{Endpoint, Family, Forwarding, Protocol, RealServer, Service, ServiceKey};
use weir_tests::director::{self, Seen};

use super::subject::Subject;

/// Virtual address number `n`, at a port.
pub(crate) fn vip(n: u16, port: u16) -> Endpoint {
    Endpoint::new(director::vip_v4(n), port)
}

pub(crate) fn vip_v6(n: u16, port: u16) -> Endpoint {
    Endpoint::new(director::vip_v6(n), port)
}

pub(crate) fn tcp(endpoint: Endpoint) -> ServiceKey {
    (Protocol::Tcp, endpoint).into()
}

pub(crate) fn udp(endpoint: Endpoint) -> ServiceKey {
    (Protocol::Udp, endpoint).into()
}

pub(crate) fn sctp(endpoint: Endpoint) -> ServiceKey {
    (Protocol::Sctp, endpoint).into()
}

pub(crate) fn fwmark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::Fwmark { mark, family }
}

/// A service with persistence.
pub(crate) fn persistent(key: ServiceKey, scheduler: &str, seconds: u32) -> Service {
    Service { persistence: Some(seconds), ..Service::new(key, scheduler) }
}

/// The endpoint of real server `number` that services of this family have.
pub(crate) fn server_at(family: Family, number: u8, port: u16) -> Endpoint {
    match family {
        Family::V4 => Endpoint::new(director::server_v4(number), port),
        Family::V6 => Endpoint::new(director::server_v6(number), port),
    }
}

/// Real server `number` at port 8080, masqueraded, of that weight.
pub(crate) fn server(number: u8, weight: u32) -> RealServer {
    RealServer::new(server_at(Family::V4, number, 8080), Forwarding::Masquerade, weight)
}

/// As [`server`].
pub(crate) fn server_v6(number: u8, weight: u32) -> RealServer {
    RealServer::new(server_at(Family::V6, number, 8080), Forwarding::Masquerade, weight)
}

/// The number of an address that belongs to a numbered thing.
pub(crate) fn number(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    }
}

/// Client `n`: every one has an address and a port of its own.
pub(crate) fn client(n: u16) -> Endpoint {
    let [high, low] = n.to_be_bytes();
    Endpoint::new([198, 18, high, low], 20_000 + n)
}

/// As [`client`].
pub(crate) fn client_v6(n: u16) -> Endpoint {
    Endpoint::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 20_000 + n)
}

/// A TCP packet with flags as tcpdump says them: `S`, `SA`, `A`, `FA`, `R`.
pub(crate) fn segment(source: Endpoint, destination: Endpoint, flags: &str) -> Packet {
    let has = |flag| flags.contains(flag);
    let flags = TcpFlags { syn: has('S'), ack: has('A'), fin: has('F'), rst: has('R') };
    packet(Protocol::Tcp, source, destination, Signal::Tcp(flags))
}

/// A UDP packet.
pub(crate) fn datagram(source: Endpoint, destination: Endpoint) -> Packet {
    packet(Protocol::Udp, source, destination, Signal::Datagram)
}

/// An SCTP packet.
pub(crate) fn chunk(source: Endpoint, destination: Endpoint, chunk: Chunk) -> Packet {
    packet(Protocol::Sctp, source, destination, Signal::Sctp(chunk))
}

/// A packet that is as short as can be.
fn packet(protocol: Protocol, source: Endpoint, destination: Endpoint, signal: Signal) -> Packet {
    let ip_bytes = if source.address.is_ipv4() { 20 } else { 40 };
    let bytes = ip_bytes
        + match protocol {
            Protocol::Tcp => 20,
            Protocol::Udp => 8,
            _ => 16,
        };
    let mark = director::mark_of(destination.address);
    Packet { protocol, source, destination, mark, bytes, signal }
}

/// It arrived at real server `number`, masqueraded as [`server`] has it.
pub(crate) fn at(number: u8) -> Seen {
    Seen::Server(director::server_v4(number).into(), Some(8080))
}

/// Where each packet went: `a` for real server 1, `-` for none.
pub(crate) fn choices(
    subject: &mut dyn Subject,
    packets: impl IntoIterator<Item = Packet>,
) -> String {
    packets.into_iter().map(|packet| choice(subject.client_sends(&packet))).collect()
}

/// Where a SYN of each client went, as [`choices`] says it.
pub(crate) fn opened(
    subject: &mut dyn Subject,
    to: Endpoint,
    clients: impl IntoIterator<Item = u16>,
) -> String {
    choices(subject, clients.into_iter().map(|n| segment(client(n), to, "S")))
}

fn choice(seen: Seen) -> char {
    match seen {
        Seen::Server(address, _) => char::from(b'a' + number(address) - 1),
        Seen::Unreachable => '-',
        other => panic!("neither forwarded nor refused: {other:?}"),
    }
}
