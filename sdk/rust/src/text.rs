//! Real servers and services as people write them: `10.0.0.1:80`, `tcp 192.0.2.1:80`.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::weir::ipvs::{
    addresses::{AddressFamily, Endpoint, IpAddress},
    real_servers::RealServerKey,
    services::{Fwmark, Protocol, ServiceKey, VirtualEndpoint},
};

impl From<IpAddress> for IpAddr {
    fn from(address: IpAddress) -> Self {
        match address {
            IpAddress::Ipv4((a, b, c, d)) => Self::from([a, b, c, d]),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => Self::from([a, b, c, d, e, f, g, h]),
        }
    }
}

impl From<IpAddr> for IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(it) => {
                let [a, b, c, d] = it.octets();
                Self::Ipv4((a, b, c, d))
            }
            IpAddr::V6(it) => {
                let [a, b, c, d, e, f, g, h] = it.segments();
                Self::Ipv6((a, b, c, d, e, f, g, h))
            }
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip().into(), port: address.port() }
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.address.into(), endpoint.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

/// The real server's own endpoint, without its service.
impl fmt::Display for RealServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Sctp => f.write_str("sctp"),
            Self::Other(number) => write!(f, "protocol {number}"),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vip(VirtualEndpoint { protocol, endpoint }) => write!(f, "{protocol} {endpoint}"),
            Self::Fwmark(Fwmark { mark, family: AddressFamily::Ipv4 }) => {
                write!(f, "fwmark {mark}")
            }
            Self::Fwmark(Fwmark { mark, family: AddressFamily::Ipv6 }) => {
                write!(f, "fwmark {mark} IPv6")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shown: impl fmt::Display, expected: &str) {
        assert_eq!(shown.to_string(), expected);
    }

    #[test]
    fn keys_are_written_as_weir_writes_them() {
        let ipv4 = Endpoint { address: IpAddress::Ipv4((10, 0, 0, 1)), port: 80 };
        let address = IpAddress::Ipv6((0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let ipv6 = Endpoint { address, port: 443 };
        let vip = |protocol| ServiceKey::Vip(VirtualEndpoint { protocol, endpoint: ipv6 });
        check(RealServerKey { service: vip(Protocol::Tcp), server: ipv4 }, "10.0.0.1:80");
        check(vip(Protocol::Sctp), "sctp [2001:db8::1]:443");
        check(vip(Protocol::Other(47)), "protocol 47 [2001:db8::1]:443");
        let fwmark = |family| ServiceKey::Fwmark(Fwmark { mark: 7, family });
        check(fwmark(AddressFamily::Ipv4), "fwmark 7");
        check(fwmark(AddressFamily::Ipv6), "fwmark 7 IPv6");
    }
}
