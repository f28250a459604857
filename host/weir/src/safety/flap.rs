//! Flap damping: a server that keeps going down stays out for a while, though it passes.
//!
//! Envoy's rule (outlier detection, `base_ejection_time`): the n-th trip holds for n times
//! the base, up to a limit; a trip is forgotten for every 5 min of being up. That a hold
//! does not apply where it would leave too little is decided where the whole service is
//! seen.

use std::time::Duration;

/// One trip is forgotten for so much time up.
const FORGETS_ONE: Duration = Duration::from_secs(300);

/// How long servers are held down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damping {
    /// For each trip.
    pub(crate) hold: Duration,
    /// At most.
    pub(crate) hold_max: Duration,
}

/// What is remembered of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flaps {
    trips: u32,
    up_since: Option<Duration>,
    held_until: Option<Duration>,
}

impl Flaps {
    /// What an earlier run remembered.
    pub(crate) fn recalled(
        trips: u32,
        up_since: Option<Duration>,
        held_until: Option<Duration>,
    ) -> Self {
        Self { trips, up_since, held_until }
    }

    /// What a later run should remember: trips, since when it is up, and until when it is
    /// held.
    pub(crate) fn to_recall(&self, now: Duration) -> (u32, Option<Duration>, Option<Duration>) {
        let trips = if self.trips(now) == 0 { 0 } else { self.trips };
        (trips, self.up_since, self.held_until(now))
    }

    /// The server went down. A trip is one that takes it out of service: while it is held,
    /// it is out already.
    pub(crate) fn went_down(&mut self, now: Duration, damping: Option<&Damping>) {
        self.trips = self.trips(now);
        self.up_since = None;
        let Some(damping) = damping.filter(|_| self.held_until(now).is_none()) else { return };
        self.trips = self.trips.saturating_add(1);
        let hold = damping.hold.saturating_mul(self.trips).min(damping.hold_max);
        self.held_until = Some(now.saturating_add(hold));
    }

    /// The server came up.
    pub(crate) fn came_up(&mut self, now: Duration) {
        self.up_since.get_or_insert(now);
    }

    /// Until when it is held down, if it is.
    pub(crate) fn held_until(&self, now: Duration) -> Option<Duration> {
        self.held_until.filter(|it| *it > now)
    }

    /// Ends the hold: the service needs this server.
    pub(crate) fn release(&mut self) {
        self.held_until = None;
    }

    /// Trips that are remembered.
    pub(crate) fn trips(&self, now: Duration) -> u32 {
        let up = self.up_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let forgotten = up.as_secs() / FORGETS_ONE.as_secs();
        self.trips.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAMPING: Damping =
        Damping { hold: Duration::from_secs(30), hold_max: Duration::from_secs(300) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Goes down at each of `trips`, and is up for a second before.
    fn flapped(trips: &[u64]) -> Flaps {
        let mut flaps = Flaps::default();
        for trip in trips {
            flaps.came_up(at(trip - 1));
            flaps.went_down(at(*trip), Some(&DAMPING));
        }
        flaps
    }

    fn check(trips: &[u64], expected: u64) {
        let last = at(*trips.last().unwrap());
        let held = flapped(trips).held_until(last).map(|it| it - last);
        assert_eq!(held, Some(at(expected)), "{trips:?}");
    }

    #[test]
    fn every_trip_holds_longer_up_to_a_limit() {
        check(&[10], 30);
        check(&[10, 50], 60);
        check(&[10, 50, 120, 220, 350, 510], 180);
        let many: Vec<u64> = (1..20).map(|it| it * 301).collect();
        check(&many, 300);
    }

    #[test]
    fn a_trip_during_the_hold_is_none() {
        let flaps = flapped(&[10, 20]);
        assert_eq!(flaps.held_until(at(20)), Some(at(40)));
        assert_eq!(flaps.trips(at(20)), 1);
    }

    #[test]
    fn five_minutes_up_forget_a_trip() {
        let mut flaps = flapped(&[10, 50, 120]);
        flaps.came_up(at(1000));
        assert_eq!(flaps.trips(at(1299)), 3);
        assert_eq!(flaps.trips(at(1300)), 2);
        assert_eq!(flaps.trips(at(1601)), 1);
        flaps.went_down(at(1700), Some(&DAMPING));
        assert_eq!(flaps.held_until(at(1700)), Some(at(1760)));
        flaps.came_up(at(1800));
        assert_eq!(flaps.trips(at(99_000)), 0);
    }

    #[test]
    fn without_damping_or_once_released_there_is_no_hold() {
        let mut flaps = Flaps::default();
        flaps.went_down(at(5), None);
        assert_eq!((flaps.held_until(at(5)), flaps.trips(at(5))), (None, 0));
        let mut flaps = flapped(&[10]);
        flaps.release();
        assert_eq!(flaps.held_until(at(11)), None);
    }
}
