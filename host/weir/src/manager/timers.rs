//! When each service is to be looked at though nothing happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::ServiceKey;

/// At most one time for each service.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Duration, ServiceKey)>,
    by_service: BTreeMap<ServiceKey, Duration>,
}

impl Timers {
    /// Replaces the time of a service; none = it has none.
    pub(super) fn set(&mut self, service: ServiceKey, at: Option<Duration>) {
        if let Some(before) = self.by_service.remove(&service) {
            self.by_time.remove(&(before, service));
        }
        if let Some(at) = at {
            self.by_service.insert(service, at);
            self.by_time.insert((at, service));
        }
    }

    /// Takes out a service whose time has come.
    pub(super) fn pop(&mut self, now: Duration) -> Option<ServiceKey> {
        let (_, service) = *self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.set(service, None);
        Some(service)
    }

    /// The next time.
    pub(super) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::Family;

    use super::*;

    #[test]
    fn each_service_has_one_time_and_comes_when_it_has_come() {
        let key = |mark| ServiceKey::Fwmark { mark, family: Family::V4 };
        let at = |seconds| Some(Duration::from_secs(seconds));
        let mut timers = Timers::default();
        timers.set(key(1), at(9));
        timers.set(key(2), at(5));
        timers.set(key(1), at(3));
        timers.set(key(3), at(4));
        timers.set(key(3), None);
        assert_eq!(timers.next(), at(3));
        assert_eq!(timers.pop(Duration::from_secs(2)), None);
        let now = Duration::from_secs(7);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop(now)).collect();
        assert_eq!((due, timers.next()), (vec![key(1), key(2)], None));
    }
}
