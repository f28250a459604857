//! What operators see of the manager's state, in the words of the socket.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{Endpoint, RealServerKey, ServiceKey};

use super::{Manager, Now, heard::Hindered};
use crate::{
    control::{
        Refused, Show,
        protocol::{
            Alert, Denied, Explained, ExplainedServer, Frozen, Head, Health, Order, OrderElsewhere,
            Server, ShownService as Service, Step, Word, Write,
        },
    },
    formula::{self, Says, Steering},
    plan::{self, Claim, Role},
    report::rfc3339,
    safety::order::{self, Freeze, Kind},
};

/// Checks of which nothing comes for one reason.
struct Hindrances<'a> {
    one: &'a str,
    /// How many there are beside it.
    more: usize,
    /// Since when nothing comes of any of them.
    since: Duration,
}

impl Manager {
    /// Answers what operators asked to see.
    pub(super) fn show(&mut self, now: Now) {
        for show in std::mem::take(&mut self.shows) {
            match show {
                Show::Status(service, reply) => reply.send(self.status(now, service.as_deref())),
                Show::Explain(service, server, reply) => {
                    reply.send(self.explain(now, &service, server.as_deref()));
                }
            }
        }
    }

    fn status(&self, now: Now, service: Option<&str>) -> Result<(Head, Vec<Service>), Refused> {
        let asked = service.map(|it| self.service_called(it)).transpose()?;
        let shown = self.claims.iter().filter(|(key, _)| asked.is_none_or(|it| it == **key));
        let services = shown.map(|(key, claim)| self.service(now, *key, claim)).collect();
        Ok((self.head(now), services))
    }

    fn explain(&self, now: Now, service: &str, server: Option<&str>) -> Result<Explained, Refused> {
        let key = self.service_called(service)?;
        let claim = &self.claims[&key];
        let asked = server.map(|it| claim.server_called(it)).transpose()?;
        let mut shown = self.service(now, key, claim);
        let servers = std::mem::take(&mut shown.servers).into_iter().zip(claim.servers.iter());
        let asked = servers.filter(|(_, (endpoint, _))| asked.is_none_or(|it| it == **endpoint));
        let servers = asked.map(|(shown, (endpoint, server))| {
            let denied = self.statements.denied(&RealServerKey { service: key, server: *endpoint });
            let denied = denied.into_iter().map(|(it, why, again)| Denied {
                word: word(now, &it),
                why,
                again: again.map(|it| now.show(it)),
            });
            ExplainedServer { denied: denied.collect(), ..explained(now, claim, server, shown) }
        });
        Ok(Explained { servers: servers.collect(), service: shown })
    }

    fn head(&self, now: Now) -> Head {
        let is_elsewhere = |(key, _): &(&RealServerKey, _)| self.server(key).is_none();
        let orders = self.orders.iter().filter(is_elsewhere);
        let ordered = self.freezes.ordered.iter().map(|(of, it)| frozen(now, *of, it));
        let own = [&self.freezes.doubt, &self.freezes.awaited].into_iter().flatten();
        let own = own.map(|it| frozen(now, None, it));
        Head {
            at: rfc3339(now.wall),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            services: self.claims.len(),
            servers: self.claims.values().map(|it| it.servers.len()).sum(),
            alerts: self.alerts(now),
            frozen: ordered.chain(own).collect(),
            plugins: self.standings(now).into_iter().map(Into::into).collect(),
            orders: orders
                .map(|(key, order)| OrderElsewhere {
                    service: key.service.into(),
                    server: key.server.into(),
                    order: shown_order(now, order),
                })
                .collect(),
        }
    }

    /// What somebody should look at.
    fn alerts(&self, now: Now) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let mut alert =
            |kind: &str, service: Option<ServiceKey>, since: Option<Duration>, message| {
                let (kind, service) = (kind.to_owned(), service.map(Into::into));
                alerts.push(Alert { kind, service, since: since.map(|it| now.show(it)), message });
            };
        if let Some(it) = &self.freezes.doubt {
            alert("frozen", None, Some(it.since), it.reason.clone());
        }
        for (of, it) in &self.freezes.ordered {
            alert("frozen", *of, Some(it.since), it.reason.clone());
        }
        if let Some(why) = &self.memory.lost {
            let message = format!("what an earlier run left is lost, operators' orders too: {why}");
            alert("state-lost", None, None, message);
        }
        if let Some((since, late)) = self.late {
            let message = format!(
                "a probe was {} ms late, more than its interval: time-outs count as nothing",
                late.as_millis()
            );
            alert("checks-lag", None, Some(since), message);
        }
        for (why, Hindrances { one, more, since }) in self.hindrances() {
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let message = format!("nothing comes of the check {one}{more}: {why}");
            alert("cannot-check", None, Some(since), message);
        }
        for (key, claim) in &self.claims {
            if let Some(since) = claim.panic.since() {
                let percent = claim.strength(now.monotonic).percent();
                let floor = claim.rules.panic;
                let message = format!(
                    "{percent} % of {} is up: panic begins below {} % and ends at {} %",
                    claim.name,
                    floor.percent,
                    floor.leave_percent(),
                );
                alert("panic", Some(*key), Some(since), message);
            }
            if claim.is_quorum_lost {
                let then = match claim.is_sorry_serving() {
                    true => "the sorry server serves",
                    false => "there is no sorry server",
                };
                let message = format!("{} has no quorum: {then}", claim.name);
                alert("quorum-lost", Some(*key), None, message);
            }
            for (endpoint, server) in claim.servers.iter().filter(|it| it.1.is_up()) {
                let Some(until) = server.flaps.held_until(now.monotonic) else { continue };
                let message = format!(
                    "{endpoint} of {} went down {} times: though it passes, it is out until {}",
                    claim.name,
                    server.flaps.trips(now.monotonic),
                    now.show(until),
                );
                alert("flapping", Some(*key), Some(server.health.since), message);
            }
        }
        for plugin in &self.plugins {
            if plugin.is_quarantined() {
                let message = format!("plugin {} failed too often, and is given up", plugin.name);
                alert("plugin-quarantined", None, None, message);
            } else if plugin.start_at().is_some() {
                let message = format!("plugin {} failed, and is started again", plugin.name);
                alert("plugin-failed", None, None, message);
            }
        }
        for (what, error) in &self.troubles {
            alert("failed", None, None, format!("failed to {what}: {error}"));
        }
        alerts
    }

    /// What hinders checks, by the reason.
    fn hindrances(&self) -> BTreeMap<&str, Hindrances<'_>> {
        let mut all: BTreeMap<&str, Hindrances<'_>> = BTreeMap::new();
        for Hindered { check, why, since } in self.hindered.values() {
            let new = || Hindrances { one: check, more: 0, since: *since };
            let more = |it: &mut Hindrances<'_>| {
                it.more += 1;
                it.since = it.since.min(*since);
            };
            all.entry(why).and_modify(more).or_insert_with(new);
        }
        all
    }

    fn service(&self, now: Now, key: ServiceKey, claim: &Claim) -> Service {
        let strength = claim.strength(now.monotonic);
        let config = claim.stated.as_ref().or(claim.seen.as_ref());
        let servers = claim.servers.iter();
        Service {
            key: key.into(),
            name: claim.name.clone(),
            scheduler: config.map_or_else(String::new, |it| it.scheduler.clone()),
            persistence_s: config.and_then(|it| it.persistence),
            owner: self.config.service(&key).and_then(|it| it.owner.clone()),
            is_leaving: claim.is_leaving,
            live: strength.live,
            all: strength.all,
            quorum: claim.quorum.least,
            is_quorum_lost: claim.is_quorum_lost,
            is_sorry_serving: claim.is_sorry_serving(),
            panic_since: claim.panic.since().map(|it| now.show(it)),
            frozen: self.freezes.of(key).map(|it| frozen(now, None, it)),
            servers: servers.map(|(it, server)| self.shown(now, key, *it, server)).collect(),
        }
    }

    fn shown(
        &self,
        now: Now,
        service: ServiceKey,
        endpoint: Endpoint,
        server: &plan::Server,
    ) -> Server {
        let connections = server.connections;
        let order = self.orders.get(&RealServerKey { service, server: endpoint });
        Server {
            address: endpoint.into(),
            role: match server.role {
                Role::Real => "real",
                Role::Sorry => "sorry",
                Role::Leaving => "leaving",
            }
            .to_owned(),
            weight: server.seen.map(|it| it.weight),
            base: server.base,
            goal: server.decision.goal,
            health: server.watch.is_some().then(|| Health {
                state: server.health.state.to_string(),
                since: now.show(server.health.since),
                detail: server.health.detail.clone(),
            }),
            order: order.map(|it| shown_order(now, it)),
            words: server.decision.words.iter().map(|it| word(now, it)).collect(),
            foreign: server
                .tolerated
                .map(|it| it.weight)
                .filter(|it| Some(*it) != server.decision.goal),
            active: connections.map_or(0, |it| it.active),
            inactive: connections.map_or(0, |it| it.inactive),
            persistent: connections.map_or(0, |it| it.templates),
            trips: server.flaps.trips(now.monotonic),
        }
    }
}

impl Now {
    /// A moment of the monotonic clock, as the clock on the wall has it.
    fn show(self, at: Duration) -> String {
        let wall = match at.checked_sub(self.monotonic) {
            Some(ahead) => self.wall.saturating_add(ahead),
            None => self.wall.saturating_sub(self.monotonic - at),
        };
        rfc3339(wall)
    }
}

fn explained(now: Now, claim: &Claim, server: &plan::Server, shown: Server) -> ExplainedServer {
    let decision = &server.decision;
    let terms = claim.terms_of(server);
    let steps = formula::steps(&terms, decision.base, &decision.words);
    let waits = match (server.tolerated, decision.goal == server.seen.map(|it| it.weight)) {
        (_, true) => None,
        (Some(it), _) => Some(format!("someone else wrote {}, and that is left", it.weight)),
        (None, _) if decision.goal != decision.weight => {
            let often = match terms.steering {
                Steering::Rarely => "once a minute at most, for it moves clients",
                Steering::Freely | Steering::Fixed => "once a second at most",
            };
            Some(format!("it was written a moment ago: {often}"))
        }
        (None, _) => Some("it could not be written yet".to_owned()),
    };
    ExplainedServer {
        server: shown,
        denied: Vec::new(),
        steps: steps.into_iter().map(|(what, weight)| Step { what, weight }).collect(),
        waits,
        last_write: server.wrote.as_ref().map(|it| Write {
            at: now.show(it.at),
            before: it.before,
            after: it.after,
            who: it.cause.who.clone(),
            reason: it.cause.reason.clone(),
        }),
    }
}

fn frozen(now: Now, service: Option<ServiceKey>, freeze: &Freeze) -> Frozen {
    Frozen {
        service: service.map(Into::into),
        who: freeze.who.to_owned(),
        reason: freeze.reason.clone(),
        since: now.show(freeze.since),
        until: freeze.until.map(|it| now.show(it)),
    }
}

fn shown_order(now: Now, order: &order::Order) -> Order {
    let (kind, is_kept, is_over) = match order.kind {
        Kind::Drain { keep, is_over, .. } => ("drain", keep, is_over),
        Kind::Maintain => ("maintain", true, false),
    };
    Order {
        kind: kind.to_owned(),
        by: order.by.clone(),
        reason: order.reason.clone(),
        since: now.show(order.since),
        until: order.until().map(|it| now.show(it)),
        is_kept,
        is_over,
    }
}

fn word(now: Now, word: &formula::Word) -> Word {
    let (kind, value) = match word.says {
        Says::Frozen(weight) => ("frozen", weight),
        Says::Absent => ("absent", None),
        Says::Held(weight) => ("held", Some(weight)),
        Says::Zero => ("zero", None),
        Says::Lifted => ("lifted", None),
        Says::Drain => ("drain", None),
        Says::Base(weight) => ("base", Some(weight)),
        Says::Ramp(millionths) => ("ramp", Some(millionths)),
        Says::Agent(millionths) => ("agent", Some(millionths)),
        Says::Degraded(percent) => ("degraded", Some(percent)),
        Says::Scale(thousandths) => ("scale", Some(thousandths)),
        Says::Floor(least) => ("floor", Some(least)),
        Says::Cap(most) => ("cap", Some(most)),
    };
    Word {
        who: word.who.clone(),
        kind: kind.to_owned(),
        value,
        says: word.says.to_string(),
        reason: word.reason.clone(),
        since: now.show(word.since),
        until: word.until.map(|it| now.show(it)),
    }
}
