//! What unit tests name by its text, and what is nothing.

use std::{net::SocketAddr, time::Duration};

use super::super::weir::ipvs::{
    addresses::AddressFamily,
    services::{Fwmark, Protocol, ServiceKey, VirtualEndpoint},
    stats::{Stats, Traffic},
};

/// Panics if it is none.
pub(super) fn service_key(text: &str) -> ServiceKey {
    let vip = |protocol, address| {
        ServiceKey::Vip(VirtualEndpoint { protocol, endpoint: socket(address).into() })
    };
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["tcp", address] => vip(Protocol::Tcp, address),
        ["udp", address] => vip(Protocol::Udp, address),
        ["sctp", address] => vip(Protocol::Sctp, address),
        ["fwmark", mark] => fwmark(mark, AddressFamily::Ipv4),
        ["fwmark", mark, "IPv6"] => fwmark(mark, AddressFamily::Ipv6),
        _ => panic!("expected a service, such as tcp 192.0.2.1:80 or fwmark 7, found {text}"),
    }
}

fn fwmark(mark: &str, family: AddressFamily) -> ServiceKey {
    let mark = mark.parse().unwrap_or_else(|_| panic!("expected a mark, found {mark}"));
    ServiceKey::Fwmark(Fwmark { mark, family })
}

/// Panics if it is none.
pub(super) fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("expected an address and port, found {text}"))
}

pub(super) fn no_stats() -> Stats {
    let none = Traffic { connections: 0, packets_in: 0, packets_out: 0, bytes_in: 0, bytes_out: 0 };
    Stats { total: none, per_second: none }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
