//! One check of one real server: when it probes, and what it makes of what it saw. Pure:
//! whoever drives it owns the probe and the clock, a real one or a virtual one.

use std::time::Duration;

use super::{Target, Verdict, counter::Counter, outcome::Outcome, schedule::Schedule};

/// See the module.
#[derive(Debug)]
pub(crate) struct Checker {
    target: Target,
    counter: Counter,
    schedule: Schedule,
}

impl Checker {
    /// The check of `target`, of which nothing is known yet.
    pub(crate) fn new(target: Target) -> Self {
        let counter = Counter::new(target.check.rise, target.check.fall);
        let schedule = Schedule::new(&target.key, &target.check);
        Self { target, counter, schedule }
    }

    /// What is checked.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// From the beginning to the start of the first probe.
    pub(crate) fn first(&mut self) -> Duration {
        self.schedule.first()
    }

    /// Takes in what a probe saw, and how long it took. Returns the verdict, if there is
    /// something to tell, and the time from the start of that probe to the start of the
    /// next: never two at a time, and starts at least the period apart.
    pub(crate) fn record(
        &mut self,
        outcome: &Outcome,
        took: Duration,
    ) -> (Option<Verdict>, Duration) {
        let has_changed = self.counter.record(outcome);
        let verdict = has_changed.then(|| Verdict {
            key: self.target.key,
            watch: self.target.watch,
            state: self.counter.state(),
            evidence: self.counter.evidence(),
            detail: self.counter.explain(outcome),
        });
        (verdict, self.schedule.next(self.counter.is_changing()).max(took))
    }
}
