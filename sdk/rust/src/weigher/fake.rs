//! A service to be weighed again and again, for unit tests of weighers, which run natively: what
//! `cargo test` builds.
//!
//! Weights follow the scales, as if nobody else said anything; connections are as the test says,
//! whatever the weights. How those follow is for `weir test` to tell.
//!
//! ```no_run
//! use weir_sdk::weigher::{Input, Output, fake::Service};
//!
//! /// Half for who has more than ten connections open.
//! fn weigh(input: &Input) -> Result<Output, String> {
//!     let active = input.candidates.iter().map(|it| it.server.active);
//!     let scales = active.map(|it| if it > 10 { 500 } else { 1000 }).collect();
//!     Ok(Output { scales, memo: Vec::new() })
//! }
//!
//! let service = Service::new("tcp 192.0.2.1:80", &[("10.0.0.1:80", 100), ("10.0.0.2:80", 50)]);
//! service.set_connections("10.0.0.1:80", 11, 0);
//! assert_eq!(service.weigh(weigh)?, [500, 1000]);
//! assert_eq!(service.weights(), [50, 50]);
//! # Ok::<(), String>(())
//! ```

use std::{
    cell::{RefCell, RefMut},
    rc::{Rc, Weak},
    time::Duration,
};

use self::named::{nanoseconds, no_stats, service_key, socket};
use super::{
    Candidate, HealthStatus, Input, Output, RealServer, plain, weir::ipvs::addresses::Endpoint,
};

#[path = "../fake/log.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub mod log;
#[path = "../fake/named.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
mod named;

thread_local! {
    /// Whose log it is, for a weigher writes without naming one.
    static CURRENT: RefCell<Weak<RefCell<State>>> = const { RefCell::new(Weak::new()) };
}

/// Between two turns.
const PERIOD: Duration = Duration::from_secs(5);

/// A service, and what its weigher remembers. A thread has one log, that of the newest.
pub struct Service(Rc<RefCell<State>>);

struct State {
    input: Input,
    log: Vec<String>,
}

impl Service {
    /// A service, `tcp 192.0.2.1:80` or `fwmark 7`, named `web`, and its real servers, which are
    /// up, with their base weights. The time is the beginning of 2026, UTC.
    ///
    /// Panics if that is not how one is written.
    pub fn new(key: &str, servers: &[(&str, u32)]) -> Self {
        let candidates = servers.iter().map(|(address, base)| Candidate {
            server: RealServer {
                config: plain::real_server(socket(address), *base),
                active: 0,
                inactive: 0,
                persistent: 0,
                stats: no_stats(),
            },
            labels: Vec::new(),
            base: *base,
            unweighed: *base,
            health: HealthStatus::Up,
            latency: None,
            delta: no_stats().total,
        });
        let input = Input {
            service: plain::service_config(service_key(key), "wrr"),
            name: "web".to_owned(),
            labels: Vec::new(),
            settings: "{}".to_owned(),
            at: 1_767_225_600_000_000_000,
            utc_offset: 0,
            period: 0,
            candidates: candidates.collect(),
            memo: Vec::new(),
        };
        let state = Rc::new(RefCell::new(State { input, log: Vec::new() }));
        CURRENT.set(Rc::downgrade(&state));
        Self(state)
    }

    /// The weigher's settings, as JSON.
    pub fn with_settings(self, settings: &str) -> Self {
        settings.clone_into(&mut self.0.borrow_mut().input.settings);
        self
    }

    /// Seconds that local time is ahead of UTC.
    pub fn with_utc_offset(self, seconds: i32) -> Self {
        self.0.borrow_mut().input.utc_offset = seconds;
        self
    }

    /// One turn, 5 s after the one before: the scales, in the order of the real servers.
    ///
    /// If the weigher fails, weights and what it remembers stay. Panics if it gives more or fewer
    /// scales than there are real servers, which the real host would not take.
    pub fn weigh(
        &self,
        weigh: impl FnOnce(&Input) -> Result<Output, String>,
    ) -> Result<Vec<u32>, String> {
        CURRENT.set(Rc::downgrade(&self.0));
        let input = self.0.borrow().input.clone();
        let weighed = weigh(&input);
        let input = &mut self.0.borrow_mut().input;
        input.at += nanoseconds(PERIOD);
        input.period = nanoseconds(PERIOD) / 1_000_000;
        let Output { scales, memo } = weighed?;
        let count = input.candidates.len();
        assert!(scales.len() == count, "{} scales for {count} real servers", scales.len());
        for (candidate, scale) in input.candidates.iter_mut().zip(&scales) {
            let weight = (u64::from(candidate.unweighed) * u64::from(*scale)).div_ceil(1000);
            candidate.server.config.weight = u32::try_from(weight).unwrap_or(u32::MAX);
        }
        input.memo = memo;
        Ok(scales)
    }

    /// The weights that the last turn came to.
    pub fn weights(&self) -> Vec<u32> {
        self.0.borrow().input.candidates.iter().map(|it| it.server.config.weight).collect()
    }

    /// The lines of the log: `warn: no latency`.
    pub fn logged(&self) -> Vec<String> {
        self.0.borrow().log.clone()
    }

    /// Sets a real server's health. Panics if there is none such.
    pub fn set_health(&self, server: &str, status: HealthStatus) {
        self.candidate(server).health = status;
    }

    /// Sets how long a real server's newest probe took. Panics if there is none such.
    pub fn set_latency(&self, server: &str, latency: Duration) {
        self.candidate(server).latency = Some(nanoseconds(latency));
    }

    /// Sets a real server's connections. Panics if there is none such.
    pub fn set_connections(&self, server: &str, active: u32, inactive: u32) {
        let mut candidate = self.candidate(server);
        (candidate.server.active, candidate.server.inactive) = (active, inactive);
    }

    /// Sets the weight that a real server would have without the weigher, which is its base weight
    /// otherwise. Panics if there is none such.
    pub fn set_unweighed(&self, server: &str, weight: u32) {
        self.candidate(server).unweighed = weight;
    }

    /// Sets a real server's labels. Panics if there is none such.
    pub fn set_labels(&self, server: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.candidate(server).labels = labels.collect();
    }

    /// Sets how many connections a real server got since the turn before, now and in each turn to
    /// come. Panics if there is none such.
    pub fn set_new_connections(&self, server: &str, connections: u64) {
        self.candidate(server).delta.connections = connections;
    }

    fn candidate(&self, server: &str) -> RefMut<'_, Candidate> {
        let address = Endpoint::from(socket(server));
        RefMut::map(self.0.borrow_mut(), |state| {
            let mut found = state.input.candidates.iter_mut();
            let found = found.find(|it| it.server.config.server == address);
            found.unwrap_or_else(|| panic!("no real server {server}"))
        })
    }
}

fn look<T>(look: impl FnOnce(&mut State) -> T) -> T {
    let state = CURRENT.with_borrow(Weak::upgrade);
    let state = state.expect("no service: make a weir_sdk::weigher::fake::Service first");
    look(&mut state.borrow_mut())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weigher::settings;

    fn service() -> Service {
        Service::new("tcp 192.0.2.1:80", &[("10.0.0.1:80", 100), ("10.0.0.2:80", 3)])
    }

    #[test]
    fn a_turn_follows_the_one_before() {
        let service = service().with_settings("[7]").with_utc_offset(3600);
        service.set_latency("10.0.0.1:80", Duration::from_millis(2));
        service.set_health("10.0.0.2:80", HealthStatus::Down);
        service.set_connections("10.0.0.2:80", 3, 4);
        service.set_new_connections("10.0.0.2:80", 5);
        service.set_labels("10.0.0.2:80", &[("zone", "a")]);
        service.set_unweighed("10.0.0.1:80", 50);
        let first = service.weigh(|input| {
            assert_eq!(settings::<[u32; 1]>(input), Ok([7]));
            assert_eq!((input.period, input.utc_offset, &*input.memo), (0, 3600, [].as_slice()));
            let [first, second] = &input.candidates[..] else { panic!() };
            assert_eq!((first.health, first.latency), (HealthStatus::Up, Some(2_000_000)));
            assert_eq!((second.health, second.delta.connections), (HealthStatus::Down, 5));
            assert_eq!((first.unweighed, second.unweighed), (50, 3));
            assert_eq!(second.labels, [("zone".to_owned(), "a".to_owned())]);
            assert_eq!((second.server.active, second.server.inactive), (3, 4));
            log::write(log::Level::Info, "weighed", &[]);
            Ok(Output { scales: vec![1500, 500], memo: vec![1] })
        });
        assert_eq!((first, service.weights()), (Ok(vec![1500, 500]), vec![75, 2]));
        let failed = service.weigh(|input| {
            assert_eq!((input.period, &*input.memo), (5_000, [1].as_slice()));
            Err("no".to_owned())
        });
        assert_eq!((failed, service.weights()), (Err("no".to_owned()), vec![75, 2]));
        assert_eq!(service.logged(), ["info: weighed"]);
    }

    #[test]
    #[should_panic(expected = "1 scales for 2 real servers")]
    fn each_real_server_has_a_scale() {
        let _ = service().weigh(|_| Ok(Output { scales: vec![1000], memo: Vec::new() }));
    }

    #[test]
    #[should_panic(expected = "no real server 10.0.0.9:80")]
    fn what_is_not_there_is_said() {
        service().set_connections("10.0.0.9:80", 1, 0);
    }
}
