//! One policy plugin: running, waiting to be made again, or given up.
//!
//! Knows when to call it and what a failure leads to; what it says is the manager's
//! matter.

use std::{collections::VecDeque, mem, time::Duration};

use weir_wasm::{Birth, Effect, Envelope, Event, PolicyGrant, Subscription, View};

use super::Now;
use crate::config::Grant;

/// A running instance.
pub(crate) trait Guest {
    /// Events since the last call. After an error, which is a report for people, the
    /// instance is dropped.
    fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, String>;
}

/// Makes an instance; an error is a report for people.
pub(crate) type Starter =
    Box<dyn FnMut(PolicyGrant, Birth, View) -> Result<(Box<dyn Guest>, Subscription), String>>;

/// Events that wait for one call. The manager delivers them before it waits for more, so
/// that only a burst larger than any table it was made for runs over.
const QUEUE_EVENTS: usize = 65_536;

/// A plugin that fails this often ..
const FAILURES_MAX: usize = 5;

/// .. within this time is given up.
const FAILURES_WITHIN: Duration = Duration::from_secs(600);

const DELAY_MIN: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);

/// One policy plugin.
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) grant: Grant,
    start: Starter,
    state: State,
    queue: VecDeque<(u64, Event)>,
    lost: u64,
    sequence: u64,
    /// When it failed, no longer ago than [`FAILURES_WITHIN`].
    failures: VecDeque<Duration>,
}

enum State {
    Running { guest: Box<dyn Guest>, subscription: Subscription, granted: PolicyGrant },
    Waiting { until: Duration, birth: Birth },
    Quarantined,
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A new instance after this time.
    Restart(Duration),
    /// None: it failed too often.
    Quarantine,
}

impl Policy {
    /// A plugin that is to be started at once.
    pub(super) fn new(name: String, grant: Grant, start: Starter) -> Self {
        Self {
            name,
            grant,
            start,
            state: State::Waiting { until: Duration::ZERO, birth: Birth::Fresh },
            queue: VecDeque::new(),
            lost: 0,
            sequence: 0,
            failures: VecDeque::new(),
        }
    }

    /// When it wants to be started.
    pub(super) fn start_at(&self) -> Option<Duration> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Whether it was given up.
    pub(super) fn is_quarantined(&self) -> bool {
        matches!(self.state, State::Quarantined)
    }

    /// What the running instance was granted.
    pub(super) fn granted(&self) -> Option<&PolicyGrant> {
        match &self.state {
            State::Running { granted, .. } => Some(granted),
            _ => None,
        }
    }

    /// Makes an instance and queues its first event.
    pub(super) fn start(&mut self, granted: PolicyGrant, view: View) -> Result<(), String> {
        let State::Waiting { birth, .. } = &self.state else { return Ok(()) };
        let at_ns = view.wall_ns;
        let (guest, subscription) = (self.start)(granted.clone(), birth.clone(), view)?;
        self.state = State::Running { guest, subscription, granted };
        self.sequence = 0;
        self.lost = 0;
        self.queue.clear();
        self.queue.push_back((at_ns, Event::Started));
        Ok(())
    }

    /// Queues an event, if there is an instance that wants it.
    pub(super) fn queue(&mut self, at_ns: u64, event: Event) {
        let State::Running { subscription, granted, .. } = &self.state else { return };
        let wanted = match &event {
            Event::Health(change) => {
                subscription.health && granted.services.contains(&change.server.service)
            }
            _ => true,
        };
        if wanted && self.queue.len() < QUEUE_EVENTS {
            self.queue.push_back((at_ns, event));
        } else if wanted {
            self.lost += 1;
        }
    }

    /// Whether there is something to deliver.
    pub(super) fn is_waiting_to_hear(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Delivers what is queued.
    pub(super) fn deliver(&mut self, view: View) -> Result<Vec<Effect>, String> {
        let State::Running { guest, .. } = &mut self.state else { return Ok(Vec::new()) };
        let lost = mem::take(&mut self.lost);
        let overflow = (lost > 0).then_some((view.wall_ns, Event::Overflow(lost)));
        let mut batch = Vec::with_capacity(self.queue.len() + 1);
        for (at_ns, event) in self.queue.drain(..).chain(overflow) {
            self.sequence += 1;
            batch.push(Envelope { sequence: self.sequence, at_ns, event });
        }
        guest.handle(view, &batch)
    }

    /// Drops the instance, which failed, and plans what comes next.
    pub(super) fn fail(&mut self, now: Now, why: &str) -> Remedy {
        self.queue.clear();
        self.failures.push_back(now.monotonic);
        let recent = now.monotonic.saturating_sub(FAILURES_WITHIN);
        self.failures.retain(|it| *it >= recent);
        if self.failures.len() >= FAILURES_MAX {
            self.state = State::Quarantined;
            return Remedy::Quarantine;
        }
        let doubled = u32::try_from(self.failures.len() - 1).unwrap_or(u32::MAX);
        let delay = DELAY_MIN.saturating_mul(2_u32.saturating_pow(doubled)).min(DELAY_MAX);
        self.state = State::Waiting {
            until: now.monotonic.saturating_add(delay),
            birth: Birth::Recovery(why.to_owned()),
        };
        Remedy::Restart(delay)
    }

    /// Drops the instance to make one with another grant, at once.
    pub(super) fn renew(&mut self, why: &str) {
        self.queue.clear();
        self.state =
            State::Waiting { until: Duration::ZERO, birth: Birth::Recovery(why.to_owned()) };
    }
}
