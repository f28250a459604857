//! Time as the kernel measures it: in ticks.

use std::{num::NonZeroU16, time::Duration};

const NANOSECONDS: u64 = 1_000_000_000;

/// When time ends, after some 34,000 years: from here on no tick overflows.
pub(crate) const END: Duration = Duration::from_secs(1 << 40);

/// The core's time, which only a driver moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: Duration,
    tick: u64,
    rate: NonZeroU16,
}

impl Clock {
    /// A clock at zero with this many ticks a second.
    pub(crate) fn new(rate: NonZeroU16) -> Self {
        Self { now: Duration::ZERO, tick: 0, rate }
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    /// The tick that began last.
    pub(crate) fn tick(&self) -> u64 {
        self.tick
    }

    pub(crate) fn set(&mut self, now: Duration) {
        self.now = now.min(END);
        self.tick = self.tick_at(self.now);
    }

    /// The tick in which `time` lies, which is not after the end.
    pub(crate) fn tick_at(&self, time: Duration) -> u64 {
        let rate = u64::from(self.rate.get());
        let part = u64::from(time.subsec_nanos()) * rate / NANOSECONDS;
        time.as_secs() * rate + part
    }

    /// When `tick` begins, rounded up to a nanosecond that lies in it.
    pub(crate) fn start_of(&self, tick: u64) -> Duration {
        let rate = u64::from(self.rate.get());
        let part = (tick % rate * NANOSECONDS).div_ceil(rate);
        Duration::from_secs(tick / rate) + Duration::from_nanos(part)
    }

    /// Seconds in ticks; the kernel's 32 bits may wrap.
    pub(crate) fn ticks(&self, seconds: u32) -> u32 {
        seconds.wrapping_mul(self.rate.get().into())
    }

    /// The tick that begins so many seconds after this one.
    pub(crate) fn after(&self, seconds: u32) -> u64 {
        self.tick + u64::from(self.ticks(seconds))
    }

    /// Ticks in whole seconds.
    pub(crate) fn seconds(&self, ticks: u32) -> u32 {
        ticks / u32::from(self.rate.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(rate: u16) -> Clock {
        Clock::new(NonZeroU16::new(rate).unwrap())
    }

    #[test]
    fn a_tick_begins_within_itself() {
        for rate in [1, 100, 250, 300, 1000, u16::MAX] {
            let clock = clock(rate);
            for tick in [0, 1, 2, 7, 99, 100, 299, 301, 65_536, 1 << 40] {
                let start = clock.start_of(tick);
                assert_eq!(clock.tick_at(start), tick, "{rate} Hz");
                let before = start.saturating_sub(Duration::from_nanos(1));
                assert_eq!(clock.tick_at(before), tick.saturating_sub(1), "{rate} Hz");
            }
        }
    }

    #[test]
    fn time_outs_wrap_at_32_bits() {
        assert_eq!(clock(100).seconds(clock(100).ticks(42_949_673)), 0);
        assert_eq!(clock(250).seconds(clock(250).ticks(8_589_934)), 8_589_934);
        assert_eq!(clock(100).seconds(clock(100).ticks(360)), 360);
    }
}
