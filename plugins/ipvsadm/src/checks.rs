//! What is checked once the whole line is read, in the order that decides which of
//! several faults is reported. No request has been made of the kernel yet.

use crate::{
    failure::Failure,
    host::{ServiceFlags, TunnelType},
    legality,
    options::{Command, Kind, Method, Transport},
    request::Request,
    values,
};

/// What only the whole line tells.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) scheduler_flags: ServiceFlags,
    /// TCP, TCP after FIN, UDP; for `--set`.
    pub(crate) timeouts: [u32; 3],
}

/// Checks a request.
pub(crate) fn check(request: &Request<'_>) -> Result<Checked, Failure> {
    let (timeouts, left_over) = check_plain(request)?;
    if let Some(argument) = left_over.first() {
        return Err(Failure::rejected_value(&[b"unexpected argument ", argument]));
    }
    let scheduler_flags = values::scheduler_flags(&request.scheduler_flags, &request.scheduler)?;
    legality::check_command(request.command, request.given)?;
    match request.command {
        Command::AddService | Command::EditService => check_service(request)?,
        Command::AddServer | Command::EditServer => check_server(request)?,
        Command::List => legality::check_list(request.given)?,
        _ => {}
    }
    Ok(Checked { scheduler_flags, timeouts })
}

/// The arguments of `--set`, the only command that has any, and what is left.
fn check_plain<'r, 'a>(request: &'r Request<'a>) -> Result<([u32; 3], &'r [&'a [u8]]), Failure> {
    if request.command != Command::SetTimeouts {
        return Ok(([0; 3], &request.plain));
    }
    let [tcp, tcp_fin, udp, left_over @ ..] = request.plain.as_slice() else {
        return Err(Failure::rejected("--set option requires 3 timeout values"));
    };
    Ok(([values::timeout(tcp)?, values::timeout(tcp_fin)?, values::timeout(udp)?], left_over))
}

fn check_service(request: &Request<'_>) -> Result<(), Failure> {
    let service = &request.service;
    if service.fwmark.is_some() {
        return Ok(());
    }
    if service.port == 0 && request.persistence.is_none() {
        return Err(Failure::rejected("Zero port specified for non-persistent service"));
    }
    if request.given.contains(Kind::OnePacket) && service.transport != Some(Transport::Udp) {
        return Err(Failure::rejected("One-Packet Scheduling is only for UDP virtual services"));
    }
    Ok(())
}

fn check_server(request: &Request<'_>) -> Result<(), Failure> {
    if request.method != Method::Tunnel {
        if request.server.0.is_ipv6() != request.service.address.is_ipv6() {
            return Err(Failure::rejected(
                "Different address family is allowed only for tunneling servers",
            ));
        }
        if request.given.intersects(legality::TUNNEL) {
            return Err(Failure::rejected("Tunnel options conflict with forward method"));
        }
        return Ok(());
    }
    let name = match request.tunnel_type {
        TunnelType::Gue => "gue",
        TunnelType::Gre => "gre",
        TunnelType::Ipip | TunnelType::Other(_) => "ipip",
    };
    legality::check_tunnel(name, request.given)
}
