//! Health checks: probes in their rhythm, counted into verdicts.
//!
//! [`checker`] is pure, as are [`counter`] and [`schedule`] of which it is made. [`watch`]
//! drives it for one real server and owns the sockets and the clock of its probes; it knows
//! nothing of weights, and nobody hears of it but by verdicts. Whoever spawns it ends it by
//! dropping it.

mod checker;
mod counter;
mod exchange;
mod http;
mod outcome;
mod probe;
mod schedule;
mod tcp;
mod tls;

#[cfg(test)]
mod tests;

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use weir_ipvs::RealServerKey;

pub(crate) use self::{
    checker::Checker,
    counter::State,
    outcome::{Cause, Evidence, Outcome},
};
use self::{probe::Probe, tcp::Deadline};
use crate::config::Check;

/// Probes under way at one time, of all watches together. Bounds descriptors; a probe that
/// waits here is late, not failed.
pub(crate) const PROBES_IN_FLIGHT: usize = 512;

/// One real server to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whose health it is.
    pub(crate) key: RealServerKey,
    /// Tells this watch from earlier ones of the same real server, whose last verdict may
    /// still be on its way.
    pub(crate) watch: u64,
    /// Where probes go.
    pub(crate) address: SocketAddr,
    /// How.
    pub(crate) check: Check,
}

/// A real server's state changed, or what is known of why it is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whose.
    pub(crate) key: RealServerKey,
    /// [`Target::watch`].
    pub(crate) watch: u64,
    /// Never unknown.
    pub(crate) state: State,
    /// Of its failure, if it fails.
    pub(crate) evidence: Evidence,
    /// What was seen, for people: `refused, 3 in a row`.
    pub(crate) detail: String,
}

/// Probes `target` for ever and tells each change of its state. Never two probes at a
/// time; starts are at least the period apart, or the time that the previous probe took.
pub(crate) async fn watch<Told: Future<Output = ()>>(
    target: Target,
    in_flight: Arc<Semaphore>,
    tell: impl Fn(Verdict) -> Told,
) -> Infallible {
    let probe = Probe::new(&target.check, target.address);
    let limit = target.check.timeout;
    let mut checker = Checker::new(target);
    let mut due = Instant::now() + checker.first();
    loop {
        sleep_until(due).await;
        let turn = in_flight.acquire().await;
        let started = Instant::now();
        let outcome = probe.run(Deadline(started + limit)).await;
        drop(turn);
        let (verdict, next) = checker.record(&outcome, started.elapsed());
        if let Some(verdict) = verdict {
            tell(verdict).await;
        }
        due = started + next;
    }
}
