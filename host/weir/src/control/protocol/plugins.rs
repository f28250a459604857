//! What passes of plugins.

use serde::{Deserialize, Serialize};

use super::is_default;

/// How a plugin stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginLine {
    /// In the configuration.
    pub(crate) name: String,
    /// `policy`, `weigher` or `guard`; several, with a comma between, where it plays several
    /// roles.
    pub(crate) world: String,
    /// `enforce`, `shadow` or `off`.
    pub(crate) mode: String,
    /// `running`, `probation` (new code, which may have to go again), `waiting` (to be started
    /// again), `quarantined` (given up) or `off`.
    pub(crate) state: String,
    /// Seconds until it is started again, or its probation ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) for_s: Option<u64>,
    /// How often it failed within the last 10 min.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) failures: usize,
    /// Statements of it that stand.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) statements: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginMode {
    pub(crate) name: String,
    /// `enforce`, `shadow` or `off`.
    pub(crate) mode: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginReload {
    pub(crate) name: String,
}
