//! The daemon's clock: it goes on where that of the last run stood.
//!
//! So a time that was kept needs no translation when weir starts again. How long it was down
//! is measured by a clock that nobody sets, as long as the machine ran; only across a boot
//! the clock on the wall has to be believed, and never that time went backwards.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::manager::Now;

/// The name of its record.
pub(super) const RECORD: &str = "clock";

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
    /// What it showed then.
    before: Duration,
}

/// Where it stood, by all clocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stand {
    monotonic_ms: u64,
    boot: String,
    since_boot_ms: u64,
    wall_ms: u64,
}

impl Clock {
    /// One that begins.
    pub(super) fn new() -> Self {
        Self { origin: instant(), before: Duration::ZERO }
    }

    /// One that goes on from its record.
    pub(super) fn from_record(record: &str) -> Self {
        let last: Stand = serde_json::from_str(record).unwrap_or_default();
        let before = last.going_on(&Stand::now(Duration::ZERO));
        Self { origin: instant(), before }
    }

    /// Where it stands.
    pub(super) fn to_record(self) -> String {
        let stand = Stand::now(self.now().monotonic);
        serde_json::to_string(&stand).expect("records have no keys but text")
    }

    pub(crate) fn now(&self) -> Now {
        let monotonic = self.before.saturating_add(self.origin.elapsed());
        Now { monotonic, wall: wall() }
    }
}

impl Stand {
    fn now(monotonic: Duration) -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = uptime.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
        let since_boot = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Self {
            monotonic_ms: ms(monotonic),
            boot: boot.trim().to_owned(),
            since_boot_ms: ms(since_boot),
            wall_ms: ms(wall()),
        }
    }

    /// What a clock shows at `now` that stood so.
    fn going_on(&self, now: &Self) -> Duration {
        let is_same_boot = !now.boot.is_empty() && self.boot == now.boot;
        let passed = match is_same_boot {
            true => now.since_boot_ms.saturating_sub(self.since_boot_ms),
            false => now.wall_ms.saturating_sub(self.wall_ms),
        };
        Duration::from_millis(self.monotonic_ms.saturating_add(passed))
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the daemon's clock is read here")]
fn instant() -> Instant {
    Instant::now()
}

/// Time since the Unix epoch; a clock before that counts as at it.
#[expect(clippy::disallowed_methods, reason = "the daemon's clock is read here")]
pub(super) fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(boot: &str, since_boot: u64, wall: u64) -> Stand {
        Stand { monotonic_ms: 500, boot: boot.to_owned(), since_boot_ms: since_boot, wall_ms: wall }
    }

    fn check(before: &Stand, now: &Stand, expected: u64) {
        assert_eq!(before.going_on(now), Duration::from_millis(expected), "{before:?} {now:?}");
    }

    #[test]
    fn a_wall_clock_that_is_set_means_nothing_while_the_machine_runs() {
        check(&stand("a", 100, 10_000), &stand("a", 130, 99_000_000), 530);
        check(&stand("a", 100, 10_000), &stand("a", 130, 0), 530);
    }

    #[test]
    fn across_a_boot_it_counts_but_never_backwards() {
        check(&stand("a", 100, 10_000), &stand("b", 7, 10_900), 1400);
        check(&stand("a", 100, 10_000), &stand("b", 7, 0), 500);
        check(&stand("", 100, 10_000), &stand("", 130, 10_007), 507);
    }

    #[test]
    fn a_record_is_gone_on_from() {
        let record = Clock { before: Duration::from_secs(77), ..Clock::new() }.to_record();
        let shown = Clock::from_record(&record).now().monotonic;
        assert!((77..80).contains(&shown.as_secs()), "{shown:?}");
        assert!(Clock::from_record("nonsense").now().monotonic > Duration::ZERO);
    }
}
