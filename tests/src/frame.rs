//! Packets as they lie on an Ethernet: written for clients and real servers, and read back
//! when the director has passed them on or answered them.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    Icmpv4Type, Icmpv6Type, IpNumber, LinkSlice, NetSlice, PacketBuilder, PacketBuilderStep,
    SlicedPacket, TcpHeader, TransportSlice, icmpv4, icmpv6,
};

/// The address of a network card.
pub type Mac = [u8; 6];

/// Ethernet's, the longer IP header's, and TCP's.
const HEADERS_BYTES_MAX: usize = 14 + 40 + 20;

/// A packet of a client or of a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub transport: Transport,
    /// Its length, IP header included.
    pub bytes: usize,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp {
        syn: bool,
        ack: bool,
        fin: bool,
        rst: bool,
    },
    Udp,
    /// With one chunk of that type.
    Sctp {
        chunk: u8,
    },
}

/// What was found on the Ethernet.
#[derive(Debug)]
pub struct Frame {
    pub to: Mac,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub content: Content,
}

/// What is told apart of a frame's content.
#[derive(Debug, PartialEq, Eq)]
pub enum Content {
    /// TCP, UDP or SCTP.
    Transport { source_port: u16, destination_port: u16, reset: bool },
    /// ICMP: no such port, or no such protocol.
    Unreachable,
    /// ICMP: there is a shorter way.
    Redirect,
    /// Anything else, such as one packet in another.
    Other,
}

impl Packet {
    /// The packet in a frame from and to these cards. Payload fills it up to its length; it
    /// is no shorter than its headers.
    pub fn frame(&self, from: Mac, to: Mac) -> Vec<u8> {
        let ethernet = PacketBuilder::ethernet2(from, to);
        let ip = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                ethernet.ipv4(source.octets(), destination.octets(), 64)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                ethernet.ipv6(source.octets(), destination.octets(), 64)
            }
            _ => panic!("{self:?}: addresses of two families"),
        };
        let mut frame = Vec::with_capacity(self.bytes + HEADERS_BYTES_MAX);
        self.write(ip, &mut frame).expect("a vector takes everything");
        frame
    }

    fn write(
        &self,
        ip: PacketBuilderStep<etherparse::IpHeaders>,
        out: &mut Vec<u8>,
    ) -> Result<(), etherparse::err::packet::BuildWriteError> {
        let ip_bytes = if self.source.is_ipv4() { 20 } else { 40 };
        let payload = |header_bytes| vec![0; self.bytes.saturating_sub(ip_bytes + header_bytes)];
        let (source, destination) = (self.source.port(), self.destination.port());
        match self.transport {
            Transport::Tcp { syn, ack, fin, rst } => {
                let header = TcpHeader {
                    syn,
                    ack,
                    fin,
                    rst,
                    ..TcpHeader::new(source, destination, 1, 1024)
                };
                ip.tcp_header(header).write(out, &payload(20))
            }
            Transport::Udp => ip.udp(source, destination).write(out, &payload(8)),
            Transport::Sctp { chunk } => {
                let [ports_from, ports_to] = [source.to_be_bytes(), destination.to_be_bytes()];
                let mut content = [ports_from, ports_to].concat();
                // Neither tag nor checksum: IPVS looks at neither.
                content.extend([0; 8]);
                content.extend([chunk, 0, 0, 4]);
                content.extend(payload(content.len()));
                ip.write(out, IpNumber::SCTP, &content)
            }
        }
    }
}

impl Frame {
    /// Reads a frame; none if it holds no IP.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ethernet(bytes).ok()?;
        let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link else { return None };
        let (source, destination, protocol) = match sliced.net.as_ref()? {
            NetSlice::Ipv4(ip) => {
                let header = ip.header();
                (header.source_addr().into(), header.destination_addr().into(), header.protocol())
            }
            NetSlice::Ipv6(ip) => {
                let header = ip.header();
                let next = ip.payload().ip_number;
                (header.source_addr().into(), header.destination_addr().into(), next)
            }
            NetSlice::Arp(_) => return None,
        };
        let content = match &sliced.transport {
            Some(transport) => Content::of(transport),
            None if protocol == IpNumber::SCTP => {
                let content = sliced.ip_payload()?.payload;
                let port = |at| Some(u16::from_be_bytes(*content.get(at..)?.first_chunk()?));
                Content::Transport {
                    source_port: port(0)?,
                    destination_port: port(2)?,
                    reset: false,
                }
            }
            None => Content::Other,
        };
        Some(Self { to: ethernet.destination(), source, destination, content })
    }

    /// Whether it is of the chatter by which neighbours find each other, and shorter ways.
    pub fn is_chatter(&self) -> bool {
        let for_many = self.to[0] & 1 == 1;
        for_many || self.content == Content::Redirect
    }
}

impl Content {
    fn of(transport: &TransportSlice<'_>) -> Self {
        let ports = |source_port, destination_port, reset| Self::Transport {
            source_port,
            destination_port,
            reset,
        };
        match transport {
            TransportSlice::Tcp(tcp) => ports(tcp.source_port(), tcp.destination_port(), tcp.rst()),
            TransportSlice::Udp(udp) => ports(udp.source_port(), udp.destination_port(), false),
            TransportSlice::Icmpv4(icmp) => match icmp.icmp_type() {
                Icmpv4Type::DestinationUnreachable(
                    icmpv4::DestUnreachableHeader::Port | icmpv4::DestUnreachableHeader::Protocol,
                ) => Self::Unreachable,
                _ => Self::Other,
            },
            TransportSlice::Icmpv6(icmp) => match icmp.icmp_type() {
                Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Port)
                // The next header is not known.
                | Icmpv6Type::ParameterProblem(_) => Self::Unreachable,
                Icmpv6Type::Redirect => Self::Redirect,
                _ => Self::Other,
            },
            TransportSlice::Igmp(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: Transport = Transport::Tcp { syn: true, ack: false, fin: false, rst: false };

    fn check(source: &str, destination: &str, transport: Transport) {
        let [source, destination]: [SocketAddr; 2] =
            [source, destination].map(|it| it.parse().unwrap());
        let packet = Packet { source, destination, transport, bytes: 100 };
        let bytes = packet.frame([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        assert_eq!(bytes.len(), 14 + packet.bytes);
        let frame = Frame::read(&bytes).unwrap();
        assert_eq!(frame.to, [2, 0, 0, 0, 0, 2]);
        assert_eq!((frame.source, frame.destination), (source.ip(), destination.ip()));
        let content = Content::Transport {
            source_port: source.port(),
            destination_port: destination.port(),
            reset: false,
        };
        assert_eq!(frame.content, content);
        assert!(!frame.is_chatter());
    }

    #[test]
    fn what_is_written_is_read_back() {
        check("192.0.2.1:1024", "192.0.2.2:80", SYN);
        check("[2001:db8::1]:1024", "[2001:db8::2]:80", SYN);
        check("192.0.2.1:1024", "192.0.2.2:53", Transport::Udp);
        check("[2001:db8::1]:1024", "[2001:db8::2]:53", Transport::Udp);
        check("192.0.2.1:1024", "192.0.2.2:53", Transport::Sctp { chunk: 1 });
        check("[2001:db8::1]:1024", "[2001:db8::2]:53", Transport::Sctp { chunk: 1 });
    }

    #[test]
    fn what_is_no_ip_is_nothing() {
        assert!(Frame::read(&[]).is_none());
        assert!(Frame::read(&[0xff; 60]).is_none());
    }
}
