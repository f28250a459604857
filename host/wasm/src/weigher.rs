//! Weighers: what they are given to weigh, and what they answer.
//!
//! Plain data, and the handle of a plugin. When a service is weighed, and what becomes of
//! the scales, is the manager's matter.

use std::time::Duration;

use weir_ipvs::{RealServerStatus, Service, Traffic};

use crate::{
    Failure, HealthStatus, Labels, View,
    call::guarded,
    limits::{MEMO_BYTES, MEMO_SERVER_BYTES},
    maker::Maker,
    release::{Start, Weighs},
    state::PolicyState,
};

/// One real server to be weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As the kernel has it.
    pub server: RealServerStatus,
    /// Its own labels in the configuration.
    pub labels: Labels,
    /// Its weight while nothing is said about it.
    pub base: u32,
    /// The weight that it would have if this plugin said nothing.
    pub unweighed: u32,
    /// What its checks say.
    pub health: HealthStatus,
    /// What the newest probe took; none where it failed, or there was none.
    pub latency: Option<Duration>,
    /// Its traffic since the call before for this service.
    pub delta: Traffic,
}

/// One service to be weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighing {
    /// As the kernel has it.
    pub service: Service,
    /// Its name in the configuration.
    pub name: String,
    /// Its labels there.
    pub labels: Labels,
    /// Nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Since the call before for this service; nothing in the first.
    pub period: Duration,
    /// Its real servers, in the order of their addresses.
    pub candidates: Vec<Candidate>,
    /// What the call before for this service returned as [`Weighed::memo`].
    pub memo: Vec<u8>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighed {
    /// One a candidate, in thousandths, each 1 or more.
    pub scales: Vec<u32>,
    /// For the next call for this service.
    pub memo: Vec<u8>,
}

/// A weigher: a function, called in a fresh instance each time.
pub struct Weigher {
    start: Start<PolicyState, dyn Weighs>,
    maker: Maker,
}

impl Weigher {
    pub(crate) fn new(start: Start<PolicyState, dyn Weighs>, maker: Maker) -> Self {
        Self { start, maker }
    }

    /// Weighs one service.
    ///
    /// Fails with [`Failure::Refused`] if the guest says no, and if its answer is none.
    pub fn weigh(&self, weighing: &Weighing) -> Result<Weighed, Failure> {
        // Weighers have no clock, but what a language's runtime finds in WASI: Go's refuses one
        // that stands at zero.
        let (wall_ns, monotonic_ns) = (weighing.at_ns, weighing.at_ns);
        let view = View { wall_ns, monotonic_ns, ..View::default() };
        let mut store = self.maker.store(view);
        let guest = guarded(&mut store, "start", |store| (self.start)(store))?;
        let answer = guarded(&mut store, "weigh", |store| guest.weigh(store, weighing))?;
        let weighed =
            answer.and_then(|weighed| weighed.check(weighing.candidates.len()).map(|()| weighed));
        weighed.map_err(|message| Failure::Refused {
            plugin: self.maker.settings().instance.clone(),
            call: "weigh",
            message,
            retryable: true,
        })
    }
}

impl Weighed {
    /// What is wrong with it, as the answer for so many `candidates`.
    pub(crate) fn check(&self, candidates: usize) -> Result<(), String> {
        let (scales, memo) = (self.scales.len(), self.memo.len());
        if scales != candidates {
            return Err(format!("it gave {scales} scales for {candidates} real servers"));
        }
        if self.scales.contains(&0) {
            return Err("it gave a scale of 0; the least is 1, and a policy can drain".to_owned());
        }
        let most = MEMO_BYTES.max(candidates * MEMO_SERVER_BYTES);
        if memo > most {
            return Err(format!("its memo of {memo} bytes is longer than {most}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(candidates: usize, memo: usize, expected: Result<(), &str>) {
        let weighed = Weighed { scales: vec![1000; candidates], memo: vec![0; memo] };
        assert_eq!(weighed.check(candidates), expected.map_err(str::to_owned));
    }

    #[test]
    fn a_memo_grows_with_the_service() {
        check(3, 65_536, Ok(()));
        check(3, 65_537, Err("its memo of 65537 bytes is longer than 65536"));
        check(1000, 256_000, Ok(()));
        check(1000, 256_001, Err("its memo of 256001 bytes is longer than 256000"));
    }
}
