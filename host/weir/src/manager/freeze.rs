//! Freezing: no weight changes until it is over.
//!
//! Operators freeze everything or one service; the director freezes itself when it doubts
//! what it sees, see [`crate::safety::doubt`].

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{RealServerKey, ServiceKey};

use super::{Manager, Now};
use crate::{formula::Word, health::State, report::Line, safety::order::Freeze};

/// What is frozen, and why.
#[derive(Debug, Clone, Default)]
pub(super) struct Freezes {
    /// Everything, for the director doubts itself.
    pub(super) doubt: Option<Freeze>,
    /// Everything, for it just began, and its self-probes have not answered yet.
    pub(super) awaited: Option<Freeze>,
    /// What operators ordered; none = everything.
    pub(super) ordered: BTreeMap<Option<ServiceKey>, Freeze>,
}

impl Freezes {
    /// Why the weights of a service do not change; an operator's word first.
    pub(super) fn of(&self, service: ServiceKey) -> Option<&Freeze> {
        let ordered = |of| self.ordered.get(&of);
        let ordered = ordered(None).or_else(|| ordered(Some(service)));
        ordered.or(self.doubt.as_ref()).or(self.awaited.as_ref())
    }

    /// Ends what the director froze by itself, and says whether it did.
    pub(super) fn trust(&mut self) -> bool {
        [self.doubt.take(), self.awaited.take()].iter().any(Option::is_some)
    }

    /// When one of them ends by itself.
    pub(super) fn until(&self) -> Option<Duration> {
        [&self.doubt, &self.awaited].into_iter().flatten().filter_map(|it| it.until).min()
    }
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
        if !self.doubt.has_news() || self.freezes.doubt.is_some() {
            return;
        }
        // The window is that of all checks: they are not looked through for each that fails.
        if !self.doubt.is_possible(self.checked) {
            return;
        }
        let window = self.detection();
        if !self.doubt.is_justified(now.monotonic, window, self.checked) {
            return;
        }
        self.doubt.clear();
        let reason = "half of all real servers ceased to pass at once".to_owned();
        self.log(
            Line::error("frozen")
                .with("reason", &reason)
                .with("then", format!("checks are followed in {} s", window.as_secs())),
        );
        let (since, until) = (now.monotonic, Some(now.monotonic.saturating_add(window)));
        self.freezes.doubt = Some(Freeze { who: Word::WEIR, reason, since, until });
        self.undecided.extend(self.claims.keys());
    }

    /// Ends a freeze whose time has come: every check had its round since.
    pub(super) fn thaw_when_due(&mut self, now: Now) {
        let is_due = |it: &mut Freeze| it.until.is_some_and(|it| it <= now.monotonic);
        if self.freezes.awaited.take_if(is_due).is_some() {
            self.undecided.extend(self.claims.keys());
        }
        if self.freezes.doubt.take_if(is_due).is_some() {
            self.log(Line::info("thawed"));
            self.undecided.extend(self.claims.keys());
        }
    }

    /// The time within which every check shows a fault.
    pub(super) fn detection(&self) -> Duration {
        let checks = self.claims.values().filter_map(|it| it.check.as_ref());
        checks.map(|it| it.detection()).max().unwrap_or(Duration::ZERO)
    }
}
