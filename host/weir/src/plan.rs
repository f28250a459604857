//! What the configuration claims, and what the table should hold of it. Pure.
//!
//! A claim is on a service: made by a `[[service]]`, which states it whole, or by a
//! `[[match]]`, which claims the weights of what others put there. Real servers that a
//! service has beside the claimed ones are foreign: they appear in no plan, so no change
//! ever touches them.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{Endpoint, RealServer, Service, ServiceKey, TableEntry, diff::PlannedService};
use weir_wasm::Intent;

use crate::{
    config::{Check, Config, Match, NamedService},
    health::{Evidence, State, Verdict},
    merge,
};

/// A claimed service.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// Name of the `[[service]]` or `[[match]]`.
    pub(crate) name: String,
    /// What the configuration states of the service; none = it is taken as found.
    pub(crate) stated: Option<Service>,
    /// How its real servers are checked.
    pub(crate) check: Option<Check>,
    /// Claimed real servers.
    pub(crate) servers: BTreeMap<Endpoint, Server>,
    /// The service as the kernel had it when last looked at.
    pub(crate) seen: Option<Service>,
    /// Whether it was ever looked at.
    pub(crate) looked: bool,
}

/// A claimed real server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// What the configuration states of it; none = all but the weight is taken as found.
    pub(crate) stated: Option<RealServer>,
    /// Its weight while nothing is said about it.
    pub(crate) base: u32,
    /// Whether the configuration states the base. Otherwise whoever edits the table does.
    pub(crate) owns_base: bool,
    /// The weight it was found with, to be kept until its first check passes: a restart
    /// gives no traffic to a server that had none, and takes none away.
    pub(crate) held: Option<u32>,
    /// Its checks; none = not checked.
    pub(crate) watch: Option<u64>,
    /// What they say.
    pub(crate) health: Health,
    /// The real server as the kernel had it when last looked at.
    pub(crate) seen: Option<RealServer>,
}

/// What the checks of a real server say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    /// Where they stand.
    pub(crate) state: State,
    /// When the status was last another: up is up, whether or not it is suspect.
    pub(crate) since: Duration,
    /// How sure its failure is.
    pub(crate) evidence: Evidence,
    /// What was seen last, for people.
    pub(crate) detail: String,
}

impl Health {
    /// Whether `verdict` says something new.
    pub(crate) fn differs(&self, verdict: &Verdict) -> bool {
        (self.state, self.evidence) != (verdict.state, verdict.evidence)
    }

    /// Takes a verdict in that was given at `now`.
    pub(crate) fn take(&mut self, verdict: &Verdict, now: Duration) {
        if self.state.status() != verdict.state.status() {
            self.since = now;
        }
        self.state = verdict.state;
        self.evidence = verdict.evidence;
        self.detail.clone_from(&verdict.detail);
    }
}

impl Server {
    /// A server of a `[[service]]`, which the kernel has as `found`.
    pub(crate) fn stated(server: RealServer, found: Option<RealServer>, checked: bool) -> Self {
        let held = found.map_or(0, |it| it.weight);
        Self {
            stated: Some(server),
            base: server.weight,
            owns_base: true,
            held: checked.then_some(held),
            watch: None,
            health: Health::default(),
            seen: found,
        }
    }

    /// A server that a `[[match]]` claims, with the base `weight` if the match states one.
    ///
    /// If it does not, what was found is the base; but where there are checks, 0 was
    /// likely their doing in an earlier run, and then the base is 1.
    pub(crate) fn found(found: RealServer, weight: Option<u32>, checked: bool) -> Self {
        let unstated = if checked { found.weight.max(1) } else { found.weight };
        Self {
            stated: None,
            base: weight.unwrap_or(unstated),
            owns_base: weight.is_some(),
            ..Self::stated(found, Some(found), checked)
        }
    }

    /// The weight it should have while `intents` stand.
    pub(crate) fn weight(&self, intents: &[Intent]) -> u32 {
        let merged = merge::weight(self.base, intents);
        match self.held {
            Some(held) if merged > 0 => held,
            _ => merged,
        }
    }
}

/// The claim on a service with this key and state, if there is one: a `[[service]]` before
/// a `[[match]]`, matches in their order. It has no servers yet.
pub(crate) fn claim(config: &Config, key: &ServiceKey) -> Option<Claim> {
    if let Some(it) = named(config, key) {
        let stated = Some(it.service.clone());
        return Some(Claim::new(&it.name, stated, it.check.clone()));
    }
    matched(config, key).map(|it| Claim::new(&it.name, None, it.check.clone()))
}

/// The `[[service]]` with this key.
pub(crate) fn named<'c>(config: &'c Config, key: &ServiceKey) -> Option<&'c NamedService> {
    config.services.iter().find(|it| it.service.key == *key)
}

/// The first `[[match]]` that claims services with this key.
pub(crate) fn matched<'c>(config: &'c Config, key: &ServiceKey) -> Option<&'c Match> {
    config.matches.iter().find(|it| it.claims_service(key))
}

impl Claim {
    fn new(name: &str, stated: Option<Service>, check: Option<Check>) -> Self {
        Self {
            name: name.to_owned(),
            stated,
            check,
            servers: BTreeMap::new(),
            seen: None,
            looked: false,
        }
    }

    /// What of `entry` is claimed.
    pub(crate) fn owned(&self, entry: &TableEntry) -> PlannedService {
        let servers = entry.servers.iter().map(|it| (it.config.endpoint, it.config));
        PlannedService {
            service: entry.service.config.clone(),
            servers: servers.filter(|(endpoint, _)| self.servers.contains_key(endpoint)).collect(),
        }
    }

    /// What it should be, where the kernel holds `found` and `weight` says each weight.
    /// None = nothing: a match claims only what is there.
    pub(crate) fn desired(
        &self,
        found: Option<&PlannedService>,
        weight: impl Fn(Endpoint, &Server) -> u32,
    ) -> Option<PlannedService> {
        let service = self.stated.clone().or_else(|| found.map(|it| it.service.clone()))?;
        let mut servers = BTreeMap::new();
        for (endpoint, server) in &self.servers {
            let there = found.and_then(|it| it.servers.get(endpoint)).copied();
            if let Some(wanted) = server.stated.or(there) {
                servers
                    .insert(*endpoint, RealServer { weight: weight(*endpoint, server), ..wanted });
            }
        }
        Some(PlannedService { service, servers })
    }
}
