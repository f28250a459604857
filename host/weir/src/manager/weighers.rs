//! When weighers are called, with what, and what becomes of their scales.
//!
//! Each service within a weigher's grant has its turn, once a period, all of them spread
//! over it. What is read for that is the service alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::{Endpoint, Ipvs, RealServerKey, ServiceKey, Traffic};
use weir_wasm::{Candidate, Intent, Statement, Weighed, Weighing};

use super::{Manager, Now, statements::Voice, timers::Timers};
use crate::{plan::Role, random::Random};

/// Services that are weighed before the manager looks for events again. One takes about
/// 100 us, so that a verdict waits no longer than it takes to notice.
const WEIGHED_AT_ONCE: usize = 32;

/// The turns of one weigher, and what it is to remember.
#[derive(Debug, Default)]
pub(super) struct Weighings {
    turns: Timers,
    past: BTreeMap<ServiceKey, Past>,
}

/// The call before for a service.
#[derive(Debug, Default)]
struct Past {
    /// When it was.
    at: Option<Duration>,
    totals: BTreeMap<Endpoint, Traffic>,
    memo: Vec<u8>,
}

impl Weighings {
    /// A service is claimed no more.
    pub(super) fn forget(&mut self, key: ServiceKey) {
        self.past.remove(&key);
        self.turns.set(key, None);
    }

    /// When the next service has its turn.
    pub(super) fn next(&self) -> Option<Duration> {
        self.turns.next()
    }
}

impl Manager {
    /// Gives turns to the services that weighers may see, and takes them from others. It is to be
    /// done when a weigher starts, and when services are claimed.
    pub(super) fn plan_weighings(&mut self, now: Now) {
        for plugin in self.plugins.iter_mut().filter(|it| it.is_weigher()) {
            let Some(granted) = plugin.granted().filter(|it| it.scale.is_some()) else { continue };
            let seen = self.claims.keys().filter(|it| granted.services.contains(it));
            let seen: BTreeSet<ServiceKey> = seen.copied().collect();
            let gone = plugin.weighings.past.extract_if(.., |key, _| !seen.contains(key));
            for (key, _) in gone {
                plugin.weighings.turns.set(key, None);
            }
            for key in seen {
                plugin.weighings.past.entry(key).or_insert_with(|| {
                    let part = Random::named(&format!("{} {key}", plugin.name)).uniform();
                    let first = now.monotonic.saturating_add(plugin.every.mul_f64(part));
                    plugin.weighings.turns.set(key, Some(first));
                    Past::default()
                });
            }
        }
    }

    /// Weighs the services whose turn has come.
    pub(super) fn weigh(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        let mut left = WEIGHED_AT_ONCE;
        for index in 0..self.plugins.len() {
            while left > 0 && self.plugins[index].weigher().is_some() {
                let plugin = &mut self.plugins[index];
                let Some(key) = plugin.weighings.turns.pop(now.monotonic) else { break };
                let next = now.monotonic.saturating_add(plugin.every);
                plugin.weighings.turns.set(key, Some(next));
                left -= 1;
                if self.look_at(now, ipvs, key).is_ok() {
                    self.weigh_one(now, index, key);
                }
            }
        }
    }

    fn weigh_one(&mut self, now: Now, index: usize, key: ServiceKey) {
        let Some(weighing) = self.weighing(now, index, key) else { return };
        let plugin = &mut self.plugins[index];
        let Some(weighed) = plugin.weigher().map(|weigh| weigh(&weighing)) else { return };
        match weighed {
            Ok(weighed) => {
                plugin.succeeded();
                self.take_scales(now, index, key, &weighing, weighed);
            }
            Err(report) => self.plugin_failed(now, index, &report),
        }
    }

    /// What is to be weighed; none = there is nothing.
    fn weighing(&self, now: Now, index: usize, key: ServiceKey) -> Option<Weighing> {
        let (claim, entry) = (self.claims.get(&key)?, self.world.get(&key)?);
        let past = self.plugins[index].weighings.past.get(&key)?;
        let (terms, name) = (claim.terms(), &self.plugins[index].name);
        let labels = self.world.labels(&key);
        let statuses = entry.servers.iter().map(|it| (it.config.endpoint, it));
        let statuses: BTreeMap<_, _> = statuses.collect();
        let candidate = |endpoint: &Endpoint| {
            let server = claim.servers.get(endpoint).filter(|it| it.role == Role::Real)?;
            let status = *statuses.get(endpoint)?;
            let before = past.totals.get(endpoint);
            Some(Candidate {
                server: *status,
                labels: labels.and_then(|it| it.servers.get(endpoint)).cloned().unwrap_or_default(),
                base: server.base,
                unweighed: server.decision.without(&terms, name),
                health: server.health.state.status(),
                latency: server.latency.get(),
                delta: before.map_or_else(Traffic::default, |it| since(*it, status.stats.total)),
            })
        };
        let candidates: Vec<Candidate> = claim.servers.keys().filter_map(candidate).collect();
        (!candidates.is_empty()).then(|| Weighing {
            service: entry.service.config.clone(),
            name: claim.name.clone(),
            labels: labels.map(|it| it.service.clone()).unwrap_or_default(),
            at_ns: now.wall_ns(),
            period: past.at.map_or(Duration::ZERO, |it| now.monotonic.saturating_sub(it)),
            candidates,
            memo: past.memo.clone(),
        })
    }

    fn take_scales(
        &mut self,
        now: Now,
        index: usize,
        key: ServiceKey,
        weighing: &Weighing,
        weighed: Weighed,
    ) {
        let plugin = &mut self.plugins[index];
        let endpoints = || weighing.candidates.iter().map(|it| it.server.config.endpoint);
        let totals = weighing.candidates.iter().map(|it| it.server.stats.total);
        if let Some(past) = plugin.weighings.past.get_mut(&key) {
            past.at = Some(now.monotonic);
            past.totals = endpoints().zip(totals).collect();
            past.memo = weighed.memo;
        }
        let Some(granted) = plugin.granted() else { return };
        let (lease, scales) = (granted.lease, granted.clone());
        for (server, asked) in endpoints().zip(weighed.scales) {
            // What it may not say now, it may at its next turn.
            if self.plugins[index].credit.left(now.monotonic) == Some(0) {
                break;
            }
            let Some(scale) = scales.scaled(asked) else { continue };
            let key = RealServerKey { service: key, server };
            let intent = Intent::Scale(scale);
            let statement = Statement { key, intent, lease, reason: "weighed".to_owned() };
            self.publish(now, index, Voice::Weigher, statement);
        }
    }
}

/// What passed between two readings; nothing if the counters began anew.
fn since(before: Traffic, after: Traffic) -> Traffic {
    let fields =
        |it: Traffic| [it.connections, it.packets_in, it.packets_out, it.bytes_in, it.bytes_out];
    let (before, after) = (fields(before), fields(after));
    if before.iter().zip(after).any(|(before, after)| after < *before) {
        return Traffic::default();
    }
    Traffic {
        connections: after[0] - before[0],
        packets_in: after[1] - before[1],
        packets_out: after[2] - before[2],
        bytes_in: after[3] - before[3],
        bytes_out: after[4] - before[4],
    }
}
