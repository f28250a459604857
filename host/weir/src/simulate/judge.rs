//! What is expected, watched while the simulation goes on. Pure: it sees the [`Board`].

use std::time::Duration;

use weir_ipvs::Change;

use super::{
    board::{self, Board, Mark},
    language::{show_duration, show_moment},
    scenario::{Expectation, Expected, Guard, Names, Step, Total, When, Write},
    words,
};

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its line in the file.
    pub(crate) line: usize,
    /// It as it stands there.
    pub(crate) text: String,
    /// When it was known.
    pub(crate) at: Duration,
    /// What was expected, in words, with times.
    pub(crate) expected: String,
    /// What was seen instead.
    pub(crate) seen: String,
}

/// A moment from which on something is expected: what happens in it counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moment {
    /// When.
    pub(crate) at: Duration,
    /// What was counted before.
    pub(crate) mark: Mark,
}

/// What changed since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// The table, verdicts, the log.
    pub(crate) control: bool,
    /// Connections and requests.
    pub(crate) traffic: bool,
}

/// Watches all that is expected.
#[derive(Debug)]
pub(crate) struct Judge {
    names: Names,
    open: Vec<Watched>,
    failures: Vec<Failure>,
    met: usize,
}

#[derive(Debug)]
struct Watched {
    line: usize,
    text: String,
    expectation: Expectation,
    since: Duration,
    mark: Mark,
}

/// What became of an expectation.
enum Outcome {
    Open,
    Met,
    /// What was seen instead.
    Failed(String),
}

impl Judge {
    pub(crate) fn new(names: Names) -> Self {
        Self { names, open: Vec::new(), failures: Vec::new(), met: 0 }
    }

    /// Begins to watch `expectation`, which `step` says at the moment `since`.
    pub(crate) fn expect(
        &mut self,
        step: &Step,
        expectation: &Expectation,
        since: &Moment,
        board: &Board,
    ) {
        self.open.push(Watched {
            line: step.line,
            text: step.text.clone(),
            expectation: expectation.clone(),
            since: since.at,
            mark: since.mark.clone(),
        });
        let all = Changed { control: true, traffic: true };
        self.look_from(self.open.len() - 1, since.at, board, all);
    }

    /// Looks at what changed at `now`.
    pub(crate) fn look(&mut self, now: Duration, board: &Board, changed: Changed) {
        self.look_from(0, now, board, changed);
    }

    /// Ends what was to be seen before `next`, the time of whatever comes next: the last
    /// moment of a `within` still counts, that of a `for` does not.
    pub(crate) fn close(&mut self, next: Duration, board: &Board) {
        let is_over = |it: &Watched| match it.expectation.when {
            When::For(_) => it.until().is_some_and(|it| it <= next),
            _ => it.until().is_some_and(|it| it < next),
        };
        if !self.open.iter().any(is_over) {
            return;
        }
        for watched in std::mem::take(&mut self.open) {
            match watched.until().filter(|_| is_over(&watched)) {
                Some(until) => self.end(&watched, until, board),
                None => self.open.push(watched),
            }
        }
    }

    /// Ends all at `now`, the end of the simulation.
    pub(crate) fn finish(&mut self, now: Duration, board: &Board) {
        for watched in std::mem::take(&mut self.open) {
            self.end(&watched, watched.until().map_or(now, |it| it.min(now)), board);
        }
    }

    /// Adds a failure that nobody watched for.
    pub(crate) fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// When the last of what has an end ends.
    pub(crate) fn last_deadline(&self) -> Option<Duration> {
        self.open.iter().filter_map(Watched::until).max()
    }

    /// Whether a look can see something new.
    pub(crate) fn watches(&self, changed: Changed) -> bool {
        self.open.iter().any(|it| it.depends_on(changed))
    }

    /// What was not met, in the order in which that was known.
    pub(crate) fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How many were met.
    pub(crate) fn met(&self) -> usize {
        self.met
    }

    fn look_from(&mut self, first: usize, now: Duration, board: &Board, changed: Changed) {
        let mut index = first;
        while let Some(watched) = self.open.get(index) {
            let outcome = if watched.depends_on(changed) {
                watched.look(board, &self.names)
            } else {
                Outcome::Open
            };
            match outcome {
                Outcome::Open => index += 1,
                Outcome::Met => {
                    self.open.remove(index);
                    self.met += 1;
                }
                Outcome::Failed(seen) => {
                    let watched = self.open.remove(index);
                    self.failures.push(watched.failed(now, seen));
                }
            }
        }
    }

    fn end(&mut self, watched: &Watched, at: Duration, board: &Board) {
        match watched.end(board, &self.names) {
            Outcome::Failed(seen) => self.failures.push(watched.failed(at, seen)),
            _ => self.met += 1,
        }
    }
}

impl Watched {
    fn until(&self) -> Option<Duration> {
        match self.expectation.when {
            When::Now => Some(self.since),
            When::Within(it) | When::For(it) => self.since.checked_add(it),
            When::UntilEnd => None,
        }
    }

    /// Whether a look can see something new.
    fn depends_on(&self, changed: Changed) -> bool {
        changed.control || (changed.traffic && self.moves_with_traffic())
    }

    fn moves_with_traffic(&self) -> bool {
        match &self.expectation.what {
            Expected::Fact { fact, guard, .. } => {
                fact.moves_with_traffic()
                    || match guard {
                        Some(Guard::Same(claim)) => claim.moves_with_traffic(),
                        Some(Guard::Other(fact)) => fact.moves_with_traffic(),
                        None => false,
                    }
            }
            // What is counted is looked at in the end, unless its excess fails at once.
            Expected::Total(
                Total::Writes(_) | Total::Log(_) | Total::Probes(_) | Total::Turns(_),
                _,
            ) => false,
            Expected::Total(Total::Failures(_) | Total::Requests(_) | Total::New(_), _) => true,
            Expected::Total(..) => matches!(self.expectation.when, When::Within(_)),
            Expected::Order(_) | Expected::Explained => false,
        }
    }

    /// What can be said now.
    fn look(&self, board: &Board, names: &Names) -> Outcome {
        let when = self.expectation.when;
        match &self.expectation.what {
            Expected::Fact { fact, holds, guard } => {
                let is_so = board.holds(fact, guard.as_ref()) == *holds;
                match when {
                    When::Now | When::Within(_) if is_so => Outcome::Met,
                    When::Within(_) => Outcome::Open,
                    _ if is_so => Outcome::Open,
                    _ => Outcome::Failed(board::show(board, fact, guard.as_ref(), *holds, names)),
                }
            }
            Expected::Total(total, comparison) => {
                let value = board.total(total, &self.mark);
                match when {
                    When::Within(_) if value.is_some_and(|it| comparison.holds(it)) => Outcome::Met,
                    When::Within(_) => Outcome::Open,
                    _ if only_grows(total) && value.is_some_and(|it| comparison.is_beyond(it)) => {
                        Outcome::Failed(show_total(board, total, value, &self.mark, names))
                    }
                    _ => Outcome::Open,
                }
            }
            Expected::Order(writes) => match next_in_order(writes, board, &self.mark) {
                None => Outcome::Met,
                Some(_) => Outcome::Open,
            },
            Expected::Explained => match &board.unexplained {
                Some(change) => Outcome::Failed(change.clone()),
                None => Outcome::Open,
            },
        }
    }

    /// What is to be said in the end.
    fn end(&self, board: &Board, names: &Names) -> Outcome {
        match (&self.expectation.what, self.expectation.when) {
            (Expected::Fact { fact, holds, guard }, When::Within(_)) => {
                Outcome::Failed(board::show(board, fact, guard.as_ref(), *holds, names))
            }
            (Expected::Total(total, comparison), _) => {
                let value = board.total(total, &self.mark);
                if value.is_some_and(|it| comparison.holds(it)) {
                    return Outcome::Met;
                }
                Outcome::Failed(show_total(board, total, value, &self.mark, names))
            }
            (Expected::Order(writes), _) => match next_in_order(writes, board, &self.mark) {
                Some(missing) => Outcome::Failed(format!(
                    "`{}` did not come{}",
                    show_write(&writes[missing], names),
                    if missing == 0 { "" } else { " after the one before it" }
                )),
                None => Outcome::Met,
            },
            _ => Outcome::Met,
        }
    }

    fn failed(&self, at: Duration, seen: String) -> Failure {
        let since = show_duration(self.since);
        let until = self.until().map_or_else(|| "the end".to_owned(), show_duration);
        let times = match self.expectation.when {
            When::Now => format!("at {since}"),
            When::Within(_) => format!("by {until}"),
            When::For(_) | When::UntilEnd => format!("from {since} to {until}"),
        };
        let words = self.text.split_once(' ').map_or("", |it| it.1);
        let words = ["within ", "for ", "until "]
            .iter()
            .filter_map(|it| words.rfind(&format!(" {it}")))
            .max()
            .filter(|_| !matches!(self.expectation.when, When::Now))
            .filter(|_| self.text.starts_with("expect"))
            .map_or(words, |it| &words[..it]);
        Failure {
            line: self.line,
            text: self.text.clone(),
            at,
            expected: format!("{} {times}", words.trim_end()),
            seen,
        }
    }
}

fn only_grows(total: &Total) -> bool {
    !matches!(total, Total::Share(_) | Total::Latency(..))
}

/// The first of `writes` that did not come in its turn; none = all did.
fn next_in_order(writes: &[Write], board: &Board, since: &Mark) -> Option<usize> {
    let mut done = board.writes[since.writes()..].iter();
    writes.iter().position(|wanted| !done.any(|(_, change)| is_write(change, wanted)))
}

fn is_write(change: &Change, wanted: &Write) -> bool {
    match (change, wanted) {
        (Change::AddServer(_, it), Write::Added(server)) => it.endpoint == *server,
        (Change::DeleteServer(key), Write::Removed(server)) => key.server == *server,
        (Change::AddServer(_, it) | Change::EditServer(_, it), Write::Weight(server, weight)) => {
            it.endpoint == *server && it.weight == *weight
        }
        _ => false,
    }
}

fn show_write(write: &Write, names: &Names) -> String {
    match write {
        Write::Added(server) => format!("{} added", names.server(*server)),
        Write::Removed(server) => format!("{} removed", names.server(*server)),
        Write::Weight(server, weight) => format!("{} weight {weight}", names.server(*server)),
    }
}

fn show_total(
    board: &Board,
    total: &Total,
    value: Option<f64>,
    since: &Mark,
    names: &Names,
) -> String {
    let Some(value) = value else { return "none to count".to_owned() };
    match total {
        Total::Share(_) => format!("{:.1}%", value * 100.0),
        Total::Latency(..) => show_duration(Duration::from_secs_f64(value)),
        Total::Writes(to) if value > 0.0 => {
            let shown = board.written(since, to.as_ref()).take(WRITES_SHOWN);
            let shown = shown.map(|(at, it)| {
                format!("\n{:>10}  {}", show_moment(*at), words::change(it, names))
            });
            format!("{value}; weir wrote{}", shown.collect::<String>())
        }
        _ => value.to_string(),
    }
}

/// Writes that a report names.
const WRITES_SHOWN: usize = 8;
