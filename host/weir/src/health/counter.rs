//! Counting: from outcomes of probes to a verdict. Pure.

use weir_wasm::HealthStatus;

use super::outcome::Outcome;

/// Where one check of one server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing seen yet; the first outcome decides.
    Unknown,
    Up,
    /// Up, with so many failures in a row, fewer than `fall`.
    Suspect(u32),
    Down,
    /// Down, with so many passes in a row, fewer than `rise`.
    Rising(u32),
}

/// Counts the outcomes of one check.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    rise: u32,
    fall: u32,
    state: State,
    /// Whether the last verdict was the first.
    first: bool,
}

impl Counter {
    /// `rise` passes in a row lift a server, `fall` failures in a row fell it; each 1 or
    /// more.
    pub(super) fn new(rise: u32, fall: u32) -> Self {
        Self { rise, fall, state: State::Unknown, first: true }
    }

    /// Takes an outcome in; returns the status if it changed.
    pub(super) fn record(&mut self, outcome: Outcome) -> Option<HealthStatus> {
        let before = self.status();
        self.first = self.state == State::Unknown;
        self.state = match (self.state, outcome) {
            (state, Outcome::Indeterminate(_)) => state,
            (State::Unknown | State::Up | State::Suspect(_), Outcome::Pass) => State::Up,
            (State::Unknown | State::Down | State::Rising(_), Outcome::Fail(_)) => State::Down,
            (State::Up, Outcome::Fail(_)) => self.suspect(1),
            (State::Suspect(failures), Outcome::Fail(_)) => self.suspect(failures + 1),
            (State::Down, Outcome::Pass) => self.rising(1),
            (State::Rising(passes), Outcome::Pass) => self.rising(passes + 1),
        };
        Some(self.status()).filter(|it| *it != before)
    }

    /// Whether a verdict is changing, so that probes come at the fast period.
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.state, State::Suspect(_) | State::Rising(_))
    }

    /// The verdict that [`Counter::record`] just gave upon `outcome`, for people.
    pub(super) fn explain(&self, outcome: Outcome) -> String {
        let count = if self.status() == HealthStatus::Up { self.rise } else { self.fall };
        if self.first {
            format!("{outcome}, the first check")
        } else if count == 1 {
            outcome.to_string()
        } else {
            format!("{outcome}, {count} in a row")
        }
    }

    fn status(&self) -> HealthStatus {
        match self.state {
            State::Unknown => HealthStatus::Unknown,
            State::Up | State::Suspect(_) => HealthStatus::Up,
            State::Down | State::Rising(_) => HealthStatus::Down,
        }
    }

    fn suspect(&self, failures: u32) -> State {
        if failures < self.fall { State::Suspect(failures) } else { State::Down }
    }

    fn rising(&self, passes: u32) -> State {
        if passes < self.rise { State::Rising(passes) } else { State::Up }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::Cause, *};

    /// Feeds `outcomes`, a letter each (`p`ass, `f`ail, `i`ndeterminate), and shows after
    /// each the status (`U`p, `D`own, `?`), in lower case while it is changing.
    fn check(rise: u32, fall: u32, outcomes: &str, expected: &str) {
        let mut counter = Counter::new(rise, fall);
        let shown: String = outcomes
            .chars()
            .map(|letter| {
                let before = counter.status();
                let told = counter.record(match letter {
                    'p' => Outcome::Pass,
                    'f' => Outcome::Fail(Cause::Refused),
                    _ => Outcome::Indeterminate(libc::EMFILE),
                });
                let after = counter.status();
                assert_eq!(told, (before != after).then_some(after), "{outcomes}");
                match (after, counter.is_changing()) {
                    (HealthStatus::Unknown, _) => '?',
                    (HealthStatus::Up, false) => 'U',
                    (HealthStatus::Up, true) => 'u',
                    (HealthStatus::Down, false) => 'D',
                    (HealthStatus::Down, true) => 'd',
                }
            })
            .collect();
        assert_eq!(shown, expected, "rise {rise}, fall {fall}, {outcomes}");
    }

    #[test]
    fn the_first_outcome_is_a_verdict() {
        check(2, 3, "p", "U");
        check(2, 3, "f", "D");
    }

    #[test]
    fn a_server_falls_after_so_many_failures_in_a_row() {
        check(2, 3, "pfff", "UuuD");
        check(2, 3, "pffpff", "UuuUuu");
        check(2, 1, "pf", "UD");
    }

    #[test]
    fn a_server_rises_after_so_many_passes_in_a_row() {
        check(2, 3, "fpp", "DdU");
        check(2, 3, "fpfpp", "DdDdU");
        check(1, 3, "fp", "DU");
    }

    #[test]
    fn what_this_machine_could_not_ask_counts_as_nothing() {
        check(2, 3, "iip", "??U");
        check(2, 3, "pffif", "UuuuD");
        check(2, 3, "fpip", "DddU");
    }

    #[test]
    fn verdicts_are_explained() {
        let mut counter = Counter::new(2, 3);
        let refused = Outcome::Fail(Cause::Refused);
        counter.record(Outcome::Pass);
        assert_eq!(counter.explain(Outcome::Pass), "passed, the first check");
        for _ in 0..3 {
            counter.record(refused);
        }
        assert_eq!(counter.explain(refused), "refused, 3 in a row");
    }
}
