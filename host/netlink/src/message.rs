//! Between attributes and weir's words: the one place that knows both.
//!
//! Changes and reads become the bytes of a request, replies become words again. Sockets,
//! sequence numbers and what a refusal means are left to others.
//!
//! Requests are written into a vector that is used again and again, and replies are read
//! where they lie. neli's builders allocate for every attribute and serialise each nest
//! twice: 882 ns for a message that takes 63 ns so, 14 times as long, and a change of
//! weights in bulk is little else.

pub(crate) mod table;
pub(crate) mod wire;

use std::{marker::PhantomData, net::IpAddr};

use weir_ipvs::{
    Change, Endpoint, Error, Family, Forwarding, Info, Protocol, RealServer, RealServerKey,
    RealServerStatus, Service, ServiceFlags, ServiceKey, ServiceStatus, Stats, SyncDaemon,
    SyncRole, Timeouts, Traffic, Tunnel, TunnelChecksum, TunnelKind,
};

use self::{
    table::{DAEMON, DEST, SERVICE},
    wire::{Address, Attributes, Count, Flags, Name, Nest, Port, Wire, put_attribute},
};

/// Bytes of the generic netlink header: command, version, two reserved.
pub(crate) const GENERIC_HEADER_BYTES: usize = 4;
/// Enough for any request: the longest, a service with an engine and a real server, takes
/// less than half.
pub(crate) const REQUEST_BYTES_MAX: usize = 512;

const SCHEDULER_BYTES_MAX: usize = 15;
const ENGINE_BYTES_MAX: usize = 16;
const INTERFACE_BYTES_MAX: usize = 15;
/// `IP_VS_SVC_F_PERSISTENT`.
const PERSISTENT: u32 = 0x1;
const EINVAL: i32 = 22;

/// Commands of the family, by the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Command {
    NewService = 1,
    SetService = 2,
    DelService = 3,
    GetService = 4,
    NewDest = 5,
    SetDest = 6,
    DelDest = 7,
    GetDest = 8,
    NewDaemon = 9,
    DelDaemon = 10,
    GetDaemon = 11,
    SetConfig = 12,
    GetConfig = 13,
    GetInfo = 15,
    Zero = 16,
    Flush = 17,
}

impl Command {
    /// The command that makes `change`.
    pub(crate) fn of(change: &Change) -> Self {
        match change {
            Change::AddService(_) => Self::NewService,
            Change::EditService(_) => Self::SetService,
            Change::DeleteService(_) => Self::DelService,
            Change::AddServer(..) => Self::NewDest,
            Change::EditServer(..) => Self::SetDest,
            Change::DeleteServer(_) => Self::DelDest,
            Change::Zero(_) => Self::Zero,
            Change::Flush => Self::Flush,
            Change::SetTimeouts(_) => Self::SetConfig,
            Change::StartDaemon(_) => Self::NewDaemon,
            Change::StopDaemon(..) => Self::DelDaemon,
        }
    }

    /// The generic netlink header of a request with this command.
    pub(crate) fn header(self) -> [u8; GENERIC_HEADER_BYTES] {
        const FAMILY_VERSION: u8 = 1;
        [self as u8, FAMILY_VERSION, 0, 0]
    }
}

/// Appends the attributes of a request for `change`.
///
/// Fails, and may have written some, if a name has a form that the kernel would refuse
/// (`EINVAL`, as it says itself).
pub(crate) fn put_change(out: &mut Vec<u8>, change: &Change) -> Result<(), Error> {
    match change {
        Change::AddService(service) | Change::EditService(service) => {
            put_attribute(out, SERVICE, &service_nest(service)?);
        }
        Change::DeleteService(key) | Change::Zero(Some(key)) => put_key(out, key),
        Change::AddServer(key, server) | Change::EditServer(key, server) => {
            put_key(out, key);
            put_attribute(out, DEST, &dest_nest(server));
        }
        Change::DeleteServer(RealServerKey { service, server }) => {
            put_key(out, service);
            put_attribute(out, DEST, &dest_key(*server));
        }
        Change::Zero(None) | Change::Flush => {}
        Change::SetTimeouts(timeouts) => timeouts_nest(timeouts).put(out),
        Change::StartDaemon(daemon) => put_attribute(out, DAEMON, &daemon_nest(daemon)?),
        Change::StopDaemon(role, sync_id) => {
            put_attribute(out, DAEMON, &daemon_key(*role, *sync_id, b"")?);
        }
    }
    Ok(())
}

/// Appends what identifies a service.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &ServiceKey) {
    put_attribute(out, SERVICE, &key_nest(key));
}

/// The service in a reply.
pub(crate) fn service(body: &[u8]) -> Result<ServiceStatus, Error> {
    let nest = nested(body, SERVICE)?;
    Ok(ServiceStatus { config: service_of(&nest)?, stats: stats_of(nest.stats, nest.stats64) })
}

/// The real server in a reply about a service of this family. What it counts is looked at
/// if `stats`.
pub(crate) fn server(
    body: &[u8],
    service_family: Family,
    stats: bool,
) -> Result<RealServerStatus, Error> {
    let nest: table::Dest<'_> = nested(body, DEST)?;
    Ok(RealServerStatus {
        config: server_of(&nest, service_family)?,
        active: nest.active.unwrap_or(0),
        inactive: nest.inactive.unwrap_or(0),
        persistent: nest.persistent.unwrap_or(0),
        stats: if stats { stats_of(nest.stats, nest.stats64) } else { Stats::default() },
    })
}

/// The sync daemon in a reply.
pub(crate) fn daemon(body: &[u8]) -> Result<SyncDaemon, Error> {
    daemon_of(&nested(body, DAEMON)?)
}

/// The time-outs in a reply; those of protocols that the kernel lacks are not there.
pub(crate) fn timeouts(body: &[u8]) -> Result<Timeouts, Error> {
    let nest = table::Timeouts::take(body).unwrap_or_default();
    Ok(Timeouts {
        tcp: nest.tcp.unwrap_or(0),
        tcp_fin: nest.tcp_fin.unwrap_or(0),
        udp: nest.udp.unwrap_or(0),
    })
}

/// Version and table size in a reply.
pub(crate) fn info(body: &[u8]) -> Result<Info, Error> {
    let nest = table::Info::take(body).unwrap_or_default();
    let [_, major, minor, patch] = required(nest.version, "VERSION")?.to_be_bytes();
    Ok(Info {
        version: (major, minor, patch),
        connection_table_size: required(nest.connection_table_size, "CONN_TAB_SIZE")?,
    })
}

/// Decodes `bytes` as every kind of reply: for the fuzzer, which looks for a panic.
#[doc(hidden)]
pub fn decode_anything(bytes: &[u8]) {
    let _ = (service(bytes), daemon(bytes), timeouts(bytes), info(bytes));
    let _ = (server(bytes, Family::V4, true), server(bytes, Family::V6, true));
}

fn key_nest(key: &ServiceKey) -> table::Service<'static> {
    let family = Some(family_number(key.family()));
    match key {
        ServiceKey::Address { protocol, endpoint } => table::Service {
            family,
            protocol: Some(protocol.number()),
            address: Some(Address::of(endpoint.address)),
            port: Some(Port(endpoint.port)),
            ..Default::default()
        },
        ServiceKey::Fwmark { mark, .. } => {
            table::Service { family, fwmark: Some(*mark), ..Default::default() }
        }
    }
}

fn service_nest(service: &Service) -> Result<table::Service<'_>, Error> {
    let persistent = if service.persistence.is_some() { PERSISTENT } else { 0 };
    let engine = match &service.engine {
        Some(engine) => Some(name(engine.as_bytes(), ENGINE_BYTES_MAX)?),
        None => None,
    };
    Ok(table::Service {
        scheduler: Some(name(service.scheduler.as_bytes(), SCHEDULER_BYTES_MAX)?),
        engine,
        flags: Some(Flags { bits: service.flags.bits() | persistent, mask: u32::MAX }),
        timeout: Some(service.persistence.unwrap_or(0)),
        netmask: Some(match service.key.family() {
            Family::V4 => service.netmask.to_be_bytes(),
            Family::V6 => service.netmask.to_ne_bytes(),
        }),
        ..key_nest(&service.key)
    })
}

fn key_of(nest: &table::Service<'_>) -> Result<ServiceKey, Error> {
    let family = required(nest.family.and_then(family_of), "AF")?;
    Ok(match nest.fwmark {
        Some(mark) => ServiceKey::Fwmark { mark, family },
        None => ServiceKey::Address {
            protocol: Protocol::from_number(required(nest.protocol, "PROTOCOL")?),
            endpoint: endpoint_of(nest.address, nest.port, family)?,
        },
    })
}

fn service_of(nest: &table::Service<'_>) -> Result<Service, Error> {
    let key = key_of(nest)?;
    let flags = nest.flags.map_or(0, |flags| flags.bits & flags.mask);
    let netmask = required(nest.netmask, "NETMASK")?;
    Ok(Service {
        key,
        scheduler: required(nest.scheduler, "SCHED_NAME")?.text(),
        flags: ServiceFlags::from_bits(flags),
        persistence: (flags & PERSISTENT != 0).then_some(nest.timeout.unwrap_or(0)),
        netmask: match key.family() {
            Family::V4 => u32::from_be_bytes(netmask),
            Family::V6 => u32::from_ne_bytes(netmask),
        },
        engine: nest.engine.filter(|name| !name.bytes().is_empty()).map(Name::text),
    })
}

#[inline]
fn dest_key(endpoint: Endpoint) -> table::Dest<'static> {
    table::Dest {
        address: Some(Address::of(endpoint.address)),
        port: Some(Port(endpoint.port)),
        family: Some(family_number(endpoint.family())),
        ..Default::default()
    }
}

#[inline]
fn dest_nest(server: &RealServer) -> table::Dest<'static> {
    table::Dest {
        forwarding: Some(server.forwarding.number().into()),
        weight: Some(server.weight),
        tunnel_kind: Some(server.tunnel.kind.number()),
        tunnel_port: Some(Port(server.tunnel.port)),
        tunnel_checksum: Some(server.tunnel.checksum.number()),
        upper_threshold: Some(server.upper_threshold),
        lower_threshold: Some(server.lower_threshold),
        ..dest_key(server.endpoint)
    }
}

fn server_of(nest: &table::Dest<'_>, service_family: Family) -> Result<RealServer, Error> {
    let family = match nest.family {
        None | Some(0) => service_family,
        Some(number) => required(family_of(number), "ADDR_FAMILY")?,
    };
    Ok(RealServer {
        endpoint: endpoint_of(nest.address, nest.port, family)?,
        forwarding: Forwarding::from_number(required(nest.forwarding, "FWD_METHOD")?),
        tunnel: Tunnel {
            kind: TunnelKind::from_number(nest.tunnel_kind.unwrap_or(0)),
            port: nest.tunnel_port.map_or(0, |port| port.0),
            checksum: TunnelChecksum::from_number(nest.tunnel_checksum.unwrap_or(0)),
        },
        weight: required(nest.weight, "WEIGHT")?,
        upper_threshold: nest.upper_threshold.unwrap_or(0),
        lower_threshold: nest.lower_threshold.unwrap_or(0),
    })
}

fn stats_of(narrow: Option<Nest<'_>>, wide: Option<Nest<'_>>) -> Stats {
    let nest = wide.or(narrow).and_then(|nest| table::Stats::take(nest.0)).unwrap_or_default();
    let count = |count: Option<Count>| count.unwrap_or_default().0;
    Stats {
        total: Traffic {
            connections: count(nest.connections),
            packets_in: count(nest.packets_in),
            packets_out: count(nest.packets_out),
            bytes_in: count(nest.bytes_in),
            bytes_out: count(nest.bytes_out),
        },
        per_second: Traffic {
            connections: count(nest.connections_per_second),
            packets_in: count(nest.packets_in_per_second),
            packets_out: count(nest.packets_out_per_second),
            bytes_in: count(nest.bytes_in_per_second),
            bytes_out: count(nest.bytes_out_per_second),
        },
    }
}

fn daemon_key(role: SyncRole, sync_id: u32, interface: &[u8]) -> Result<table::Daemon<'_>, Error> {
    Ok(table::Daemon {
        state: Some(match role {
            SyncRole::Master => 1,
            SyncRole::Backup => 2,
        }),
        interface: Some(name(interface, INTERFACE_BYTES_MAX)?),
        sync_id: Some(sync_id),
        ..Default::default()
    })
}

fn daemon_nest(daemon: &SyncDaemon) -> Result<table::Daemon<'_>, Error> {
    let (group4, group6) = match daemon.group {
        Some(IpAddr::V4(group)) => (Some(group.octets()), None),
        Some(IpAddr::V6(group)) => (None, Some(group.octets())),
        None => (None, None),
    };
    Ok(table::Daemon {
        max_length: daemon.max_length,
        port: daemon.port,
        ttl: daemon.ttl,
        group4,
        group6,
        ..daemon_key(daemon.role, daemon.sync_id, &daemon.interface)?
    })
}

fn daemon_of(nest: &table::Daemon<'_>) -> Result<SyncDaemon, Error> {
    let role = match nest.state {
        Some(1) => Some(SyncRole::Master),
        Some(2) => Some(SyncRole::Backup),
        _ => None,
    };
    Ok(SyncDaemon {
        role: required(role, "STATE")?,
        interface: required(nest.interface, "MCAST_IFN")?.bytes().to_vec(),
        sync_id: required(nest.sync_id, "SYNC_ID")?,
        max_length: nest.max_length,
        group: nest.group4.map(IpAddr::from).or(nest.group6.map(IpAddr::from)),
        port: nest.port,
        ttl: nest.ttl,
    })
}

fn timeouts_nest(timeouts: &Timeouts) -> table::Timeouts<'static> {
    table::Timeouts {
        tcp: Some(timeouts.tcp),
        tcp_fin: Some(timeouts.tcp_fin),
        udp: Some(timeouts.udp),
        life: PhantomData,
    }
}

fn endpoint_of(
    address: Option<Address>,
    port: Option<Port>,
    family: Family,
) -> Result<Endpoint, Error> {
    let address = required(address, "ADDR")?.as_family(family);
    Ok(Endpoint { address, port: required(port, "PORT")?.0 })
}

/// `AF_INET` and `AF_INET6`.
fn family_number(family: Family) -> u16 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

fn family_of(number: u16) -> Option<Family> {
    match number {
        2 => Some(Family::V4),
        10 => Some(Family::V6),
        _ => None,
    }
}

fn name(bytes: &[u8], longest: usize) -> Result<Name<'_>, Error> {
    Name::new(bytes, longest).ok_or(Error::Errno(EINVAL))
}

/// The nest with this number among the attributes of a reply.
fn nested<'a, T: Wire<'a>>(body: &'a [u8], number: u16) -> Result<T, Error> {
    let payload = Attributes::new(body).filter(|(it, _)| *it == number).last();
    required(payload.and_then(|(_, payload)| T::take(payload)), "its only nest")
}

fn required<T>(value: Option<T>, attribute: &str) -> Result<T, Error> {
    value.ok_or_else(|| {
        Error::Unsupported(format!("the kernel's reply lacks {attribute}, or it makes no sense"))
    })
}

#[cfg(test)]
mod tests;
