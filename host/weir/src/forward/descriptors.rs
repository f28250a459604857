//! How many file descriptors forwarding may use, and when there were too few.
//!
//! They are counted, so that running out is known before anything is begun that could not
//! be finished. The kernel may still run out of them before: that counts the same.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::report::Line;

/// Left to the rest of the process: checks in flight, plugins, control.
const RESERVED: usize = 1024;

/// How long nothing is begun after the kernel had no more.
const PAUSE: Duration = Duration::from_millis(100);

/// The budget.
#[derive(Debug)]
pub(super) struct Descriptors {
    limit: usize,
    used: usize,
    /// There were too few; it was told, and their end was not.
    is_short: bool,
    paused_until: Duration,
}

impl Descriptors {
    /// All that this process may have, its soft limit raised to the hard one, but for a
    /// reserve.
    pub(super) fn of_process() -> Self {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
        let all = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
        let all = usize::try_from(all).unwrap_or(usize::MAX);
        Self::new(all - RESERVED.min(all / 4))
    }

    /// So many.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, is_short: false, paused_until: Duration::ZERO }
    }

    /// Whether `count` can be had.
    pub(super) fn has(&self, count: usize, now: Duration) -> bool {
        self.limit - self.used >= count && self.paused_until <= now
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Takes `count`, or none if there are fewer.
    pub(super) fn take(&mut self, count: usize) -> bool {
        let enough = self.limit - self.used >= count;
        if enough {
            self.used += count;
        }
        enough
    }

    /// Gives `count` back.
    pub(super) fn give(&mut self, count: usize) {
        self.used = self.used.checked_sub(count).expect("what is given back was taken");
    }

    /// The kernel had none though some were left to take.
    pub(super) fn pause(&mut self, now: Duration) {
        self.paused_until = now + PAUSE;
    }

    /// When the pause ends, if there is one.
    pub(super) fn pause_end(&self, now: Duration) -> Option<Duration> {
        (self.paused_until > now).then_some(self.paused_until)
    }

    /// There were too few: the line that says so, the first time.
    pub(super) fn ran_short(&mut self) -> Option<Line> {
        let line = || {
            Line::warn("descriptors-exhausted")
                .with("used", self.used)
                .with("limit", self.limit)
                .with("then", "new clients wait")
                .with("remedy", "raise the limit of open files (LimitNOFILE, ulimit -n)")
        };
        let line = (!self.is_short).then(line);
        self.is_short = true;
        line
    }

    /// There are enough again, with a tenth to spare: the line that says so, once.
    pub(super) fn recovered(&mut self, now: Duration) -> Option<Line> {
        let enough = self.is_short && self.has(self.limit.div_ceil(10), now);
        self.is_short &= !enough;
        enough.then(|| Line::info("descriptors-recovered").with("used", self.used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortage_is_told_once_until_it_is_over() {
        let now = Duration::ZERO;
        let mut descriptors = Descriptors::new(20);
        assert!(descriptors.take(20) && !descriptors.take(1));
        assert!(descriptors.ran_short().is_some() && descriptors.ran_short().is_none());
        descriptors.give(1);
        assert!(descriptors.recovered(now).is_none(), "it could happen again at once");
        descriptors.give(1);
        assert!(descriptors.recovered(now).is_some() && descriptors.recovered(now).is_none());
        assert!(descriptors.take(2) && descriptors.ran_short().is_some());
    }

    #[test]
    fn a_pause_is_no_recovery() {
        let mut descriptors = Descriptors::new(20);
        descriptors.pause(Duration::ZERO);
        assert!(descriptors.ran_short().is_some());
        assert!(
            !descriptors.has(2, Duration::ZERO) && descriptors.recovered(Duration::ZERO).is_none()
        );
        let end = descriptors.pause_end(Duration::ZERO).unwrap();
        assert!(descriptors.has(2, end) && descriptors.recovered(end).is_some());
    }

    #[test]
    fn the_process_has_some() {
        assert!(Descriptors::of_process().has(16, Duration::ZERO));
    }
}
