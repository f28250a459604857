//! When clients connect. Pure.

use std::time::Duration;

use super::{
    distribution,
    scenario::{Arrival, Rate},
};
use crate::random::Random;

/// The arrivals of one kind of clients.
#[derive(Debug)]
pub(crate) struct Arrivals {
    arrival: Arrival,
    /// When it began to be so.
    since: Duration,
    is_first: bool,
}

/// The next arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    /// When.
    pub(crate) at: Duration,
    /// How many connections begin together.
    pub(crate) many: u32,
}

impl Arrivals {
    /// From `now` on as `arrival` says.
    pub(crate) fn new(arrival: Arrival, now: Duration) -> Self {
        Self { arrival, since: now, is_first: true }
    }

    /// The next arrival after one at `now`, or after the beginning.
    pub(crate) fn next(&mut self, now: Duration, random: &mut Random) -> Option<Next> {
        let is_first = std::mem::take(&mut self.is_first);
        let after = |rate: &Rate, many| {
            let delay = delay(rate, now.saturating_sub(self.since), many)?;
            Some(Next { at: now.checked_add(delay)?, many: 1 })
        };
        match &self.arrival {
            Arrival::Never => None,
            Arrival::Even(rate) => after(rate, 1.0),
            Arrival::Poisson(rate) => after(rate, distribution::exponential(random)),
            Arrival::Bursts(many, _) if is_first => Some(Next { at: now, many: *many }),
            Arrival::Bursts(many, every) => {
                Some(Next { at: now.checked_add(*every)?, many: *many })
            }
            Arrival::Once(many) => is_first.then_some(Next { at: now, many: *many }),
        }
    }
}

/// How long it takes until `many` are expected to arrive, from `elapsed` after the
/// beginning: exact also where the rate changes meanwhile.
fn delay(rate: &Rate, elapsed: Duration, many: f64) -> Option<Duration> {
    let left = rate.over.saturating_sub(elapsed).as_secs_f64();
    let (now, end) = (rate.at(elapsed), rate.to);
    let within = left * f64::midpoint(now, end);
    let seconds = if within < many {
        left + (many - within) / end
    } else {
        // now * t + slope * t^2 / 2 = many
        let slope = (end - now) / left;
        2.0 * many / (now + libm::sqrt((now * now + 2.0 * slope * many).max(0.0)))
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many arrive in each of the first seconds.
    fn count(arrival: Arrival, seconds: usize) -> Vec<u32> {
        let mut random = Random::named("1");
        let mut arrivals = Arrivals::new(arrival, Duration::ZERO);
        let mut counts = vec![0; seconds];
        let mut now = Duration::ZERO;
        while let Some(next) = arrivals.next(now, &mut random) {
            now = next.at;
            let Some(count) = counts.get_mut(usize::try_from(now.as_secs()).unwrap()) else {
                break;
            };
            *count += next.many;
        }
        counts
    }

    fn constant(rate: f64) -> Rate {
        Rate { from: rate, to: rate, over: Duration::ZERO }
    }

    #[test]
    fn even_arrivals_are_even() {
        assert_eq!(count(Arrival::Even(constant(8.0)), 4), [7, 8, 8, 8]);
        assert_eq!(count(Arrival::Never, 3), [0, 0, 0]);
        assert_eq!(count(Arrival::Even(constant(0.0)), 3), [0, 0, 0]);
    }

    #[test]
    fn bursts_come_together() {
        assert_eq!(count(Arrival::Bursts(5, SECOND * 2), 6), [5, 0, 5, 0, 5, 0]);
        assert_eq!(count(Arrival::Once(7), 3), [7, 0, 0]);
    }

    #[test]
    fn a_rate_changes_steadily() {
        let ramp = |from, to| Arrival::Even(Rate { from, to, over: SECOND * 4 });
        // The integral of 10 t: 5, 20, 45, 80 after the seconds, then 40 a second.
        // One that is due at the very end of a second may count to the next.
        let up = count(ramp(0.0, 40.0), 6);
        for (seen, expected) in up.into_iter().zip([5_u32, 15, 25, 35, 40, 40]) {
            assert!(seen.abs_diff(expected) <= 1, "{seen} {expected}");
        }
        let down = count(ramp(40.0, 0.0), 6);
        assert!(down.iter().sum::<u32>().abs_diff(80) <= 1, "{down:?}");
        assert_eq!(down[4..], [0, 0]);
    }

    /// Mean and variance of the count of a Poisson process are the same.
    #[test]
    fn poisson_arrivals_are_as_many_as_the_rate_says_and_vary_as_they_should() {
        let counts = count(Arrival::Poisson(constant(50.0)), 2000);
        let number = |it: usize| f64::from(u32::try_from(it).unwrap());
        let mean = counts.iter().map(|it| f64::from(*it)).sum::<f64>() / number(counts.len());
        let squares = counts.iter().map(|it| (f64::from(*it) - mean).powi(2)).sum::<f64>();
        let variance = squares / number(counts.len());
        assert!((49.0..51.0).contains(&mean), "{mean}");
        assert!((45.0..55.0).contains(&variance), "{variance}");
    }
}
