//! `-S`: the table as lines for `-R`. Thresholds are not among them, as in the original.

use crate::{
    failure::Failure,
    host::{
        AddressFamily, Fields, Flags, Scope, ServiceConfig, ServiceFlags, ServiceKey, from_host,
    },
    listing::{self, Lookup},
    names::Names,
    options::Kind,
    request::Request,
    session::Session,
    table::{Contents, Server},
    text, wording,
};

pub(crate) fn run(session: &mut Session<'_>, request: &Request<'_>) -> Result<(), Failure> {
    let table = session
        .host
        .read(&Scope::All, Fields::DETAILS)
        .map_err(|error| listing::unlisted(&error))?;
    let contents = Contents::load(&*table, Fields::DETAILS, true);
    let mut names = Names::new(request.given.contains(Kind::Numeric));
    let mut key = Vec::new();
    listing::put_pages(session, &contents, &mut names, |out, names, service, servers, lookup| {
        key.clear();
        put_key(&mut key, names, &service.config.key);
        put_service(out, &key, &service.config);
        for server in servers {
            put_server(out, names, &key, server, lookup);
        }
    });
    Ok(())
}

fn put_key(out: &mut Vec<u8>, names: &Names, key: &ServiceKey) {
    match key {
        ServiceKey::Vip(vip) => {
            let words = wording::protocol(&vip.protocol);
            out.extend_from_slice(words.option);
            out.push(b' ');
            names.put(out, from_host(&vip.endpoint.address), vip.endpoint.port, words.lookup);
        }
        ServiceKey::Fwmark(fwmark) => {
            out.extend_from_slice(b"-f ");
            text::put_signed(out, fwmark.mark);
            if fwmark.family == AddressFamily::Ipv6 {
                out.extend_from_slice(b" -6");
            }
        }
    }
}

fn put_service(out: &mut Vec<u8>, key: &[u8], config: &ServiceConfig) {
    for part in [b"-A ", key, b" -s ", config.scheduler.as_bytes()] {
        out.extend_from_slice(part);
    }
    if let Some(seconds) = config.persistence {
        out.extend_from_slice(b" -p ");
        text::put_decimal(out, seconds.into());
        let (ipv6, _) = listing::endpoint(&config.key);
        wording::put_netmask(out, config, ipv6, b" -M ");
    }
    if let Some(engine) = &config.engine {
        out.extend_from_slice(b" --pe ");
        out.extend_from_slice(engine.as_bytes());
    }
    if config.flags.contains(ServiceFlags::ONE_PACKET) {
        out.extend_from_slice(b" -o");
    }
    wording::put_scheduler_flags(out, config, b" -b ", b"");
    out.push(b'\n');
}

fn put_server(out: &mut Vec<u8>, names: &Names, key: &[u8], server: Server<'_>, lookup: Lookup) {
    for part in [b"-a ", key, b" -r "] {
        out.extend_from_slice(part);
    }
    names.put(out, server.address(), server.port(), lookup);
    out.extend_from_slice(match server.forwarding() {
        0 => b" -m -w ",
        2 => b" -i -w ",
        _ => b" -g -w ",
    });
    text::put_signed(out, server.weight());
    if server.forwarding() == 2 {
        put_tunnel(out, server);
    }
    out.push(b'\n');
}

fn put_tunnel(out: &mut Vec<u8>, server: Server<'_>) {
    match server.tunnel_kind() {
        1 => {
            out.extend_from_slice(b" --tun-type gue --tun-port ");
            text::put_decimal(out, server.tunnel_port().into());
            put_checksum(out, server.tunnel_checksum());
        }
        2 => {
            out.extend_from_slice(b" --tun-type gre");
            put_checksum(out, server.tunnel_checksum());
        }
        _ => out.extend_from_slice(b" --tun-type ipip"),
    }
}

fn put_checksum(out: &mut Vec<u8>, bits: u16) {
    out.extend_from_slice(match bits {
        _ if bits & 1 != 0 => b" --tun-csum".as_slice(),
        _ if bits & 2 != 0 => b" --tun-remcsum",
        _ => b" --tun-nocsum",
    });
}
