//! When probes start. Pure, and the same every time for what is asked at the same place.

use std::time::Duration;

use crate::{config::Check, random::Random};

/// First probes are spread over at most this, so that verdicts come soon after the start.
const SPREAD: Duration = Duration::from_secs(5);

/// The rhythm of one check at one place.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    fast: Duration,
    random: Random,
}

impl Schedule {
    /// The rhythm of `check`, with jitter that is seeded by `name`: what is asked, and where.
    pub(super) fn new(name: &str, check: &Check) -> Self {
        Self { interval: check.interval, fast: check.fast, random: Random::named(name) }
    }

    /// From the start of the watch to that of its first probe: anywhere below the
    /// interval, or 5 s.
    pub(super) fn first(&mut self) -> Duration {
        self.interval.min(SPREAD).mul_f64(self.random.uniform())
    }

    /// From one start to the next: the fast period exactly, or the interval by 0.9 to 1.1.
    pub(super) fn next(&mut self, changing: bool) -> Duration {
        if changing { self.fast } else { self.interval.mul_f64(0.9 + 0.2 * self.random.uniform()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CheckKind, Via};

    fn schedule(port: u16) -> Schedule {
        let check = Check {
            kind: CheckKind::Tcp,
            port: None,
            via: Via::default(),
            interval: Duration::from_secs(10),
            fast: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
        };
        Schedule::new(&format!("tcp at 10.0.0.1:{port}"), &check)
    }

    #[test]
    fn first_probes_are_spread_over_five_seconds() {
        let first: Vec<f64> = (0..1000).map(|port| schedule(port).first().as_secs_f64()).collect();
        assert!(first.iter().all(|it| (0.0..5.0).contains(it)));
        let mean = first.iter().sum::<f64>() / 1000.0;
        assert!((2.3..2.7).contains(&mean), "{mean}");
    }

    #[test]
    fn the_interval_varies_by_a_tenth_and_the_fast_period_not_at_all() {
        let mut schedule = schedule(80);
        let gaps: Vec<f64> = (0..1000).map(|_| schedule.next(false).as_secs_f64()).collect();
        assert!(gaps.iter().all(|it| (9.0..11.0).contains(it)));
        assert!(gaps.iter().any(|it| *it < 9.1) && gaps.iter().any(|it| *it > 10.9));
        assert_eq!(schedule.next(true), Duration::from_secs(1));
    }

    #[test]
    fn a_run_can_be_repeated() {
        let gaps = |mut it: Schedule| (0..10).map(|_| it.next(false)).collect::<Vec<_>>();
        assert_eq!(gaps(schedule(80)), gaps(schedule(80)));
        assert_ne!(gaps(schedule(80)), gaps(schedule(81)));
    }
}
