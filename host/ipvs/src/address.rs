//! Addresses and ports.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The family of an address, for the places where no address carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

impl Family {
    /// The family that `address` belongs to. `::ffff:192.0.2.1` is IPv6.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The address of all zeros: 0.0.0.0 or `::`.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }
}

/// All addresses that begin as one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    /// In bits: 0..=32, or 0..=128.
    length: u32,
}

impl Prefix {
    /// Whether `address` is one of them. None of the other family is.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(left), IpAddr::V4(right)) => {
                u128::from(left.to_bits() ^ right.to_bits()) << 96
            }
            (IpAddr::V6(left), IpAddr::V6(right)) => left.to_bits() ^ right.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= self.length
    }
}

/// What is no address and no prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAPrefix;

impl FromStr for Prefix {
    type Err = NotAPrefix;

    /// `192.0.2.0/24`, `2001:db8::/32`, or one address.
    fn from_str(text: &str) -> Result<Self, NotAPrefix> {
        let (address, length) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().map_err(|_| NotAPrefix)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length =
            if text.contains('/') { length.parse().map_err(|_| NotAPrefix)? } else { whole };
        if length <= whole { Ok(Self { address, length }) } else { Err(NotAPrefix) }
    }
}

/// An address and a port; port 0 is legal, and what it means is said where it is used.
///
/// Not [`SocketAddr`], whose IPv6 form has a scope and a flow label that IPVS has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// 0..=65535.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint at `address` and `port`.
    pub fn new(address: impl Into<IpAddr>, port: u16) -> Self {
        Self { address: address.into(), port }
    }

    /// The family of its address.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self { address: addr.ip(), port: addr.port() }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.address, endpoint.port)
    }
}

impl FromStr for Endpoint {
    type Err = std::net::AddrParseError;

    /// `192.0.2.1:80` or `[2001:db8::1]:80`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<SocketAddr>().map(Self::from)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, family: Family) {
        let endpoint: Endpoint = text.parse().unwrap();
        assert_eq!(endpoint.to_string(), text);
        assert_eq!(endpoint.family(), family);
        assert_eq!(Endpoint::from(SocketAddr::from(endpoint)), endpoint);
    }

    #[test]
    fn endpoints_are_read_as_they_are_written() {
        check("192.0.2.1:80", Family::V4);
        check("0.0.0.0:0", Family::V4);
        check("[2001:db8::1]:65535", Family::V6);
        // Mapped addresses are not IPv4 to the kernel.
        check("[::ffff:192.0.2.1]:80", Family::V6);
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in ["", "192.0.2.1", "192.0.2.1:65536", "2001:db8::1:80", "host:80"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn each_family_has_an_unspecified_address() {
        for family in [Family::V4, Family::V6] {
            assert!(family.unspecified().is_unspecified());
            assert_eq!(Family::of(family.unspecified()), family);
        }
    }
}
