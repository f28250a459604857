//! What happened lately, and whoever follows it or writes it down.
//!
//! Every line that the daemon prints passes here, from whatever thread it comes: hence the
//! lock, which is held for the time it takes to put pointers into a few queues. Nobody who
//! tells something ever waits for somebody who listens.

use std::{
    collections::VecDeque,
    slice,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
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
    writer: Option<Follower<Lines>>,
}

/// Somebody who is told everything, and what they lost.
#[derive(Debug)]
struct Follower<S = Sender<Told>> {
    sender: S,
    lost: u64,
}

/// A queue with an end that cannot be waited for.
trait Queue {
    /// Puts the first of `told` in, as many as there is room for, and says how many; an error =
    /// nobody takes them out any more.
    fn offer(&self, told: &[Told]) -> Result<usize, ()>;
}

/// The way to whoever writes all of it down: what is told together comes together, so that it
/// is written together, and wakes them once.
#[derive(Debug)]
pub(crate) struct Lines {
    sender: mpsc::Sender<Vec<Told>>,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

/// The other end of [`Lines`].
#[derive(Debug)]
pub(crate) struct Incoming {
    receiver: mpsc::Receiver<Vec<Told>>,
    waiting: Arc<AtomicUsize>,
}

impl Lines {
    /// Both ends. While `waiting_max` lines or more wait, what comes is lost.
    pub(crate) fn queue(waiting_max: usize) -> (Self, Incoming) {
        let (sender, receiver) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let incoming = Incoming { receiver, waiting: Arc::clone(&waiting) };
        (Self { sender, waiting, waiting_max }, incoming)
    }
}

impl Incoming {
    /// The next lines, as soon as there are any; none = no more will come.
    pub(crate) fn wait(&self) -> Option<Vec<Told>> {
        self.receiver.recv().ok().map(|it| self.taken(it))
    }

    /// The next lines, if there are any.
    pub(crate) fn next(&self) -> Option<Vec<Told>> {
        self.receiver.try_recv().ok().map(|it| self.taken(it))
    }

    fn taken(&self, lines: Vec<Told>) -> Vec<Told> {
        self.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
        lines
    }
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

    /// Takes note of what happened at this time, by RFC 3339, and tells whoever follows.
    pub(crate) fn tell(&self, lines: &[Line], at: &str) {
        let mut inner = self.inner();
        let numbered = (inner.number + 1..).zip(lines);
        let told: Vec<_> = numbered.map(|(number, line)| told(number, line, at)).collect();
        inner.number += u64::try_from(told.len()).unwrap_or(u64::MAX);
        inner.recent.extend(told.iter().cloned());
        let too_many = inner.recent.len().saturating_sub(RECENT);
        inner.recent.drain(..too_many);
        inner.followers.retain_mut(|it| it.tell(&told, at));
        if inner.writer.as_mut().is_some_and(|it| !it.tell(&told, at)) {
            inner.writer = None;
        }
    }

    /// Writes all of it there from now on; none = nowhere.
    pub(crate) fn write_to(&self, sender: Option<Lines>) {
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
    fn offer(&self, told: &[Told]) -> Result<usize, ()> {
        for (taken, it) in told.iter().enumerate() {
            match self.try_send(Arc::clone(it)) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => return Ok(taken),
                Err(TrySendError::Closed(_)) => return Err(()),
            }
        }
        Ok(told.len())
    }
}

impl Queue for Lines {
    fn offer(&self, told: &[Told]) -> Result<usize, ()> {
        let room = self.waiting_max.saturating_sub(self.waiting.load(Ordering::Relaxed));
        let told = &told[..told.len().min(room)];
        if !told.is_empty() {
            self.waiting.fetch_add(told.len(), Ordering::Relaxed);
            self.sender.send(told.to_vec()).map_err(|_| ())?;
        }
        Ok(told.len())
    }
}

impl<S: Queue> Follower<S> {
    /// Whether it follows on.
    fn tell(&mut self, told: &[Told], at: &str) -> bool {
        self.try_tell(told, at).is_ok()
    }

    fn try_tell(&mut self, told: &[Told], at: &str) -> Result<(), ()> {
        if self.lost > 0 {
            let line = self::told(0, &Line::warn("lost").with("events", self.lost), at);
            if self.sender.offer(slice::from_ref(&line))? > 0 {
                self.lost = 0;
            }
        }
        let taken = if self.lost > 0 { 0 } else { self.sender.offer(told)? };
        self.lost += u64::try_from(told.len() - taken).unwrap_or(u64::MAX);
        Ok(())
    }
}

fn told(number: u64, line: &Line, at: &str) -> Told {
    let event = protocol::Event::new(number, line, at);
    let mut json = serde_json::to_string(&event).expect("it has no keys but text");
    json.push('\n');
    json.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happened(journal: &Journal, count: u64) {
        for _ in 0..count {
            let line = Line::info("ready").with("version", "1");
            journal.tell(&[line], "1970-01-01T00:00:01.000Z");
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

    #[test]
    fn what_is_told_together_is_written_together_and_never_more_than_has_room() {
        let journal = Journal::new();
        let (lines, incoming) = Lines::queue(3);
        journal.write_to(Some(lines));
        let tell = |events: &[&'static str]| {
            let lines: Vec<_> = events.iter().map(|it| Line::info(it)).collect();
            journal.tell(&lines, "1970-01-01T00:00:01.000Z");
        };
        let events = |told: Vec<Told>| -> Vec<String> {
            let event = |it: &Told| serde_json::from_str::<protocol::Event>(it).unwrap().event;
            told.iter().map(event).collect()
        };
        tell(&["a", "b"]);
        tell(&["c", "d"]);
        tell(&["e"]);
        assert_eq!(incoming.next().map(events).unwrap(), ["a", "b"]);
        assert_eq!(incoming.next().map(events).unwrap(), ["c"]);
        assert_eq!(incoming.next(), None);
        tell(&["f"]);
        let lost = incoming.wait().unwrap();
        assert!(lost[0].contains("\"events\":\"2\""), "{lost:?}");
        assert_eq!(incoming.wait().map(events).unwrap(), ["f"]);
        journal.write_to(None);
        assert_eq!(incoming.wait(), None);
    }
}
