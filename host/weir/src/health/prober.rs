//! What drives all checks of `weir run`: one task with the clock, which begins probes when
//! they are due, and tells what came of them.
//!
//! Probes themselves are tasks, which whoever runs this spawns; each is over at its deadline.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    checker::Checker,
    lag::Lag,
    outcome::{Cause, Outcome},
    probe::Probe,
    streams::{Changes, Seen, StreamId, Streams, Target, Told},
    tcp::Deadline,
    turns::{Lane, PROBES_IN_FLIGHT, Turns},
};

/// What is wanted of the checks.
#[derive(Debug)]
pub(crate) enum Order {
    /// Begin one.
    Watch(Target),
    /// End the one with this number.
    Unwatch(u64),
    /// The plugin of this name checks, or does no more.
    Checker(String, Option<Checker>),
}

/// A probe, to be spawned.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is told waits here for room; beyond this many, no probes begin until there is some.
const TOLD_WAITING: usize = 4096;

/// Between two looks for room.
const ROOM: Duration = Duration::from_millis(10);

/// Probes all that is ordered, until the orders end. `spawn` runs a probe beside everything
/// else; `tell` takes what is told at once, or gives it back where there is no room.
pub(crate) async fn probe_all(
    mut orders: mpsc::Receiver<Order>,
    spawn: impl Fn(Work),
    tell: impl Fn(Vec<Told>) -> Result<(), Vec<Told>>,
) {
    let (results, mut ended) = mpsc::channel(PROBES_IN_FLIGHT);
    let mut prober = Prober::new(results);
    loop {
        prober.put_out(&tell);
        prober.begin_due(&spawn);
        let wake = prober.wake();
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => prober.obey(order),
                None => return,
            },
            // There is a sender in the prober.
            Some(end) = ended.recv() => prober.end(end),
            () = sleep_until(wake) => {}
        }
    }
}

struct Prober {
    streams: Streams,
    probes: HashMap<StreamId, Arc<Probe>>,
    due: BinaryHeap<Reverse<(Instant, StreamId)>>,
    turns: Turns<(StreamId, Instant)>,
    outbox: Vec<Told>,
    lag: Lag,
    /// Plugins that check, by their names.
    checkers: HashMap<String, Checker>,
    results: mpsc::Sender<End>,
}

/// A probe is over.
struct End {
    stream: StreamId,
    lane: Lane,
    due: Instant,
    started: Instant,
    seen: Seen,
}

impl Prober {
    fn new(results: mpsc::Sender<End>) -> Self {
        Self {
            streams: Streams::default(),
            probes: HashMap::new(),
            due: BinaryHeap::new(),
            turns: Turns::default(),
            outbox: Vec::new(),
            lag: Lag::default(),
            checkers: HashMap::new(),
            results,
        }
    }

    fn obey(&mut self, order: Order) {
        let Changes { begun, ended, told } = match order {
            Order::Watch(target) => self.streams.watch(target),
            Order::Unwatch(watch) => self.streams.unwatch(watch),
            Order::Checker(plugin, checker) => {
                match checker {
                    Some(checker) => drop(self.checkers.insert(plugin, checker)),
                    None => drop(self.checkers.remove(&plugin)),
                }
                return;
            }
        };
        let now = Instant::now();
        for (stream, first) in begun {
            let Some(ask) = self.streams.ask(stream) else { continue };
            self.probes.insert(stream, Arc::new(Probe::new(ask)));
            self.due.push(Reverse((now + first, stream)));
        }
        for stream in ended {
            self.probes.remove(&stream);
        }
        self.outbox.extend(told);
    }

    /// Begins what is due and has its turn.
    fn begin_due(&mut self, spawn: &impl Fn(Work)) {
        let now = Instant::now();
        while let Some(Reverse((due, stream))) = self.due.peek().copied().filter(|it| it.0.0 <= now)
        {
            self.due.pop();
            if let Some(ask) = self.streams.ask(stream) {
                self.turns.queue((stream, due), ask.lane());
            }
        }
        while self.outbox.len() < TOLD_WAITING
            && let Some(((stream, due), lane)) = self.turns.begin()
        {
            match self.probes.get(&stream) {
                Some(probe) => spawn(self.work(stream, Arc::clone(probe), lane, due)),
                // It ended while it waited.
                None => self.end_turn(lane),
            }
        }
    }

    fn work(&self, stream: StreamId, probe: Arc<Probe>, lane: Lane, due: Instant) -> Work {
        let results = self.results.clone();
        let checker = probe.plugin().and_then(|it| self.checkers.get(it).cloned());
        Box::pin(async move {
            let started = Instant::now();
            let seen = probe.run(Deadline(started + probe.timeout()), checker).await;
            // Nobody is left to hear of it once the checks have ended.
            let _ = results.send(End { stream, lane, due, started, seen }).await;
        })
    }

    /// Gives a turn to the next. Who waited for the server is late by it, not by us.
    fn end_turn(&mut self, lane: Lane) {
        let next = self.turns.end(lane);
        if let (Lane::Server(..), Some((_, due))) = (lane, next) {
            *due = Instant::now();
        }
    }

    fn end(&mut self, end: End) {
        self.end_turn(end.lane);
        let Some(ask) = self.streams.ask(end.stream) else { return };
        let (interval, limit) = (ask.check.interval, ask.check.timeout);
        let took = end.started.elapsed();
        let begun_late = end.started - end.due;
        let late = match end.lane {
            // A checker may take a little longer, to say what it makes of the time that is over.
            Lane::Plugins => begun_late,
            _ => begun_late.max(took.saturating_sub(limit)),
        };
        self.outbox.extend(self.lag.measure(late, interval).map(Told::Lag));
        let mut seen = end.seen;
        let is_timeout = matches!(seen.outcome, Some(Outcome::Fail(Cause::Timeout(_))));
        if is_timeout && late > interval {
            seen.outcome = Some(Outcome::unable("timeout, but checks lag"));
        }
        if let Some((told, next)) = self.streams.record(end.stream, &seen, took) {
            self.outbox.extend(told);
            self.due.push(Reverse((end.started + next, end.stream)));
        }
    }

    fn put_out(&mut self, tell: &impl Fn(Vec<Told>) -> Result<(), Vec<Told>>) {
        if self.outbox.is_empty() {
            return;
        }
        if let Err(told) = tell(std::mem::take(&mut self.outbox)) {
            self.outbox = told;
        }
    }

    /// When there is something to do though nothing happens.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let due = self.due.peek().map_or(now + Duration::from_secs(3600), |it| it.0.0);
        if self.outbox.is_empty() { due } else { due.min(now + ROOM) }
    }
}
