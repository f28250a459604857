//! Where the script of a scenario stands: which line is next, and when. Pure.

use std::time::Duration;

use super::{
    judge::Changed,
    scenario::{Fact, Step, What},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Script<'s> {
    steps: &'s [Step],
    next: usize,
    /// The time at which the lines stand that are read now.
    cursor: Duration,
    waiting: Waiting<'s>,
}

/// For what the script waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Waiting<'s> {
    /// For its turn: there are lines to be carried out now.
    No,
    /// For a time.
    Until(Duration),
    /// For something to be so, at the latest at this time.
    For(&'s Fact, Option<Duration>, &'s Step),
    /// For nothing: it has ended.
    Over,
}

impl<'s> Script<'s> {
    pub(crate) fn new(steps: &'s [Step]) -> Self {
        Self { steps, next: 0, cursor: Duration::ZERO, waiting: Waiting::No }
    }

    /// For what it waits.
    pub(crate) fn waiting(&self) -> Waiting<'s> {
        self.waiting
    }

    /// The time at which it stands.
    pub(crate) fn time(&self) -> Duration {
        self.cursor
    }

    /// Whether what it waits for can be so after this.
    pub(crate) fn watches(&self, changed: Changed) -> bool {
        let Waiting::For(fact, ..) = self.waiting else { return false };
        changed.control || (changed.traffic && fact.moves_with_traffic())
    }

    /// When it has a line to carry out, as far as that is known.
    pub(crate) fn due(&self) -> Option<Duration> {
        match self.waiting {
            Waiting::No => Some(self.cursor),
            Waiting::Until(at) => Some(at),
            Waiting::For(_, deadline, _) => deadline,
            Waiting::Over => None,
        }
    }

    /// What it waits for is so, at `now`.
    pub(crate) fn go_on(&mut self, now: Duration) {
        self.cursor = now;
        self.waiting = Waiting::No;
    }

    /// What it waits for did not come: nothing after it is carried out.
    pub(crate) fn give_up(&mut self) {
        self.next = self.steps.len();
        self.waiting = Waiting::Over;
    }

    /// The next line to be carried out at `now`; times and waits are its own business.
    pub(crate) fn next(&mut self, now: Duration) -> Option<&'s Step> {
        if let Waiting::Until(at) = self.waiting
            && at <= now
        {
            self.go_on(at);
        }
        while matches!(self.waiting, Waiting::No) {
            let Some(step) = self.steps.get(self.next) else {
                self.waiting = Waiting::Over;
                return None;
            };
            self.next += 1;
            match &step.what {
                What::At(at) => self.wait(*at, now),
                What::After(delay) => self.wait(self.cursor.saturating_add(*delay), now),
                What::When(fact, within) => {
                    let deadline = within.map(|it| self.cursor.saturating_add(it));
                    self.waiting = Waiting::For(fact, deadline, step);
                }
                What::Do(_) | What::Expect(_) => return Some(step),
            }
        }
        None
    }

    /// Lines that were not carried out.
    pub(crate) fn rest(&self) -> &'s [Step] {
        &self.steps[self.next..]
    }

    fn wait(&mut self, at: Duration, now: Duration) {
        // A time that a `when` came after is over: what stands there happens at once.
        self.cursor = at.max(self.cursor);
        if self.cursor > now {
            self.waiting = Waiting::Until(self.cursor);
        }
    }
}
