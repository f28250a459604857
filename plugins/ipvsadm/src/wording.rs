//! Words that the listing and the rules of `-S` have in common.

use crate::{
    addresses,
    host::{Flags, Protocol, ServiceConfig, ServiceFlags},
    text,
};

/// What a protocol is called.
pub(crate) struct ProtocolWords {
    /// In listings.
    pub(crate) listing: &'static [u8],
    /// The option that takes a service of it.
    pub(crate) option: &'static [u8],
    /// In the services database.
    pub(crate) lookup: Option<&'static str>,
}

pub(crate) fn protocol(protocol: &Protocol) -> ProtocolWords {
    let (listing, option, lookup): (&[u8], &[u8], _) = match protocol {
        Protocol::Tcp => (b"TCP", b"-t", Some("tcp")),
        Protocol::Udp => (b"UDP", b"-u", Some("udp")),
        Protocol::Sctp => (b"SCTP", b"--sctp-service", Some("sctp")),
        Protocol::Other(_) => (b"?", b"--xxx-service", None),
    };
    ProtocolWords { listing, option, lookup }
}

/// IANA's number of a protocol.
pub(crate) fn protocol_number(protocol: &Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
        Protocol::Other(number) => *number,
    }
}

/// Appends the names of a service's scheduler flags, which depend on the scheduler, after
/// `before` and up to `after`; nothing if none is set.
pub(crate) fn put_scheduler_flags(
    out: &mut Vec<u8>,
    config: &ServiceConfig,
    before: &[u8],
    after: &[u8],
) {
    let all = [
        ServiceFlags::SCHEDULER_FLAG1,
        ServiceFlags::SCHEDULER_FLAG2,
        ServiceFlags::SCHEDULER_FLAG3,
    ];
    if !all.iter().any(|&flag| config.flags.contains(flag)) {
        return;
    }
    let names: &[&[u8]] = match config.scheduler.as_str() {
        "sh" => &[b"sh-fallback", b"sh-port"],
        "mh" => &[b"mh-fallback", b"mh-port"],
        _ => &[b"flag-1", b"flag-2", b"flag-3"],
    };
    out.extend_from_slice(before);
    let mut separator: &[u8] = b"";
    for (name, _) in names.iter().zip(all).filter(|(_, flag)| config.flags.contains(*flag)) {
        out.extend_from_slice(separator);
        out.extend_from_slice(name);
        separator = b",";
    }
    out.extend_from_slice(after);
}

/// Appends a netmask after `before`; nothing if each client is on its own.
pub(crate) fn put_netmask(out: &mut Vec<u8>, config: &ServiceConfig, ipv6: bool, before: &[u8]) {
    let all_bits = if ipv6 { 128 } else { u32::MAX };
    if config.netmask == all_bits {
        return;
    }
    out.extend_from_slice(before);
    if ipv6 {
        text::put_decimal(out, config.netmask.into());
    } else {
        addresses::put4(out, config.netmask.into());
    }
}
