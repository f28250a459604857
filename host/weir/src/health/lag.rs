//! How late probes are. Pure.
//!
//! Checks that are late say less of servers than of this machine: past its interval, a
//! time-out counts as nothing, and someone should know.

use std::time::Duration;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LagNews {
    /// Probes are later than their interval.
    Began(Duration),
    /// They have been in time for a while; this was the most.
    Ended(Duration),
}

/// Probes in time, one after the other, that end the alarm.
const GOOD: u32 = 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lag {
    /// The most since the alarm began, if there is one.
    most: Option<Duration>,
    good: u32,
}

impl Lag {
    /// Takes in how late a probe of this interval was.
    pub(super) fn measure(&mut self, late: Duration, interval: Duration) -> Option<LagNews> {
        if late > interval {
            self.good = 0;
            let begins = self.most.is_none();
            self.most = Some(self.most.unwrap_or_default().max(late));
            return begins.then_some(LagNews::Began(late));
        }
        let most = self.most?;
        self.good += 1;
        if self.good < GOOD {
            return None;
        }
        *self = Self::default();
        Some(LagNews::Ended(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_begins_at_once_and_ends_after_many_in_time() {
        let ms = Duration::from_millis;
        let mut lag = Lag::default();
        let mut measure = |late| lag.measure(ms(late), ms(1000));
        assert_eq!(measure(1000), None);
        assert_eq!(measure(1001), Some(LagNews::Began(ms(1001))));
        assert_eq!(measure(3000), None);
        assert!((0..19).all(|_| measure(5).is_none()));
        assert_eq!(measure(1500), None);
        assert!((0..19).all(|_| measure(5).is_none()));
        assert_eq!(measure(0), Some(LagNews::Ended(ms(3000))));
        assert_eq!(measure(5), None);
    }
}
