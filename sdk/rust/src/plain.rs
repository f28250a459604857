//! Services and real servers with nothing said of them that need not be.

use std::net::SocketAddr;

use super::weir::ipvs::{
    addresses::{AddressFamily, Endpoint, IpAddress},
    real_servers::{Forwarding, RealServerConfig, Tunnel, TunnelChecksum, TunnelType},
    services::{Fwmark, ServiceConfig, ServiceFlags, ServiceKey, VirtualEndpoint},
};

/// A service without persistence or flags; `scheduler` is the kernel's name, `wrr`.
pub(super) fn service_config(key: ServiceKey, scheduler: &str) -> ServiceConfig {
    let is_v4 = match &key {
        ServiceKey::Vip(VirtualEndpoint { endpoint, .. }) => {
            matches!(endpoint.address, IpAddress::Ipv4(_))
        }
        ServiceKey::Fwmark(Fwmark { family, .. }) => matches!(family, AddressFamily::Ipv4),
    };
    ServiceConfig {
        key,
        scheduler: scheduler.to_owned(),
        flags: ServiceFlags::empty(),
        unnamed_flags: 0,
        persistence: None,
        // Every client by itself: an IPv4 mask, or the length of an IPv6 prefix.
        netmask: if is_v4 { u32::MAX } else { 128 },
        engine: None,
    }
}

/// A real server by masquerading, without thresholds.
pub(super) fn real_server(address: SocketAddr, weight: u32) -> RealServerConfig {
    RealServerConfig {
        server: Endpoint::from(address),
        forwarding: Forwarding::Masquerade,
        tunnel: Tunnel { kind: TunnelType::Ipip, port: 0, checksum: TunnelChecksum::None },
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}
