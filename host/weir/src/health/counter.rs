//! Counting: from outcomes of probes to a verdict. Pure.
//!
//! ```text
//!            pass                  fail              fall fails in a row
//! UNKNOWN ---------> UP  <------------------> SUSPECT -------------------> DOWN
//!    |                ^           pass                                     ^  |
//!    |                +------------- RISING <------------------------------|--+ pass
//!    |  fail            rise passes     |              fail                |
//!    +----------------------------------+----------------------------------+
//! ```
//!
//! A server that is up while its slow start lasts is called warming. That is the manager's
//! to know: checks count it as any other that is up.

use std::fmt;

use weir_wasm::HealthStatus;

use super::outcome::{Evidence, Outcome};

/// Where one check of one server stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing seen yet; the first outcome decides.
    #[default]
    Unknown,
    /// It passes.
    Up,
    /// Still up, but the last probes failed, fewer than `fall`.
    Suspect,
    /// It fails.
    Down,
    /// Still down, but the last probes passed, fewer than `rise`.
    Rising,
}

impl State {
    /// The same in the three words that policies know.
    pub(crate) fn status(self) -> HealthStatus {
        match self {
            Self::Unknown => HealthStatus::Unknown,
            Self::Up | Self::Suspect => HealthStatus::Up,
            Self::Down | Self::Rising => HealthStatus::Down,
        }
    }

    /// Whether a verdict is changing, so that probes come at the fast period.
    fn is_changing(self) -> bool {
        matches!(self, Self::Suspect | Self::Rising)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Rising => "rising",
        })
    }
}

/// Counts the outcomes of one check.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    rise: u32,
    fall: u32,
    state: State,
    /// Outcomes of one kind in a row: passes in [`State::Rising`], failures in
    /// [`State::Suspect`]; what brought it here in the others.
    count: u32,
    evidence: Evidence,
    /// What the last pass left of the weight, in hundredths.
    percent: u32,
    /// Whether the last verdict was the first.
    first: bool,
}

impl Counter {
    /// `rise` passes in a row lift a server, `fall` failures in a row fell it; each 1 or
    /// more.
    pub(super) fn new(rise: u32, fall: u32) -> Self {
        let evidence = Evidence::None;
        Self { rise, fall, state: State::Unknown, count: 0, evidence, percent: 100, first: true }
    }

    /// Takes an outcome in; says whether there is something to tell: another state, other
    /// evidence that it is down, or another part of its weight while it is up.
    pub(super) fn record(&mut self, outcome: &Outcome) -> bool {
        if matches!(outcome, Outcome::Indeterminate(_)) {
            return false;
        }
        let before = (self.state, self.evidence, self.percent);
        self.first = self.state == State::Unknown;
        (self.state, self.count) = match (self.state, outcome.is_pass()) {
            (State::Unknown | State::Up | State::Suspect, true) => (State::Up, 1),
            (State::Unknown | State::Down | State::Rising, false) => (State::Down, 1),
            (State::Up, false) => self.suspect(1),
            (State::Suspect, false) => self.suspect(self.count + 1),
            (State::Down, true) => self.rising(1),
            (State::Rising, true) => self.rising(self.count + 1),
        };
        if self.state != State::Rising {
            self.evidence = outcome.evidence();
        }
        if outcome.is_pass() {
            self.percent = outcome.percent();
        }
        before.0 != self.state
            || (self.state == State::Down && before.1 != self.evidence)
            || (self.state == State::Up && before.2 != self.percent)
    }

    /// Where it stands.
    pub(super) fn state(&self) -> State {
        self.state
    }

    /// How sure the last failures are, while it is suspect, down or rising.
    pub(super) fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// What it leaves of the weight while it is up, in hundredths.
    pub(super) fn percent(&self) -> u32 {
        self.percent
    }

    /// Whether a verdict is changing, so that probes come at the fast period.
    pub(super) fn is_changing(&self) -> bool {
        self.state.is_changing()
    }

    /// What [`Counter::record`] made of `outcome`, for people.
    pub(super) fn explain(&self, outcome: &Outcome) -> String {
        let goal = if outcome.is_pass() { self.rise } else { self.fall };
        match self.state {
            _ if self.first => format!("{outcome}, the first check"),
            State::Suspect | State::Rising => format!("{outcome}, {} of {goal}", self.count),
            State::Up | State::Down if self.count > 1 => format!("{outcome}, {goal} in a row"),
            _ => outcome.to_string(),
        }
    }

    fn suspect(&self, failures: u32) -> (State, u32) {
        (if failures < self.fall { State::Suspect } else { State::Down }, failures)
    }

    fn rising(&self, passes: u32) -> (State, u32) {
        (if passes < self.rise { State::Rising } else { State::Up }, passes)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::outcome::Cause, *};

    fn outcome(letter: char) -> Outcome {
        match letter {
            'p' => Outcome::Pass,
            'f' => Outcome::Fail(Cause::Refused),
            's' => Outcome::TIMED_OUT,
            'd' => Outcome::Degraded(50, "busy".to_owned()),
            _ => Outcome::unable("Too many open files"),
        }
    }

    /// Feeds `outcomes`, a letter each (`p`ass, `f`ail, `s`ilence, `i`ndeterminate), and
    /// shows after each the state (`U`p, `S`uspect, `D`own, `R`ising, `?`).
    fn check(rise: u32, fall: u32, outcomes: &str, expected: &str) {
        let mut counter = Counter::new(rise, fall);
        let shown: String = outcomes
            .chars()
            .map(|letter| {
                let before = counter.state();
                let told = counter.record(&outcome(letter));
                assert_eq!(told, before != counter.state(), "{outcomes}");
                let fast = counter.is_changing();
                match counter.state() {
                    State::Unknown if !fast => '?',
                    State::Up if !fast => 'U',
                    State::Suspect if fast => 'S',
                    State::Down if !fast => 'D',
                    State::Rising if fast => 'R',
                    _ => '!',
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
        check(2, 3, "pfff", "USSD");
        check(2, 3, "pffpff", "USSUSS");
        check(2, 1, "pf", "UD");
        check(2, 2, "pfpff", "USUSD");
    }

    #[test]
    fn a_server_rises_after_so_many_passes_in_a_row() {
        check(2, 3, "fpp", "DRU");
        check(2, 3, "fpfpp", "DRDRU");
        check(1, 3, "fp", "DU");
        check(3, 3, "fppfppp", "DRRDRRU");
    }

    #[test]
    fn what_this_machine_could_not_ask_counts_as_nothing() {
        check(2, 3, "iip", "??U");
        check(2, 3, "pffif", "USSSD");
        check(2, 3, "fpip", "DRRU");
    }

    #[test]
    fn other_evidence_of_a_server_that_is_down_is_told() {
        let mut counter = Counter::new(2, 3);
        let mut told = |letter| {
            let told = counter.record(&outcome(letter));
            (told, counter.state(), counter.evidence())
        };
        assert_eq!(told('s'), (true, State::Down, Evidence::Soft));
        assert_eq!(told('s'), (false, State::Down, Evidence::Soft));
        assert_eq!(told('f'), (true, State::Down, Evidence::Hard));
        assert_eq!(told('p'), (true, State::Rising, Evidence::Hard), "of why it is still down");
        assert_eq!(told('s'), (true, State::Down, Evidence::Soft));
        assert_eq!(told('p'), (true, State::Rising, Evidence::Soft));
        assert_eq!(told('p'), (true, State::Up, Evidence::None));
        assert_eq!(told('f'), (true, State::Suspect, Evidence::Hard));
        assert_eq!(told('s'), (false, State::Suspect, Evidence::Soft));
    }

    #[test]
    fn a_degraded_server_is_up_and_its_part_is_told_when_it_changes() {
        let mut counter = Counter::new(2, 3);
        let mut told = |letter| {
            let told = counter.record(&outcome(letter));
            (told, counter.state(), counter.percent())
        };
        assert_eq!(told('d'), (true, State::Up, 50));
        assert_eq!(told('d'), (false, State::Up, 50));
        assert_eq!(told('p'), (true, State::Up, 100));
        assert_eq!(told('d'), (true, State::Up, 50));
        assert_eq!(told('f'), (true, State::Suspect, 50), "a failure says nothing of degrees");
        assert_eq!(told('d'), (true, State::Up, 50));
    }

    #[test]
    fn verdicts_are_explained() {
        let mut counter = Counter::new(2, 3);
        let mut said = |letter| {
            counter.record(&outcome(letter));
            counter.explain(&outcome(letter))
        };
        let letters = "pfffspp";
        let said: Vec<_> = letters.chars().map(&mut said).collect();
        let expected = [
            "passed, the first check",
            "refused, 1 of 3",
            "refused, 2 of 3",
            "refused, 3 in a row",
            "timeout",
            "passed, 1 of 2",
            "passed, 2 in a row",
        ];
        assert_eq!(said, expected);
    }
}
