//! How the table becomes what it should be: read, compare, write the difference, and read
//! again where the view was stale.

use std::collections::{BTreeMap, BTreeSet};

use weir_ipvs::{
    Change, Endpoint, Error, Failure, Fields, Ipvs, OnFailure, RealServer, RealServerKey, Scope,
    ServiceKey, ServiceStatus, Snapshot, Stats, TableEntry,
    diff::{Plan, diff},
};

use super::{LOOK_COSTS, LOOKS_MAX, Manager, Now, Output, RETRY};
use crate::{
    plan::{Claim, Role, Surroundings},
    report::Line,
};

/// How often one settling reads again because someone else wrote at the same moment.
const ATTEMPTS: usize = 3;

impl Manager {
    /// Reads the whole table, but for the traffic of real servers, which stays as it was
    /// last read for who asked for it.
    pub(super) fn read_all(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<Snapshot, Error> {
        self.walk_later(now);
        let mut snapshot = ipvs.read(Scope::All, Fields::BUT_STATS)?;
        snapshot.entries.iter_mut().for_each(|it| self.world.add_stats(it));
        self.world.refresh(ipvs);
        Ok(snapshot)
    }

    /// Looks at the whole table at once, where it is known to be another than it was.
    pub(super) fn poll(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        match self.read_all(now, ipvs) {
            Ok(snapshot) => {
                self.no_trouble("read the table");
                self.claim_all(now, snapshot);
            }
            Err(error) => return self.trouble(now, "read the table", &error),
        }
        self.write_all(now, ipvs);
    }

    /// Writes what is wanted, where all of the table was looked at.
    pub(super) fn write_all(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        // A grant may have changed with the claims.
        self.start_plugins(now);
        self.deliver(now);
        self.write(now, ipvs);
        self.write_globals(now, ipvs);
    }

    /// Brings the services that may have changed to what they should be.
    pub(super) fn reconcile(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        self.decide(now);
        self.forget_settled(now);
        self.dirty.append(&mut self.stale);
        if self.dirty.is_empty() || self.look_at_dirty(now, ipvs).is_err() {
            return;
        }
        self.write(now, ipvs);
    }

    /// Writes what is wanted of the services that were just looked at.
    pub(super) fn write(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        for _ in 0..ATTEMPTS {
            self.decide(now);
            self.ask_guards(now);
            let (actual, desired) = self.plans();
            let changes = diff(&actual, &desired);
            if changes.is_empty() {
                break;
            }
            let is_stale = self.apply(now, ipvs, &actual, changes);
            if !is_stale || self.look_at_dirty(now, ipvs).is_err() {
                break;
            }
        }
        self.forget_settled(now);
    }

    /// Decides what is to be decided anew.
    pub(super) fn decide(&mut self, now: Now) {
        for key in std::mem::take(&mut self.undecided) {
            self.dirty.insert(key);
            self.decide_one(now, key);
        }
    }

    /// Has guards judge what plugins would change, and decides without what they deny.
    pub(super) fn ask_guards(&mut self, now: Now) {
        for key in self.dirty.clone() {
            // Each time, words are set aside that counted before: there is an end.
            while self.deny_changes(now, key) {
                self.decide_one(now, key);
            }
        }
    }

    fn decide_one(&mut self, now: Now, key: ServiceKey) {
        let stood_in_for = self.stood_in_for(&key);
        let Some(claim) = self.claims.get_mut(&key) else { return };
        let around = Surroundings {
            now: now.monotonic,
            service: key,
            udp_timeout: self.world.udp_timeout(),
            orders: &self.orders,
            frozen: self.freezes.of(key),
            stood_in_for: stood_in_for.as_deref(),
        };
        let statements = &self.statements;
        let outcome = claim.decide(&around, |endpoint| {
            statements.words(&RealServerKey { service: key, server: *endpoint })
        });
        self.timers.set(key, outcome.again_at);
        self.memory.touched.insert(key);
        self.output.extend(outcome.news.into_iter().map(Output::Log));
        for server in outcome.drained {
            self.drain_ended(now, RealServerKey { service: key, server });
        }
    }

    /// What was last seen and is as it was decided needs no look and no write.
    fn forget_settled(&mut self, now: Now) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|it| self.claims.get(it).is_some_and(|it| !it.is_settled()));
        let left = dirty.extract_if(.., |it| self.claims.get(it).is_some_and(Claim::is_left));
        for key in left.collect::<Vec<_>>() {
            if let Some(claim) = self.claims.remove(&key) {
                self.unclaim(now, key, claim, "no longer in the configuration");
            }
        }
        self.dirty = dirty;
    }

    /// Gives before it takes: what adds weight is written first, and where that fails,
    /// what takes the last weight away is not written at all. Says whether the view was
    /// stale.
    fn apply(
        &mut self,
        now: Now,
        ipvs: &mut dyn Ipvs,
        actual: &Plan,
        changes: Vec<Change>,
    ) -> bool {
        let (takes, gives): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|it| takes(actual, it));
        let failures = ipvs.apply(&gives, OnFailure::Proceed);
        let failed: BTreeSet<_> =
            failures.iter().filter_map(|it| service_of(&gives[it.step])).collect();
        let is_stale = self.account(now, actual, &gives, &failures);
        let taken: BTreeSet<_> = takes.iter().filter_map(taken_from).collect();
        let is_withheld = |it: ServiceKey| failed.contains(&it) && !self.outlives(it, &taken);
        let mut takes = takes;
        takes.retain(|it| !service_of(it).is_some_and(is_withheld));
        let failures = ipvs.apply(&takes, OnFailure::Proceed);
        self.account(now, actual, &takes, &failures) || is_stale
    }

    fn look_at_dirty(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<(), Error> {
        let dirty = self.dirty.clone();
        self.look_at_all(now, ipvs, &dirty, Fields::BUT_STATS)?;
        self.no_trouble("read the table");
        Ok(())
    }

    /// Reads these claimed services: with the whole table, where they are so many that this costs
    /// less.
    pub(super) fn look_at_all(
        &mut self,
        now: Now,
        ipvs: &mut dyn Ipvs,
        services: &BTreeSet<ServiceKey>,
        fields: Fields,
    ) -> Result<(), Error> {
        if services.len() <= LOOKS_MAX.max(self.claims.len() / LOOK_COSTS) {
            return services.iter().try_for_each(|it| self.look_at(now, ipvs, *it));
        }
        let snapshot = match ipvs.read(Scope::All, fields) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.trouble(now, "read the table", &error);
                return Err(error);
            }
        };
        let found = snapshot.entries.into_iter().map(|it| (it.service.config.key, it));
        let mut found: BTreeMap<_, _> = found.filter(|(key, _)| services.contains(key)).collect();
        for key in services {
            let mut entry = found.remove(key);
            if let Some(entry) = entry.as_mut().filter(|_| !fields.stats) {
                self.world.add_stats(entry);
            }
            self.observe(now, *key, entry);
        }
        Ok(())
    }

    /// Reads one claimed service.
    pub(super) fn look_at(
        &mut self,
        now: Now,
        ipvs: &mut dyn Ipvs,
        key: ServiceKey,
    ) -> Result<(), Error> {
        let entry = match ipvs.read(Scope::One(key), Fields::ALL) {
            Ok(snapshot) => snapshot.entries.into_iter().next(),
            Err(Error::NoSuchService) => None,
            Err(error) => {
                self.trouble(now, "read the table", &error);
                return Err(error);
            }
        };
        self.observe(now, key, entry);
        Ok(())
    }

    /// What the dirty services are, and what they should be.
    pub(super) fn plans(&self) -> (Plan, Plan) {
        let (mut actual, mut desired) = (Plan::new(), Plan::new());
        for key in &self.dirty {
            let Some(claim) = self.claims.get(key) else { continue };
            let found = self.world.get(key).map(|it| claim.owned(it));
            let wanted = claim.desired(found.as_ref());
            actual.extend(found.map(|it| (*key, it)));
            desired.extend(wanted.map(|it| (*key, it)));
        }
        (actual, desired)
    }

    /// Takes note of what was written and what was not. Says whether the view was stale.
    fn account(
        &mut self,
        now: Now,
        actual: &Plan,
        changes: &[Change],
        failures: &[Failure],
    ) -> bool {
        let mut is_stale = false;
        let mut failures = failures.iter().peekable();
        for (step, change) in changes.iter().enumerate() {
            match failures.next_if(|it| it.step == step) {
                None => self.written(now, actual, change),
                Some(failure) if is_stale_view(&failure.error) => is_stale = true,
                Some(failure) => self.trouble(now, &words(change), &failure.error),
            }
        }
        for key in changes.iter().filter_map(service_of).collect::<BTreeSet<_>>() {
            if let Some(claim) = self.claims.get(&key) {
                self.world.rewrite(&key, &claim.servers);
            }
        }
        is_stale
    }

    pub(super) fn written(&mut self, now: Now, actual: &Plan, change: &Change) {
        if !self.troubles.is_empty() {
            self.no_trouble(&words(change));
        }
        match change {
            Change::AddService(service) | Change::EditService(service) => {
                let is_new = matches!(change, Change::AddService(_));
                if let Some(claim) = self.claims.get_mut(&service.key) {
                    claim.seen = Some(service.clone());
                }
                match self.world.get_mut(&service.key) {
                    Some(entry) => entry.service.config = service.clone(),
                    None => {
                        let status =
                            ServiceStatus { config: service.clone(), stats: Stats::default() };
                        let entry = TableEntry { service: status, servers: Vec::new() };
                        self.world.set(now, &service.key, Some(entry));
                    }
                }
                let line = Line::info(if is_new { "service-added" } else { "service-edited" });
                self.log(line.with("service", service.key).with("scheduler", &service.scheduler));
            }
            Change::AddServer(service, server) | Change::EditServer(service, server) => {
                let key = RealServerKey { service: *service, server: server.endpoint };
                let before =
                    actual.get(service).and_then(|it| it.servers.get(&server.endpoint)).copied();
                self.server_written(now, key, before, Some(*server));
            }
            Change::DeleteServer(key) => {
                let before = actual.get(&key.service).and_then(|it| it.servers.get(&key.server));
                self.server_written(now, *key, before.copied(), None);
            }
            Change::DeleteService(key) => {
                self.world.set(now, key, None);
                self.world.touch(*key);
                self.timers.set(*key, None);
                self.plugins.iter_mut().for_each(|it| it.weighings.forget(*key));
                self.claims.remove(key);
                self.log(Line::info("service-removed").with("service", key));
            }
            _ => unreachable!("a plan has no other changes"),
        }
    }

    fn server_written(
        &mut self,
        now: Now,
        key: RealServerKey,
        before: Option<RealServer>,
        after: Option<RealServer>,
    ) {
        let weight = |it: Option<RealServer>| it.map(|it| it.weight);
        let is_weight = weight(before) != weight(after);
        let Some(claim) = self.claims.get_mut(&key.service) else { return };
        let Some(server) = claim.servers.get_mut(&key.server) else { return };
        let cause = server.written(now.monotonic, before, after);
        if after.is_none() && server.role == Role::Leaving {
            claim.servers.remove(&key.server);
            self.memory.touched.insert(key.service);
            if claim.servers.is_empty() && claim.is_leaving {
                // Its turn has come now.
                self.timers.set(key.service, Some(now.monotonic));
            }
        }
        let shown =
            |it: Option<u32>| it.map_or_else(|| "absent".to_owned(), |weight| weight.to_string());
        self.log(
            Line::info(if is_weight { "weight" } else { "server-edited" })
                .with("service", key.service)
                .with("server", key.server)
                .with("before", shown(weight(before)))
                .with("after", shown(weight(after)))
                .with("plugin", cause.who)
                .with("reason", cause.reason),
        );
    }

    /// Whether `service` has a real server with weight that is not one of the `taken`.
    fn outlives(&self, service: ServiceKey, taken: &BTreeSet<RealServerKey>) -> bool {
        let Some(claim) = self.claims.get(&service) else { return false };
        let is_taken = |&server: &Endpoint| taken.contains(&RealServerKey { service, server });
        let mut kept = claim.servers.iter().filter(|(endpoint, _)| !is_taken(endpoint));
        kept.any(|(_, it)| it.seen.is_some_and(|it| it.weight > 0))
    }

    /// Something could not be done: say so once, and try again soon.
    pub(super) fn trouble(&mut self, now: Now, what: &str, error: &Error) {
        self.next_poll = self.next_poll.min(now.monotonic.saturating_add(RETRY));
        self.note_trouble(what, &error.to_string());
    }

    /// Says once what could not be done.
    pub(super) fn note_trouble(&mut self, what: &str, error: &str) {
        if self.troubles.get(what).is_none_or(|it| it != error) {
            self.log(Line::error("failed").with("to", what).with("error", error));
            self.troubles.insert(what.to_owned(), error.to_owned());
        }
    }

    pub(super) fn no_trouble(&mut self, what: &str) {
        if self.troubles.remove(what).is_some() {
            self.log(Line::info("works-again").with("to", what));
        }
    }
}

/// Whether it leaves a real server with less than it had.
pub(super) fn takes(actual: &Plan, change: &Change) -> bool {
    match change {
        Change::EditServer(service, server) => actual
            .get(service)
            .and_then(|it| it.servers.get(&server.endpoint))
            .is_some_and(|it| server.weight < it.weight),
        Change::DeleteServer(_) | Change::DeleteService(_) => true,
        _ => false,
    }
}

/// The real server that gets no traffic after it.
fn taken_from(change: &Change) -> Option<RealServerKey> {
    match change {
        Change::EditServer(service, server) if server.weight == 0 => {
            Some(RealServerKey { service: *service, server: server.endpoint })
        }
        Change::DeleteServer(key) => Some(*key),
        _ => None,
    }
}

fn service_of(change: &Change) -> Option<ServiceKey> {
    match change {
        Change::AddService(service) | Change::EditService(service) => Some(service.key),
        Change::AddServer(key, _) | Change::EditServer(key, _) => Some(*key),
        Change::DeleteServer(key) => Some(key.service),
        _ => None,
    }
}

/// Whether the table was not what the plan was made from.
fn is_stale_view(error: &Error) -> bool {
    matches!(
        error,
        Error::ServiceExists | Error::NoSuchService | Error::ServerExists | Error::NoSuchServer
    )
}

fn words(change: &Change) -> String {
    match change {
        Change::AddService(service) => format!("add {}", service.key),
        Change::EditService(service) => format!("edit {}", service.key),
        Change::AddServer(service, server) => format!("add {} to {service}", server.endpoint),
        Change::EditServer(service, server) => format!("edit {} of {service}", server.endpoint),
        Change::DeleteServer(key) => format!("remove {key}"),
        Change::DeleteService(key) => format!("remove {key}"),
        _ => unreachable!("a plan has no other changes"),
    }
}
