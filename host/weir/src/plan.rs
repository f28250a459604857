//! What the configuration claims, and what the table should hold of it. Pure.
//!
//! A claim is on a service: made by a `[[service]]`, which states it whole, or by a
//! `[[match]]`, which claims the weights of what others put there. Real servers that a
//! service has beside the claimed ones are foreign: they appear in no plan, so no change
//! ever touches them.
//!
//! [`decide`] says what each weight is to be, and from what.

mod agents;
mod decide;
mod down;
mod drain;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use weir_ipvs::{Endpoint, RealServer, Service, ServiceKey, TableEntry, diff::PlannedService};
use weir_wasm::Latency;

pub(crate) use self::{
    agents::Heard,
    decide::{Decision, Surroundings, WAITS},
};
use crate::{
    config::{Checks, Config, Drift, Match, NamedService, Rules, Whose},
    explain::{self, Cause},
    health::{Evidence, State, Verdict},
    safety::{flap::Flaps, panic::Panic, quorum::Quorum},
};

/// A claimed service.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// Name of the `[[service]]` or `[[match]]`.
    pub(crate) name: String,
    /// What the configuration states of the service; none = it is taken as found.
    pub(crate) stated: Option<Service>,
    /// How its real servers are checked.
    pub(crate) check: Option<Checks>,
    /// What keeps it serving.
    pub(crate) rules: Rules,
    /// How much of it is enough.
    pub(crate) quorum: Quorum,
    /// Whether a plugin may give its real servers a part of their weight.
    pub(crate) is_scaled: bool,
    /// Claimed real servers.
    pub(crate) servers: BTreeMap<Endpoint, Server>,
    /// The service as the kernel had it when last looked at.
    pub(crate) seen: Option<Service>,
    /// The number of the look at the whole table in which, or after which, it was last looked
    /// at; 0 = never.
    pub(crate) look: u64,
    /// Whether it has real servers that are not claimed.
    pub(crate) has_foreign: bool,
    /// Whether the configuration has it no more: it goes once its servers are drained.
    pub(crate) is_leaving: bool,
    /// Whether someone else removed it, and it is to stay away.
    pub(crate) is_given_up: bool,
    /// When weights that were found stand no more for want of verdicts.
    pub(crate) settled_at: Duration,
    /// Whether it is below its panic floor.
    pub(crate) panic: Panic,
    /// Whether it has no quorum.
    pub(crate) is_quorum_lost: bool,
    /// Who was told that its scheduler does not listen.
    pub(crate) spoke_in_vain: BTreeSet<String>,
}

/// A claimed real server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// What it is to its service.
    pub(crate) role: Role,
    /// What the configuration states of it; none = all but the weight is taken as found.
    pub(crate) stated: Option<RealServer>,
    /// Its weight while nothing is said about it.
    pub(crate) base: u32,
    /// Whether the configuration states the base. Otherwise whoever edits the table does.
    pub(crate) owns_base: bool,
    /// What gives it its weight before its checks do.
    pub(crate) origin: Origin,
    /// Its checks; none = not checked.
    pub(crate) watch: Option<u64>,
    /// What they say.
    pub(crate) health: Health,
    /// What its agent says.
    pub(crate) agent: Heard,
    /// Its history of going down.
    pub(crate) flaps: Flaps,
    /// Since when it is in service, as far as weir decides: nothing keeps it out.
    pub(crate) serves: bool,
    /// Since when it ramps, if it does.
    pub(crate) ramp_since: Option<Duration>,
    /// What was last decided.
    pub(crate) decision: Decision,
    /// The weight that was last written, or found; none = it is not to be in the table.
    pub(crate) weight: Option<u32>,
    /// What that was decided from.
    pub(crate) applied: Option<Decision>,
    /// When its weight was last written.
    pub(crate) written_at: Option<Duration>,
    /// What was written then, and why.
    pub(crate) wrote: Option<Wrote>,
    /// The real server as the kernel had it when last looked at.
    pub(crate) seen: Option<RealServer>,
    /// Its connections then.
    pub(crate) connections: Option<Connections>,
    /// What its checks measure.
    pub(crate) latency: Latency,
    /// Since when it leaves, if it does.
    pub(crate) leaving_since: Duration,
    /// Whether someone else removed it, and it is to stay away.
    pub(crate) is_given_up: bool,
    /// A weight of someone else's that is not undone.
    pub(crate) tolerated: Option<Tolerated>,
}

/// A weight that someone else wrote, left until weir wants another than at that time; where it
/// took a server out that served, as long as weir wants any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tolerated {
    pub(crate) weight: u32,
    pub(crate) goal: Option<u32>,
    /// The base weight at that time, which the configuration stated.
    pub(crate) base: u32,
}

impl Tolerated {
    /// Whether it is left where weir wants `goal`.
    fn stands(&self, goal: Option<u32>) -> bool {
        // Where weir wants the same, it has nothing of its own to write.
        let is_same = [self.goal, Some(self.weight)].contains(&goal);
        is_same || (self.takes_out() && goal.is_some())
    }

    /// Whether it is no weight in the place of one.
    pub(crate) fn takes_out(&self) -> bool {
        self.weight == 0 && self.goal > Some(0)
    }
}

/// A weight that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrote {
    pub(crate) at: Duration,
    /// None = it was not in the table.
    pub(crate) before: Option<u32>,
    /// None = it is not.
    pub(crate) after: Option<u32>,
    pub(crate) cause: Cause,
}

/// What a real server is to its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of those that serve.
    Real,
    /// Serves when the others are too few.
    Sorry,
    /// The configuration has it no more: it goes once it is drained.
    Leaving,
}

/// Connections of a real server, when last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connections {
    pub(crate) looked_at: Duration,
    pub(crate) active: u32,
    pub(crate) inactive: u32,
    /// Persistence templates: clients that come back to it.
    pub(crate) templates: u32,
}

/// What gives a real server its weight until its checks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was there before weir, with this weight: a restart gives no traffic to a server
    /// that had none, and takes none away.
    Found(u32),
    /// weir adds it: no traffic before its first pass. `ramps` unless weir itself begins.
    New { ramps: bool },
    /// It is known.
    Known,
}

/// What the checks of a real server say.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    /// Where they stand.
    pub(crate) state: State,
    /// When the status was last another: up is up, whether or not it is suspect.
    pub(crate) since: Duration,
    /// How sure its failure is.
    pub(crate) evidence: Evidence,
    /// What it leaves of the weight, in hundredths; 100 unless it passes degraded.
    pub(crate) percent: u32,
    /// What was seen last, for people.
    pub(crate) detail: String,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: State::Unknown,
            since: Duration::ZERO,
            evidence: Evidence::None,
            percent: 100,
            detail: String::new(),
        }
    }
}

impl Health {
    /// Whether `verdict` says something new.
    pub(crate) fn differs(&self, verdict: &Verdict) -> bool {
        (self.state, self.evidence, self.percent)
            != (verdict.state, verdict.evidence, verdict.percent)
    }

    /// Takes a verdict in that was given at `now`.
    pub(crate) fn take(&mut self, verdict: &Verdict, now: Duration) {
        if self.state.status() != verdict.state.status() {
            self.since = now;
        }
        self.state = verdict.state;
        self.evidence = verdict.evidence;
        self.percent = verdict.percent;
        self.detail.clone_from(&verdict.detail);
    }
}

impl Server {
    /// A server of a `[[service]]`, which the kernel has as `found`.
    pub(crate) fn stated(server: RealServer, found: Option<RealServer>, origin: Origin) -> Self {
        Self {
            role: Role::Real,
            stated: Some(server),
            base: server.weight,
            owns_base: true,
            origin,
            watch: None,
            health: Health::default(),
            agent: Heard::default(),
            flaps: Flaps::default(),
            serves: found.is_some_and(|it| it.weight > 0),
            ramp_since: None,
            decision: Decision::default(),
            weight: found.map(|it| it.weight),
            applied: None,
            written_at: None,
            wrote: None,
            seen: found,
            connections: None,
            latency: Latency::default(),
            leaving_since: Duration::ZERO,
            is_given_up: false,
            tolerated: None,
        }
    }

    /// The sorry server of a `[[service]]`.
    pub(crate) fn sorry(server: RealServer, found: Option<RealServer>) -> Self {
        Self { role: Role::Sorry, ..Self::stated(server, found, Origin::Known) }
    }

    /// A server that a `[[match]]` claims, with the base `weight` if the match states one.
    ///
    /// If it does not, what was found is the base; but where there are checks, 0 was
    /// likely their doing in an earlier run, and then the base is 1.
    pub(crate) fn found(found: RealServer, weight: Option<u32>, checked: bool) -> Self {
        let unstated = if checked { found.weight.max(1) } else { found.weight };
        let origin = if checked { Origin::Found(found.weight) } else { Origin::Known };
        Self {
            stated: None,
            base: weight.unwrap_or(unstated),
            owns_base: weight.is_some(),
            ..Self::stated(found, Some(found), origin)
        }
    }
}

/// The claim on a service with this key, if there is one: a `[[service]]` before
/// a `[[match]]`, matches in their order. It has no servers yet.
pub(crate) fn claim(config: &Config, key: &ServiceKey) -> Option<Claim> {
    if let Some(it) = named(config, key) {
        let stated = Some(it.service.clone());
        let claim = Claim::new(config, &it.name, stated, it.check.clone(), it.rules.clone());
        return Some(Claim { quorum: it.quorum, ..claim });
    }
    let it = matched(config, key)?;
    Some(Claim::new(config, &it.name, None, it.check.clone(), it.rules.clone()))
}

/// The claim on a service that the configuration does not have, and had when weir last ran:
/// its real servers leave, and then it does.
pub(crate) fn leftover(config: &Config, name: &str, found: &Service) -> Claim {
    let claim = Claim::new(config, name, Some(found.clone()), None, config.rules.clone());
    Claim { is_leaving: true, ..claim }
}

/// The `[[service]]` with this key.
pub(crate) fn named<'c>(config: &'c Config, key: &ServiceKey) -> Option<&'c NamedService> {
    config.service(key)
}

/// The first `[[match]]` that claims services with this key.
pub(crate) fn matched<'c>(config: &'c Config, key: &ServiceKey) -> Option<&'c Match> {
    config.matches.iter().find(|it| it.claims_service(key))
}

impl Claim {
    fn new(
        config: &Config,
        name: &str,
        stated: Option<Service>,
        check: Option<Checks>,
        rules: Rules,
    ) -> Self {
        Self {
            name: name.to_owned(),
            stated,
            check,
            rules,
            quorum: Quorum::default(),
            is_scaled: config.plugins.iter().any(|it| it.may_steer(name)),
            servers: BTreeMap::new(),
            seen: None,
            look: 0,
            has_foreign: false,
            is_leaving: false,
            is_given_up: false,
            settled_at: Duration::ZERO,
            panic: Panic::default(),
            is_quorum_lost: false,
            spoke_in_vain: BTreeSet::new(),
        }
    }

    /// Takes over what another configuration says of it, its real servers apart. What someone
    /// else made of the service stands where the one `before` stated the same of that.
    pub(crate) fn take_rules(&mut self, new: Self, before: Option<&NamedService>) {
        let is_same = before.is_some_and(|it| new.stated.as_ref() == Some(&it.service));
        if !is_same || new.rules.drift.service == Whose::Restore {
            self.stated = new.stated;
            if self.is_given_up {
                self.come_back();
            }
        }
        self.name = new.name;
        self.check = new.check;
        self.rules = new.rules;
        self.quorum = new.quorum;
        self.is_scaled = new.is_scaled;
        self.spoke_in_vain.clear();
        self.is_leaving = false;
    }

    /// That someone else removed it is left no more. Its real servers went with it: without them
    /// it would come back for nothing.
    pub(crate) fn come_back(&mut self) {
        self.is_given_up = false;
        self.servers.values_mut().for_each(|it| it.is_given_up = false);
    }

    /// Whether it is to be looked at now and then, because something drains.
    pub(crate) fn drains(&self) -> bool {
        self.servers.values().any(|it| it.role == Role::Leaving || it.is_draining())
    }

    /// Whether it is to be left as it is: all of ours is gone, and others have a part.
    pub(crate) fn is_left(&self) -> bool {
        self.is_leaving && self.servers.is_empty() && self.has_foreign
    }

    /// What of `entry` is claimed.
    pub(crate) fn owned(&self, entry: &TableEntry) -> PlannedService {
        let servers = entry.servers.iter().map(|it| (it.config.endpoint, it.config));
        PlannedService {
            service: entry.service.config.clone(),
            servers: servers.filter(|(endpoint, _)| self.servers.contains_key(endpoint)).collect(),
        }
    }

    /// What it should be, as decided, where the kernel holds `found`. None = nothing: a
    /// match claims only what is there.
    pub(crate) fn desired(&self, found: Option<&PlannedService>) -> Option<PlannedService> {
        if self.is_given_up || (self.is_leaving && self.servers.is_empty()) {
            return None;
        }
        let service = self.stated.clone().or_else(|| found.map(|it| it.service.clone()))?;
        let there = |endpoint| found.and_then(|it| it.servers.get(endpoint)).copied();
        let servers = self
            .servers
            .iter()
            .filter_map(|(endpoint, server)| Some((*endpoint, server.wanted(there(endpoint))?)));
        Some(PlannedService { service, servers: servers.collect() })
    }

    /// Whether all that was decided is what was last seen.
    pub(crate) fn is_settled(&self) -> bool {
        let is_service_there = self.stated.is_none() || self.stated == self.seen;
        if self.is_given_up {
            return true;
        }
        let stays = !self.is_leaving || !self.servers.is_empty();
        stays && is_service_there && self.servers.values().all(|it| it.seen == it.wanted(it.seen))
    }
}

impl Server {
    /// The configuration states it so now, and the one `before` stated that. What someone else
    /// made of it stands until the configuration states something else: a weight until it states
    /// another weight, all else until it states other than that.
    pub(crate) fn restate(&mut self, stated: RealServer, before: Option<RealServer>, drift: Drift) {
        self.owns_base = self.role == Role::Sorry || drift.weight != Whose::Adopt;
        if self.owns_base || before.is_none_or(|it| it.weight != stated.weight) {
            self.base = stated.weight;
        }
        self.tolerate(drift, self.tolerated);
        let is_same = before.is_some_and(|it| RealServer { weight: stated.weight, ..it } == stated);
        let edited = self.stated.filter(|_| is_same && drift.servers != Whose::Restore);
        self.is_given_up &= edited.is_some();
        self.stated = edited.map(|it| RealServer { weight: stated.weight, ..it }).or(Some(stated));
    }

    /// Leaves a weight of someone else's, if that is wished and weir's own base weight is the one
    /// in whose place it stands. One that leaves goes, whatever others wrote.
    pub(crate) fn tolerate(&mut self, drift: Drift, tolerated: Option<Tolerated>) {
        let is_stated = self.owns_base && self.role != Role::Leaving;
        let is_wished = drift.weight == Whose::Alert && is_stated;
        self.tolerated = tolerated.filter(|it| is_wished && it.base == self.base);
    }

    /// The configuration has it again. While it left it was not checked: it is like a new one,
    /// unless it serves still.
    pub(crate) fn come_back(&mut self, now: Duration) {
        self.health = Health { since: now, ..Health::default() };
        (self.serves, self.ramp_since, self.written_at) = (false, None, None);
        self.know_anew(now);
        if self.origin == Origin::Found(0) {
            self.origin = Origin::New { ramps: true };
        }
    }

    /// Its checks begin anew: what they said stays until they say something else.
    pub(crate) fn know_anew(&mut self, now: Duration) {
        if self.watch.is_none() {
            (self.health, self.origin) = (Health::default(), Origin::Known);
        } else if self.health.state == State::Unknown {
            self.origin = match self.seen {
                Some(seen) => Origin::Found(seen.weight),
                None => Origin::New { ramps: true },
            };
            self.health.since = now;
        }
    }

    /// What part of its base weight it has while that is what weir found, in thousandths: what
    /// plugins said before weir was started again.
    pub(crate) fn found_scale(&self) -> u32 {
        match self.origin {
            Origin::Found(weight @ 1..) if self.base > 0 => {
                let scale = u64::from(weight) * 1000 / u64::from(self.base);
                u32::try_from(scale).unwrap_or(u32::MAX)
            }
            _ => 1000,
        }
    }

    /// Someone else set its weight, and the configuration states none.
    pub(crate) fn take_base(&mut self, weight: u32) {
        self.base = weight;
        if let Origin::Found(found) = &mut self.origin {
            *found = weight;
        }
    }

    /// A base weight that the configuration does not state and the table does not show.
    pub(crate) fn adopted_base(&self) -> Option<u32> {
        let shown = self.stated.or(self.seen).map(|it| it.weight);
        (!self.owns_base && shown != Some(self.base)).then_some(self.base)
    }

    /// The table has it as `after` now, in the place of `before`: returns why.
    pub(crate) fn written(
        &mut self,
        now: Duration,
        before: Option<RealServer>,
        after: Option<RealServer>,
    ) -> Cause {
        let weight = after.map(|it| it.weight);
        let weight_before = before.map(|it| it.weight);
        // One that is added to wait for its first pass need not wait after that.
        let is_added_idle = before.is_none() && weight == Some(0);
        if weight_before != weight && !is_added_idle {
            self.written_at = Some(now);
        }
        (self.seen, self.weight) = (after, weight);
        let known = self.applied.replace(self.decision.clone());
        let first = Decision { base: self.decision.base, ..Decision::default() };
        let cause = known.as_ref().unwrap_or(&first);
        let cause = explain::cause(now, cause, &self.decision, &self.health.detail);
        let cause = cause.unwrap_or_else(|| match known {
            Some(_) => Cause::own(format!("someone else changed it: found {}", show(before))),
            None => Cause::own("stated by the configuration"),
        });
        if weight_before != weight {
            let cause = cause.clone();
            self.wrote = Some(Wrote { at: now, before: weight_before, after: weight, cause });
        }
        cause
    }

    /// What it should be in the table, as decided, where the kernel has it as `there`.
    fn wanted(&self, there: Option<RealServer>) -> Option<RealServer> {
        let weight = self.decision.weight?;
        self.stated_now().or(there).map(|it| RealServer { weight, ..it })
    }
}

/// A real server in a few words.
pub(crate) fn show(server: Option<RealServer>) -> String {
    let Some(server) = server else { return "absent".to_owned() };
    let mut words = format!("weight {}", server.weight);
    if server.upper_threshold != 0 || server.lower_threshold != 0 {
        words += &format!(", thresholds {}/{}", server.upper_threshold, server.lower_threshold);
    }
    words + &format!(", {:?}", server.forwarding).to_lowercase()
}
