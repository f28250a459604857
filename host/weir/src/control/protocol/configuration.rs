//! What is said of configurations: their mistakes, what a reload changed, what one would
//! change.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Change;

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mistake {
    pub(crate) file: String,
    /// From 1; none = the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// From 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    /// What was expected, and what was found.
    pub(crate) message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The code of a refusal that a confirmation lifts.
pub(crate) const TO_BE_CONFIRMED: &str = "to-be-confirmed";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reload {
    /// That it may remove as much as it does.
    pub(crate) confirm: bool,
}

/// What a [`Reload`] changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    pub(crate) differences: Vec<Difference>,
}

/// One thing that the configuration says otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Difference {
    pub(crate) kind: DifferenceKind,
    /// `service web`, `service web: server 10.0.0.1:80`, `plugin latency`.
    pub(crate) of: String,
    /// In what; empty where it is new or gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) how: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DifferenceKind {
    Added,
    Changed,
    Removed,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PlanRequest {
    /// The configuration, by its absolute path; none = the one that the daemon runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<PathBuf>,
}

/// What a configuration would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Why a reload would not take it over unless it is confirmed, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    /// In what it differs from the configuration that runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) differences: Vec<Difference>,
    /// What would be written at once, in this order.
    pub(crate) steps: Vec<PlanStep>,
    /// What would be told beside that, as in the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) news: Vec<String>,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanStep {
    pub(crate) change: Change,
    /// Of the real server before, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight_before: Option<u32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    /// What comes later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) then: Option<String>,
}
