//! What passes over the socket, as JSON: `host/docs/commands.md` is its manual.
//!
//! The path of each request stands here too. Types that a command sends refuse fields they
//! do not know, for a change that is half understood is worse than none. What is zero, or
//! not there, is left out.

mod configuration;
mod decisions;
mod events;
mod plugins;
mod status;
mod steer;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
};

pub(crate) use self::{
    configuration::{
        Difference, DifferenceKind, Mistake, Plan, PlanRequest, PlanStep, Reload, Reloaded,
        TO_BE_CONFIRMED,
    },
    decisions::{DECISIONS, DECISIONS_MAX, Decisions},
    events::{EVENTS, Event, FOLLOW, Fields as EventFields},
    plugins::{PluginLine, PluginMode, PluginReload},
    status::{
        Alert, Denied, EXPLAIN, Explained, ExplainedServer, Frozen, Head, Health, Order,
        OrderElsewhere, STATUS, Server, Service as ShownService, StatusLine, Step, Which, Why,
        Word, Write,
    },
    steer::{
        DEADLINE_S_MAX, DRAIN, Drain, FREEZE, Freeze, MAINTAIN, Maintain, READY, Ready, Steered,
        THAW, Thaw,
    },
};

/// `GET`: [`Daemon`].
pub(crate) const DAEMON: &str = "/v1/daemon";
/// `GET`: [`Info`].
pub(crate) const INFO: &str = "/v1/ipvs/info";
/// `POST` of a [`Read`]: lines, each an [`Entry`].
pub(crate) const READ: &str = "/v1/ipvs/read";
/// `POST` of an [`Apply`]: [`Applied`].
pub(crate) const APPLY: &str = "/v1/ipvs/apply";
/// `GET`: [`Stats`].
pub(crate) const TOTALS: &str = "/v1/ipvs/totals";
/// `GET`: [`Timeouts`].
pub(crate) const TIMEOUTS: &str = "/v1/ipvs/timeouts";
/// `GET`: a list of [`SyncDaemon`].
pub(crate) const DAEMONS: &str = "/v1/ipvs/daemons";
/// `GET`: a list of [`Scheduler`].
pub(crate) const SCHEDULERS: &str = "/v1/ipvs/schedulers";
/// `GET`: lines, each a [`ConnectionLine`].
pub(crate) const CONNECTIONS: &str = "/v1/ipvs/connections";
/// `POST` of a [`Reload`]: [`Reloaded`].
pub(crate) const RELOAD: &str = "/v1/configuration/reload";
/// `POST` of a [`PlanRequest`]: [`Plan`].
pub(crate) const PLAN: &str = "/v1/configuration/plan";
/// `GET`: a list of [`PluginLine`], in the order in which they are called.
pub(crate) const PLUGINS: &str = "/v1/plugins";
/// `POST` of a [`PluginMode`]: the [`PluginLine`] as it is then.
pub(crate) const PLUGIN_MODE: &str = "/v1/plugins/mode";
/// `POST` of a [`PluginReload`]: the [`PluginLine`] as it is then. Compiling takes its time.
pub(crate) const PLUGIN_RELOAD: &str = "/v1/plugins/reload";

/// Changes of one [`Apply`]; a client with more sends several.
pub(crate) const CHANGES_MAX: usize = 4096;

/// Bytes of a request's body, which the daemon holds while it reads them: [`CHANGES_MAX`]
/// changes take a quarter of it.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 << 20;

/// Bytes of one line, which a command holds while it reads them: a service of 100,000 real
/// servers takes half of it.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 20;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Daemon {
    /// Of weir.
    pub(crate) version: String,
    /// Its process id.
    pub(crate) process: u32,
    /// The network namespace it runs in, as `stat` numbers `/proc/self/ns/net`.
    pub(crate) network_namespace: Option<String>,
}

/// Why something did not happen. The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// A stable word.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
    /// The Linux errno, where the code is `errno`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) errno: Option<i32>,
    /// Where it is a configuration that has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mistakes: Vec<Mistake>,
    /// Names that would do, where one is unknown or ambiguous.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) candidates: Vec<String>,
}

impl Problem {
    /// One of which nothing more is known.
    pub(crate) fn new(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: String::new(),
            errno: None,
            mistakes: Vec::new(),
            candidates: Vec::new(),
        }
    }
}

/// A service's key, in the words of the log: `tcp 192.0.2.1:80`, `fwmark 7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServiceKey(pub(crate) weir_ipvs::ServiceKey);

/// Bytes that are text nearly always: a string where they are, a list of numbers otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Info {
    pub(crate) version: (u8, u8, u8),
    pub(crate) connection_table_size: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Read {
    /// None = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<ServiceKey>,
    #[serde(default)]
    pub(crate) fields: Fields,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fields {
    pub(crate) details: bool,
    pub(crate) connections: bool,
    pub(crate) templates: bool,
    pub(crate) stats: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) service: ServiceStatus,
    pub(crate) servers: Vec<RealServerStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceStatus {
    pub(crate) config: Service,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) stats: Stats,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    pub(crate) scheduler: String,
    /// The kernel's bits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) flags: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) persistence_s: Option<u32>,
    pub(crate) netmask: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RealServerStatus {
    pub(crate) config: RealServer,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) active: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) inactive: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) persistent: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) stats: Stats,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RealServer {
    pub(crate) address: SocketAddr,
    pub(crate) forwarding: Forwarding,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) tunnel: Tunnel,
    pub(crate) weight: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) upper_threshold: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) lower_threshold: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Forwarding {
    Masquerade,
    Local,
    Tunnel,
    Direct,
    Bypass,
    Other(u8),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tunnel {
    pub(crate) kind: TunnelKind,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) port: u16,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) checksum: TunnelChecksum,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TunnelKind {
    #[default]
    Ipip,
    Gue,
    Gre,
    Other(u8),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TunnelChecksum {
    #[default]
    None,
    Full,
    Remote,
    Other(u16),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Stats {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) total: Traffic,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) per_second: Traffic,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Traffic {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) connections: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) packets_in: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) packets_out: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) bytes_in: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) bytes_out: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apply {
    /// At most [`CHANGES_MAX`].
    pub(crate) changes: Vec<Change>,
    pub(crate) on_failure: OnFailure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnFailure {
    Proceed,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Change {
    AddService(Service),
    EditService(Service),
    DeleteService { service: ServiceKey },
    AddServer { service: ServiceKey, server: RealServer },
    EditServer { service: ServiceKey, server: RealServer },
    DeleteServer { service: ServiceKey, server: SocketAddr },
    Zero { service: Option<ServiceKey> },
    Flush,
    SetTimeouts(Timeouts),
    StartDaemon(SyncDaemon),
    StopDaemon { role: SyncRole, sync_id: u32 },
}

/// What became of an [`Apply`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) step: usize,
    pub(crate) error: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeouts {
    pub(crate) tcp_s: u32,
    pub(crate) tcp_fin_s: u32,
    pub(crate) udp_s: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyncDaemon {
    pub(crate) role: SyncRole,
    pub(crate) interface: Bytes,
    pub(crate) sync_id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_length: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SyncRole {
    Master,
    Backup,
}

/// The flags that it interprets follow from its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scheduler {
    pub(crate) name: String,
    pub(crate) availability: Availability,
    pub(crate) weight: WeightMeaning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Availability {
    BuiltIn,
    Loaded,
    Loadable,
    Absent,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WeightMeaning {
    Share,
    IdleFirst,
    OnOff,
    HashSlots,
    Priority,
    Ignored,
    Unknown,
}

/// One line of the connection table. After a problem there are no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ConnectionLine {
    Connection(Connection),
    Problem(Problem),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) protocol: String,
    pub(crate) client: SocketAddr,
    #[serde(rename = "virtual")]
    pub(crate) virtual_address: SocketAddr,
    pub(crate) server: SocketAddr,
    pub(crate) state: String,
    pub(crate) expires_in_s: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<Engine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) name: String,
    pub(crate) data: Bytes,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Serialize for ServiceKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServiceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = ServiceKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a service such as \"tcp 192.0.2.1:80\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ServiceKey, E> {
                text.parse().map(ServiceKey).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumbers;

        impl<'de> Visitor<'de> for TextOrNumbers {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of bytes as numbers")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(text.as_bytes().to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = numbers.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_any(TextOrNumbers)
    }
}
