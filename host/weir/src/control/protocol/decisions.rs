//! What was decided in the last days, as far as it is kept.

use serde::{Deserialize, Serialize};

/// `POST` of a [`Decisions`]: lines, each an [`Event`](super::Event), oldest first.
pub(crate) const DECISIONS: &str = "/v1/decisions";

/// The most that [`Decisions::limit`] can be.
pub(crate) const DECISIONS_MAX: usize = 10_000;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Decisions {
    /// As events name it: `tcp 192.0.2.1:80`; none = any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// As events name it: `10.0.0.1:8080`; none = any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// Of this kind; none = of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<String>,
    /// The last so many, at most [`DECISIONS_MAX`]; none = 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
}
