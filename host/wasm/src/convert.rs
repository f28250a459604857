//! Between WIT and our types: the one place of this crate that translates. Here are the
//! words that several worlds have; beneath, those of one.
//!
//! Total in both directions: what a guest can write in WIT has a meaning in our types, and
//! numbers that it must not use are refused by whoever acts on them, as IPVS does itself.

mod checker;
mod columns;
mod command;
mod guard;
mod policy;
mod weigher;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_ipvs::{
    Availability, Endpoint, Error, Family, Fields, Forwarding, Protocol, RealServer, RealServerKey,
    RealServerStatus, Scheduler, Service, ServiceFlags, ServiceKey, ServiceStatus, Stats,
    SyncDaemon, SyncRole, Timeouts, Traffic, Tunnel, TunnelChecksum, TunnelKind, WeightMeaning,
    error::errno_text,
};

pub(crate) use self::{
    checker::target,
    columns::{columns, push_row},
    policy::health_report,
    weigher::weighing_input,
};
use crate::{
    Level,
    bindings::{
        addresses, errors, log, real_servers, schedulers, services, snapshots, stats, sync,
        timeouts,
    },
};

impl From<IpAddr> for addresses::IpAddress {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address.octets().into()),
            IpAddr::V6(address) => Self::Ipv6(address.segments().into()),
        }
    }
}

impl From<addresses::IpAddress> for IpAddr {
    fn from(address: addresses::IpAddress) -> Self {
        match address {
            addresses::IpAddress::Ipv4(octets) => Self::V4(Ipv4Addr::from(<[u8; 4]>::from(octets))),
            addresses::IpAddress::Ipv6(segments) => {
                Self::V6(Ipv6Addr::from(<[u16; 8]>::from(segments)))
            }
        }
    }
}

impl From<Family> for addresses::AddressFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::Ipv4,
            Family::V6 => Self::Ipv6,
        }
    }
}

impl From<addresses::AddressFamily> for Family {
    fn from(family: addresses::AddressFamily) -> Self {
        match family {
            addresses::AddressFamily::Ipv4 => Self::V4,
            addresses::AddressFamily::Ipv6 => Self::V6,
        }
    }
}

impl From<Endpoint> for addresses::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self { address: endpoint.address.into(), port: endpoint.port }
    }
}

impl From<addresses::Endpoint> for Endpoint {
    fn from(endpoint: addresses::Endpoint) -> Self {
        Self { address: endpoint.address.into(), port: endpoint.port }
    }
}

impl From<Protocol> for services::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::Sctp => Self::Sctp,
            Protocol::Other(number) => Self::Other(number),
        }
    }
}

impl From<services::Protocol> for Protocol {
    fn from(protocol: services::Protocol) -> Self {
        match protocol {
            services::Protocol::Tcp => Self::Tcp,
            services::Protocol::Udp => Self::Udp,
            services::Protocol::Sctp => Self::Sctp,
            services::Protocol::Other(number) => Self::from_number(number),
        }
    }
}

impl From<ServiceKey> for services::ServiceKey {
    fn from(key: ServiceKey) -> Self {
        match key {
            ServiceKey::Address { protocol, endpoint } => Self::Vip(services::VirtualEndpoint {
                protocol: protocol.into(),
                endpoint: endpoint.into(),
            }),
            ServiceKey::Fwmark { mark, family } => {
                Self::Fwmark(services::Fwmark { mark, family: family.into() })
            }
        }
    }
}

impl From<services::ServiceKey> for ServiceKey {
    fn from(key: services::ServiceKey) -> Self {
        match key {
            services::ServiceKey::Vip(services::VirtualEndpoint { protocol, endpoint }) => {
                Self::Address { protocol: protocol.into(), endpoint: endpoint.into() }
            }
            services::ServiceKey::Fwmark(services::Fwmark { mark, family }) => {
                Self::Fwmark { mark, family: family.into() }
            }
        }
    }
}

/// The flags that have a name in WIT.
const NAMED_FLAGS: [(ServiceFlags, services::ServiceFlags); 4] = [
    (ServiceFlags::ONE_PACKET, services::ServiceFlags::ONE_PACKET),
    (ServiceFlags::SCHEDULER_1, services::ServiceFlags::SCHEDULER_FLAG1),
    (ServiceFlags::SCHEDULER_2, services::ServiceFlags::SCHEDULER_FLAG2),
    (ServiceFlags::SCHEDULER_3, services::ServiceFlags::SCHEDULER_FLAG3),
];

fn named_flags(flags: ServiceFlags) -> services::ServiceFlags {
    NAMED_FLAGS
        .iter()
        .filter(|(ours, _)| flags.contains(*ours))
        .fold(services::ServiceFlags::empty(), |all, (_, theirs)| all | *theirs)
}

fn unnamed_flags(flags: ServiceFlags) -> u32 {
    NAMED_FLAGS.iter().fold(flags.bits(), |bits, (ours, _)| bits & !ours.bits())
}

fn flags(named: services::ServiceFlags, unnamed: u32) -> ServiceFlags {
    NAMED_FLAGS
        .iter()
        .filter(|(_, theirs)| named.contains(*theirs))
        .fold(ServiceFlags::from_bits(unnamed), |all, (ours, _)| all | *ours)
}

impl From<&Service> for services::ServiceConfig {
    fn from(service: &Service) -> Self {
        Self {
            key: service.key.into(),
            scheduler: service.scheduler.clone(),
            flags: named_flags(service.flags),
            unnamed_flags: unnamed_flags(service.flags),
            persistence: service.persistence,
            netmask: service.netmask,
            engine: service.engine.clone(),
        }
    }
}

impl From<services::ServiceConfig> for Service {
    fn from(config: services::ServiceConfig) -> Self {
        Self {
            key: config.key.into(),
            scheduler: config.scheduler,
            flags: flags(config.flags, config.unnamed_flags),
            persistence: config.persistence,
            netmask: config.netmask,
            engine: config.engine,
        }
    }
}

impl From<&ServiceStatus> for services::Service {
    fn from(service: &ServiceStatus) -> Self {
        Self { config: (&service.config).into(), stats: service.stats.into() }
    }
}

impl From<Traffic> for stats::Traffic {
    fn from(traffic: Traffic) -> Self {
        Self {
            connections: traffic.connections,
            packets_in: traffic.packets_in,
            packets_out: traffic.packets_out,
            bytes_in: traffic.bytes_in,
            bytes_out: traffic.bytes_out,
        }
    }
}

impl From<Stats> for stats::Stats {
    fn from(stats: Stats) -> Self {
        Self { total: stats.total.into(), per_second: stats.per_second.into() }
    }
}

impl From<RealServerKey> for real_servers::RealServerKey {
    fn from(key: RealServerKey) -> Self {
        Self { service: key.service.into(), server: key.server.into() }
    }
}

impl From<real_servers::RealServerKey> for RealServerKey {
    fn from(key: real_servers::RealServerKey) -> Self {
        Self { service: key.service.into(), server: key.server.into() }
    }
}

impl From<Forwarding> for real_servers::Forwarding {
    fn from(forwarding: Forwarding) -> Self {
        match forwarding {
            Forwarding::Masquerade => Self::Masquerade,
            Forwarding::Local => Self::Local,
            Forwarding::Tunnel => Self::Tunnel,
            Forwarding::Direct => Self::Direct,
            Forwarding::Bypass => Self::Bypass,
            Forwarding::Other(number) => Self::Other(number),
        }
    }
}

impl From<real_servers::Forwarding> for Forwarding {
    fn from(forwarding: real_servers::Forwarding) -> Self {
        match forwarding {
            real_servers::Forwarding::Masquerade => Self::Masquerade,
            real_servers::Forwarding::Local => Self::Local,
            real_servers::Forwarding::Tunnel => Self::Tunnel,
            real_servers::Forwarding::Direct => Self::Direct,
            real_servers::Forwarding::Bypass => Self::Bypass,
            real_servers::Forwarding::Other(number) => Self::from_number(number.into()),
        }
    }
}

impl From<Tunnel> for real_servers::Tunnel {
    fn from(tunnel: Tunnel) -> Self {
        Self {
            kind: match tunnel.kind {
                TunnelKind::Ipip => real_servers::TunnelType::Ipip,
                TunnelKind::Gue => real_servers::TunnelType::Gue,
                TunnelKind::Gre => real_servers::TunnelType::Gre,
                TunnelKind::Other(number) => real_servers::TunnelType::Other(number),
            },
            port: tunnel.port,
            checksum: match tunnel.checksum {
                TunnelChecksum::None => real_servers::TunnelChecksum::None,
                TunnelChecksum::Full => real_servers::TunnelChecksum::Full,
                TunnelChecksum::Remote => real_servers::TunnelChecksum::Remote,
                TunnelChecksum::Other(number) => real_servers::TunnelChecksum::Other(number),
            },
        }
    }
}

impl From<real_servers::Tunnel> for Tunnel {
    fn from(tunnel: real_servers::Tunnel) -> Self {
        Self {
            kind: match tunnel.kind {
                real_servers::TunnelType::Ipip => TunnelKind::Ipip,
                real_servers::TunnelType::Gue => TunnelKind::Gue,
                real_servers::TunnelType::Gre => TunnelKind::Gre,
                real_servers::TunnelType::Other(number) => TunnelKind::from_number(number),
            },
            port: tunnel.port,
            checksum: match tunnel.checksum {
                real_servers::TunnelChecksum::None => TunnelChecksum::None,
                real_servers::TunnelChecksum::Full => TunnelChecksum::Full,
                real_servers::TunnelChecksum::Remote => TunnelChecksum::Remote,
                real_servers::TunnelChecksum::Other(number) => TunnelChecksum::from_number(number),
            },
        }
    }
}

impl From<RealServer> for real_servers::RealServerConfig {
    fn from(server: RealServer) -> Self {
        Self {
            server: server.endpoint.into(),
            forwarding: server.forwarding.into(),
            tunnel: server.tunnel.into(),
            weight: server.weight,
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
        }
    }
}

impl From<real_servers::RealServerConfig> for RealServer {
    fn from(config: real_servers::RealServerConfig) -> Self {
        Self {
            endpoint: config.server.into(),
            forwarding: config.forwarding.into(),
            tunnel: config.tunnel.into(),
            weight: config.weight,
            upper_threshold: config.upper_threshold,
            lower_threshold: config.lower_threshold,
        }
    }
}

impl From<&RealServerStatus> for real_servers::RealServer {
    fn from(server: &RealServerStatus) -> Self {
        Self {
            config: server.config.into(),
            active: server.active,
            inactive: server.inactive,
            persistent: server.persistent,
            stats: server.stats.into(),
        }
    }
}

impl From<snapshots::Fields> for Fields {
    fn from(fields: snapshots::Fields) -> Self {
        Self {
            details: fields.contains(snapshots::Fields::DETAILS),
            connections: fields.contains(snapshots::Fields::CONNECTIONS),
            templates: fields.contains(snapshots::Fields::TEMPLATES),
            stats: fields.contains(snapshots::Fields::STATS),
        }
    }
}

impl From<Scheduler> for schedulers::Scheduler {
    fn from(scheduler: Scheduler) -> Self {
        Self {
            name: scheduler.name,
            availability: match scheduler.availability {
                Availability::BuiltIn => schedulers::Availability::BuiltIn,
                Availability::Loaded => schedulers::Availability::Loaded,
                Availability::Loadable => schedulers::Availability::Loadable,
                Availability::Absent => schedulers::Availability::Absent,
                Availability::Unknown => schedulers::Availability::Unknown,
            },
            weight: match scheduler.weight {
                WeightMeaning::Share => schedulers::WeightMeaning::Share,
                WeightMeaning::IdleFirst => schedulers::WeightMeaning::IdleFirst,
                WeightMeaning::OnOff => schedulers::WeightMeaning::OnOff,
                WeightMeaning::HashSlots => schedulers::WeightMeaning::HashSlots,
                WeightMeaning::Priority => schedulers::WeightMeaning::Priority,
                WeightMeaning::Ignored => schedulers::WeightMeaning::Ignored,
                WeightMeaning::Unknown => schedulers::WeightMeaning::Unknown,
            },
            named_flags: scheduler
                .named_flags
                .into_iter()
                .map(|(flag, name)| (named_flags(flag), name.to_owned()))
                .collect(),
        }
    }
}

impl From<Timeouts> for timeouts::ConnectionTimeouts {
    fn from(timeouts: Timeouts) -> Self {
        Self { tcp: timeouts.tcp, tcp_fin: timeouts.tcp_fin, udp: timeouts.udp }
    }
}

impl From<timeouts::ConnectionTimeouts> for Timeouts {
    fn from(timeouts: timeouts::ConnectionTimeouts) -> Self {
        Self { tcp: timeouts.tcp, tcp_fin: timeouts.tcp_fin, udp: timeouts.udp }
    }
}

impl From<SyncRole> for sync::SyncRole {
    fn from(role: SyncRole) -> Self {
        match role {
            SyncRole::Master => Self::Master,
            SyncRole::Backup => Self::Backup,
        }
    }
}

impl From<sync::SyncRole> for SyncRole {
    fn from(role: sync::SyncRole) -> Self {
        match role {
            sync::SyncRole::Master => Self::Master,
            sync::SyncRole::Backup => Self::Backup,
        }
    }
}

impl From<SyncDaemon> for sync::SyncDaemon {
    fn from(daemon: SyncDaemon) -> Self {
        Self {
            role: daemon.role.into(),
            device: daemon.interface,
            sync_id: daemon.sync_id,
            max_length: daemon.max_length,
            group: daemon.group.map(Into::into),
            port: daemon.port,
            ttl: daemon.ttl,
        }
    }
}

impl From<sync::SyncDaemon> for SyncDaemon {
    fn from(daemon: sync::SyncDaemon) -> Self {
        Self {
            role: daemon.role.into(),
            interface: daemon.device,
            sync_id: daemon.sync_id,
            max_length: daemon.max_length,
            group: daemon.group.map(Into::into),
            port: daemon.port,
            ttl: daemon.ttl,
        }
    }
}

impl From<Error> for errors::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchService => Self::NoSuchService,
            Error::ServiceExists => Self::ServiceExists,
            Error::NoSuchServer => Self::NoSuchServer,
            Error::ServerExists => Self::ServerExists,
            Error::NoSuchModule => Self::NoSuchModule,
            Error::DaemonRunning => Self::DaemonRunning,
            Error::DaemonNotRunning => Self::DaemonNotRunning,
            Error::NotPermitted => Self::NotPermitted,
            Error::NoIpvs => Self::NoIpvs,
            Error::Errno(errno) => Self::Refused(errors::Refusal {
                errno: errno.unsigned_abs(),
                text: errno_text(errno),
            }),
            Error::NoAnswer => Self::NoAnswer,
            Error::Rejected(message) => {
                Self::Rejected(errors::Denial { code: "rejected-by-guard".to_owned(), message })
            }
            error @ (Error::NotTried | Error::Unreachable(_) | Error::Unsupported(_)) => {
                Self::Other(error.to_string())
            }
        }
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Trace => Self::Trace,
            log::Level::Debug => Self::Debug,
            log::Level::Info => Self::Info,
            log::Level::Warn => Self::Warn,
            log::Level::Error => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(service: &Service) -> Service {
        services::ServiceConfig::from(service).into()
    }

    #[test]
    fn a_service_survives_with_every_flag() {
        let key = ServiceKey::Fwmark { mark: u32::MAX, family: Family::V6 };
        for bit in 0..32 {
            let service = Service {
                flags: ServiceFlags::from_bits(1 << bit),
                persistence: Some(bit),
                netmask: 0xff00_ff00,
                engine: Some("sip".to_owned()),
                ..Service::new(key, "mh")
            };
            assert_eq!(there_and_back(&service), service);
        }
    }

    #[test]
    fn addresses_survive() {
        for text in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "::"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(addresses::IpAddress::from(address)), address);
        }
    }

    #[test]
    fn a_number_with_a_name_is_given_by_its_name() {
        assert_eq!(Protocol::from(services::Protocol::Other(6)), Protocol::Tcp);
        assert_eq!(Forwarding::from(real_servers::Forwarding::Other(3)), Forwarding::Direct);
    }

    #[test]
    fn a_real_server_survives() {
        let endpoint = "[2001:db8::1]:443".parse().unwrap();
        for number in 0..8 {
            let server = RealServer {
                tunnel: Tunnel {
                    kind: TunnelKind::from_number(number),
                    port: 6080,
                    checksum: TunnelChecksum::from_number(number.into()),
                },
                upper_threshold: 5,
                lower_threshold: 3,
                ..RealServer::new(endpoint, Forwarding::from_number(number.into()), u32::MAX)
            };
            assert_eq!(RealServer::from(real_servers::RealServerConfig::from(server)), server);
        }
    }
}
