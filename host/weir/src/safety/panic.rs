//! The panic floor: below it, failing checks say more of the checker or of an overload than
//! of the servers, and taking more of them out makes it worse.
//!
//! Envoy's number (`healthy_panic_threshold`, 50 %), and a gap between entering and leaving
//! so that one server's changes do not toggle it. What panic means for a weight is decided
//! where the servers are seen.

use std::time::Duration;

/// What happens below the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Weights stay as last applied.
    Hold,
    /// Every server gets its weight, whatever checks say.
    All,
    /// Nothing: checks are followed to the last server.
    Off,
}

/// Where it is, and what happens below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Floor {
    /// In hundredths of the base weight of the servers that are not out by an operator's
    /// word; 0 to 100.
    pub(crate) percent: u32,
    pub(crate) mode: Mode,
}

/// Panic is over so many points above the floor ..
const LEAVE_POINTS: u32 = 10;

/// .. at so many evaluations in a row ..
const LEAVE_EVALUATIONS: u32 = 2;

/// .. that are so far apart.
const EVALUATION: Duration = Duration::from_secs(1);

impl Floor {
    /// Where panic is over, in the same hundredths.
    pub(crate) fn leave_percent(self) -> u32 {
        (self.percent + LEAVE_POINTS).min(100)
    }
}

/// Base weights of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strength {
    /// Of the servers that are up.
    pub(crate) live: u64,
    /// Of those and the ones that are down.
    pub(crate) all: u64,
}

impl Strength {
    /// Whether less than this part is live.
    pub(crate) fn is_below(self, percent: u32) -> bool {
        u128::from(self.live) * 100 < u128::from(self.all) * u128::from(percent)
    }

    /// Hundredths, rounded down; 100 of nothing.
    pub(crate) fn percent(self) -> u64 {
        (self.live * 100).checked_div(self.all).unwrap_or(100)
    }
}

/// What an evaluation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Began,
    Ended,
}

/// Whether a service is in panic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Panic {
    since: Option<Duration>,
    /// Good evaluations in a row, and when the last was.
    good: u32,
    evaluated: Duration,
}

impl Panic {
    /// Looks at the service anew, and says what changed.
    pub(crate) fn evaluate(
        &mut self,
        now: Duration,
        floor: &Floor,
        strength: Strength,
    ) -> Option<Turn> {
        if self.since.is_none() {
            let begins = floor.mode != Mode::Off && strength.is_below(floor.percent);
            return begins.then(|| self.begin(now));
        }
        if floor.mode != Mode::Off && strength.is_below(floor.leave_percent()) {
            self.good = 0;
            return None;
        }
        if self.good == 0 || now >= self.evaluated.saturating_add(EVALUATION) {
            self.good += 1;
            self.evaluated = now;
        }
        (floor.mode == Mode::Off || self.good >= LEAVE_EVALUATIONS).then(|| {
            self.since = None;
            Turn::Ended
        })
    }

    /// Since when there is panic, if there is.
    pub(crate) fn since(&self) -> Option<Duration> {
        self.since
    }

    /// When to evaluate though nothing happened.
    pub(crate) fn due(&self) -> Option<Duration> {
        (self.since.is_some() && self.good > 0).then(|| self.evaluated.saturating_add(EVALUATION))
    }

    fn begin(&mut self, now: Duration) -> Turn {
        *self = Self { since: Some(now), good: 0, evaluated: now };
        Turn::Began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Floor = Floor { percent: 50, mode: Mode::Hold };

    /// Evaluates at each of (second, live of 400), and shows what changed.
    fn check(floor: &Floor, evaluations: &[(u64, u64)], expected: &[(u64, Turn)]) {
        let mut panic = Panic::default();
        let turns: Vec<_> = evaluations
            .iter()
            .filter_map(|(at, live)| {
                let strength = Strength { live: *live, all: 400 };
                let turn = panic.evaluate(Duration::from_secs(*at), floor, strength)?;
                Some((*at, turn))
            })
            .collect();
        assert_eq!(turns, expected, "{evaluations:?}");
    }

    /// Scenario 6.
    #[test]
    fn it_begins_below_the_floor_and_ends_ten_points_above() {
        check(&HALF, &[(0, 400), (1, 200), (2, 100)], &[(2, Turn::Began)]);
        check(
            &HALF,
            &[(0, 100), (5, 200), (10, 239), (15, 300), (20, 300)],
            &[(0, Turn::Began), (20, Turn::Ended)],
        );
    }

    #[test]
    fn it_takes_two_evaluations_in_a_row_a_second_apart() {
        check(&HALF, &[(0, 100), (5, 300), (5, 300), (5, 400)], &[(0, Turn::Began)]);
        check(&HALF, &[(0, 100), (5, 300), (6, 100), (7, 300)], &[(0, Turn::Began)]);
        check(&HALF, &[(0, 100), (5, 300), (6, 240)], &[(0, Turn::Began), (6, Turn::Ended)]);
    }

    #[test]
    fn a_floor_near_the_top_can_still_be_left() {
        let high = Floor { percent: 95, mode: Mode::All };
        check(&high, &[(0, 300), (1, 400), (2, 400)], &[(0, Turn::Began), (2, Turn::Ended)]);
    }

    #[test]
    fn off_is_off_and_a_service_of_nothing_never_panics() {
        let off = Floor { percent: 50, mode: Mode::Off };
        check(&off, &[(0, 0), (1, 100)], &[]);
        let nothing = Strength { live: 0, all: 0 };
        let mut panic = Panic::default();
        assert_eq!(panic.evaluate(Duration::ZERO, &HALF, nothing), None);
        assert_eq!(nothing.percent(), 100);
    }

    #[test]
    fn switching_it_off_ends_it() {
        let mut panic = Panic::default();
        let weak = Strength { live: 100, all: 400 };
        assert_eq!(panic.evaluate(Duration::ZERO, &HALF, weak), Some(Turn::Began));
        assert_eq!(panic.due(), None);
        let off = Floor { percent: 50, mode: Mode::Off };
        assert_eq!(panic.evaluate(Duration::from_secs(9), &off, weak), Some(Turn::Ended));
    }
}
