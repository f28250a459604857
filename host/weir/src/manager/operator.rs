//! What operators order: real servers out of service and back, everything frozen and thawed.
//!
//! An order is taken or refused at once; whoever gave it is told when it shows in the table,
//! with what will come of it.

use std::time::Duration;

use weir_ipvs::{Change, Endpoint, OnFailure, RealServer, RealServerKey, ServiceKey};
use weir_wasm::HealthStatus;

use super::{Manager, Now, memory::Wished};
use crate::{
    config::Backend,
    control::{Expiry, Named, Refused, Reply, Steer, Steered, Wish},
    plan::{Claim, Health, Origin, Role, Server},
    report::Line,
    safety::order::{Freeze, Kind, Order},
};

/// Somebody who waits to be told what became of their word.
pub(super) struct Awaiting {
    about: About,
    notes: Vec<String>,
    /// The batch in which it is kept; none = it is, or need not be.
    batch: Option<u64>,
    reply: Reply<Result<Steered, Refused>>,
}

impl Awaiting {
    /// Whether it waits for this batch, or one before.
    pub(super) fn waits_for(&self, number: u64) -> bool {
        self.batch.is_some_and(|it| it <= number)
    }

    /// One thing more to be told.
    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// It took effect.
    pub(super) fn end_waiting(&mut self) {
        self.batch = None;
    }
}

#[derive(Debug, Clone, Copy)]
enum About {
    Everything,
    Service(ServiceKey),
    Server(RealServerKey),
}

impl Manager {
    /// Takes an order, or refuses it.
    pub(super) fn steer(&mut self, now: Now, steer: Steer) {
        let Steer { by, reason, expiry, wish, reply } = steer;
        let speaker = Speaker { by, reason, expiry: self.expiry(expiry) };
        let taken = match wish {
            Wish::Drain { server, deadline, keep, force } => {
                self.order_drain(now, &speaker, &server, deadline, keep, force)
            }
            Wish::Maintain { server, force } => {
                self.order_maintenance(now, &speaker, &server, force)
            }
            Wish::Ready(server) => self.order_ready(now, &speaker, &server),
            Wish::Freeze(service) => self.order_freeze(now, &speaker, service.as_deref()),
            Wish::Thaw(service) => self.order_thaw(now, &speaker, service.as_deref()),
        };
        match taken {
            Ok(Taken { about, notes, batch }) => {
                self.awaiting.push(Awaiting { about, notes, batch, reply });
            }
            Err(refused) => reply.send(Err(refused)),
        }
    }

    /// Tells those who wait for it what became of their orders.
    pub(super) fn answer_operators(&mut self) {
        let took_effect = self.awaiting.extract_if(.., |it| it.batch.is_none());
        for Awaiting { about, notes, reply, .. } in took_effect.collect::<Vec<_>>() {
            let steered = match about {
                About::Everything => Steered { notes, ..Steered::default() },
                About::Service(key) => self.steered(key, None, notes),
                About::Server(key) => self.steered(key.service, Some(key), notes),
            };
            reply.send(Ok(steered));
        }
    }

    /// Whether a real server is not to be checked.
    pub(super) fn is_maintained(&self, key: &RealServerKey) -> bool {
        self.orders.get(key).is_some_and(|it| it.kind == Kind::Maintain)
    }

    /// No connections are left on a real server that drains, or its time is up.
    pub(super) fn drain_ended(&mut self, now: Now, key: RealServerKey) {
        let Some(order) = self.orders.get_mut(&key) else { return };
        let Kind::Drain { keep, is_over, .. } = &mut order.kind else { return };
        *is_over = true;
        let is_kept = *keep || self.server(&key).is_none_or(|it| it.stated.is_none());
        let left = self.server(&key).and_then(|it| it.connections);
        self.log(
            Line::info("drained")
                .with("service", key.service)
                .with("server", key.server)
                .with("connections", left.map_or(0, |it| it.active + it.inactive))
                .with("then", if is_kept { "it stays, with weight 0" } else { "it is removed" }),
        );
        self.undecided.insert(key.service);
        self.memory.touched.insert(key.service);
        self.timers.set(key.service, Some(now.monotonic));
    }

    /// A wish takes effect.
    pub(super) fn take_effect_of(&mut self, now: Now, wished: Wished) {
        match wished {
            Wished::Order(key, order) => {
                let was_maintained = self.is_maintained(&key);
                match order {
                    Some(order) => self.orders.insert(key, order),
                    None => self.orders.remove(&key),
                };
                self.undecided.insert(key.service);
                match (was_maintained, self.is_maintained(&key)) {
                    (true, false) => self.check_again(now, key),
                    (false, true) => self.check_no_more(now, key),
                    _ => {}
                }
            }
            Wished::Freeze(of, freeze) => {
                match freeze {
                    Some(freeze) => self.freezes.ordered.insert(of, freeze),
                    None => self.freezes.ordered.remove(&of),
                };
                let theirs = self.claims.keys().filter(|it| of.is_none_or(|of| of == **it));
                self.undecided.extend(theirs);
            }
        }
    }

    fn order_drain(
        &mut self,
        now: Now,
        speaker: &Speaker,
        server: &Named,
        deadline: Option<Duration>,
        keep: bool,
        force: bool,
    ) -> Result<Taken, Refused> {
        let key = self.server_to_take_out(now, server, force)?;
        let claim = &self.claims[&key.service];
        let is_stated = claim.servers[&key.server].stated.is_some();
        let deadline = deadline.unwrap_or(claim.rules.drain_deadline);
        let until = now.monotonic.saturating_add(deadline);
        let mut notes = vec![self.when_it_takes_effect(key.service)];
        notes.push(Some(match (keep, is_stated) {
            (true, _) => {
                format!("after {} s it stays in the table, with weight 0", deadline.as_secs())
            }
            (false, false) => {
                "it stays in the table, with weight 0: the configuration does not state it, so \
                 weir could not put it back"
                    .to_owned()
            }
            (false, true) => speaker.on_removal(deadline),
        }));
        notes.push(speaker.on_persistence(claim, key));
        let then = if keep || !is_stated { "it stays, with weight 0" } else { "it is removed" };
        let order = speaker.order(now, Kind::Drain { until, keep, is_over: false });
        let batch = self.wish(now, Wished::Order(key, Some(order)));
        let line = speaker.line("drain").with("service", key.service).with("server", key.server);
        self.log(line.with("deadline_s", deadline.as_secs()).with("then", then));
        let notes = notes.into_iter().flatten().collect();
        Ok(Taken { about: About::Server(key), notes, batch })
    }

    fn order_maintenance(
        &mut self,
        now: Now,
        speaker: &Speaker,
        server: &Named,
        force: bool,
    ) -> Result<Taken, Refused> {
        let key = self.server_to_take_out(now, server, force)?;
        let persistence = speaker.on_persistence(&self.claims[&key.service], key);
        let notes = [self.when_it_takes_effect(key.service), persistence];
        let batch = self.wish(now, Wished::Order(key, Some(speaker.order(now, Kind::Maintain))));
        let line = speaker.line("maintain").with("service", key.service).with("server", key.server);
        self.log(line.with("then", "no checks until it is ready"));
        let notes = notes.into_iter().flatten().collect();
        Ok(Taken { about: About::Server(key), notes, batch })
    }

    fn order_ready(
        &mut self,
        now: Now,
        speaker: &Speaker,
        server: &Named,
    ) -> Result<Taken, Refused> {
        let key = self.called(server).or_else(|it| self.ordered_elsewhere(server).ok_or(it))?;
        let (was_left, has_order) = (self.leave_no_more(&key), self.has_order(&key));
        if !has_order && !was_left {
            let notes = vec!["no order was in its way".to_owned()];
            return Ok(Taken { about: About::Server(key), notes, batch: None });
        }
        let was_maintained = self.is_maintained(&key);
        let batch = has_order.then(|| self.wish(now, Wished::Order(key, None))).flatten();
        let line = speaker.line("ready").with("service", key.service).with("server", key.server);
        self.log(line);
        let until = self.until_it_serves(&key, was_maintained);
        let notes = [self.when_it_takes_effect(key.service), until];
        let notes = notes.into_iter().flatten().collect();
        Ok(Taken { about: About::Server(key), notes, batch })
    }

    /// A weight that someone else wrote, or that they removed it, is left no more; nor that they
    /// removed its service, without which it is nowhere. Says whether it was.
    fn leave_no_more(&mut self, key: &RealServerKey) -> bool {
        let Some(claim) = self.claims.get_mut(&key.service) else { return false };
        let Some(server) = claim.servers.get_mut(&key.server) else { return false };
        let removals = [&mut server.is_given_up, &mut claim.is_given_up].map(std::mem::take);
        let was_left = server.tolerated.take().is_some() || removals.contains(&true);
        if was_left {
            self.undecided.insert(key.service);
        }
        was_left
    }

    fn order_freeze(
        &mut self,
        now: Now,
        speaker: &Speaker,
        service: Option<&str>,
    ) -> Result<Taken, Refused> {
        let of = service.map(|it| self.service_called(it)).transpose()?;
        let freeze = Freeze::ordered(&speaker.by, speaker.reason.as_deref(), now.monotonic);
        let reason = freeze.reason.clone();
        let batch = self.wish(now, Wished::Freeze(of, Some(freeze)));
        let line = of.into_iter().fold(Line::warn("frozen"), |it, of| it.with("service", of));
        self.log(line.with("reason", reason).with("then", "until it is thawed"));
        let note =
            "until `weir thaw`, no weight changes, whatever checks, plugins or operators say";
        Ok(Taken { about: about(of), notes: vec![note.to_owned()], batch })
    }

    fn order_thaw(
        &mut self,
        now: Now,
        speaker: &Speaker,
        service: Option<&str>,
    ) -> Result<Taken, Refused> {
        let called = |it| {
            self.service_called(it).or_else(|refused| self.frozen_elsewhere(it).ok_or(refused))
        };
        let of = service.map(called).transpose()?;
        let mut notes = Vec::new();
        let was_frozen = self.freezes.ordered.contains_key(&of);
        // Whoever thaws everything trusts what the director sees.
        let was_doubtful = of.is_none() && self.freezes.trust();
        let mut batch = None;
        if was_frozen || was_doubtful {
            batch = self.wish(now, Wished::Freeze(of, None));
            let line = of.into_iter().fold(Line::info("thawed"), |it, of| it.with("service", of));
            self.log(line.with("by", &speaker.by));
        } else {
            notes.push("it was not frozen".to_owned());
        }
        if of.is_some()
            && let Some(freeze) = self.freezes.ordered.get(&None)
        {
            notes.push(format!("it stays frozen with everything: {}", freeze.reason));
        }
        let still = self.freezes.ordered.keys().flatten().filter(|_| of.is_none());
        notes.extend(still.map(|it| format!("{it} stays frozen on its own: `weir thaw` it")));
        Ok(Taken { about: about(of), notes, batch })
    }

    /// The real server that is meant, if it may be taken out of service.
    fn server_to_take_out(
        &mut self,
        now: Now,
        named: &Named,
        force: bool,
    ) -> Result<RealServerKey, Refused> {
        let key = self.called(named)?;
        let claim = &self.claims[&key.service];
        let server = &claim.servers[&key.server];
        if server.role == Role::Sorry {
            let message = format!(
                "{} is the sorry server of {}, and serves only where nothing else does",
                key.server, claim.name
            );
            return Err(Refused::new("sorry-server", message));
        }
        // One that is up has no other in those that are down and held in panic.
        let is_as_good = |it: &Server| it.may_serve() && (server.is_down() || !it.is_down());
        if !force && server.may_serve() && !self.has_other(&key, is_as_good) {
            let then = match claim.servers.values().any(|it| it.role == Role::Sorry) {
                true => "only the sorry server would serve",
                false if self.has_other(&key, Server::may_serve) => "only what is down would serve",
                false => "nothing would serve",
            };
            let message = format!(
                "{} is the last real server of {} that serves: without it {then}; \
                 --force does it nevertheless",
                key.server, claim.name
            );
            return Err(Refused::new("last-server", message));
        }
        let is_ordered =
            |server: &Endpoint| self.has_order(&RealServerKey { server: *server, ..key });
        if !force && claim.would_be_sorry_without(&key.server, is_ordered) {
            let message = format!(
                "{} has no quorum of {} without {}: only the sorry server would serve; \
                 --force does it nevertheless",
                claim.name, claim.quorum.least, key.server
            );
            return Err(Refused::new("quorum", message));
        }
        let seen = server.seen.filter(|it| !force && it.weight > 0);
        let change = seen.map(|it| Change::EditServer(key.service, RealServer { weight: 0, ..it }));
        let denied = change.and_then(|it| self.deny_command(now, &[it], OnFailure::Stop));
        match denied.and_then(|it| it.into_iter().next()) {
            Some(failure) => {
                let message = format!("{}; --force does it nevertheless", failure.error);
                Err(Refused::new("rejected", message))
            }
            None => Ok(key),
        }
    }

    /// Whether there is another such real server of its service that no order has out.
    fn has_other(&self, key: &RealServerKey, is_such: impl Fn(&Server) -> bool) -> bool {
        self.claims[&key.service].servers.iter().any(|(endpoint, it)| {
            let other = RealServerKey { server: *endpoint, ..*key };
            let is_free = other != *key && !self.has_order(&other);
            is_free && it.role == Role::Real && is_such(it)
        })
    }

    fn called(&self, named: &Named) -> Result<RealServerKey, Refused> {
        let service = self.service_called(&named.service)?;
        let server = self.claims[&service].server_called(&named.server)?;
        Ok(RealServerKey { service, server })
    }

    /// The one real server of that name that is ordered out, though it is not there.
    fn ordered_elsewhere(&self, named: &Named) -> Option<RealServerKey> {
        let service = self.service_called(&named.service).ok();
        let is_meant = |key: &&RealServerKey| {
            let is_service = service == Some(key.service)
                || key.service.to_string().eq_ignore_ascii_case(&named.service);
            let names = [key.server.to_string(), key.server.address.to_string()];
            is_service && names.contains(&named.server)
        };
        let mut meant = self.orders.keys().filter(is_meant);
        meant.next().filter(|_| meant.next().is_none()).copied()
    }

    /// The service of that key that is frozen, though it is not there.
    fn frozen_elsewhere(&self, name: &str) -> Option<ServiceKey> {
        let mut frozen = self.freezes.ordered.keys().flatten();
        frozen.find(|it| it.to_string().eq_ignore_ascii_case(name)).copied()
    }

    fn check_no_more(&mut self, now: Now, key: RealServerKey) {
        let Some(mut claim) = self.claims.remove(&key.service) else { return };
        if let Some(server) = claim.servers.get_mut(&key.server) {
            self.unwatch(server);
            server.health = Health { since: now.monotonic, ..Health::default() };
        }
        self.doubt.forget(&key);
        self.world.touch(key.service);
        self.claims.insert(key.service, claim);
    }

    /// Nothing is known of it, as of a new one.
    fn check_again(&mut self, now: Now, key: RealServerKey) {
        let Some(mut claim) = self.claims.remove(&key.service) else { return };
        if let Some(mut server) = claim.servers.remove(&key.server) {
            if server.role == Role::Real && server.watch.is_none() {
                self.watch(key, &claim, &mut server);
            }
            if server.watch.is_some() {
                server.health = Health { since: now.monotonic, ..Health::default() };
                server.origin = Origin::New { ramps: true };
            } else {
                self.take_for_up(now, key, &server.health);
            }
            claim.servers.insert(key.server, server);
        }
        self.world.touch(key.service);
        self.claims.insert(key.service, claim);
    }

    fn steered(
        &self,
        service: ServiceKey,
        key: Option<RealServerKey>,
        notes: Vec<String>,
    ) -> Steered {
        let status = key.and_then(|key| {
            let servers = &self.world.get(&service)?.servers;
            servers.iter().find(|it| it.config.endpoint == key.server)
        });
        Steered {
            service: Some(service.into()),
            name: self.claims.get(&service).map(|it| it.name.clone()),
            server: key.map(|it| it.server.into()),
            weight: status.map(|it| it.config.weight),
            active: status.map_or(0, |it| it.active),
            inactive: status.map_or(0, |it| it.inactive),
            persistent: status.map_or(0, |it| it.persistent),
            notes,
        }
    }

    fn when_it_takes_effect(&self, service: ServiceKey) -> Option<String> {
        let freeze = self.freezes.of(service)?;
        Some(format!("not before the weights are thawed: {}", freeze.reason))
    }

    fn until_it_serves(&self, key: &RealServerKey, was_maintained: bool) -> Option<String> {
        let server = self.server(key)?;
        let is_checked = server.watch.is_some() || was_maintained;
        let is_up = !is_checked || server.health.state.status() == HealthStatus::Up;
        (!is_up).then(|| "it gets weight once it passes its checks".to_owned())
    }

    /// The settings of the table that is ours.
    fn expiry(&self, kernel: Expiry) -> Expiry {
        match &self.config.backend {
            Backend::Kernel => kernel,
            Backend::Embedded(embedded) => Expiry {
                nodest: Some(embedded.sysctls.expire_nodest_conn),
                quiescent_template: Some(embedded.sysctls.expire_quiescent_template),
            },
        }
    }
}

/// An order that is taken: what it is about, what should be known of it, and the batch in
/// which it is kept.
struct Taken {
    about: About,
    notes: Vec<String>,
    batch: Option<u64>,
}

fn about(service: Option<ServiceKey>) -> About {
    service.map_or(About::Everything, About::Service)
}

/// Who speaks, and of which table.
struct Speaker {
    by: String,
    reason: Option<String>,
    expiry: Expiry,
}

impl Speaker {
    fn order(&self, now: Now, kind: Kind) -> Order {
        let (by, reason) = (self.by.clone(), self.reason.clone());
        Order { kind, by, reason, since: now.monotonic }
    }

    fn line(&self, does: &str) -> Line {
        let line = Line::info("operator").with("does", does).with("by", &self.by);
        self.reason.iter().fold(line, |line, reason| line.with("reason", reason))
    }

    /// What becomes of connections that are left when a drain ends.
    fn on_removal(&self, deadline: Duration) -> String {
        let cut = match self.expiry.nodest {
            Some(true) => "are cut (expire_nodest_conn = 1)",
            Some(false) => {
                "lose their packets in silence until they time out (expire_nodest_conn = 0)"
            }
            None => "are cut, or lose their packets in silence, by expire_nodest_conn",
        };
        format!(
            "it is removed when no connections are left, and at the latest in {} s; those that \
             are left then {cut}",
            deadline.as_secs()
        )
    }

    /// Who still comes, though its weight is 0.
    fn on_persistence(&self, claim: &Claim, key: RealServerKey) -> Option<String> {
        let service = claim.stated.as_ref().or(claim.seen.as_ref())?;
        let seconds = service.persistence?;
        if self.expiry.quiescent_template == Some(true) {
            return Some(format!(
                "{} is persistent, but a weight of 0 ends that (expire_quiescent_template = 1): \
                 clients that know {} go elsewhere with their next connection",
                claim.name, key.server
            ));
        }
        Some(format!(
            "{} is persistent: clients that know {} still come to it, until they were away for \
             {seconds} s (expire_quiescent_template = 1 would end that)",
            claim.name, key.server
        ))
    }
}
