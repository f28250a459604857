//! What must be known of the machine: its interfaces, as some checks look at them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_ipvs::Family;

/// A machine as IPVS sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its interfaces, the loopback one among them.
    pub interfaces: Vec<Interface>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// 1 to 15 bytes.
    pub name: Vec<u8>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Its addresses with the lengths of their prefixes; none while it is down, for then
    /// the kernel does not take them for its own.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The families of which a packet to a multicast group could leave by it: none while it
    /// is down, and IPv4 alone if it is the loopback one.
    pub multicast_routes: Vec<Family>,
}

impl Machine {
    /// The interface with this name.
    pub(crate) fn interface(&self, name: &[u8]) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// Whether a real server may have this address: a local or a unicast one. IPv6 ones of
    /// a link only if they are local.
    pub(crate) fn allows_server(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.is_local_or_unicast_v4(address),
            IpAddr::V6(v6) => {
                (is_unicast_v6(v6) && !v6.is_unicast_link_local()) || self.is_own(address)
            }
        }
    }

    /// Whether what goes to this address goes to another machine, and to one only
    /// (`ip_vs_addr_is_unicast`, which takes its own IPv6 addresses for unicast too).
    pub(crate) fn is_unicast_elsewhere(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => {
                self.is_local_or_unicast_v4(v4) && !v4.is_loopback() && !self.is_own(address)
            }
            IpAddr::V6(v6) => is_unicast_v6(v6),
        }
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.addresses().any(|(own, _)| own == address)
    }

    /// As `inet_addr_type` sees it: 240.0.0.0/4 and what has a subnet's first address are
    /// unicast.
    fn is_local_or_unicast_v4(&self, address: Ipv4Addr) -> bool {
        if self.is_own(address.into()) {
            return true;
        }
        let broadcast = address.is_broadcast()
            || address == Ipv4Addr::new(127, 255, 255, 255)
            || self.addresses().any(|(own, prefix)| is_broadcast_of(address, own, prefix));
        !address.is_unspecified() && !address.is_multicast() && !broadcast
    }

    fn addresses(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        self.interfaces.iter().flat_map(|interface| &interface.addresses).copied()
    }
}

/// Whether `address` is the last one of a subnet that is large enough to have a broadcast
/// address.
fn is_broadcast_of(address: Ipv4Addr, own: IpAddr, prefix: u8) -> bool {
    let IpAddr::V4(own) = own else { return false };
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    prefix < 31 && u32::from(address) == u32::from(own) | hosts
}

/// As `ipv6_addr_type` sees it: IPv4-mapped addresses are not unicast.
fn is_unicast_v6(address: Ipv6Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address.to_ipv4_mapped().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        let address = |text: &str, prefix| (text.parse().unwrap(), prefix);
        Machine {
            interfaces: vec![
                Interface {
                    name: b"lo".to_vec(),
                    mtu: 65_536,
                    addresses: vec![
                        address("127.0.0.1", 8),
                        address("10.99.0.1", 32),
                        address("::1", 128),
                    ],
                    multicast_routes: Vec::new(),
                },
                Interface {
                    name: b"tun0".to_vec(),
                    mtu: 1500,
                    addresses: vec![
                        address("10.254.0.1", 30),
                        address("192.0.2.0", 31),
                        address("fe80::7", 64),
                    ],
                    multicast_routes: vec![Family::V4],
                },
            ],
        }
    }

    fn check(text: &str, allowed: bool) {
        assert_eq!(machine().allows_server(text.parse().unwrap()), allowed, "{text}");
    }

    #[test]
    fn real_servers_have_local_or_unicast_addresses() {
        for text in ["127.0.0.1", "127.9.9.9", "10.99.0.1", "10.254.0.1", "10.254.0.2"] {
            check(text, true);
        }
        // The first address of a subnet, both of a /31, the reserved block, all of 0/8 but one.
        for text in ["10.254.0.0", "192.0.2.1", "240.0.0.1", "0.0.0.1"] {
            check(text, true);
        }
        for text in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "10.254.0.3", "127.255.255.255"] {
            check(text, false);
        }
    }

    #[test]
    fn ipv6_ones_are_of_no_single_link_unless_local() {
        for text in ["::1", "2001:db8::1", "fc00::1", "fe80::7"] {
            check(text, true);
        }
        for text in ["::", "fe80::1", "ff02::1", "::ffff:192.0.2.1"] {
            check(text, false);
        }
    }

    #[test]
    fn elsewhere_is_not_here() {
        let elsewhere = |text: &str| machine().is_unicast_elsewhere(text.parse().unwrap());
        for text in ["127.0.0.1", "10.99.0.1", "224.0.0.1", "ff02::1"] {
            assert!(!elsewhere(text), "{text}");
        }
        for text in ["198.51.100.1", "2001:db8::1"] {
            assert!(elsewhere(text), "{text}");
        }
    }
}
