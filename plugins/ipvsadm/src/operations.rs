//! From a request to the one change it asks for.

use std::net::IpAddr;

use crate::{
    checks::Checked,
    host::{
        AddressFamily, ConnectionTimeouts, Endpoint, Forwarding, Fwmark, Operation, Protocol,
        RealServerChange, RealServerConfig, RealServerKey, ServiceConfig, ServiceFlags, ServiceKey,
        SyncDaemon, SyncStop, Tunnel, TunnelChecksum, VirtualEndpoint, to_host,
    },
    options::{Checksum, Command, Kind, Method, Transport},
    request::{Request, Target},
    values,
};

/// Bytes of a name that the kernel has room for.
const SCHEDULER_BYTES_MAX: usize = 15;
const ENGINE_BYTES_MAX: usize = 16;
const DEVICE_BYTES_MAX: usize = 15;

/// Where sync daemons talk unless told otherwise.
const DEVICE_DEFAULT: &[u8] = b"eth0";

/// The change that a request asks for; none = it changes nothing.
pub(crate) fn operation(request: &Request<'_>, checked: &Checked) -> Option<Operation> {
    Some(match request.command {
        Command::AddService => Operation::AddService(service_config(request, checked)),
        Command::EditService => Operation::EditService(service_config(request, checked)),
        Command::DeleteService => Operation::DeleteService(service_key(&request.service)),
        Command::Flush => Operation::Flush,
        Command::AddServer => Operation::AddServer(server_change(request)),
        Command::EditServer => Operation::EditServer(server_change(request)),
        Command::DeleteServer => {
            let service = service_key(&request.service);
            Operation::DeleteServer(RealServerKey { service, server: endpoint(request.server) })
        }
        Command::SetTimeouts => {
            let [tcp, tcp_fin, udp] = checked.timeouts;
            Operation::SetTimeouts(ConnectionTimeouts { tcp, tcp_fin, udp })
        }
        Command::StartDaemon => Operation::StartDaemon(sync_daemon(request)),
        Command::StopDaemon => {
            let daemon = &request.daemon;
            Operation::StopDaemon(SyncStop { role: daemon.role, sync_id: daemon.sync_id })
        }
        Command::Zero => Operation::Zero(service_to_zero(request)),
        Command::List | Command::Restore | Command::Save | Command::Help | Command::Version => {
            return None;
        }
    })
}

/// What identifies a service.
pub(crate) fn service_key(service: &Target) -> ServiceKey {
    if let Some(mark) = service.fwmark {
        let family =
            if service.address.is_ipv6() { AddressFamily::Ipv6 } else { AddressFamily::Ipv4 };
        return ServiceKey::Fwmark(Fwmark { mark, family });
    }
    let protocol = match service.transport {
        Some(Transport::Udp) => Protocol::Udp,
        Some(Transport::Sctp) => Protocol::Sctp,
        Some(Transport::Tcp) | None => Protocol::Tcp,
    };
    ServiceKey::Vip(VirtualEndpoint {
        protocol,
        endpoint: endpoint((service.address, service.port)),
    })
}

fn endpoint((address, port): (IpAddr, u16)) -> Endpoint {
    Endpoint { address: to_host(address), port }
}

fn service_config(request: &Request<'_>, checked: &Checked) -> ServiceConfig {
    let scheduler: &[u8] =
        if request.scheduler.is_empty() { values::SCHEDULER_DEFAULT } else { &request.scheduler };
    let mut flags = checked.scheduler_flags;
    if request.given.contains(Kind::OnePacket) {
        flags = flags | ServiceFlags::ONE_PACKET;
    }
    ServiceConfig {
        key: service_key(&request.service),
        scheduler: module_name(scheduler, SCHEDULER_BYTES_MAX),
        flags,
        unnamed_flags: 0,
        persistence: request.persistence,
        netmask: request.netmask,
        engine: (!request.engine.is_empty())
            .then(|| module_name(&request.engine, ENGINE_BYTES_MAX)),
    }
}

/// The name of a module, cut. No module has a name that is not UTF-8, but the kernel has
/// to say so: it is asked for one of the same length that it does not have either.
fn module_name(name: &[u8], bytes_max: usize) -> String {
    let name = cut(name, bytes_max);
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => "?".repeat(name.len()),
    }
}

fn cut(name: &[u8], bytes_max: usize) -> &[u8] {
    &name[..name.len().min(bytes_max)]
}

/// All-zero and without a port stands for everything.
fn service_to_zero(request: &Request<'_>) -> Option<ServiceKey> {
    let service = &request.service;
    let anything =
        service.fwmark.is_none() && service.address.is_unspecified() && service.port == 0;
    (!anything).then(|| service_key(service))
}

fn server_change(request: &Request<'_>) -> RealServerChange {
    let (address, port) = request.server;
    // Only translation can change the port.
    let keeps_port = request.service.fwmark.is_some() || request.method == Method::Masquerade;
    let port = if keeps_port { port } else { request.service.port };
    let config = RealServerConfig {
        server: endpoint((address, port)),
        forwarding: forwarding(request.method),
        tunnel: tunnel(request),
        weight: request.weight,
        upper_threshold: request.upper_threshold,
        lower_threshold: request.lower_threshold,
    };
    RealServerChange { service: service_key(&request.service), config }
}

fn forwarding(method: Method) -> Forwarding {
    match method {
        Method::Masquerade => Forwarding::Masquerade,
        Method::Tunnel => Forwarding::Tunnel,
        Method::Direct => Forwarding::Direct,
    }
}

fn tunnel(request: &Request<'_>) -> Tunnel {
    let checksum = match request.checksum {
        Checksum::None => TunnelChecksum::None,
        Checksum::Full => TunnelChecksum::Full,
        Checksum::Remote => TunnelChecksum::Remote,
    };
    Tunnel { kind: request.tunnel_type, port: request.tunnel_port, checksum }
}

fn sync_daemon(request: &Request<'_>) -> SyncDaemon {
    let daemon = &request.daemon;
    let device = if daemon.device.is_empty() {
        DEVICE_DEFAULT
    } else {
        cut(&daemon.device, DEVICE_BYTES_MAX)
    };
    SyncDaemon {
        role: daemon.role,
        device: device.to_vec(),
        sync_id: daemon.sync_id,
        max_length: daemon.max_length,
        group: daemon.group.map(to_host),
        port: daemon.port,
        ttl: daemon.ttl,
    }
}
