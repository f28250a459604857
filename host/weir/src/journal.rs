//! What happened lately, and whoever follows it or writes it down.
//!
//! Every line that the daemon prints passes here, from whatever thread it comes: hence the
//! lock, which is held for the time it takes to put a pointer into a few queues. Nobody who
//! tells something ever waits for somebody who listens.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, SyncSender},
    },
    time::Duration,
};

use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use crate::{control::protocol, report::Line};

/// Events that are remembered.
const RECENT: usize = 1000;

/// Of those, whoever begins to follow is told the last ..
const TOLD_FIRST: usize = 10;

/// Events on their way to one follower; what comes when there are more is lost to it, which
/// it is told.
const WAITING: usize = 1024;

/// The journal of this process, which has one stderr, too.
pub(crate) static JOURNAL: Journal = Journal::new();

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<Inner>);

/// An event as JSON, with the end of its line.
pub(crate) type Told = Arc<str>;

#[derive(Debug)]
struct Inner {
    number: u64,
    recent: VecDeque<Told>,
    followers: Vec<Follower>,
    /// Where all of it is written, if anywhere.
    writer: Option<Follower<SyncSender<Told>>>,
}

/// Somebody who is told everything, and what they lost.
#[derive(Debug)]
struct Follower<S = Sender<Told>> {
    sender: S,
    lost: u64,
}

/// A queue with an end that cannot be waited for.
trait Queue {
    /// Puts `told` in, if there is room; an error = nobody takes it out any more.
    fn offer(&self, told: Told) -> Result<bool, ()>;
}

impl Journal {
    const fn new() -> Self {
        Self(Mutex::new(Inner {
            number: 0,
            recent: VecDeque::new(),
            followers: Vec::new(),
            writer: None,
        }))
    }

    /// Takes note of what happened at `wall`, and tells whoever follows.
    pub(crate) fn tell(&self, line: &Line, wall: Duration) {
        let mut inner = self.inner();
        inner.number += 1;
        let told = told(inner.number, line, wall);
        if inner.recent.len() == RECENT {
            inner.recent.pop_front();
        }
        inner.recent.push_back(Arc::clone(&told));
        inner.followers.retain_mut(|it| it.tell(&told, wall));
        if inner.writer.as_mut().is_some_and(|it| !it.tell(&told, wall)) {
            inner.writer = None;
        }
    }

    /// Writes all of it there from now on; none = nowhere.
    pub(crate) fn write_to(&self, sender: Option<SyncSender<Told>>) {
        self.inner().writer = sender.map(|sender| Follower { sender, lost: 0 });
    }

    /// What happened lately, oldest first.
    pub(crate) fn recent(&self) -> Vec<Told> {
        self.inner().recent.iter().cloned().collect()
    }

    /// The last of what happened, and from then on everything.
    pub(crate) fn follow(&self) -> Receiver<Told> {
        let (sender, receiver) = channel(WAITING);
        let mut inner = self.inner();
        let first = inner.recent.len().saturating_sub(TOLD_FIRST);
        for told in inner.recent.iter().skip(first) {
            sender.try_send(Arc::clone(told)).expect("there is room for more than these");
        }
        inner.followers.push(Follower { sender, lost: 0 });
        receiver
    }

    /// Whoever panicked with it has left it whole.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for Sender<Told> {
    fn offer(&self, told: Told) -> Result<bool, ()> {
        match self.try_send(told) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Closed(_)) => Err(()),
        }
    }
}

impl Queue for SyncSender<Told> {
    fn offer(&self, told: Told) -> Result<bool, ()> {
        match self.try_send(told) {
            Ok(()) => Ok(true),
            Err(mpsc::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::TrySendError::Disconnected(_)) => Err(()),
        }
    }
}

impl<S: Queue> Follower<S> {
    /// Whether it follows on.
    fn tell(&mut self, told: &Told, wall: Duration) -> bool {
        self.try_tell(told, wall).is_ok()
    }

    fn try_tell(&mut self, told: &Told, wall: Duration) -> Result<(), ()> {
        if self.lost > 0 {
            let line = Line::warn("lost").with("events", self.lost);
            if self.sender.offer(self::told(0, &line, wall))? {
                self.lost = 0;
            }
        }
        if self.lost > 0 || !self.sender.offer(Arc::clone(told))? {
            self.lost += 1;
        }
        Ok(())
    }
}

fn told(number: u64, line: &Line, wall: Duration) -> Told {
    let event = protocol::Event::new(number, line, wall);
    let mut json = serde_json::to_string(&event).expect("it has no keys but text");
    json.push('\n');
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(journal: &Journal, count: u64) {
        for _ in 0..count {
            journal.tell(&Line::info("ready").with("version", "1"), Duration::from_secs(1));
        }
    }

    fn numbers(receiver: &mut Receiver<Told>) -> Vec<u64> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|it| serde_json::from_str::<protocol::Event>(&it).unwrap().number)
            .collect()
    }

    #[test]
    fn an_event_is_a_line_of_json() {
        let journal = Journal::new();
        happened(&journal, 1);
        assert_eq!(
            &*journal.recent()[0],
            "{\"number\":1,\"at\":\"1970-01-01T00:00:01.000Z\",\"level\":\"info\",\
             \"event\":\"ready\",\"fields\":{\"version\":\"1\"}}\n"
        );
    }

    #[test]
    fn a_follower_is_told_the_last_and_the_next() {
        let journal = Journal::new();
        happened(&journal, 15);
        let mut receiver = journal.follow();
        happened(&journal, 2);
        assert_eq!(numbers(&mut receiver), (6..=17).collect::<Vec<_>>());
        happened(&journal, 2000);
        assert_eq!(journal.recent().len(), RECENT);
        drop(receiver);
        happened(&journal, 1);
        assert!(journal.inner().followers.is_empty());
    }

    #[test]
    fn a_slow_follower_is_told_how_much_it_lost() {
        let journal = Journal::new();
        let mut receiver = journal.follow();
        let waiting = u64::try_from(WAITING).unwrap();
        happened(&journal, waiting + 5);
        assert_eq!(numbers(&mut receiver).len(), WAITING);
        happened(&journal, 1);
        assert!(
            receiver
                .try_recv()
                .unwrap()
                .contains("\"event\":\"lost\",\"fields\":{\"events\":\"5\"}")
        );
        assert_eq!(numbers(&mut receiver), [waiting + 6]);
    }
}
