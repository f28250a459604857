//! The forwarder: real traffic without a kernel's IPVS.
//!
//! A user-space proxy whose every choice is the core's. One thread owns the core, every
//! socket and every connection, and does one thing at a time:
//!
//! ```text
//! events, calls -> listeners, connections, flows -> Embedded -> bytes
//! ```
//!
//! Others reach its table through a [`Handle`]. It has no clock: whoever runs it brings one.
//!
//! [`listeners`] says where clients come in, [`accept`] when, [`connections`] and [`flows`]
//! what becomes of them, [`lane`] how bytes move, and [`traffic`] what the core is told.

mod accept;
mod connections;
mod datagrams;
mod descriptors;
mod flows;
mod handle;
mod lane;
mod listeners;
mod machine;
mod means;
mod pipes;
mod traffic;
mod troubles;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use mio::{Events, Poll, Waker, event::Event};
use weir_embedded::{Embedded, Settings};
use weir_ipvs::{Change, Failure, Ipvs as _, OnFailure};

use self::{
    accept::Queue,
    connections::{Connections, End, Patience},
    descriptors::Descriptors,
    flows::Flows,
    handle::Call,
    lane::Tools,
    listeners::{Incoming, Listeners},
    means::{Means, Source},
    troubles::Troubles,
};
pub(crate) use self::{handle::Handle, means::Log};
use crate::report::Line;

/// Events that are taken in at once.
const EVENTS: usize = 1024;

/// Calls that are answered before traffic has its turn.
const CALLS_AT_ONCE: usize = 64;

/// How a forwarder is made.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) core: Settings,
    /// How long connections may take to finish once it is told to stop.
    pub(crate) drain: Duration,
}

/// See the module.
pub(crate) struct Forwarder {
    poll: Poll,
    calls: Receiver<Call>,
    means: Means,
    listeners: Listeners,
    connections: Connections,
    flows: Flows,
    /// Listeners at which someone may wait.
    waiting: BTreeSet<usize>,
    /// Listeners that are left alone until there are descriptors again.
    paused: BTreeSet<usize>,
    /// More calls may have come than were answered.
    is_asked: bool,
    drain: Duration,
    /// When it ends, whatever is still open; none until it is told to stop.
    end: Option<Duration>,
    /// That nothing is synchronised was told.
    told_of_sync: bool,
}

impl Forwarder {
    /// A forwarder with an empty table, and what reaches it from other threads.
    pub(crate) fn new(options: Options, log: Log) -> io::Result<(Self, Handle)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.into())?);
        let (sender, calls) = channel();
        let means = Means {
            core: Embedded::new(options.core),
            tools: Tools::new(Descriptors::of_process()),
            troubles: Troubles::default(),
            now: Duration::ZERO,
            registry: poll.registry().try_clone()?,
            log,
        };
        let forwarder = Self {
            poll,
            calls,
            means,
            listeners: Listeners::default(),
            connections: Connections::new(Patience::default()),
            flows: Flows::default(),
            waiting: BTreeSet::new(),
            paused: BTreeSet::new(),
            is_asked: false,
            drain: options.drain,
            end: None,
            told_of_sync: false,
        };
        Ok((forwarder, Handle::new(sender, waker)))
    }

    /// Forwards until it is told to stop and has come to an end. `clock` tells the time
    /// since any moment, and never goes back.
    pub(crate) fn run(mut self, clock: impl Fn() -> Duration) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_over() {
            let wait = self.next_deadline().map(|it| it.saturating_sub(clock()));
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.pass_time(clock());
            for event in &events {
                self.handle(event);
            }
            self.settle();
            // Whoever asks finds done what is due.
            self.answer_calls();
        }
        self.finish();
        Ok(())
    }

    /// Lets the core's time pass. What ends there ends here.
    fn pass_time(&mut self, now: Duration) {
        self.means.now = now;
        self.means.core.advance(now);
        for id in self.means.core.ended().to_vec() {
            self.connections.forget(id, &mut self.means);
            self.flows.forget(id, &mut self.means);
        }
    }

    /// Stops taking clients in, and ends when those that are here have finished, or after
    /// the drain time. A second time, at once.
    fn stop(&mut self) {
        let now = self.means.now;
        if self.end.is_none() {
            self.listeners.clear();
            self.flows.clear(&mut self.means);
            let connections = self.connections.len();
            let line = Line::info("draining").with("connections", connections);
            (self.means.log)(&line.with("within_s", self.drain.as_secs()));
        }
        self.end = Some(if self.end.is_some() { now } else { now + self.drain });
    }

    /// The table, to be read.
    fn core(&mut self) -> &mut Embedded {
        &mut self.means.core
    }

    /// Changes the table, and lets sockets follow.
    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        let needs_machine =
            |it: &Change| matches!(it, Change::AddServer(..) | Change::StartDaemon(_));
        if changes.iter().any(needs_machine) {
            self.means.core.set_machine(machine::read());
        }
        let failures = self.means.core.apply(changes, on_failure);
        let mut failed = failures.iter().map(|it| it.step).peekable();
        for (step, change) in changes.iter().enumerate() {
            if failed.next_if_eq(&step).is_some() {
                if on_failure == OnFailure::Stop {
                    break;
                }
                continue;
            }
            self.follow(change);
        }
        self.connections.release(&mut self.means);
        failures
    }

    fn follow(&mut self, change: &Change) {
        if self.end.is_none() {
            self.listeners.follow(change, &mut self.means);
        }
        if matches!(change, Change::StartDaemon(_)) && !self.told_of_sync {
            self.told_of_sync = true;
            let line = Line::warn("not-synchronised");
            (self.means.log)(&line.with(
                "reason",
                "the embedded backend shows sync daemons but sends and receives nothing",
            ));
        }
    }

    fn handle(&mut self, event: &Event) {
        match Source::from(event.token()) {
            Source::Waker => {}
            Source::Listener(key) => {
                self.waiting.insert(key);
            }
            Source::Client(key) => {
                self.connections.handle(key, End::Client, event, &mut self.means);
            }
            Source::Server(key) => {
                self.connections.handle(key, End::Server, event, &mut self.means);
            }
            Source::Flow(key) => self.flows.answer(key, &self.listeners, &mut self.means),
        }
    }

    fn answer_calls(&mut self) {
        for _ in 0..CALLS_AT_ONCE {
            let Ok(call) = self.calls.try_recv() else {
                self.is_asked = false;
                return;
            };
            call(self);
        }
        self.is_asked = true;
    }

    /// Does all that no event tells of.
    fn settle(&mut self) {
        self.take_clients_in();
        self.connections.resume(&mut self.means);
        self.flows.resume(&self.listeners, &mut self.means);
        self.connections.expire_attempts(&mut self.means);
        self.flows.expire_answers(&mut self.means);
        self.listeners.retry(&mut self.means);
        self.connections.sweep();
        self.flows.sweep();
        self.tell();
    }

    fn take_clients_in(&mut self) {
        let means = &mut self.means;
        if means.tools.descriptors.has(connections::ENDS, means.now) {
            self.waiting.append(&mut self.paused);
        }
        for key in std::mem::take(&mut self.waiting) {
            let Some(listener) = self.listeners.get(key) else { continue };
            let Incoming::Tcp(socket) = &listener.socket else {
                if self.flows.receive(key, &self.listeners, means) {
                    self.waiting.insert(key);
                }
                continue;
            };
            let service = |local| self.listeners.service_of(listener, local);
            match accept::accept(socket, listener.endpoint, service, &mut self.connections, means) {
                Queue::Empty => {}
                Queue::More => drop(self.waiting.insert(key)),
                Queue::Paused => drop(self.paused.insert(key)),
            }
        }
    }

    /// Tells what is to be told of troubles.
    fn tell(&mut self) {
        let means = &mut self.means;
        if let Some(line) = means.tools.descriptors.recovered(means.now) {
            (means.log)(&line);
        }
        while let Some(line) = means.troubles.poll_line(means.now) {
            (means.log)(&line);
        }
    }

    /// When there is something to do though no event came.
    fn next_deadline(&mut self) -> Option<Duration> {
        let (now, descriptors) = (self.means.now, &self.means.tools.descriptors);
        let can_go_on = !self.paused.is_empty() && descriptors.has(connections::ENDS, now);
        let is_busy = self.is_asked
            || can_go_on
            || !self.waiting.is_empty()
            || self.connections.has_yielded()
            || self.flows.has_yielded();
        let deadlines = [
            is_busy.then_some(now),
            descriptors.pause_end(now),
            self.means.core.next_deadline(),
            self.means.troubles.next_deadline(),
            self.listeners.next_deadline(),
            self.connections.next_deadline(),
            self.flows.next_deadline(),
            self.end,
        ];
        deadlines.into_iter().flatten().min()
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.connections.len() == 0 || end <= self.means.now)
    }

    /// Resets what has not finished in time: nobody is to take it for whole.
    fn finish(&mut self) {
        let left = self.connections.len();
        if left > 0 {
            (self.means.log)(&Line::warn("connections-reset").with("connections", left));
        }
        self.connections.reset_all(&mut self.means);
    }
}
