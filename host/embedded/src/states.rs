//! The state of a connection, how long it may rest in it, and whether it is active.

mod sctp;
mod tcp;

use weir_ipvs::{Protocol, Timeouts};

pub(crate) use self::{sctp::Sctp, tcp::Tcp};
use crate::packet::{Direction, Signal};

/// What a connection has before its first packet is looked at, in seconds.
pub(crate) const INITIAL_SECONDS: u32 = 3;

/// State of a connection or a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A TCP connection.
    Tcp(Tcp),
    /// An SCTP association.
    Sctp(Sctp),
    /// A UDP flow: it has one state.
    Udp,
    /// A persistence template.
    Template {
        /// A connection by it was established, or a reply seen.
        assured: bool,
    },
}

/// Which way a packet goes, and what is known of the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// From the client.
    In,
    /// From the real server.
    Out,
    /// From the client, where nothing is seen of the real server.
    InOnly,
}

impl State {
    /// That of a new connection of this protocol.
    pub(crate) fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp(Tcp::None),
            Protocol::Sctp => Self::Sctp(Sctp::None),
            Protocol::Udp | Protocol::Other(_) => Self::Udp,
        }
    }

    /// The state after a packet. One that is of another protocol changes nothing.
    pub(crate) fn after(self, side: Side, signal: Signal, secure_tcp: bool) -> Self {
        match (self, signal) {
            (Self::Tcp(state), Signal::Tcp(flags)) => {
                Self::Tcp(state.after(side, flags, secure_tcp))
            }
            (Self::Sctp(state), Signal::Sctp(chunk)) => Self::Sctp(state.after(side, chunk)),
            _ => self,
        }
    }

    /// Seconds that a connection may rest in this state; none = as long as it was given.
    pub(crate) fn seconds(self, timeouts: &Timeouts) -> Option<u32> {
        match self {
            Self::Tcp(state) => Some(state.seconds(timeouts)),
            Self::Sctp(state) => Some(state.seconds()),
            Self::Udp => Some(timeouts.udp),
            Self::Template { .. } => None,
        }
    }

    /// Whether the connection counts as an active one.
    pub(crate) fn is_active(self) -> bool {
        match self {
            Self::Tcp(state) => state.is_active(),
            Self::Sctp(state) => state == Sctp::Established,
            Self::Udp | Self::Template { .. } => false,
        }
    }

    /// Whether reaching this state, or staying in it, assures the template.
    pub(crate) fn assures(self, before: Self, direction: Direction) -> bool {
        match self {
            Self::Tcp(Tcp::Established) | Self::Sctp(Sctp::Established) => self != before,
            Self::Udp => direction == Direction::Out,
            _ => false,
        }
    }

    /// Whether a new connection may take its place (`is_new_conn_expected`).
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Tcp(Tcp::TimeWait | Tcp::Close) | Self::Sctp(Sctp::Closed))
    }

    /// The kernel's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp(state) => state.name(),
            Self::Sctp(state) => state.name(),
            Self::Udp => "UDP",
            Self::Template { assured: true } => "ASSURED",
            Self::Template { assured: false } => "NONE",
        }
    }
}
