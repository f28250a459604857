//! Freezing: no weight changes until it is over.
//!
//! The director freezes itself when it doubts what it sees, see [`crate::safety::doubt`].

use std::time::Duration;

use weir_ipvs::RealServerKey;

use super::{Manager, Now};
use crate::{health::State, report::Line};

/// Why and how long nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frozen {
    pub(super) since: Duration,
    /// When it ends by itself.
    pub(super) until: Option<Duration>,
    /// For people.
    pub(super) reason: String,
}

impl Manager {
    /// Takes note of who ceased to pass.
    pub(super) fn doubt(&mut self, now: Now, key: RealServerKey, before: State, after: State) {
        match (before, after) {
            (State::Up, State::Suspect | State::Down) => self.doubt.left_up(key, now.monotonic),
            (_, State::Up) => self.doubt.forget(&key),
            _ => {}
        }
    }

    /// Freezes if more ceased to pass than can be true.
    pub(super) fn freeze_in_doubt(&mut self, now: Now) {
        if !self.doubt.has_news() || self.frozen.is_some() {
            return;
        }
        let window = self.detection();
        if !self.doubt.is_justified(now.monotonic, window, self.checked) {
            return;
        }
        self.doubt.clear();
        let reason = "half of all real servers ceased to pass at once";
        let until = now.monotonic.saturating_add(window);
        self.freeze(now, reason, Some(until));
    }

    /// Ends a freeze whose time has come: every check had its round since.
    pub(super) fn thaw_when_due(&mut self, now: Now) {
        let until = self.frozen.as_ref().and_then(|it| it.until);
        if until.is_some_and(|it| it <= now.monotonic) {
            self.thaw();
        }
    }

    fn freeze(&mut self, now: Now, reason: &str, until: Option<Duration>) {
        let then = match until {
            Some(until) => {
                format!("checks are followed in {} s", (until - now.monotonic).as_secs())
            }
            None => "until it is thawed".to_owned(),
        };
        self.log(Line::error("frozen").with("reason", reason).with("then", then));
        self.frozen = Some(Frozen { since: now.monotonic, until, reason: reason.to_owned() });
        self.dirty.extend(self.claims.keys());
    }

    fn thaw(&mut self) {
        self.frozen = None;
        self.log(Line::info("thawed"));
        self.dirty.extend(self.claims.keys());
    }

    /// The time within which every check shows a fault.
    fn detection(&self) -> Duration {
        let checks = self.claims.values().filter_map(|it| it.check.as_ref());
        checks.map(|it| it.detection()).max().unwrap_or(Duration::ZERO)
    }
}
