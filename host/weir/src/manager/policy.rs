//! A running policy: what it wants to hear, and what waits to be told to it.
//!
//! What it says is the manager's matter; what becomes of one that failed is said in
//! [`super::plugin`].

use std::{collections::VecDeque, mem, time::Duration};

use weir_wasm::{Birth, Effect, Envelope, Event, PolicyGrant, Refusal, Subscription, View};

/// A running instance.
pub(crate) trait Guest {
    /// Events since the last call. After an error, which is a report for people, the
    /// instance is dropped.
    fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, String>;

    /// What the last call wanted and its grant did not allow.
    fn take_refusals(&mut self) -> Vec<Refusal> {
        Vec::new()
    }
}

/// Makes an instance; an error is a report for people.
pub(crate) type Starter =
    Box<dyn FnMut(PolicyGrant, Birth, View) -> Result<(Box<dyn Guest>, Subscription), String>>;

/// Events that wait for one call. The manager delivers them before it waits for more, so
/// that only a burst larger than any table it was made for runs over.
const QUEUE_EVENTS: usize = 65_536;

/// See the module.
pub(super) struct Policy {
    guest: Box<dyn Guest>,
    subscription: Subscription,
    queue: VecDeque<(u64, Event)>,
    lost: u64,
    sequence: u64,
    /// When it was last told of stats.
    stats_at: Option<Duration>,
}

impl Policy {
    /// An instance that was just made, which hears so first.
    pub(super) fn new(guest: Box<dyn Guest>, subscription: Subscription, at_ns: u64) -> Self {
        Self {
            guest,
            subscription,
            queue: VecDeque::from([(at_ns, Event::Started)]),
            lost: 0,
            sequence: 0,
            stats_at: None,
        }
    }

    /// Queues an event, if it wants it.
    pub(super) fn queue(&mut self, granted: &PolicyGrant, at_ns: u64, event: Event) {
        let wanted = match &event {
            Event::Health(change) => {
                self.subscription.health && granted.services.contains(&change.server.service)
            }
            _ => true,
        };
        if wanted && self.queue.len() < QUEUE_EVENTS {
            self.queue.push_back((at_ns, event));
        } else if wanted {
            self.lost += 1;
        }
    }

    /// When it wants stats next.
    pub(super) fn stats_due(&self) -> Option<Duration> {
        let every = self.subscription.stats_every?;
        Some(self.stats_at.map_or(Duration::ZERO, |it| it.saturating_add(every)))
    }

    /// Queues the event that stats are fresh.
    pub(super) fn queue_stats(&mut self, granted: &PolicyGrant, at_ns: u64, now: Duration) {
        let before = self.stats_at.replace(now);
        let elapsed = before.map_or(Duration::ZERO, |it| now.saturating_sub(it));
        self.queue(granted, at_ns, Event::Stats(elapsed));
    }

    /// Whether there is something to deliver.
    pub(super) fn is_waiting_to_hear(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Delivers what is queued.
    pub(super) fn deliver(&mut self, view: View) -> Result<Vec<Effect>, String> {
        let lost = mem::take(&mut self.lost);
        let overflow = (lost > 0).then_some((view.wall_ns, Event::Overflow(lost)));
        let mut batch = Vec::with_capacity(self.queue.len() + 1);
        for (at_ns, event) in self.queue.drain(..).chain(overflow) {
            self.sequence += 1;
            batch.push(Envelope { sequence: self.sequence, at_ns, event });
        }
        self.guest.handle(view, &batch)
    }

    /// What the last delivery made it want in vain.
    pub(super) fn take_refusals(&mut self) -> Vec<Refusal> {
        self.guest.take_refusals()
    }
}
