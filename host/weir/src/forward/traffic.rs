//! What the core is told of traffic of which only sockets are seen.
//!
//! This machine's kernel exchanges the packets, so they are reckoned: what one read brings
//! counts as full segments of a 1500-byte Ethernet frame, each with headers that have no
//! options; a connection's SYN, SYN ACK, ACK, FIN and RST count as one packet each;
//! acknowledgements alone do not count. A datagram is a datagram.

use weir_embedded::{Packet, Signal, TcpFlags};
use weir_ipvs::{Endpoint, Family, Protocol};

/// Bytes of the largest packet.
const MTU: usize = 1500;

const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

pub(super) const SYN: Signal = Signal::Tcp(TcpFlags { syn: true, ..NONE });
pub(super) const SYN_ACK: Signal = Signal::Tcp(TcpFlags { syn: true, ack: true, ..NONE });
pub(super) const ACK: Signal = Signal::Tcp(TcpFlags { ack: true, ..NONE });
pub(super) const FIN: Signal = Signal::Tcp(TcpFlags { fin: true, ack: true, ..NONE });
pub(super) const RST: Signal = Signal::Tcp(TcpFlags { rst: true, ack: true, ..NONE });

const NONE: TcpFlags = TcpFlags { syn: false, ack: false, fin: false, rst: false };

/// Packets and their bytes, IP headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// The packet with which a TCP connection begins.
pub(super) fn first(client: Endpoint, service: Endpoint) -> Packet {
    Packet {
        protocol: Protocol::Tcp,
        source: client,
        destination: service,
        mark: 0,
        bytes: narrow(bare(client.family()).bytes),
        signal: SYN,
    }
}

/// A datagram that brings `payload` bytes.
pub(super) fn datagram(client: Endpoint, service: Endpoint, payload: usize) -> Packet {
    Packet {
        protocol: Protocol::Udp,
        source: client,
        destination: service,
        mark: 0,
        bytes: narrow(reply(client.family(), payload).bytes),
        signal: Signal::Datagram,
    }
}

/// A datagram to a client that brings `payload` bytes.
pub(super) fn reply(family: Family, payload: usize) -> Volume {
    Volume { packets: 1, bytes: (ip_header(family) + UDP_HEADER + payload) as u64 }
}

/// A TCP packet without payload.
pub(super) fn bare(family: Family) -> Volume {
    Volume { packets: 1, bytes: (ip_header(family) + TCP_HEADER) as u64 }
}

/// The TCP packets that bring `payload` bytes.
pub(super) fn segments(family: Family, payload: usize) -> Volume {
    let headers = ip_header(family) + TCP_HEADER;
    let packets = payload.div_ceil(MTU - headers);
    Volume { packets: packets as u64, bytes: (payload + packets * headers) as u64 }
}

fn ip_header(family: Family) -> usize {
    match family {
        Family::V4 => 20,
        Family::V6 => 40,
    }
}

/// The size of one packet fits.
fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(family: Family, payload: usize, packets: u64, bytes: u64) {
        assert_eq!(segments(family, payload), Volume { packets, bytes }, "{payload}");
    }

    #[test]
    fn payload_comes_in_full_segments() {
        check(Family::V4, 1, 1, 41);
        check(Family::V4, 1460, 1, 1500);
        check(Family::V4, 1461, 2, 1541);
        check(Family::V6, 1440, 1, 1500);
        check(Family::V6, 2880, 2, 3000);
    }

    #[test]
    fn packets_have_their_headers() {
        let [four, six] = ["192.0.2.1:80", "[2001:db8::1]:80"].map(|it| it.parse().unwrap());
        assert_eq!(first(four, four).bytes, 40);
        assert_eq!(first(six, six).bytes, 60);
        assert_eq!(datagram(four, four, 4).bytes, 32);
        assert_eq!(reply(Family::V6, 4), Volume { packets: 1, bytes: 52 });
    }
}
