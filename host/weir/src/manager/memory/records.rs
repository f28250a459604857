//! The records themselves: what of the manager's state is written, and becomes it again.
//!
//! What an earlier weir did not write is as it would be without: every later field has a default.
//! What it did not note of the configuration is taken to be as it is now.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use weir_ipvs::{RealServer, Service};

use crate::{
    config::{Checks, NamedService, Whose},
    control::protocol,
    health::AgentSays,
    plan::{Claim, Heard, Role, Server, Tolerated},
    safety::{
        flap::Flaps,
        order::{Freeze, Kind, Order},
    },
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderRecord {
    kind: OrderKind,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    since_ms: u64,
    #[serde(default)]
    until_ms: u64,
    #[serde(default)]
    is_kept: bool,
    #[serde(default)]
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OrderKind {
    Drain,
    Maintain,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FreezeRecord {
    reason: String,
    since_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
}

/// What is known of a real server beyond what the table shows. Of most, nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ServerRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    ramp_since_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    trips: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    up_since_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until_ms: Option<u64>,
    /// It left the configuration, and is being drained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) leaving_since_ms: Option<u64>,
    /// A base weight that somebody else set, and that was taken over.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<u32>,
    /// Somebody else removed it, and it stays away.
    #[serde(skip_serializing_if = "is_false")]
    is_given_up: bool,
    /// Somebody else edited it, its weight apart, and it stays so.
    #[serde(skip_serializing_if = "is_false")]
    is_taken_over: bool,
    /// What the configuration stated of it, where one of these three stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    stated: Option<protocol::RealServer>,
    /// What somebody else wrote, and is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerated: Option<ToleratedRecord>,
    /// What its agent said, and stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentRecord>,
}

/// A weight, the one that was wanted in its place, and the base weight of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ToleratedRecord {
    weight: u32,
    goal: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<u32>,
}

/// What an agent said, as a reply of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct AgentRecord {
    said: String,
    since_ms: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    is_stale: bool,
}

/// What the configuration states of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClaimRecord {
    pub(super) name: String,
    /// The real servers that are to stay.
    pub(super) servers: BTreeSet<SocketAddr>,
    /// The configuration had it no more, and it was about to go.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) is_leaving: bool,
    /// As of real servers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) is_given_up: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    is_taken_over: bool,
    /// What it states of the service itself, where one of these two stands in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stated: Option<protocol::Service>,
}

impl ServerRecord {
    /// None = there is nothing to record.
    pub(super) fn of(server: &Server, named: Option<&NamedService>, now: Duration) -> Option<Self> {
        let (trips, up_since, held_until) = server.flaps.to_recall(now);
        let base = server.adopted_base();
        let is_taken_over = named.is_some_and(|it| server.is_taken_over(it));
        let is_edited = base.is_some() || server.is_given_up || is_taken_over;
        let edited = server.stated.filter(|_| is_edited);
        let stated = edited.and_then(|it| named?.server(&it.endpoint));
        let record = Self {
            ramp_since_ms: server.ramp_since.map(to_ms),
            trips,
            up_since_ms: up_since.filter(|_| trips > 0).map(to_ms),
            held_until_ms: held_until.map(to_ms),
            leaving_since_ms: (server.role == Role::Leaving).then(|| to_ms(server.leaving_since)),
            base,
            is_given_up: server.is_given_up,
            is_taken_over,
            stated: stated.map(|it| (*it).into()),
            tolerated: server.tolerated.map(ToleratedRecord::from),
            agent: AgentRecord::of(&server.agent),
        };
        (record != Self::default()).then_some(record)
    }

    /// What it says of a real server that is seen for the first time is so again.
    pub(super) fn restore(self, claim: &Claim, server: &mut Server) {
        server.flaps = Flaps::recalled(
            self.trips,
            self.up_since_ms.map(from_ms),
            self.held_until_ms.map(from_ms),
        );
        if server.seen.is_some_and(|it| it.weight > 0) {
            server.ramp_since = self.ramp_since_ms.map(from_ms);
        }
        let is_theirs = !server.owns_base && self.stated_same(server, |it| it.weight);
        if let Some(base) = self.base.filter(|_| is_theirs) {
            server.base = base;
        }
        let is_theirs = claim.rules.drift.servers != Whose::Restore
            && self.stated_same(server, |it| RealServer { weight: 0, ..it });
        server.is_given_up = is_theirs && self.is_given_up && server.seen.is_none();
        if let Some(seen) = server.seen.filter(|_| is_theirs && self.is_taken_over) {
            server.take_over(seen);
        }
        if let Some(ToleratedRecord { weight, goal, base }) = self.tolerated
            && server.seen.is_some_and(|it| it.weight == weight)
        {
            let base = base.unwrap_or(server.base);
            server.tolerate(claim.rules.drift, Some(Tolerated { weight, goal, base }));
        }
        if claim.check.as_ref().is_some_and(Checks::has_agent) {
            server.agent = self.agent.and_then(AgentRecord::heard).unwrap_or_default();
        }
    }

    /// Whether this part `of` what the configuration states of it is what it was, for all that is
    /// known.
    fn stated_same<T: PartialEq>(&self, server: &Server, of: impl Fn(RealServer) -> T) -> bool {
        let before = self.stated.clone().map(RealServer::from);
        before.zip(server.stated).is_none_or(|(before, now)| of(before) == of(now))
    }
}

impl From<Tolerated> for ToleratedRecord {
    fn from(Tolerated { weight, goal, base }: Tolerated) -> Self {
        Self { weight, goal, base: Some(base) }
    }
}

impl AgentRecord {
    /// None = nothing stands.
    fn of(heard: &Heard) -> Option<Self> {
        let Heard { says, since, .. } = heard;
        let record =
            || Self { said: says.reply(), since_ms: to_ms(*since), is_stale: says.is_stale };
        (*says != AgentSays::default()).then(record)
    }

    /// None = it is not understood.
    fn heard(self) -> Option<Heard> {
        let says = AgentSays::of_reply(&self.said, self.is_stale)?;
        Some(Heard { says, since: from_ms(self.since_ms), ..Heard::default() })
    }
}

impl ClaimRecord {
    pub(super) fn of(claim: &Claim, named: Option<&NamedService>) -> Self {
        let stays = claim.servers.iter().filter(|(_, it)| it.role != Role::Leaving);
        let is_taken_over = named.is_some_and(|it| claim.stated.as_ref() != Some(&it.service));
        let edited = named.filter(|_| claim.is_given_up || is_taken_over);
        Self {
            name: claim.name.clone(),
            servers: stays.map(|(it, _)| (it.address, it.port).into()).collect(),
            is_leaving: claim.is_leaving,
            is_given_up: claim.is_given_up,
            is_taken_over,
            stated: edited.map(|it| it.service.clone().into()),
        }
    }

    /// What someone else made of a service, and was taken over or left, is so again, if the
    /// configuration states what it did, for all that is known.
    pub(super) fn restore(&self, claim: &mut Claim, found: Option<&Service>) {
        let before = self.stated.clone().map(Service::from);
        if before.is_some() && before != claim.stated {
            return;
        }
        claim.is_given_up = self.is_given_up && found.is_none();
        if let Some(stated) = &mut claim.stated
            && let Some(found) = found
            && self.is_taken_over
        {
            stated.clone_from(found);
        }
    }
}

impl From<&Order> for OrderRecord {
    fn from(order: &Order) -> Self {
        let (kind, until, is_kept, is_over) = match order.kind {
            Kind::Drain { until, keep, is_over } => (OrderKind::Drain, until, keep, is_over),
            Kind::Maintain => (OrderKind::Maintain, Duration::ZERO, false, false),
        };
        Self {
            kind,
            by: order.by.clone(),
            reason: order.reason.clone(),
            since_ms: to_ms(order.since),
            until_ms: to_ms(until),
            is_kept,
            is_over,
        }
    }
}

impl From<OrderRecord> for Order {
    fn from(record: OrderRecord) -> Self {
        let until = from_ms(record.until_ms);
        let kind = match record.kind {
            OrderKind::Drain => {
                Kind::Drain { until, keep: record.is_kept, is_over: record.is_over }
            }
            OrderKind::Maintain => Kind::Maintain,
        };
        Self { kind, by: record.by, reason: record.reason, since: from_ms(record.since_ms) }
    }
}

impl From<&Freeze> for FreezeRecord {
    fn from(freeze: &Freeze) -> Self {
        Self {
            reason: freeze.reason.clone(),
            since_ms: to_ms(freeze.since),
            until_ms: freeze.until.map(to_ms),
        }
    }
}

impl FreezeRecord {
    pub(super) fn of(self, who: &'static str) -> Freeze {
        let Self { reason, since_ms, until_ms } = self;
        Freeze { who, reason, since: from_ms(since_ms), until: until_ms.map(from_ms) }
    }
}

pub(super) fn to_json(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("records have no keys but text")
}

fn to_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn from_ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn is_false(it: &bool) -> bool {
    !it
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
