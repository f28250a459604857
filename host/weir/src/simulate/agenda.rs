//! What is to happen, in order. The only clock of a simulation is where this stands.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Things to come, each at its time. Those of one time come in the order in which they
/// were put down.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    now: Duration,
    entries: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Duration,
    sequence: u64,
    what: T,
}

impl<T> Agenda<T> {
    /// Nothing to come, and time 0.
    pub(crate) fn new() -> Self {
        Self { now: Duration::ZERO, entries: BinaryHeap::new(), sequence: 0 }
    }

    /// The time.
    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// Puts something down. What would be in the past is now.
    pub(crate) fn put(&mut self, at: Duration, what: T) {
        self.sequence += 1;
        self.entries.push(Reverse(Entry { at: at.max(self.now), sequence: self.sequence, what }));
    }

    /// When the next thing comes.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.entries.peek().map(|it| it.0.at)
    }

    /// Takes the next thing that comes at `limit` or before, and moves the time there.
    pub(crate) fn next(&mut self, limit: Duration) -> Option<T> {
        if self.next_at()? > limit {
            return None;
        }
        let Reverse(entry) = self.entries.pop()?;
        self.now = entry.at;
        Some(entry.what)
    }

    /// Moves the time on to `at`, if it is not there yet.
    pub(crate) fn advance(&mut self, at: Duration) {
        self.now = self.now.max(at);
    }
}

impl<T> Entry<T> {
    fn key(&self) -> (Duration, u64) {
        (self.at, self.sequence)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_in_order_and_the_time_with_them() {
        let at = Duration::from_secs;
        let mut agenda = Agenda::new();
        agenda.put(at(2), "c");
        agenda.put(at(1), "a");
        agenda.put(at(1), "b");
        agenda.put(at(9), "later");
        let mut seen = Vec::new();
        while let Some(what) = agenda.next(at(5)) {
            seen.push((agenda.now().as_secs(), what));
            if what == "b" {
                agenda.put(at(0), "in the past");
            }
        }
        assert_eq!(seen, [(1, "a"), (1, "b"), (1, "in the past"), (2, "c")]);
        agenda.advance(at(5));
        assert_eq!((agenda.now(), agenda.next_at()), (at(5), Some(at(9))));
    }
}
