//! The clocks: the one place in this crate that reads time.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What a guest is shown as the time where it is not the time of its call: by WASI, and to
/// its log.
pub(crate) enum Clock {
    /// This machine's.
    Machine,
    /// Whatever it was last set to, so that a run can be repeated.
    Given {
        /// Nanoseconds since the Unix epoch.
        wall_ns: AtomicU64,
        /// Nanoseconds since an arbitrary moment.
        monotonic_ns: AtomicU64,
    },
}

impl Clock {
    pub(crate) fn machine() -> Self {
        Self::Machine
    }

    pub(crate) fn given() -> Self {
        Self::Given { wall_ns: AtomicU64::new(0), monotonic_ns: AtomicU64::new(0) }
    }

    /// Sets a clock that is given; the machine's goes on.
    pub(crate) fn set(&self, wall: u64, monotonic: u64) {
        if let Self::Given { wall_ns, monotonic_ns } = self {
            wall_ns.store(wall, Ordering::Relaxed);
            monotonic_ns.store(monotonic, Ordering::Relaxed);
        }
    }

    /// Seconds that local time is ahead of UTC at `wall_ns`. A clock that is given shows
    /// UTC.
    pub(crate) fn utc_offset(&self, wall_ns: u64) -> i32 {
        match self {
            Self::Machine => utc_offset(wall_ns / 1_000_000_000),
            Self::Given { .. } => 0,
        }
    }

    pub(crate) fn wall(&self) -> Duration {
        match self {
            Self::Machine => wall(),
            Self::Given { wall_ns, .. } => Duration::from_nanos(wall_ns.load(Ordering::Relaxed)),
        }
    }

    pub(crate) fn monotonic(&self) -> Duration {
        match self {
            Self::Machine => monotonic(),
            // Go's runtime takes zero for a clock that is broken, and a scenario begins there.
            Self::Given { monotonic_ns, .. } => {
                Duration::from_nanos(monotonic_ns.load(Ordering::Relaxed).max(1))
            }
        }
    }
}

/// Processor time of this thread so far.
pub(crate) fn thread_cpu() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Time since an arbitrary moment, never backwards.
pub(crate) fn monotonic() -> Duration {
    read(libc::CLOCK_MONOTONIC)
}

/// Time since the Unix epoch.
pub(crate) fn wall() -> Duration {
    read(libc::CLOCK_REALTIME)
}

/// Whole nanoseconds, which fit for the next 500 years.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// By the C library, which knows the machine's time zone (`TZ`, or `/etc/localtime`): its
/// rules change, so they are not ours to carry. UTC where the zone cannot be had.
fn utc_offset(seconds: u64) -> i32 {
    let Ok(time) = libc::time_t::try_from(seconds) else { return 0 };
    // SAFETY: a `tm` of zeros is one: numbers, and a pointer that may be null.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both live through the call, which writes to `local` alone.
    let done = unsafe { libc::localtime_r(&raw const time, &raw mut local) };
    if done.is_null() { 0 } else { i32::try_from(local.tm_gmtoff).unwrap_or(0) }
}

fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec that outlives the call, and the call writes nothing else.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(status, 0, "Linux has had these clocks since 2.6.12");
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_clock_never_stands_at_zero() {
        let clock = Clock::given();
        assert_eq!(clock.monotonic(), Duration::from_nanos(1));
        clock.set(0, 7);
        assert_eq!(clock.monotonic(), Duration::from_nanos(7));
    }
}
