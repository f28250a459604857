//! Between the protocol's types and ours: the one place of the socket that translates.
//!
//! What we can say and IPVS can mean passes unaltered in both directions; `tests` shows it
//! for every type.

use weir_ipvs::{
    Availability, Change, Connection, Error, Failure, Fields, Forwarding, Info, OnFailure,
    RealServer, RealServerKey, RealServerStatus, Scheduler, Scope, Service, ServiceFlags,
    ServiceStatus, Stats, SyncDaemon, SyncRole, TableEntry, Timeouts, Traffic, Tunnel,
    TunnelChecksum, TunnelKind, WeightMeaning, scheduler::named_flags,
};
use weir_wasm::World;

use super::protocol;
use crate::{
    config::{Difference, DifferenceKind},
    manager::{PluginStanding, Rehearsal, Step},
    problems::{Place, Problem, Problems},
    report::Line,
};

/// Variants of the same names on both sides, those after the semicolon with a number.
macro_rules! same_variants {
    ($name:ident: $($plain:ident),*; $($numbered:ident)?) => {
        impl From<$name> for protocol::$name {
            fn from(it: $name) -> Self {
                match it {
                    $($name::$plain => Self::$plain,)*
                    $($name::$numbered(number) => Self::$numbered(number),)?
                }
            }
        }

        impl From<protocol::$name> for $name {
            fn from(it: protocol::$name) -> Self {
                match it {
                    $(protocol::$name::$plain => Self::$plain,)*
                    $(protocol::$name::$numbered(number) => Self::$numbered(number),)?
                }
            }
        }
    };
}

/// Structures of the same fields on both sides, each of which has its own translation.
macro_rules! same_fields {
    ($name:ident: $($field:ident = $other:ident),*) => {
        impl From<$name> for protocol::$name {
            fn from(it: $name) -> Self {
                Self { $($other: it.$field.into(),)* }
            }
        }

        impl From<protocol::$name> for $name {
            fn from(it: protocol::$name) -> Self {
                Self { $($field: it.$other.into(),)* }
            }
        }
    };
}

impl From<Problem> for protocol::Mistake {
    fn from(Problem { place: Place { file, at }, message }: Problem) -> Self {
        let (line, column) = at.unzip();
        Self { file: file.to_string(), line, column, message }
    }
}

impl From<Problems> for Vec<protocol::Mistake> {
    fn from(problems: Problems) -> Self {
        problems.into_found().into_iter().map(Into::into).collect()
    }
}

impl From<Difference> for protocol::Difference {
    fn from(Difference { kind, of, how }: Difference) -> Self {
        Self { kind: kind.into(), of, how }
    }
}

impl From<Rehearsal> for protocol::Plan {
    fn from(it: Rehearsal) -> Self {
        Self {
            refusal: it.refusal.map(|it| it.to_string()),
            differences: it.differences.into_iter().map(Into::into).collect(),
            steps: it.steps.into_iter().map(Into::into).collect(),
            news: it.news.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Step> for protocol::PlanStep {
    fn from(Step { change, before, reason, then }: Step) -> Self {
        Self { change: change.into(), weight_before: before, reason, then }
    }
}

same_variants!(DifferenceKind: Added, Changed, Removed;);
same_variants!(Forwarding: Masquerade, Local, Tunnel, Direct, Bypass; Other);
same_variants!(TunnelKind: Ipip, Gue, Gre; Other);
same_variants!(TunnelChecksum: None, Full, Remote; Other);
same_variants!(OnFailure: Proceed, Stop;);
same_variants!(SyncRole: Master, Backup;);
same_variants!(Availability: BuiltIn, Loaded, Loadable, Absent, Unknown;);
same_variants!(
    WeightMeaning: Share, IdleFirst, OnOff, HashSlots, Priority, Ignored, Unknown;
);

same_fields!(Info: version = version, connection_table_size = connection_table_size);
same_fields!(
    Fields: details = details, connections = connections, templates = templates, stats = stats
);
same_fields!(
    Traffic: connections = connections, packets_in = packets_in, packets_out = packets_out,
    bytes_in = bytes_in, bytes_out = bytes_out
);
same_fields!(Stats: total = total, per_second = per_second);
same_fields!(ServiceStatus: config = config, stats = stats);
same_fields!(Tunnel: kind = kind, port = port, checksum = checksum);
same_fields!(
    RealServer: endpoint = address, forwarding = forwarding, tunnel = tunnel, weight = weight,
    upper_threshold = upper_threshold, lower_threshold = lower_threshold
);
same_fields!(
    RealServerStatus: config = config, active = active, inactive = inactive,
    persistent = persistent, stats = stats
);
same_fields!(Timeouts: tcp = tcp_s, tcp_fin = tcp_fin_s, udp = udp_s);
same_fields!(
    SyncDaemon: role = role, interface = interface, sync_id = sync_id, max_length = max_length,
    group = group, port = port, ttl = ttl
);
same_fields!(Failure: step = step, error = error);

impl From<weir_ipvs::ServiceKey> for protocol::ServiceKey {
    fn from(key: weir_ipvs::ServiceKey) -> Self {
        Self(key)
    }
}

impl From<protocol::ServiceKey> for weir_ipvs::ServiceKey {
    fn from(key: protocol::ServiceKey) -> Self {
        key.0
    }
}

impl From<Vec<u8>> for protocol::Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<protocol::Bytes> for Vec<u8> {
    fn from(bytes: protocol::Bytes) -> Self {
        bytes.0
    }
}

impl From<Service> for protocol::Service {
    fn from(service: Service) -> Self {
        Self {
            key: service.key.into(),
            scheduler: service.scheduler,
            flags: service.flags.bits(),
            persistence_s: service.persistence,
            netmask: service.netmask,
            engine: service.engine,
        }
    }
}

impl From<protocol::Service> for Service {
    fn from(service: protocol::Service) -> Self {
        Self {
            key: service.key.into(),
            scheduler: service.scheduler,
            flags: ServiceFlags::from_bits(service.flags),
            persistence: service.persistence_s,
            netmask: service.netmask,
            engine: service.engine,
        }
    }
}

impl protocol::Entry {
    /// An entry with no more of its real servers than was asked for: what nobody will look
    /// at need not be carried.
    pub(super) fn new(entry: TableEntry, fields: Fields) -> Self {
        let server = |mut status: RealServerStatus| {
            if !fields.details {
                let RealServer { endpoint, forwarding, weight, .. } = status.config;
                status.config = RealServer::new(endpoint, forwarding, weight);
            }
            if !fields.connections {
                (status.active, status.inactive) = (0, 0);
            }
            if !fields.templates {
                status.persistent = 0;
            }
            if !fields.stats {
                status.stats = Stats::default();
            }
            status.into()
        };
        Self {
            service: entry.service.into(),
            servers: entry.servers.into_iter().map(server).collect(),
        }
    }
}

impl From<protocol::Entry> for TableEntry {
    fn from(entry: protocol::Entry) -> Self {
        Self {
            service: entry.service.into(),
            servers: entry.servers.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<(Scope, Fields)> for protocol::Read {
    fn from((scope, fields): (Scope, Fields)) -> Self {
        let service = match scope {
            Scope::All => None,
            Scope::One(key) => Some(key.into()),
        };
        Self { service, fields: fields.into() }
    }
}

impl From<protocol::Read> for (Scope, Fields) {
    fn from(read: protocol::Read) -> Self {
        let scope = read.service.map_or(Scope::All, |key| Scope::One(key.into()));
        (scope, read.fields.into())
    }
}

impl From<Change> for protocol::Change {
    fn from(change: Change) -> Self {
        match change {
            Change::AddService(service) => Self::AddService(service.into()),
            Change::EditService(service) => Self::EditService(service.into()),
            Change::DeleteService(key) => Self::DeleteService { service: key.into() },
            Change::AddServer(key, server) => {
                Self::AddServer { service: key.into(), server: server.into() }
            }
            Change::EditServer(key, server) => {
                Self::EditServer { service: key.into(), server: server.into() }
            }
            Change::DeleteServer(key) => {
                Self::DeleteServer { service: key.service.into(), server: key.server.into() }
            }
            Change::Zero(key) => Self::Zero { service: key.map(Into::into) },
            Change::Flush => Self::Flush,
            Change::SetTimeouts(timeouts) => Self::SetTimeouts(timeouts.into()),
            Change::StartDaemon(daemon) => Self::StartDaemon(daemon.into()),
            Change::StopDaemon(role, sync_id) => Self::StopDaemon { role: role.into(), sync_id },
        }
    }
}

impl From<protocol::Change> for Change {
    fn from(change: protocol::Change) -> Self {
        use protocol::Change as Wire;
        match change {
            Wire::AddService(service) => Self::AddService(service.into()),
            Wire::EditService(service) => Self::EditService(service.into()),
            Wire::DeleteService { service } => Self::DeleteService(service.into()),
            Wire::AddServer { service, server } => Self::AddServer(service.into(), server.into()),
            Wire::EditServer { service, server } => Self::EditServer(service.into(), server.into()),
            Wire::DeleteServer { service, server } => {
                Self::DeleteServer(RealServerKey { service: service.into(), server: server.into() })
            }
            Wire::Zero { service } => Self::Zero(service.map(Into::into)),
            Wire::Flush => Self::Flush,
            Wire::SetTimeouts(timeouts) => Self::SetTimeouts(timeouts.into()),
            Wire::StartDaemon(daemon) => Self::StartDaemon(daemon.into()),
            Wire::StopDaemon { role, sync_id } => Self::StopDaemon(role.into(), sync_id),
        }
    }
}

impl From<Scheduler> for protocol::Scheduler {
    fn from(scheduler: Scheduler) -> Self {
        Self {
            name: scheduler.name,
            availability: scheduler.availability.into(),
            weight: scheduler.weight.into(),
        }
    }
}

impl From<protocol::Scheduler> for Scheduler {
    fn from(scheduler: protocol::Scheduler) -> Self {
        Self {
            named_flags: named_flags(&scheduler.name),
            name: scheduler.name,
            availability: scheduler.availability.into(),
            weight: scheduler.weight.into(),
        }
    }
}

impl From<Connection> for protocol::Connection {
    fn from(it: Connection) -> Self {
        Self {
            protocol: it.protocol,
            client: it.client.into(),
            virtual_address: it.virtual_address.into(),
            server: it.server.into(),
            state: it.state,
            expires_in_s: it.expires_in,
            engine: it.engine.map(|(name, data)| protocol::Engine { name, data: data.into() }),
        }
    }
}

impl From<protocol::Connection> for Connection {
    fn from(it: protocol::Connection) -> Self {
        Self {
            protocol: it.protocol,
            client: it.client.into(),
            virtual_address: it.virtual_address.into(),
            server: it.server.into(),
            state: it.state,
            expires_in: it.expires_in_s,
            engine: it.engine.map(|engine| (engine.name, engine.data.into())),
        }
    }
}

/// The errors that a word says whole; the others carry something.
const WORDS: [(&str, Error); 11] = [
    ("no-such-service", Error::NoSuchService),
    ("service-exists", Error::ServiceExists),
    ("no-such-server", Error::NoSuchServer),
    ("server-exists", Error::ServerExists),
    ("no-such-module", Error::NoSuchModule),
    ("daemon-running", Error::DaemonRunning),
    ("daemon-not-running", Error::DaemonNotRunning),
    ("not-permitted", Error::NotPermitted),
    ("no-ipvs", Error::NoIpvs),
    ("no-answer", Error::NoAnswer),
    ("not-tried", Error::NotTried),
];
const ERRNO: &str = "errno";
const UNSUPPORTED: &str = "unsupported";
const UNREACHABLE: &str = "unreachable";
const REJECTED: &str = "rejected";

impl From<PluginStanding> for protocol::PluginLine {
    fn from(it: PluginStanding) -> Self {
        Self {
            name: it.name,
            world: World::words(&it.worlds),
            mode: it.mode.to_string(),
            state: it.state.to_owned(),
            for_s: it.left.map(|it| it.as_secs()),
            failures: it.failures,
            statements: it.statements,
        }
    }
}

impl From<Error> for protocol::Problem {
    fn from(error: Error) -> Self {
        let word = WORDS.iter().find(|(_, it)| *it == error).map(|(word, _)| *word);
        let (code, errno) = match error {
            Error::Errno(number) => (ERRNO, Some(number)),
            Error::Unsupported(_) => (UNSUPPORTED, None),
            Error::Rejected(_) => (REJECTED, None),
            _ => (word.unwrap_or(UNREACHABLE), None),
        };
        Self { message: error.to_string(), errno, ..Self::new(code) }
    }
}

impl From<protocol::Problem> for Error {
    /// What no IPVS says, but the daemon itself, counts as a broken way to it.
    fn from(problem: protocol::Problem) -> Self {
        if let Some((_, error)) = WORDS.iter().find(|(word, _)| *word == problem.code) {
            return error.clone();
        }
        match (problem.code.as_str(), problem.errno) {
            (ERRNO, Some(number)) => Self::Errno(number),
            (UNSUPPORTED, _) => Self::Unsupported(problem.message),
            (REJECTED, _) => Self::Rejected(problem.message),
            _ => Self::Unreachable(problem.message),
        }
    }
}

impl protocol::Event {
    /// What `line` tells, at this time, by RFC 3339.
    pub(crate) fn new(number: u64, line: &Line, at: &str) -> Self {
        Self {
            number,
            at: at.to_owned(),
            level: line.level().to_owned(),
            event: line.event().to_owned(),
            fields: protocol::EventFields(line.fields_owned()),
        }
    }
}
