//! Counters and the estimate of rates, with the kernel's arithmetic.
//!
//! Traffic is counted as it comes. What is shown is a sample of it, taken every two
//! seconds, and zeroing moves the base to the last sample, so that what came since appears
//! after it (`net/netfilter/ipvs/ip_vs_est.c`).

use weir_ipvs::{Stats, Traffic};

/// Seconds between samples.
pub(crate) const PERIOD_SECONDS: u32 = 2;

/// The traffic of a service, of a real server, or of all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    /// Counted so far.
    live: Traffic,
    /// As counted when last sampled.
    sampled: Traffic,
    /// As sampled when last zeroed.
    base: Traffic,
    /// Averages of what a second gains: times 2^10 for connections and packets, 2^5 for
    /// bytes.
    averages: Traffic,
}

impl Counters {
    pub(crate) fn count_connection(&mut self) {
        self.live.connections = self.live.connections.wrapping_add(1);
    }

    pub(crate) fn count_in(&mut self, packets: u64, bytes: u64) {
        self.live.packets_in = self.live.packets_in.wrapping_add(packets);
        self.live.bytes_in = self.live.bytes_in.wrapping_add(bytes);
    }

    pub(crate) fn count_out(&mut self, packets: u64, bytes: u64) {
        self.live.packets_out = self.live.packets_out.wrapping_add(packets);
        self.live.bytes_out = self.live.bytes_out.wrapping_add(bytes);
    }

    /// Takes a sample. False if the next would be the same: nothing has come, and the
    /// averages have arrived.
    pub(crate) fn sample(&mut self) -> bool {
        let (live, sampled) = (self.live, self.sampled);
        let gained = |of: fn(&Traffic) -> u64| of(&live).wrapping_sub(of(&sampled));
        let averages = &mut self.averages;
        approach(&mut averages.connections, gained(|it| it.connections) << 9);
        approach(&mut averages.packets_in, gained(|it| it.packets_in) << 9);
        approach(&mut averages.packets_out, gained(|it| it.packets_out) << 9);
        approach(&mut averages.bytes_in, gained(|it| it.bytes_in) << 4);
        approach(&mut averages.bytes_out, gained(|it| it.bytes_out) << 4);
        self.sampled = live;
        self.is_moving()
    }

    /// Whether a sample would change anything.
    pub(crate) fn is_moving(&self) -> bool {
        self.live != self.sampled || self.averages != Traffic::default()
    }

    pub(crate) fn zero(&mut self) {
        self.base = self.sampled;
        self.averages = Traffic::default();
    }

    /// What is shown.
    pub(crate) fn stats(&self) -> Stats {
        let since = |of: fn(&Traffic) -> u64| of(&self.sampled).wrapping_sub(of(&self.base));
        let few = |average: u64| average.wrapping_add(0x1ff) >> 10;
        let many = |average: u64| average.wrapping_add(0xf) >> 5;
        Stats {
            total: Traffic {
                connections: since(|it| it.connections),
                packets_in: since(|it| it.packets_in),
                packets_out: since(|it| it.packets_out),
                bytes_in: since(|it| it.bytes_in),
                bytes_out: since(|it| it.bytes_out),
            },
            per_second: Traffic {
                connections: few(self.averages.connections),
                packets_in: few(self.averages.packets_in),
                packets_out: few(self.averages.packets_out),
                bytes_in: many(self.averages.bytes_in),
                bytes_out: many(self.averages.bytes_out),
            },
        }
    }
}

/// Moves an average a quarter of the way to a rate. The shift rounds down: a falling
/// average arrives at 0, a rising one may stop short by up to 3.
fn approach(average: &mut u64, rate: u64) {
    let distance = rate.wrapping_sub(*average).cast_signed();
    *average = average.wrapping_add_signed(distance >> 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_decays_as_measured_on_linux() {
        let mut counters = Counters::default();
        counters.count_connection();
        counters.count_in(1, 40);
        counters.sample();
        for _ in 0..100 {
            counters.count_connection();
            counters.count_in(1, 40);
        }
        let mut rates = || {
            counters.sample();
            let rates = counters.stats().per_second;
            (rates.connections, rates.bytes_in)
        };
        let (connections, bytes): (Vec<_>, Vec<_>) = (0..14).map(|_| rates()).unzip();
        assert_eq!(connections, [13, 9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1, 0, 0]);
        assert_eq!(bytes, [504, 378, 283, 212, 159, 120, 90, 67, 50, 38, 28, 21, 16, 12]);
    }

    #[test]
    fn a_sample_after_silence_ends_the_sampling() {
        let mut counters = Counters::default();
        assert!(!counters.is_moving());
        counters.count_in(1, 1500);
        assert!(counters.is_moving());
        let samples = (1..1000).find(|_| !counters.sample()).unwrap();
        assert!(samples < 60, "an average arrives: {samples}");
        assert_eq!(counters.stats().per_second, Traffic::default());
        assert_eq!(counters.stats().total.bytes_in, 1500);
    }

    #[test]
    fn zeroing_goes_back_to_the_last_sample() {
        let mut counters = Counters::default();
        for _ in 0..10 {
            counters.count_connection();
        }
        counters.zero();
        assert_eq!(counters.stats(), Stats::default());
        counters.sample();
        assert_eq!(counters.stats().total.connections, 10, "as on Linux");
        assert_eq!(counters.stats().per_second.connections, 1);
        counters.zero();
        assert_eq!(counters.stats(), Stats::default());
        counters.sample();
        assert_eq!(counters.stats(), Stats::default());
    }

    #[test]
    fn counters_wrap() {
        let mut counters = Counters::default();
        counters.count_in(u64::MAX, u64::MAX);
        counters.sample();
        counters.zero();
        counters.count_in(2, 3);
        counters.sample();
        let total = counters.stats().total;
        assert_eq!((total.packets_in, total.bytes_in), (2, 3));
    }
}
