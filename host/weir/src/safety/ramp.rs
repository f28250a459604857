//! Slow start: a server that comes back gets its share of new connections bit by bit.
//!
//! `ramp(t) = max(least, (t/window)^(1/aggression))`, by steps of `max(1 s, window/20)`.
//! The curve is Envoy's (`slow_start_config`), the steps are HAProxy's (`slowstart`).
//! Which servers ramp, and when none should, is decided where the whole service is seen.

use std::time::Duration;

use crate::formula::WHOLE;

/// Steps are never closer than this: a server's weight is written at most this often.
const STEP_MIN: Duration = Duration::from_secs(1);

/// Steps of one ramp, unless they would be closer than [`STEP_MIN`].
const STEPS: u32 = 20;

/// How weights rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Curve {
    /// Until the whole weight; more than 0.
    pub(crate) window: Duration,
    /// Where it begins, in hundredths of the weight; 1 to 100.
    pub(crate) least_percent: u32,
    /// 1 = a straight line; more = steeper at the start. More than 0.
    pub(crate) aggression: f64,
}

impl Curve {
    /// The part of the weight after this time, in millionths; none = the whole, for good.
    pub(crate) fn at(&self, elapsed: Duration) -> Option<u32> {
        let reached = self.step() * self.steps_in(elapsed);
        if reached >= self.window {
            return None;
        }
        Some(self.part(reached).max(self.least_percent * (WHOLE / 100)).min(WHOLE))
    }

    /// When the next step follows, counted as `elapsed` is.
    pub(crate) fn next(&self, elapsed: Duration) -> Duration {
        self.step() * self.steps_in(elapsed).saturating_add(1)
    }

    fn step(&self) -> Duration {
        (self.window / STEPS).max(STEP_MIN)
    }

    fn steps_in(&self, elapsed: Duration) -> u32 {
        u32::try_from(elapsed.as_nanos() / self.step().as_nanos()).unwrap_or(u32::MAX)
    }

    /// Exact for a straight line; rounded down, for the weight is rounded up.
    fn part(&self, reached: Duration) -> u32 {
        let whole = u128::from(WHOLE);
        let line = reached.as_nanos() * whole / self.window.as_nanos();
        if (self.aggression - 1.0).abs() < f64::EPSILON {
            return u32::try_from(line).unwrap_or(WHOLE);
        }
        let part = reached.as_secs_f64() / self.window.as_secs_f64();
        let share = part.powf(self.aggression.recip()) * f64::from(WHOLE);
        // Within 0 and a million, for `reached` is below the window.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let millionths = share as u32;
        millionths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Curve =
        Curve { window: Duration::from_secs(60), least_percent: 10, aggression: 1.0 };

    fn check(curve: &Curve, seconds: u64, expected: Option<u32>) {
        assert_eq!(curve.at(Duration::from_secs(seconds)), expected, "{seconds} s");
    }

    /// Scenario 5.
    #[test]
    fn a_line_rises_in_twenty_steps_from_its_least() {
        check(&LINE, 0, Some(100_000));
        check(&LINE, 6, Some(100_000));
        check(&LINE, 9, Some(150_000));
        check(&LINE, 11, Some(150_000));
        check(&LINE, 30, Some(500_000));
        check(&LINE, 59, Some(950_000));
        check(&LINE, 60, None);
        check(&LINE, 100_000, None);
        assert_eq!(LINE.next(Duration::from_secs(0)), Duration::from_secs(3));
        assert_eq!(LINE.next(Duration::from_secs(59)), Duration::from_secs(60));
    }

    #[test]
    fn a_short_window_has_steps_of_a_second() {
        let short = Curve { window: Duration::from_millis(2500), ..LINE };
        check(&short, 0, Some(100_000));
        check(&short, 1, Some(400_000));
        check(&short, 2, Some(800_000));
        check(&short, 3, None);
        assert_eq!(short.next(Duration::from_millis(2400)), Duration::from_secs(3));
    }

    #[test]
    fn aggression_bends_the_line() {
        let steep = Curve { aggression: 2.0, ..LINE };
        check(&steep, 15, Some(500_000));
        let slow = Curve { aggression: 0.5, ..LINE };
        check(&slow, 30, Some(250_000));
        check(&slow, 3, Some(100_000));
    }
}
