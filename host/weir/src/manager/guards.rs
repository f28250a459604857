//! What guards are asked, and what becomes of what they deny.
//!
//! A change is a plugin's if its words make the difference. What is denied counts as
//! unsaid until the guard is asked again; all else of the service goes on. weir's own
//! words, those of the configuration and drains of servers that are down are nobody's to
//! hold up.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{
    Change, Endpoint, Failure, OnFailure, RealServer, RealServerKey, Service, ServiceKey,
    TableEntry,
    diff::{Plan, diff},
};
use weir_wasm::{Judgement, Origin, Review, printable};

use super::{Manager, Now, Plugin};
use crate::{
    config::Mode,
    formula::{self, Says, Word},
    plan::{Claim, Server},
    report::Line,
};

/// How long a denial counts before the guard is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Manager {
    /// Has guards judge what plugins would change of a service that was just decided. Says
    /// whether something was denied, so that it is to be decided again.
    pub(super) fn deny_changes(&mut self, now: Now, key: ServiceKey) -> bool {
        if !self.is_guarded(&key) {
            return false;
        }
        let Some(claim) = self.claims.get(&key) else { return false };
        let mut wanted = wanted_by_plugins(claim);
        wanted.retain(|name, _| self.plugins.iter().any(|it| it.name == *name));
        let mut is_denied = false;
        for (name, servers) in wanted {
            let Some(review) = self.review(key, &name, &servers) else { continue };
            let Some(denial) = self.judge(now, &review, &[key]) else { continue };
            is_denied = true;
            for server in servers {
                let key = RealServerKey { service: key, server };
                let again_at = now.monotonic.saturating_add(ASK_AGAIN);
                if self.statements.set_aside(&name, &key, &denial, again_at) {
                    self.log(
                        Line::warn("rejected")
                            .with("service", key.service)
                            .with("server", key.server)
                            .with("plugin", &name)
                            .with("reason", &denial),
                    );
                }
            }
        }
        is_denied
    }

    /// Has guards judge what a command is about to change; why it must not.
    pub(super) fn deny_command(
        &mut self,
        now: Now,
        changes: &[Change],
        on_failure: OnFailure,
    ) -> Option<Vec<Failure>> {
        let touched = self.touched(changes);
        let touched: Vec<ServiceKey> =
            touched.into_iter().filter(|it| self.is_guarded(it)).collect();
        if touched.is_empty() {
            return None;
        }
        let outcome = touched.iter().filter_map(|key| outcome(self.world.get(key), *key, changes));
        let review = Review {
            origin: Origin::Operator,
            reason: String::new(),
            changes: changes.to_vec(),
            outcome: outcome.collect(),
        };
        let denial = self.judge(now, &review, &touched)?;
        self.log(Line::warn("rejected").with("of", "a command").with("reason", &denial));
        let steps = match on_failure {
            OnFailure::Stop => 0..1,
            OnFailure::Proceed => 0..changes.len(),
        };
        let error = weir_ipvs::Error::Rejected(denial);
        Some(steps.map(|step| Failure { step, error: error.clone() }).collect())
    }

    /// Whether a guard is to be asked about changes of this service, even one that is
    /// broken.
    fn is_guarded(&self, key: &ServiceKey) -> bool {
        self.plugins.iter().any(|it| self.guards(it, key))
    }

    fn guards(&self, plugin: &Plugin, key: &ServiceKey) -> bool {
        if !plugin.is_guard() || plugin.mode == Mode::Off {
            return false;
        }
        match plugin.granted() {
            Some(granted) => granted.services.contains(key),
            None => self.claims.get(key).is_some_and(|it| plugin.grant.reaches(&it.name)),
        }
    }

    /// What a plugin's words on `servers`, which are in order, would change of a service.
    fn review(&self, key: ServiceKey, name: &str, servers: &[Endpoint]) -> Option<Review> {
        let claim = self.claims.get(&key)?;
        let found = self.world.get(&key).map(|it| claim.owned(it));
        let desired = claim.desired(found.as_ref())?;
        let outcome = vec![(desired.service.clone(), desired.servers.values().copied().collect())];
        let actual: Plan = found.into_iter().map(|it| (key, it)).collect();
        let desired = Plan::from([(key, desired)]);
        let is_theirs = |change: &Change| match change {
            Change::AddServer(_, it) | Change::EditServer(_, it) => {
                servers.binary_search(&it.endpoint).is_ok()
            }
            _ => false,
        };
        let words = servers.iter().filter_map(|it| claim.servers.get(it));
        let words = words.flat_map(|it| &it.decision.words);
        let reason = words.filter(|it| it.who == name).map(|it| it.reason.clone()).next();
        Some(Review {
            origin: Origin::Plugin(name.to_owned()),
            reason: reason.unwrap_or_default(),
            changes: diff(&actual, &desired).into_iter().filter(is_theirs).collect(),
            outcome,
        })
    }

    /// Asks every guard of `services`; why one says no.
    fn judge(&mut self, now: Now, review: &Review, services: &[ServiceKey]) -> Option<String> {
        let is_operator = review.origin == Origin::Operator;
        for index in 0..self.plugins.len() {
            let plugin = &self.plugins[index];
            if !services.iter().any(|it| self.guards(plugin, it)) {
                continue;
            }
            let is_shadow = plugin.mode == Mode::Shadow;
            let name = plugin.name.clone();
            let view = self.view(now, index);
            let judged = self.plugins[index].judge(review.clone(), view);
            if matches!(judged, Some(Ok(_))) {
                self.plugins[index].succeeded();
            }
            match judged {
                Some(Ok(Judgement::Allow)) => {}
                Some(Ok(Judgement::Warn(text))) => {
                    self.log(Line::warn("guard-warns").with("guard", name).with("reason", text));
                }
                Some(Ok(Judgement::Deny(why))) if is_shadow => {
                    self.log(Line::info("would-reject").with("guard", name).with("reason", why));
                }
                Some(Ok(Judgement::Deny(why))) => {
                    return Some(format!("guard {name}: {}", printable(&why)));
                }
                broken => {
                    if let Some(Err(report)) = broken {
                        self.plugin_failed(now, index, &report);
                    }
                    if is_shadow {
                        continue;
                    }
                    if !is_operator {
                        return Some(format!("guard {name} is broken, and plugins wait for it"));
                    }
                    let line = Line::warn("guard-broken").with("guard", name);
                    self.log(line.with("then", "the command goes on without it"));
                }
            }
        }
        None
    }
}

/// The plugins whose words make a difference between the table and what was decided, and
/// where.
fn wanted_by_plugins(claim: &Claim) -> BTreeMap<String, Vec<Endpoint>> {
    let terms = claim.terms();
    let mut wanted: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for (endpoint, server) in &claim.servers {
        let decision = &server.decision;
        if decision.weight == server.seen.map(|it| it.weight) {
            continue;
        }
        let mut names: Vec<&str> = decision.words.iter().map(|it| it.who.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let is_theirs = |it: &&Word| it.who == name && may_be_held_up(server, it);
            if !decision.words.iter().any(|it| is_theirs(&it)) {
                continue;
            }
            let rest = decision.words.iter().filter(|it| !is_theirs(it)).cloned();
            let rest: Vec<Word> = rest.collect();
            if formula::weight(&terms, decision.base, &rest) != decision.goal {
                wanted.entry(name.to_owned()).or_default().push(*endpoint);
            }
        }
    }
    wanted
}

/// Whether a guard has a say in this word about `server`.
fn may_be_held_up(server: &Server, word: &Word) -> bool {
    match word.says {
        Says::Drain => !server.is_down(),
        Says::Base(_) | Says::Scale(_) | Says::Floor(_) | Says::Cap(_) => true,
        _ => false,
    }
}

/// What a service will be after `changes` of which some touch it; none = it will not be.
fn outcome(
    entry: Option<&TableEntry>,
    key: ServiceKey,
    changes: &[Change],
) -> Option<(Service, Vec<RealServer>)> {
    let mut planned = entry.map(|it| {
        let servers: Vec<_> = it.servers.iter().map(|it| it.config).collect();
        (it.service.config.clone(), servers)
    });
    for change in changes {
        match change {
            Change::AddService(it) if it.key == key => {
                planned.get_or_insert_with(|| (it.clone(), Vec::new()));
            }
            Change::EditService(it) if it.key == key => {
                planned = planned.map(|(_, servers)| (it.clone(), servers));
            }
            Change::DeleteService(it) if *it == key => planned = None,
            Change::Flush => planned = None,
            Change::AddServer(it, server) | Change::EditServer(it, server) if *it == key => {
                if let Some((_, servers)) = &mut planned {
                    servers.retain(|it| it.endpoint != server.endpoint);
                    servers.push(*server);
                }
            }
            Change::DeleteServer(it) if it.service == key => {
                if let Some((_, servers)) = &mut planned {
                    servers.retain(|server| server.endpoint != it.server);
                }
            }
            _ => {}
        }
    }
    planned
}
