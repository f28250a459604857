//! `host[:port]` as services and real servers are named on the command line.

use std::net::{IpAddr, Ipv4Addr};

use crate::{addresses, host::Host, numbers, options::Transport};

/// An address, and a port if one was given.
pub(crate) type Endpoint = (IpAddr, Option<u16>);

/// Reads an endpoint; `transport` is what names of ports are looked up for.
pub(crate) fn parse(
    host: &mut dyn Host,
    text: &[u8],
    transport: Option<Transport>,
) -> Option<Endpoint> {
    if text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (name, glued_port) = match text {
        [b'[', inner @ ..] => {
            let end = inner.iter().position(|&byte| byte == b']')?;
            (&inner[..end], Some(inner[end + 1..].strip_prefix(b":")?))
        }
        _ => (text, None),
    };
    if let Some(address) = addresses::pton6(name) {
        return with_port(host, address.into(), glued_port, transport);
    }
    // Brackets round anything else lose the port that follows them.
    let (name, port) = match name.iter().rposition(|&byte| byte == b':') {
        Some(colon) => (&name[..colon], Some(&name[colon + 1..])),
        None => (name, None),
    };
    let address = address4(host, name)?;
    with_port(host, address.into(), port, transport)
}

/// An IPv4 address, or the first one of a host's name.
pub(crate) fn address4(host: &mut dyn Host, name: &[u8]) -> Option<Ipv4Addr> {
    addresses::aton(name).or_else(|| host.address(name))
}

fn with_port(
    host: &mut dyn Host,
    address: IpAddr,
    port: Option<&[u8]>,
    transport: Option<Transport>,
) -> Option<Endpoint> {
    let Some(text) = port else { return Some((address, None)) };
    let number = numbers::int(text, 0..=65535).and_then(|number| u16::try_from(number).ok());
    let port = number.or_else(|| host.port(text, transport?.name()))?;
    Some((address, Some(port)))
}
