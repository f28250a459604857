//! The lines of services.

use std::net::IpAddr;

use crate::{
    host::{AddressFamily, Flags, Service, ServiceFlags, ServiceKey, from_host},
    names::Names,
    text, wording,
};

/// Bytes of a service's name with an address of IPv4, and the width of its column.
pub(crate) const NAME_WIDTH: usize = 33;

/// What names of ports are looked up for.
pub(crate) type Lookup = Option<&'static str>;

/// Whether a service is of IPv6, and its address and port unless it is a mark.
pub(crate) fn endpoint(key: &ServiceKey) -> (bool, Option<(IpAddr, u16, Lookup)>) {
    match key {
        ServiceKey::Vip(vip) => {
            let address = from_host(&vip.endpoint.address);
            (
                address.is_ipv6(),
                Some((address, vip.endpoint.port, wording::protocol(&vip.protocol).lookup)),
            )
        }
        ServiceKey::Fwmark(fwmark) => (fwmark.family == AddressFamily::Ipv6, None),
    }
}

/// Appends the name of a service.
pub(crate) fn put_name(out: &mut Vec<u8>, names: &Names, key: &ServiceKey) {
    let start = out.len();
    match key {
        ServiceKey::Vip(vip) => {
            let words = wording::protocol(&vip.protocol);
            let address = from_host(&vip.endpoint.address);
            text::put_left(out, words.listing, 4);
            out.push(b' ');
            names.put(out, address, vip.endpoint.port, words.lookup);
            if address.is_ipv4() {
                text::cut(out, start, NAME_WIDTH);
            }
        }
        ServiceKey::Fwmark(fwmark) => {
            out.extend_from_slice(b"FWM  ");
            text::put_signed(out, fwmark.mark);
            if fwmark.family == AddressFamily::Ipv6 {
                out.extend_from_slice(b" IPv6");
            }
        }
    }
}

/// Appends the scheduler and everything else that is configured.
pub(crate) fn put_configuration(out: &mut Vec<u8>, service: &Service) {
    let config = &service.config;
    out.push(b' ');
    out.extend_from_slice(config.scheduler.as_bytes());
    wording::put_scheduler_flags(out, config, b" (", b")");
    if let Some(seconds) = config.persistence {
        out.extend_from_slice(b" persistent ");
        text::put_decimal(out, seconds.into());
        let (ipv6, _) = endpoint(&config.key);
        wording::put_netmask(out, config, ipv6, b" mask ");
        if let Some(engine) = &config.engine {
            out.extend_from_slice(b" pe ");
            out.extend_from_slice(engine.as_bytes());
        }
    }
    if config.flags.contains(ServiceFlags::ONE_PACKET) {
        out.extend_from_slice(b" ops");
    }
    out.push(b'\n');
}
