//! Between WIT and our types: the one file of this crate that translates.
//!
//! Total in both directions: what a guest can write in WIT has a meaning in our types, and
//! numbers that it must not use are refused by whoever acts on them, as IPVS does itself.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use weir_ipvs::{
    Availability, Change, Connection, Endpoint, Error, Family, Fields, Forwarding, Info,
    OnFailure, Protocol, RealServer, RealServerKey, RealServerStatus, Scheduler, Scope, Service,
    ServiceFlags, ServiceKey, ServiceStatus, Stats, SyncDaemon, SyncRole, Timeouts, Traffic,
    Tunnel, TunnelChecksum, TunnelKind, WeightMeaning,
    error::errno_text,
};

use crate::{
    Birth, Envelope, Event, HealthReport, HealthStatus, Intent, Level, Statement, Subscription,
    Terminals,
    bindings::{
        addresses, admin, command::exports::weir::plugin::cli, connections, errors, events,
        health, health_words, intents, live, log, operations, reactor, real_servers, schedulers,
        services, snapshots, stats, sync, timeouts,
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
            addresses::IpAddress::Ipv4(octets) => {
                Self::V4(Ipv4Addr::from(<[u8; 4]>::from(octets)))
            }
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

/// Traffic in the order of WIT's columns.
fn numbers(traffic: &Traffic) -> [u64; 5] {
    [
        traffic.connections,
        traffic.packets_in,
        traffic.packets_out,
        traffic.bytes_in,
        traffic.bytes_out,
    ]
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
                real_servers::TunnelChecksum::Other(number) => {
                    TunnelChecksum::from_number(number)
                }
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

/// Columns with room for `rows` rows.
pub(crate) fn columns(rows: usize, fields: snapshots::Fields) -> snapshots::RealServerColumns {
    let room = |field| if fields.contains(field) { rows } else { 0 };
    let details = room(snapshots::Fields::DETAILS);
    let connections = room(snapshots::Fields::CONNECTIONS);
    let stats = room(snapshots::Fields::STATS);
    snapshots::RealServerColumns {
        service: Vec::with_capacity(rows),
        family: Vec::with_capacity(rows),
        address: Vec::with_capacity(rows * 16),
        port: Vec::with_capacity(rows),
        forwarding: Vec::with_capacity(rows),
        weight: Vec::with_capacity(rows),
        upper_threshold: Vec::with_capacity(details),
        lower_threshold: Vec::with_capacity(details),
        tunnel_kind: Vec::with_capacity(details),
        tunnel_port: Vec::with_capacity(details),
        tunnel_checksum: Vec::with_capacity(details),
        active: Vec::with_capacity(connections),
        inactive: Vec::with_capacity(connections),
        persistent: Vec::with_capacity(room(snapshots::Fields::TEMPLATES)),
        totals: Vec::with_capacity(stats * 5),
        per_second: Vec::with_capacity(stats * 5),
    }
}

/// Appends one real server of the service with this number, the columns of `fields` only.
pub(crate) fn push_row(
    columns: &mut snapshots::RealServerColumns,
    service: u32,
    server: &RealServerStatus,
    fields: snapshots::Fields,
) {
    let config = &server.config;
    columns.service.push(service);
    match config.endpoint.address {
        IpAddr::V4(address) => {
            columns.family.push(4);
            columns.address.extend_from_slice(&address.octets());
            columns.address.extend_from_slice(&[0; 12]);
        }
        IpAddr::V6(address) => {
            columns.family.push(6);
            columns.address.extend_from_slice(&address.octets());
        }
    }
    columns.port.push(config.endpoint.port);
    columns.forwarding.push(config.forwarding.number());
    columns.weight.push(config.weight);
    if fields.contains(snapshots::Fields::DETAILS) {
        columns.upper_threshold.push(config.upper_threshold);
        columns.lower_threshold.push(config.lower_threshold);
        columns.tunnel_kind.push(config.tunnel.kind.number());
        columns.tunnel_port.push(config.tunnel.port);
        columns.tunnel_checksum.push(config.tunnel.checksum.number());
    }
    if fields.contains(snapshots::Fields::CONNECTIONS) {
        columns.active.push(server.active);
        columns.inactive.push(server.inactive);
    }
    if fields.contains(snapshots::Fields::TEMPLATES) {
        columns.persistent.push(server.persistent);
    }
    if fields.contains(snapshots::Fields::STATS) {
        columns.totals.extend_from_slice(&numbers(&server.stats.total));
        columns.per_second.extend_from_slice(&numbers(&server.stats.per_second));
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

impl From<live::Scope> for Scope {
    fn from(scope: live::Scope) -> Self {
        match scope {
            live::Scope::All => Self::All,
            live::Scope::One(key) => Self::One(key.into()),
        }
    }
}

impl From<Info> for live::IpvsInfo {
    fn from(info: Info) -> Self {
        Self { version: info.version, connection_table_size: info.connection_table_size }
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

impl From<operations::Operation> for Change {
    fn from(operation: operations::Operation) -> Self {
        use operations::Operation;
        match operation {
            Operation::AddService(config) => Self::AddService(config.into()),
            Operation::EditService(config) => Self::EditService(config.into()),
            Operation::DeleteService(key) => Self::DeleteService(key.into()),
            Operation::AddServer(change) => {
                Self::AddServer(change.service.into(), change.config.into())
            }
            Operation::EditServer(change) => {
                Self::EditServer(change.service.into(), change.config.into())
            }
            Operation::DeleteServer(key) => Self::DeleteServer(key.into()),
            Operation::Zero(key) => Self::Zero(key.map(Into::into)),
            Operation::Flush => Self::Flush,
            Operation::SetTimeouts(timeouts) => Self::SetTimeouts(timeouts.into()),
            Operation::StartDaemon(daemon) => Self::StartDaemon(daemon.into()),
            Operation::StopDaemon(stop) => Self::StopDaemon(stop.role.into(), stop.sync_id),
        }
    }
}

impl From<admin::OnFailure> for OnFailure {
    fn from(on_failure: admin::OnFailure) -> Self {
        match on_failure {
            admin::OnFailure::Proceed => Self::Proceed,
            admin::OnFailure::Stop => Self::Stop,
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
            error @ (Error::NotTried | Error::Unsupported(_)) => Self::Other(error.to_string()),
        }
    }
}

impl From<Connection> for connections::Connection {
    fn from(connection: Connection) -> Self {
        Self {
            protocol: connection.protocol,
            client: connection.client.into(),
            virtual_address: connection.virtual_address.into(),
            server: connection.server.into(),
            state: connection.state,
            expires_in: connection.expires_in,
            engine: connection.engine,
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

impl From<Terminals> for cli::Terminals {
    fn from(terminals: Terminals) -> Self {
        [
            (terminals.stdin, Self::STDIN),
            (terminals.stdout, Self::STDOUT),
            (terminals.stderr, Self::STDERR),
        ]
        .into_iter()
        .filter(|(is_terminal, _)| *is_terminal)
        .fold(Self::empty(), |all, (_, flag)| all | flag)
    }
}

impl From<HealthStatus> for health_words::HealthStatus {
    fn from(status: HealthStatus) -> Self {
        match status {
            HealthStatus::Unknown => Self::Unknown,
            HealthStatus::Up => Self::Up,
            HealthStatus::Down => Self::Down,
        }
    }
}

/// One answer of `health.current`.
pub(crate) fn health_report(
    key: real_servers::RealServerKey,
    report: HealthReport,
) -> health::HealthReport {
    health::HealthReport {
        key,
        status: report.status.into(),
        since: milliseconds(report.since),
    }
}

impl From<&Envelope> for events::Envelope {
    fn from(envelope: &Envelope) -> Self {
        let event = match &envelope.event {
            Event::Started => events::Event::Started,
            Event::Overflow(lost) => events::Event::Overflow(*lost),
            Event::Health(change) => events::Event::Health(events::HealthChange {
                server: change.server.into(),
                detail: change.detail.clone(),
                before: change.before.into(),
                after: change.after.into(),
                lasted: milliseconds(change.lasted),
            }),
            Event::Stopping(within) => events::Event::Stopping(milliseconds(*within)),
        };
        Self { sequence: envelope.sequence, at: envelope.at_ns, event }
    }
}

impl From<events::Subscription> for Subscription {
    fn from(subscription: events::Subscription) -> Self {
        Self {
            health: subscription.kinds.contains(&events::Kind::Health),
            other: subscription.kinds.contains(&events::Kind::Other),
        }
    }
}

impl From<Birth> for reactor::Birth {
    fn from(birth: Birth) -> Self {
        match birth {
            Birth::Fresh => Self::Fresh,
            Birth::Recovery(why) => Self::Recovery(why),
        }
    }
}

impl From<intents::Intent> for Intent {
    fn from(intent: intents::Intent) -> Self {
        match intent {
            intents::Intent::Scale(factor) => Self::Scale(factor),
            intents::Intent::Floor(weight) => Self::Floor(weight),
            intents::Intent::Cap(weight) => Self::Cap(weight),
            intents::Intent::Drain => Self::Drain,
        }
    }
}

impl From<Intent> for intents::Intent {
    fn from(intent: Intent) -> Self {
        match intent {
            Intent::Scale(factor) => Self::Scale(factor),
            Intent::Floor(weight) => Self::Floor(weight),
            Intent::Cap(weight) => Self::Cap(weight),
            Intent::Drain => Self::Drain,
        }
    }
}

impl From<&Statement> for intents::Statement {
    fn from(statement: &Statement) -> Self {
        Self {
            key: statement.key.into(),
            intent: statement.intent.into(),
            lease: Some(milliseconds(statement.lease)),
            reason: statement.reason.clone(),
        }
    }
}

/// Whole milliseconds, which fit for the next 500 million years.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
