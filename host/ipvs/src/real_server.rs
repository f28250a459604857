//! Real servers: where a service's connections go.

use std::fmt;

use crate::{Endpoint, ServiceKey, Stats};

/// What identifies a real server, everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerKey {
    /// The service it belongs to.
    pub service: ServiceKey,
    /// Its own address and port; the family may differ from the service's when tunnelled.
    pub server: Endpoint,
}

impl fmt::Display for RealServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.server, self.service)
    }
}

/// How packets reach a real server (`IP_VS_CONN_F_FWD_MASK`, three bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// 0: NAT.
    Masquerade,
    /// 1: this machine. Reported by old kernels only.
    Local,
    /// 2: encapsulation, see [`Tunnel`]. The only one allowed across families.
    Tunnel,
    /// 3: direct routing.
    Direct,
    /// 4: the original address, without a real server.
    Bypass,
    /// 5..=7, which the kernel stores and nobody gave a meaning to.
    Other(u8),
}

impl Forwarding {
    /// The method with this number; only the low three bits count, as in the kernel.
    pub fn from_number(number: u32) -> Self {
        match number & 7 {
            0 => Self::Masquerade,
            1 => Self::Local,
            2 => Self::Tunnel,
            3 => Self::Direct,
            4 => Self::Bypass,
            5 => Self::Other(5),
            6 => Self::Other(6),
            _ => Self::Other(7),
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Masquerade => 0,
            Self::Local => 1,
            Self::Tunnel => 2,
            Self::Direct => 3,
            Self::Bypass => 4,
            Self::Other(number) => number & 7,
        }
    }
}

/// Encapsulation of [`Forwarding::Tunnel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelKind {
    /// 0: IP in IP, the default.
    Ipip,
    /// 1: generic UDP encapsulation; Linux 5.2 and later, older ones silently do IP in IP.
    Gue,
    /// 2: GRE; Linux 5.3 and later, older ones silently do IP in IP.
    Gre,
    /// A number without a name; the kernel stores any.
    Other(u8),
}

impl TunnelKind {
    /// The kind with this number.
    pub fn from_number(number: u8) -> Self {
        match number {
            0 => Self::Ipip,
            1 => Self::Gue,
            2 => Self::Gre,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Ipip => 0,
            Self::Gue => 1,
            Self::Gre => 2,
            Self::Other(number) => number,
        }
    }
}

/// Checksums of a GUE or GRE tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelChecksum {
    /// 0: none.
    None,
    /// 1: of the outer packet.
    Full,
    /// 2: remote checksum offload; GUE only.
    Remote,
    /// A number without a name; the kernel stores any.
    Other(u16),
}

impl TunnelChecksum {
    /// The checksum with this number.
    pub fn from_number(number: u16) -> Self {
        match number {
            0 => Self::None,
            1 => Self::Full,
            2 => Self::Remote,
            other => Self::Other(other),
        }
    }

    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Full => 1,
            Self::Remote => 2,
            Self::Other(number) => number,
        }
    }
}

/// The tunnel of a real server. The kernel keeps it whatever the forwarding method is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// UDP port of GUE, 1..=65535; otherwise 0.
    pub port: u16,
    /// Checksums.
    pub checksum: TunnelChecksum,
}

impl Default for Tunnel {
    fn default() -> Self {
        Self { kind: TunnelKind::Ipip, port: 0, checksum: TunnelChecksum::None }
    }
}

/// A real server as it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealServer {
    /// Its address and port.
    pub endpoint: Endpoint,
    /// How packets get there.
    pub forwarding: Forwarding,
    /// Encapsulation, if the method is [`Forwarding::Tunnel`].
    pub tunnel: Tunnel,
    /// 0..=2147483647; 0 = no new connections. What else it means depends on the
    /// scheduler, see [`crate::WeightMeaning`].
    pub weight: u32,
    /// No new connections at this many; 0 = no limit.
    pub upper_threshold: u32,
    /// New ones again below this many; 0 = three quarters of upper. Not above upper.
    pub lower_threshold: u32,
}

impl RealServer {
    /// A real server of this weight, without thresholds, reached as `forwarding` says.
    pub fn new(endpoint: Endpoint, forwarding: Forwarding, weight: u32) -> Self {
        Self {
            endpoint,
            forwarding,
            tunnel: Tunnel::default(),
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    /// The same without a tunnel that its forwarding method has no use for, which a reading
    /// may leave out.
    pub fn without_idle_tunnel(self) -> Self {
        match self.forwarding {
            Forwarding::Tunnel => self,
            _ => Self { tunnel: Tunnel::default(), ..self },
        }
    }
}

/// A real server as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealServerStatus {
    /// As configured, whoever did it.
    pub config: RealServer,
    /// Connections in an active state now.
    pub active: u32,
    /// Connections in any other state now; all of UDP is here.
    pub inactive: u32,
    /// Persistence templates now.
    pub persistent: u32,
    /// Its traffic since its service was zeroed.
    pub stats: Stats,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_a_name_are_kept() {
        for number in 0..8 {
            assert_eq!(u32::from(Forwarding::from_number(number).number()), number);
        }
        // The kernel looks at three bits.
        assert_eq!(Forwarding::from_number(0x103), Forwarding::Direct);
        for number in [0, 1, 2, 3, 255] {
            assert_eq!(TunnelKind::from_number(number).number(), number);
            assert_eq!(TunnelChecksum::from_number(number.into()).number(), number.into());
        }
    }
}
