//! What operators order: a real server out of service, or nothing to change.
//!
//! An order stands until it is taken back, through restarts and reloads, and whether or not
//! what it is about is there meanwhile. What it means for a weight is decided where the
//! service is seen.

use std::time::Duration;

use crate::formula::Word;

/// A real server gets no new connections until it is made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// Which.
    pub(crate) kind: Kind,
    /// Who gave it: `root`, `uid 1000`.
    pub(crate) by: String,
    /// Why, in their words.
    pub(crate) reason: Option<String>,
    /// When, by the monotonic clock.
    pub(crate) since: Duration,
}

/// What is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its connections go on, and so do its checks. It is over when none are left, or at
    /// `until`.
    Drain {
        /// By the monotonic clock.
        until: Duration,
        /// Whether it stays in the table afterwards, with weight 0.
        keep: bool,
        /// Whether it is over.
        is_over: bool,
    },
    /// Its connections go on, and nobody checks it.
    Maintain,
}

impl Order {
    /// For people.
    pub(crate) fn words(&self) -> String {
        let what = match self.kind {
            Kind::Drain { .. } => "drained",
            Kind::Maintain => "in maintenance",
        };
        said_by(what, &self.by, self.reason.as_deref())
    }

    /// When it ends by itself what it began.
    pub(crate) fn until(&self) -> Option<Duration> {
        match self.kind {
            Kind::Drain { until, is_over: false, .. } => Some(until),
            _ => None,
        }
    }
}

/// No weight changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Freeze {
    /// `operator`, or `weir` where it doubts itself.
    pub(crate) who: &'static str,
    /// For people.
    pub(crate) reason: String,
    /// By the monotonic clock.
    pub(crate) since: Duration,
    /// When it ends by itself.
    pub(crate) until: Option<Duration>,
}

impl Freeze {
    /// An operator's.
    pub(crate) fn ordered(by: &str, reason: Option<&str>, since: Duration) -> Self {
        let reason = said_by("frozen", by, reason);
        Self { who: Word::OPERATOR, reason, since, until: None }
    }
}

fn said_by(what: &str, by: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{what} by {by}: {reason}"),
        None => format!("{what} by {by}"),
    }
}
