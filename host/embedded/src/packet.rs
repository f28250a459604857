//! What the core is told of traffic: packets without their bytes.

use weir_ipvs::{Endpoint, Protocol};

/// A packet, as far as IPVS looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Transport.
    pub protocol: Protocol,
    /// Where it comes from; port 0 where the protocol has none.
    pub source: Endpoint,
    /// Where it goes to; port 0 where the protocol has none.
    pub destination: Endpoint,
    /// Firewall mark; 0 = none.
    pub mark: u32,
    /// Length in bytes, IP header included.
    pub bytes: u32,
    /// What it means to its connection.
    pub signal: Signal,
}

/// What a packet means to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// TCP.
    Tcp(TcpFlags),
    /// SCTP: its first chunk; an ABORT behind a COOKIE counts as the ABORT.
    Sctp(Chunk),
    /// A datagram of any other protocol.
    Datagram,
}

/// The flags of a TCP packet that its connection's state depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpFlags {
    /// SYN.
    pub syn: bool,
    /// ACK.
    pub ack: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
}

/// An SCTP chunk (RFC 9260, section 3.2), as IPVS tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// DATA, SACK, HEARTBEAT and whatever is not below.
    Data,
    /// INIT.
    Init,
    /// INIT ACK.
    InitAck,
    /// COOKIE ECHO.
    CookieEcho,
    /// COOKIE ACK.
    CookieAck,
    /// SHUTDOWN.
    Shutdown,
    /// SHUTDOWN ACK.
    ShutdownAck,
    /// SHUTDOWN COMPLETE.
    ShutdownComplete,
    /// ERROR.
    Error,
    /// ABORT.
    Abort,
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    In,
    /// From the real server, seen only with masquerading.
    Out,
}
