//! All that was seen, in the order of time: the table, weir's lines, clients, checks.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use weir_tests::{engine::listing, narrator::now};

/// How often the table is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A look later than this shows that the machine was busy with something else.
const PUNCTUAL: Duration = Duration::from_millis(30);

/// Weights by the number of the real server.
pub(super) type Weights = BTreeMap<u8, u32>;

/// What stands in the table, by the port of the service.
pub(super) type Table = BTreeMap<u16, Weights>;

#[derive(Default)]
pub(super) struct Seen {
    /// The table, each time that it had changed.
    pub(super) tables: Vec<(Instant, Table)>,
    /// What weir said.
    pub(super) lines: Vec<Line>,
    /// Who answered a new connection, or that it failed; when it began.
    pub(super) answers: Vec<(Instant, Option<u8>)>,
    /// Who connected to which real server.
    pub(super) arrivals: Vec<(Instant, u8, IpAddr)>,
    /// How often everything was removed from the table past weir.
    pub(super) clears: usize,
    clock: Clock,
    /// How late the machine was.
    lags: Vec<(Instant, Duration)>,
}

pub(super) struct Line {
    /// When, by the word of weir, whose clock is a tenth of a second off on a busy machine.
    said: Instant,
    read: Instant,
    pub(super) text: String,
}

/// What was seen so far, with whom writes to it.
#[derive(Clone, Default)]
pub(super) struct Record(Arc<Mutex<Seen>>);

impl Record {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        // What a test that failed saw is still to be shown.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down a line of weir's.
    pub(super) fn add_line(&self, line: &str) {
        let mut seen = self.seen();
        let said = seen.clock.said(line);
        seen.lines.push(Line { said, read: now(), text: line.to_owned() });
    }

    /// Looks at the table of this thread's network until the observer is dropped.
    pub(super) fn observe_table(&self) -> Observer {
        let record = self.clone();
        let mut last = now();
        Observer::start(move || {
            let table = read_table();
            let time = now();
            let mut seen = record.seen();
            if seen.tables.last().is_none_or(|(_, before)| *before != table) {
                seen.tables.push((time, table));
            }
            let late = (time - last).saturating_sub(LOOK);
            if late > PUNCTUAL {
                seen.lags.push((time, late));
            }
            drop(seen);
            last = time;
            thread::sleep(LOOK);
        })
    }
}

impl Seen {
    /// How late the machine itself was since then.
    pub(super) fn lag(&self, since: Instant) -> Duration {
        self.lags.iter().filter(|(at, _)| *at >= since).map(|(_, late)| *late).sum()
    }

    /// The service's weights as they were last seen.
    pub(super) fn weights(&self, port: u16) -> Weights {
        self.tables.last().and_then(|(_, table)| table.get(&port)).cloned().unwrap_or_default()
    }

    /// Lines of one kind, such as `weight`, that speak of this server and were read since then,
    /// and when they were said.
    pub(super) fn lines(
        &self,
        event: &str,
        server: Option<u8>,
        since: Instant,
    ) -> Vec<(Instant, &str)> {
        let speaks = |line: &str| {
            let is_event = line.split_whitespace().nth(2) == Some(event);
            is_event && server.is_none_or(|it| line.contains(&format!("server=10.9.{it}.2:80 ")))
        };
        let lines = self.lines.iter().filter(|it| it.read >= since && speaks(&it.text));
        lines.map(|it| (it.said, it.text.as_str())).collect()
    }

    /// All of it that a person wants to see of a test that failed, since then.
    pub(super) fn story(&self, since: Instant) -> String {
        let line = |it: &Line| (it.said, it.text.clone());
        let mut story: Vec<(Instant, String)> = self.lines.iter().map(line).collect();
        let table = |(at, table): &(Instant, Table)| (*at, format!("table {table:?}"));
        story.extend(self.tables.iter().map(table));
        story.extend(self.lags.iter().map(|(at, late)| (*at, format!("busy for {late:?}"))));
        story.sort_by_key(|(at, _)| *at);
        let since = since.checked_sub(Duration::from_secs(2)).unwrap_or(since);
        let late = story.into_iter().filter(|(at, _)| *at >= since);
        let line = |(at, what)| {
            let at: Instant = at;
            format!("{:8.3} {what}\n", (at - since).as_secs_f64() - 2.0)
        };
        late.map(line).collect()
    }
}

/// Says which instant a time is, as in `2026-11-22T16:00:07.412Z`.
struct Clock {
    instant: Instant,
    /// The same by the clock on the wall, since midnight.
    since_midnight: Duration,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Clock {
    /// Both clocks are read at once: again, if anything came between.
    fn default() -> Self {
        loop {
            let instant = now();
            let since_midnight = since_midnight();
            if instant.elapsed() < Duration::from_millis(1) {
                return Self { instant, since_midnight };
            }
        }
    }
}

impl Clock {
    /// When the line was said that begins with the time.
    fn said(&self, line: &str) -> Instant {
        let part =
            |from: usize, to: usize| line.get(from..to).and_then(|it| it.parse::<u64>().ok());
        let said = || {
            let seconds = (part(11, 13)? * 60 + part(14, 16)?) * 60 + part(17, 19)?;
            Some(Duration::from_millis(seconds * 1000 + part(20, 23)?))
        };
        let said = said().unwrap_or_else(|| panic!("no time in front of it: {line}"));
        // What was said before the clocks were read was said on the day after.
        self.instant
            + said
                .checked_sub(self.since_midnight)
                .unwrap_or_else(|| said + DAY - self.since_midnight)
    }
}

#[expect(clippy::disallowed_methods, reason = "what is tested is real time")]
fn since_midnight() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
    Duration::new(now.as_secs() % DAY.as_secs(), now.subsec_nanos())
}

/// A thread that does the same again and again, until it is dropped.
pub(super) struct Observer {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    pub(super) fn start(mut again: impl FnMut() + Send + 'static) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                again();
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The kernel's own listing, whose services differ by their ports and real servers by the
/// third byte of their address.
pub(super) fn read_table() -> Table {
    let mut table = Table::new();
    let mut port = None;
    for line in listing().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["TCP", address, ..] => {
                port = address.split(':').nth(1).and_then(|it| u16::from_str_radix(it, 16).ok());
                table.entry(port.expect("a port")).or_default();
            }
            ["->", address, _, weight, ..] if port.is_some() => {
                let number = u8::from_str_radix(&address[4..6], 16).expect("an address");
                let weight = weight.parse().expect("a weight");
                table.entry(port.expect("seen")).or_default().insert(number, weight);
            }
            _ => {}
        }
    }
    table
}
