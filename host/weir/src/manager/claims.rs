//! What is ours: claims as the table comes and goes, and the checks they want.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use weir_ipvs::{
    Endpoint, RealServer, RealServerKey, RealServerStatus, ServiceKey, Snapshot, TableEntry,
};
use weir_wasm::Latency;

use super::{GRACE, Manager, Now, Output};
use crate::{
    config::{Check, Via, ViaAddress, Whose},
    health::{Ask, Place, Subject, Target},
    plan::{self, Claim, Connections, Origin, Role, Server},
    report::Line,
};

/// Why something is claimed no more.
const REMOVED: &str = "someone else removed it";

/// The real servers of a reading by their addresses, for each is looked for.
type Found<'e> = BTreeMap<Endpoint, &'e RealServerStatus>;

impl Manager {
    /// Takes a reading of the whole table in: makes the claims that the configuration has
    /// on it, ends those of matches whose service is gone, and looks at each.
    pub(super) fn claim_all(&mut self, now: Now, snapshot: Snapshot) {
        self.begin_look();
        for entry in snapshot.entries {
            self.take_in(now, entry);
        }
        self.end_look(now);
    }

    /// Begins a look at the whole table, with the claims that the configuration has by name.
    pub(super) fn begin_look(&mut self) {
        self.look += 1;
        for key in self.config.services.iter().map(|it| it.service.key) {
            if !self.claims.contains_key(&key) {
                self.claims.extend(plan::claim(&self.config, &key).map(|it| (key, it)));
                self.world.touch(key);
            }
        }
    }

    /// Takes a reading of a service in, if it is claimed or is to be.
    pub(super) fn take_in(&mut self, now: Now, entry: TableEntry) {
        let key = entry.service.config.key;
        if !self.claims.contains_key(&key) {
            let claim = plan::claim(&self.config, &key);
            let Some(claim) = claim.or_else(|| self.left_behind(&entry)) else { return };
            self.claims.insert(key, claim);
            self.world.touch(key);
        }
        self.observe(now, key, Some(entry));
    }

    /// Ends a look at the whole table: what is claimed and was not seen is not there.
    pub(super) fn end_look(&mut self, now: Now) {
        let is_missing = |it: &Claim| it.look < self.look;
        let missing = self.claims.iter().filter(|it| is_missing(it.1)).map(|it| *it.0);
        for key in missing.collect::<Vec<_>>() {
            self.observe(now, key, None);
        }
        self.renew_grants();
        self.plan_weighings(now);
        self.note_scaled();
    }

    /// Takes a reading of one claimed service in. What differs from the last is to be
    /// decided anew.
    pub(super) fn observe(&mut self, now: Now, key: ServiceKey, entry: Option<TableEntry>) {
        let Some(mut claim) = self.claims.remove(&key) else { return };
        if (claim.stated.is_none() || claim.is_leaving) && entry.is_none() {
            return self.unclaim(now, key, claim, REMOVED);
        }
        let was_looked_at = claim.look > 0;
        let before: Vec<_> = claim.servers.values().map(|it| it.seen).collect();
        let there: Found<'_> = servers(entry.as_ref()).map(|it| (it.config.endpoint, it)).collect();
        self.update_servers(now, key, &mut claim, entry.as_ref(), &there);
        let mut drift = claim.rules.drift;
        if entry.is_none() && drift.service == Whose::Restore {
            // What went with its service comes back with it.
            drift.servers = Whose::Restore;
        }
        for (endpoint, server) in &mut claim.servers {
            let found = find(&there, endpoint);
            if was_looked_at && server.seen != found {
                let key = RealServerKey { service: key, server: *endpoint };
                self.server_edited(key, drift, server, found);
            }
            server.seen = found;
            server.connections = there.get(endpoint).map(|it| connections(it, now.monotonic));
        }
        claim.has_foreign = there.keys().any(|it| !claim.servers.contains_key(it));
        let found = entry.as_ref().map(|it| it.service.config.clone());
        if was_looked_at && claim.stated.is_some() && claim.seen != found {
            self.service_edited(key, &mut claim, found.as_ref());
        }
        let is_same = was_looked_at
            && claim.seen == found
            && claim.servers.values().map(|it| it.seen).eq(before);
        // Whether a drain is over is decided by connections, too.
        if !is_same || claim.drains() {
            self.undecided.insert(key);
        }
        if !was_looked_at {
            self.recall_edits(&key, &mut claim, found.as_ref());
            claim.settled_at = now.monotonic.saturating_add(GRACE);
            claim.is_quorum_lost =
                claim.servers.values().any(|it| it.role == Role::Sorry && it.seen.is_some());
        }
        claim.seen = found;
        claim.look = self.look;
        let owned = entry.map(|mut it| {
            it.servers.retain(|it| claim.servers.contains_key(&it.config.endpoint));
            it
        });
        self.world.set(now, &key, owned);
        self.claims.insert(key, claim);
    }

    /// The claimed real server with this key.
    pub(super) fn server(&self, key: &RealServerKey) -> Option<&Server> {
        self.claims.get(&key.service)?.servers.get(&key.server)
    }

    /// Brings the claimed real servers up to date: those of a `[[service]]` are what it
    /// lists, those of a `[[match]]` what is there.
    fn update_servers(
        &mut self,
        now: Now,
        key: ServiceKey,
        claim: &mut Claim,
        entry: Option<&TableEntry>,
        there: &Found<'_>,
    ) {
        let checked = |endpoint: &Endpoint| {
            claim.check.as_ref().is_some_and(|it| it.has_ports(endpoint.port))
        };
        let mut new = Vec::new();
        let leaving = |it: RealServer, since| Server {
            role: Role::Leaving,
            leaving_since: since,
            ..Server::stated(it, Some(it), Origin::Known)
        };
        let left = self.recall_left(now, key);
        let left = left.iter().filter_map(|(it, since)| Some(leaving(find(there, it)?, *since)));
        if let Some(named) = plan::named(&self.config, &key) {
            let origin = |found: Option<RealServer>, endpoint| match found {
                Some(found) if checked(endpoint) => Origin::Found(found.weight),
                None if checked(endpoint) || !self.is_started => {
                    Origin::New { ramps: self.is_started }
                }
                _ => Origin::Known,
            };
            let is_new = |it: &&RealServer| !claim.servers.contains_key(&it.endpoint);
            new.extend(named.servers.values().filter(is_new).map(|it| {
                let found = find(there, &it.endpoint);
                let server = Server::stated(*it, found, origin(found, &it.endpoint));
                Server { owns_base: claim.rules.drift.weight != Whose::Adopt, ..server }
            }));
            let leaves = |it: &RealServer| is_new(&it) && !named.states(&it.endpoint);
            new.extend(left.filter(|it| it.seen.as_ref().is_some_and(leaves)));
            let sorry = named.sorry.as_ref().filter(is_new);
            new.extend(sorry.map(|it| Server::sorry(*it, find(there, &it.endpoint))));
        } else if let Some(matched) = plan::matched(&self.config, &key) {
            let unknown = servers(entry).map(|it| it.config).filter(|it| {
                matched.claims_server(&it.endpoint) && !claim.servers.contains_key(&it.endpoint)
            });
            new.extend(unknown.map(|it| Server::found(it, matched.weight, checked(&it.endpoint))));
        } else if claim.look == 0 {
            new.extend(left);
        }
        // Nobody puts back what is only matched, nor what leaves, unless that is to serve still:
        // what comes there later is someone else's.
        let is_matched = claim.stated.is_none();
        let is_over = |it: &Server| it.role == Role::Leaving && it.decision.weight <= Some(0);
        let gone = claim.servers.extract_if(.., |it, server| {
            !there.contains_key(it) && (is_matched || is_over(server))
        });
        for (endpoint, server) in gone.collect::<Vec<_>>() {
            self.release(RealServerKey { service: key, server: endpoint }, &server, REMOVED);
        }
        for mut server in new {
            server.health.since = now.monotonic;
            let endpoint = server.seen.or(server.stated).map(|it| it.endpoint);
            let Some(endpoint) = endpoint else { continue };
            let key = RealServerKey { service: key, server: endpoint };
            self.recall_server(&key, claim, &mut server);
            if server.role == Role::Real {
                self.watch(key, claim, &mut server);
            }
            claim.servers.insert(endpoint, server);
        }
    }

    /// Begins the checks of a real server, if it has any.
    pub(super) fn watch(&mut self, key: RealServerKey, claim: &Claim, server: &mut Server) {
        let Some(checks) = &claim.check else { return };
        if self.is_maintained(&key) {
            return;
        }
        if !checks.has_ports(key.server.port) {
            let line = Line::warn("not-checked").with("service", key.service);
            self.log(line.with("server", key.server).with(
                "reason",
                format!("there is no port to check: add port to the check of {}", claim.name),
            ));
            return;
        }
        self.world.touch(key.service);
        self.next_watch += 1;
        self.checked += 1;
        server.watch = Some(self.next_watch);
        server.latency = Latency::default();
        // It may have been its agent that took it out.
        server.agent.is_awaited = checks.has_agent() && server.origin == Origin::Found(0);
        let own = plan::named(&self.config, &key.service).and_then(|it| it.vias.get(&key.server));
        let own = own.copied().unwrap_or_default();
        let place = |check: &Arc<Check>| place(check, own.over(check.via), key);
        let ask = |check: &Arc<Check>| Ask { place: place(check), check: Arc::clone(check) };
        let all = checks.list.iter().chain(&checks.agent);
        let asked = all.filter(|it| !server.agent.rests(checks) || it.kind.carries_agent());
        self.output.push_back(Output::Watch(Target {
            subject: Subject::Server(key),
            watch: self.next_watch,
            asks: asked.map(ask).collect(),
            needed: checks.needed,
            said: server.agent.says.clone(),
            latency: server.latency.clone(),
        }));
    }

    pub(super) fn unclaim(&mut self, now: Now, key: ServiceKey, claim: Claim, reason: &str) {
        for (endpoint, server) in claim.servers {
            self.release(RealServerKey { service: key, server: endpoint }, &server, reason);
        }
        self.world.set(now, &key, None);
        self.world.touch(key);
        self.memory.touched.insert(key);
        self.plugins.iter_mut().for_each(|it| it.weighings.forget(key));
        self.undecided.remove(&key);
        self.dirty.remove(&key);
        self.timers.set(key, None);
    }

    /// A real server is claimed no more.
    pub(super) fn release(&mut self, key: RealServerKey, server: &Server, reason: &str) {
        self.world.touch(key.service);
        if let Some(watch) = server.watch {
            self.output.push_back(Output::Unwatch(watch));
            self.checked -= 1;
        }
        self.doubt.forget(&key);
        self.statements.forget(&key);
        let line = Line::info("gone").with("service", key.service).with("server", key.server);
        self.log(line.with("reason", reason));
    }

    /// Makes instances anew whose grant names what is now claimed otherwise.
    fn renew_grants(&mut self) {
        let claimed = self.world.names(&self.claims);
        for plugin in &mut self.plugins {
            if plugin.granted().is_some_and(|it| *it != plugin.grant.resolve(claimed)) {
                plugin.renew("the services within its grant changed");
            }
        }
    }
}

/// Where a check asks a real server, and on which way.
fn place(check: &Check, via: Via, key: RealServerKey) -> Place {
    let virtual_address = match key.service {
        ServiceKey::Address { endpoint, .. } => endpoint.address,
        // It has none; a check that asks one asks the real server.
        ServiceKey::Fwmark { .. } => key.server.address,
    };
    let address = match via.address {
        None => key.server.address,
        Some(ViaAddress::At(address)) => address,
        Some(ViaAddress::Service) => virtual_address,
    };
    let port = check.port.unwrap_or(key.server.port);
    Place { address: (address, port).into(), source: via.source, mark: via.mark }
}

/// The real servers of a reading, in their order.
fn servers(entry: Option<&TableEntry>) -> impl Iterator<Item = &RealServerStatus> {
    entry.into_iter().flat_map(|it| &it.servers)
}

fn find(there: &Found<'_>, endpoint: &Endpoint) -> Option<RealServer> {
    there.get(endpoint).map(|it| it.config.without_idle_tunnel())
}

fn connections(server: &RealServerStatus, now: Duration) -> Connections {
    Connections {
        looked_at: now,
        active: server.active,
        inactive: server.inactive,
        templates: server.persistent,
    }
}
