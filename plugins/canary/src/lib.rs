//! Gives new real servers a share of their service that grows step by step, and takes it
//! back when one of them fails or is slow.
//!
//! Rolled back, they are drained and stay so until the plugin's settings change: someone
//! has to look. That it is so, and which step it was, the host remembers, over failures of the
//! plugin and restarts of weir.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use weir_sdk::policy::{config, health, labels, log, prelude::*, settings, table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The new real servers are those that have all these labels ..
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// .. and these, by address and port.
    #[serde(default)]
    servers: BTreeSet<String>,
    /// Their share of new connections in percent, step by step; after the last they have
    /// their base weight.
    #[serde(default = "shares")]
    shares: Vec<u32>,
    /// Seconds that each step lasts.
    #[serde(default = "step_s")]
    step_s: u64,
    /// Slow is a check that takes this many times as long as the slowest of the others.
    #[serde(default = "slow")]
    slow: f64,
}

fn shares() -> Vec<u32> {
    vec![5, 10, 25, 50]
}

fn step_s() -> u64 {
    300
}

fn slow() -> f64 {
    3.0
}

/// Looks that find one slow, in a row, before it counts: one may be chance.
const SLOW_LOOKS: u32 = 3;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

struct Canary {
    settings: Settings,
    progress: Progress,
    in_step: Duration,
    slow_looks: u32,
}

/// How far it is: what a restart must not lose.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    /// The settings under which that is so; under others it begins anew.
    settings: String,
    step: usize,
    /// Why it was rolled back, if it was.
    rolled_back: Option<String>,
}

/// What the host remembers it as.
const PROGRESS: &str = "progress";

impl Policy for Canary {
    fn new(_: &Context) -> Result<Self, Failure> {
        let settings: Settings = settings()?;
        let refused = |message: &str| {
            Err(Failure { message: format!("config: {message}"), retryable: false })
        };
        if settings.shares.iter().any(|it| !(1..100).contains(it)) {
            return refused("shares: expected 1 to 99 percent each");
        }
        if settings.labels.is_empty() && settings.servers.is_empty() {
            return refused("expected labels, { canary = \"yes\" }, or servers, [\"10.0.0.3:80\"]");
        }
        let progress = recall(PROGRESS).filter(|it: &Progress| it.settings == config::get());
        let progress =
            progress.unwrap_or_else(|| Progress { settings: config::get(), ..Progress::default() });
        Ok(Self { settings, progress, in_step: Duration::ZERO, slow_looks: 0 })
    }

    fn started(&mut self) -> Result<(), Failure> {
        match self.progress.rolled_back.clone() {
            Some(why) => self.drain_all(&why),
            None => self.limit(),
        }
    }

    fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
        let is_canary = || self.canaries_of(&[change.server]).next().is_some();
        if change.after == HealthStatus::Down && is_canary() {
            return self.roll_back(&format!("{} is down: {}", change.server, change.detail));
        }
        Ok(())
    }

    fn stats_every(&self) -> Option<Duration> {
        Some(LOOK)
    }

    fn stats(&mut self, elapsed: Duration) -> Result<(), Failure> {
        if self.progress.rolled_back.is_some() {
            return Ok(());
        }
        if let Some(why) = self.is_slow() {
            return self.roll_back(&why);
        }
        self.in_step += elapsed;
        if self.in_step >= Duration::from_secs(self.settings.step_s) {
            self.in_step = Duration::ZERO;
            if self.progress.step < self.settings.shares.len() {
                self.progress.step += 1;
                self.note();
            }
        }
        self.limit()
    }
}

impl Canary {
    fn canaries(&self) -> HashSet<RealServerKey> {
        self.canaries_of(&real_servers()).collect()
    }

    fn canaries_of<'a>(
        &'a self,
        servers: &'a [RealServerKey],
    ) -> impl Iterator<Item = RealServerKey> + 'a {
        let wanted = &self.settings.labels;
        let is_labelled = move |labels: &[(String, String)]| {
            let has = |name, value| labels.iter().any(|it| (&it.0, &it.1) == (name, value));
            !wanted.is_empty() && wanted.iter().all(|(name, value)| has(name, value))
        };
        let labels = labels::of_real_servers(servers);
        let canaries = servers.iter().zip(labels).filter(move |(server, labels)| {
            self.settings.servers.contains(&server.server.to_string()) || is_labelled(labels)
        });
        canaries.map(|(server, _)| *server)
    }

    /// Caps the canaries of each service so that together they have their share.
    fn limit(&self) -> Result<(), Failure> {
        let Some(share) = self.settings.shares.get(self.progress.step) else {
            self.canaries().iter().for_each(withdraw);
            return Ok(());
        };
        let all = self.canaries();
        let snapshot = table::current();
        for (number, service) in (0..).zip(snapshot.services(0, u32::MAX)) {
            let service = service.config.key;
            let servers = snapshot
                .real_servers(number)
                .into_iter()
                .map(|it| (RealServerKey { service, server: it.config.server }, it.config.weight));
            let (canaries, others): (Vec<_>, Vec<_>) =
                servers.partition(|(key, _)| all.contains(key));
            let others: u64 = others.iter().map(|(_, weight)| u64::from(*weight)).sum();
            let together = others * u64::from(*share) / u64::from(100 - share);
            let each = (together / canaries.len().max(1) as u64).max(1);
            let each = u32::try_from(each).unwrap_or(u32::MAX);
            let reason = format!("step {}: {share}% of new connections", self.progress.step + 1);
            canaries.iter().try_for_each(|(key, _)| cap(key, each, &reason))?;
        }
        Ok(())
    }

    /// Why a canary is slow, if one was found so often enough.
    fn is_slow(&mut self) -> Option<String> {
        let (all, reports) = (self.canaries(), health::current(&real_servers()));
        let (canaries, others): (Vec<_>, Vec<_>) =
            reports.into_iter().partition(|it| all.contains(&it.key));
        let slowest = others.iter().filter_map(|it| it.latency).max()?;
        let limit = slowest as f64 * self.settings.slow;
        let slow = canaries.iter().find(|it| it.latency.is_some_and(|it| it as f64 > limit));
        self.slow_looks = if slow.is_some() { self.slow_looks + 1 } else { 0 };
        let slow = slow.filter(|_| self.slow_looks >= SLOW_LOOKS)?;
        let milliseconds = |it: u64| it / 1_000_000;
        Some(format!(
            "{} is slow: {} ms, the others {} ms at most",
            slow.key,
            milliseconds(slow.latency?),
            milliseconds(slowest)
        ))
    }

    fn roll_back(&mut self, why: &str) -> Result<(), Failure> {
        if self.progress.rolled_back.is_none() {
            log::write(log::Level::Warn, &format!("rolled back: {why}"), &[]);
            self.progress.rolled_back = Some(why.to_owned());
            self.note();
        }
        self.drain_all(why)
    }

    /// Has the host remember how far it is. Where it may not, a restart begins anew, and nothing
    /// else is different.
    fn note(&self) {
        if let Err(failure) = remember(PROGRESS, &self.progress) {
            log::write(log::Level::Warn, &failure.message, &[]);
        }
    }

    fn drain_all(&self, why: &str) -> Result<(), Failure> {
        let reason = format!("rolled back: {why}");
        self.canaries().iter().try_for_each(|it| drain(it, &reason))
    }
}

weir_sdk::policy!(Canary);

#[cfg(test)]
mod tests {
    use weir_sdk::policy::{
        Event,
        fake::{Host, down},
    };

    use super::*;

    fn host(settings: &str) -> Host {
        Host::new()
            .with_service("tcp 192.0.2.1:80", &[("10.0.0.1:80", 100), ("10.0.0.2:80", 100)])
            .with_labels("10.0.0.2:80", &[("age", "new"), ("zone", "a")])
            .with_settings(settings)
    }

    fn started(settings: &str) -> Vec<String> {
        let host = host(settings);
        let mut canary = host.start::<Canary>().unwrap();
        host.tell(&mut canary, Event::Started).unwrap();
        host.statements()
    }

    #[test]
    fn canaries_are_named_or_labelled() {
        let second = ["10.0.0.2:80 cap 5: step 1: 5% of new connections"];
        assert_eq!(started(r#"{"servers": ["10.0.0.2:80"]}"#), second);
        assert_eq!(started(r#"{"labels": {"age": "new"}}"#), second);
        assert_eq!(started(r#"{"labels": {"age": "new", "zone": "a"}}"#), second);
        assert_eq!(started(r#"{"labels": {"age": "new", "zone": "b"}}"#), [""; 0]);
        let first = ["10.0.0.1:80 cap 5: step 1: 5% of new connections"];
        assert_eq!(started(r#"{"servers": ["10.0.0.1:80"], "labels": {"age": "old"}}"#), first);
    }

    #[test]
    fn one_of_them_must_be_said() {
        let failure = host("{}").start::<Canary>().err().unwrap();
        assert!(failure.message.starts_with("config: expected labels,"), "{}", failure.message);
    }

    #[test]
    fn a_canary_that_goes_down_is_drained_and_another_server_is_not() {
        let host = host(r#"{"labels": {"age": "new"}}"#);
        let mut canary = host.start::<Canary>().unwrap();
        host.tell(&mut canary, down("10.0.0.1:80", "refused")).unwrap();
        assert_eq!(host.statements(), [""; 0]);
        host.tell(&mut canary, down("10.0.0.2:80", "refused")).unwrap();
        let reason = "10.0.0.2:80 drain: rolled back: 10.0.0.2:80 is down: refused";
        assert_eq!(host.statements(), [reason]);
    }
}
