//! What operators see: the state of everything, and why weights are what they are.
//!
//! Times are RFC 3339, in UTC. What is nothing, none or false is left out.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{PluginLine, ServiceKey, is_default};

/// `POST` of a [`Which`]: lines, the first a [`Head`], then a [`Service`] each.
pub(crate) const STATUS: &str = "/v1/status";
/// `POST` of a [`Why`]: [`Explained`].
pub(crate) const EXPLAIN: &str = "/v1/explain";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Which {
    /// None = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    pub(crate) service: String,
    /// None = all of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
}

/// One line of a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StatusLine {
    /// The first.
    Head(Head),
    Service(Service),
}

/// What concerns everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) at: String,
    pub(crate) version: String,
    /// Claimed.
    pub(crate) services: usize,
    pub(crate) servers: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) alerts: Vec<Alert>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) frozen: Vec<Frozen>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) plugins: Vec<PluginLine>,
    /// Orders on real servers that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) orders: Vec<OrderElsewhere>,
}

/// Something that somebody should look at, for as long as it is so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alert {
    /// A stable word: `frozen`, `panic`, `quorum-lost`, `plugin-failed`,
    /// `plugin-quarantined`, `state-lost`, `failed`.
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<ServiceKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// For people.
    pub(crate) message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frozen {
    /// None = everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<ServiceKey>,
    /// `operator` or `weir`.
    pub(crate) who: String,
    pub(crate) reason: String,
    pub(crate) since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrderElsewhere {
    pub(crate) service: ServiceKey,
    pub(crate) server: SocketAddr,
    pub(crate) order: Order,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) key: ServiceKey,
    /// In the configuration.
    pub(crate) name: String,
    pub(crate) scheduler: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) persistence_s: Option<u32>,
    /// The plugin that owns it; none = the configuration states it, or others made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Whether the configuration has it no more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_leaving: bool,
    /// Base weight of the servers that are up, of those that count, and how much is enough.
    pub(crate) live: u64,
    pub(crate) all: u64,
    pub(crate) quorum: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_quorum_lost: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_sorry_serving: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) panic_since: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) frozen: Option<Frozen>,
    pub(crate) servers: Vec<Server>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// `real`, `sorry` or `leaving`.
    pub(crate) role: String,
    /// In the table; none = it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u32>,
    pub(crate) base: u32,
    /// Where it is going, once it may be written; none = out of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<u32>,
    /// None = it is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Health>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<Order>,
    /// All that is said of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) words: Vec<Word>,
    /// Another weight than the goal, which someone else wrote, and which is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) foreign: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) active: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) inactive: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) persistent: u32,
    /// How often it went down, as far as that is remembered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) trips: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    /// `unknown`, `up`, `suspect`, `down`, `rising`.
    pub(crate) state: String,
    /// Since when it is up, down or unknown.
    pub(crate) since: String,
    /// What was seen last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// `drain` or `maintain`.
    pub(crate) kind: String,
    pub(crate) by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) since: String,
    /// The deadline of a drain that is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// Whether a drained server stays in the table.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_kept: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) is_over: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word {
    /// `weir`, `operator` or a plugin.
    pub(crate) who: String,
    /// `frozen`, `absent`, `held`, `zero`, `lifted`, `drain`, `base`, `ramp`, `agent`, `degraded`,
    /// `scale`, `floor`, `cap`.
    pub(crate) kind: String,
    /// Of those that have one: a weight (`base` and others), or millionths (`ramp`, `agent`), percent
    /// (`degraded`), or thousandths (`scale`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<u32>,
    /// The same for people.
    pub(crate) says: String,
    pub(crate) reason: String,
    pub(crate) since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
}

/// Why weights are what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Explained {
    /// Without its servers.
    pub(crate) service: Service,
    pub(crate) servers: Vec<ExplainedServer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExplainedServer {
    pub(crate) server: Server,
    /// What plugins say of it that guards deny, or their grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) denied: Vec<Denied>,
    /// From the base weight to the goal.
    pub(crate) steps: Vec<Step>,
    /// Why the goal is not in the table yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waits: Option<String>,
    /// The last of this run of weir.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_write: Option<Write>,
}

/// A word that counts as unsaid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Denied {
    #[serde(flatten)]
    pub(crate) word: Word,
    /// Which guard, and its words; or what the plugin's grant lacks.
    pub(crate) why: String,
    /// When guards are asked again; a grant is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) what: String,
    /// What it gives; none = out of the table, or no weight of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) at: String,
    /// Weights; none = not in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u32>,
    pub(crate) who: String,
    pub(crate) reason: String,
}
