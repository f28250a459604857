//! This machine's interfaces and addresses, which some checks of the core need.

use std::{collections::BTreeMap, fs, net::IpAddr};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::InterfaceFlags,
    sys::socket::SockaddrStorage,
};
use weir_embedded::{Interface, Machine};
use weir_ipvs::Family;

/// An interface whose size cannot be read is taken for an Ethernet.
const USUAL_MTU: u32 = 1500;

/// As it is now. A machine that cannot be read counts as one without interfaces.
pub(super) fn read() -> Machine {
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    for found in getifaddrs().into_iter().flatten() {
        let is_up = found.flags.contains(InterfaceFlags::IFF_UP);
        let is_loopback = found.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let routes = [(Family::V4, is_up), (Family::V6, is_up && !is_loopback)];
        let interface =
            interfaces.entry(found.interface_name.clone()).or_insert_with_key(|name| Interface {
                name: name.clone().into_bytes(),
                mtu: mtu(name),
                addresses: Vec::new(),
                multicast_routes: routes.iter().filter(|it| it.1).map(|it| it.0).collect(),
            });
        if is_up {
            interface.addresses.extend(address(&found));
        }
    }
    Machine { interfaces: interfaces.into_values().collect() }
}

/// The address of one of its entries and the length of its prefix.
fn address(found: &InterfaceAddress) -> Option<(IpAddr, u8)> {
    let address = ip(found.address.as_ref()?)?;
    let ones = match ip(found.netmask.as_ref()?)? {
        IpAddr::V4(mask) => u32::from(mask).count_ones(),
        IpAddr::V6(mask) => u128::from(mask).count_ones(),
    };
    Some((address, u8::try_from(ones).ok()?))
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let four = address.as_sockaddr_in().map(|it| it.ip().into());
    four.or_else(|| address.as_sockaddr_in6().map(|it| it.ip().into()))
}

fn mtu(name: &str) -> u32 {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/mtu")).unwrap_or_default();
    text.trim().parse().unwrap_or(USUAL_MTU)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_loopback_interface() {
        let machine = read();
        let lo = machine.interfaces.iter().find(|it| it.name == b"lo").unwrap();
        assert!(lo.mtu >= 65_535);
        assert!(lo.addresses.contains(&("127.0.0.1".parse().unwrap(), 8)));
    }
}
