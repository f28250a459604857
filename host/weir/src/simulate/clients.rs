//! Clients of one kind: when they connect, from where, and how often they try.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use weir_ipvs::Endpoint;

use super::{
    arrivals::Arrivals,
    scenario::{self, ClientsModel},
};
use crate::random::Random;

/// The first port that clients connect from; the ones below have owners.
const PORT_MIN: u64 = 1024;

/// Connections that begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// Of which clients.
    pub(crate) clients: usize,
    /// How many.
    pub(crate) many: u32,
    /// Tells arrivals as they are now from those that were planned before a change.
    change: u32,
}

/// One try of a client to get an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// Which clients.
    pub(crate) clients: usize,
    /// How often it was tried before.
    pub(crate) tries: u32,
    /// When it was first tried.
    pub(crate) began: Duration,
}

/// See the module.
pub(crate) struct Clients {
    number: usize,
    pub(crate) model: ClientsModel,
    arrivals: Arrivals,
    change: u32,
    pub(crate) random: Random,
    /// Connections so far, by which ports are given out.
    count: u64,
}

impl Clients {
    /// The clients with this number; `random` is their own.
    pub(crate) fn new(number: usize, model: ClientsModel, random: Random) -> Self {
        let arrivals = Arrivals::new(model.arrival, Duration::ZERO);
        Self { number, model, arrivals, change: 0, random, count: 0 }
    }

    /// From `now` on they arrive so, and not as was planned before.
    pub(crate) fn change(&mut self, arrival: scenario::Arrival, now: Duration) {
        self.arrivals = Arrivals::new(arrival, now);
        self.change += 1;
    }

    /// The next arrival after one at `now`, and when.
    pub(crate) fn next(&mut self, now: Duration) -> Option<(Duration, Arrival)> {
        let next = self.arrivals.next(now, &mut self.random)?;
        let arrival = Arrival { clients: self.number, many: next.many, change: self.change };
        Some((next.at, arrival))
    }

    /// Whether what was planned still stands.
    pub(crate) fn expects(&self, arrival: &Arrival) -> bool {
        self.change == arrival.change
    }

    /// Where the next connection comes from: any of the addresses, and the next port.
    pub(crate) fn source(&mut self) -> Endpoint {
        let port = PORT_MIN + self.count % (u64::from(u16::MAX) + 1 - PORT_MIN);
        self.count += 1;
        let (base, length) = self.model.sources;
        let chosen = self.random.number();
        let address = match base {
            IpAddr::V4(base) => {
                let free = u32::MAX.checked_shr(length).unwrap_or(0);
                let [high, low] = [chosen >> 32, chosen].map(|it| it & u64::from(u32::MAX));
                let chosen = u32::try_from(high ^ low).unwrap_or_default();
                IpAddr::from(Ipv4Addr::from_bits(base.to_bits() & !free | chosen & free))
            }
            IpAddr::V6(base) => {
                let free = u128::MAX.checked_shr(length).unwrap_or(0);
                let chosen = u128::from(chosen);
                IpAddr::from(Ipv6Addr::from_bits(base.to_bits() & !free | chosen & free))
            }
        };
        Endpoint { address, port: u16::try_from(port).unwrap_or(u16::MAX) }
    }

    /// The next try after one that failed, and how long to wait before it.
    pub(crate) fn retry(&mut self, attempt: Attempt) -> Option<(Duration, Attempt)> {
        if attempt.tries >= self.model.retries {
            return None;
        }
        let delay = self.model.retry_after.draw(&mut self.random);
        Some((delay, Attempt { tries: attempt.tries + 1, ..attempt }))
    }
}
