//! The director's doubt of itself: when half of everything fails at once, in services that
//! have nothing else in common, it is more likely the director that lost its network.
//!
//! Freezing, and telling people, is the manager's.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::RealServerKey;

/// Doubt begins when this part of all checked servers leaves [`State::Up`] ..
///
/// [`State::Up`]: crate::health::State::Up
const PERCENT: usize = 50;

/// .. in at least so many services.
const SERVICES: usize = 3;

/// Servers that recently ceased to pass.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    left: BTreeMap<RealServerKey, Duration>,
    /// Whether any left since it was last asked.
    has_news: bool,
}

impl Doubt {
    /// A probe of a server that was up failed.
    pub(crate) fn left_up(&mut self, key: RealServerKey, now: Duration) {
        self.left.insert(key, now);
        self.has_news = true;
    }

    /// It passes again, or is checked no more.
    pub(crate) fn forget(&mut self, key: &RealServerKey) {
        self.left.remove(key);
    }

    /// Whether [`Doubt::is_justified`] may say something else than the last time.
    pub(crate) fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Whether it may be justified, whatever the time: so many of `checked` servers left.
    pub(crate) fn is_possible(&self, checked: usize) -> bool {
        !self.left.is_empty() && self.left.len() * 100 >= checked * PERCENT
    }

    /// Whether too many of `checked` servers left within `window`, the time in which a
    /// fault shows.
    pub(crate) fn is_justified(&mut self, now: Duration, window: Duration, checked: usize) -> bool {
        self.left.retain(|_, at| at.saturating_add(window) >= now);
        if !self.is_possible(checked) {
            return false;
        }
        let services: BTreeSet<_> = self.left.keys().map(|it| it.service).collect();
        services.len() >= SERVICES
    }

    /// What left, left: only what leaves from now on counts.
    pub(crate) fn clear(&mut self) {
        self.left.clear();
    }
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{Protocol, ServiceKey};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(12);

    fn key(service: u16, server: u16) -> RealServerKey {
        let endpoint = |port| weir_ipvs::Endpoint::new([192, 0, 2, 1], port);
        let service = ServiceKey::from((Protocol::Tcp, endpoint(service)));
        RealServerKey { service, server: endpoint(server) }
    }

    /// Servers of eight leave at (service, server, second); is it doubtful afterwards?
    fn check(left: &[(u16, u16, u64)], expected: bool) {
        let mut doubt = Doubt::default();
        let mut now = Duration::ZERO;
        for (service, server, second) in left {
            now = Duration::from_secs(*second);
            doubt.left_up(key(*service, *server), now);
        }
        assert_eq!(doubt.is_justified(now, WINDOW, 8), expected, "{left:?}");
    }

    #[test]
    fn half_of_all_in_three_services_is_too_much() {
        check(&[(1, 1, 0), (1, 2, 1), (2, 1, 2), (3, 1, 3)], true);
        check(&[(1, 1, 0), (1, 2, 1), (2, 1, 2), (2, 2, 3)], false);
        check(&[(1, 1, 0), (2, 1, 2), (3, 1, 3)], false);
    }

    #[test]
    fn only_what_leaves_within_the_window_counts() {
        check(&[(1, 1, 0), (1, 2, 1), (2, 1, 2), (3, 1, 13)], false);
        check(&[(1, 1, 0), (1, 2, 1), (2, 1, 2), (3, 1, 12)], true);
    }

    #[test]
    fn what_passes_again_does_not_count() {
        let mut doubt = Doubt::default();
        for (service, server) in [(1, 1), (1, 2), (2, 1), (3, 1)] {
            doubt.left_up(key(service, server), Duration::ZERO);
        }
        doubt.forget(&key(1, 2));
        assert!(!doubt.is_justified(Duration::ZERO, WINDOW, 8));
        doubt.left_up(key(1, 2), Duration::ZERO);
        doubt.clear();
        assert!(!doubt.is_justified(Duration::ZERO, WINDOW, 8));
    }
}
