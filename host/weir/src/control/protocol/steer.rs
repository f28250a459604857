//! What operators order over the socket.
//!
//! Names are as people type them: a service `web`, `tcp 192.0.2.1:80`, `192.0.2.1:80`,
//! `192.0.2.1` or `fwmark 7`; a real server `10.0.0.1:8080` or `10.0.0.1`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{ServiceKey, is_default};

/// `POST` of a [`Drain`]: [`Steered`], as for all of these.
pub(crate) const DRAIN: &str = "/v1/drain";
/// `POST` of a [`Maintain`].
pub(crate) const MAINTAIN: &str = "/v1/maintain";
/// `POST` of a [`Ready`].
pub(crate) const READY: &str = "/v1/ready";
/// `POST` of a [`Freeze`].
pub(crate) const FREEZE: &str = "/v1/freeze";
/// `POST` of a [`Thaw`].
pub(crate) const THAW: &str = "/v1/thaw";

/// The longest deadline of a drain, in seconds: 7 days.
pub(crate) const DEADLINE_S_MAX: u64 = 7 * 86_400;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drain {
    pub(crate) service: String,
    pub(crate) server: String,
    /// At most [`DEADLINE_S_MAX`]; none = as the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deadline_s: Option<u64>,
    /// In the table, with weight 0, after its end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) keep: bool,
    /// The last server that serves, too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) force: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Maintain {
    pub(crate) service: String,
    pub(crate) server: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) force: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ready {
    pub(crate) service: String,
    pub(crate) server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {
    /// None = everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Thaw {
    /// None = everything; what is frozen on its own stays so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
}

/// What became of an order, and what will.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Steered {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<ServiceKey>,
    /// What the configuration calls the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<SocketAddr>,
    /// In the table, now; none = it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) active: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) inactive: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) persistent: u32,
    /// What should be known of it, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}
