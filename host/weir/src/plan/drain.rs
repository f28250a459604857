//! Who leaves a service, and when they are gone: real servers that operators take out, and
//! those that the configuration has no more.

use std::time::Duration;

use weir_ipvs::{Endpoint, Protocol, RealServerKey, ServiceKey};

use super::{
    Claim, Role, Server,
    decide::{Alarm, Surroundings},
};
use crate::{
    formula::{Says, Word},
    safety::order::{Kind, Order},
};

/// How often the connections of a server that drains are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Claim {
    /// Servers that leave go when their connections are over, or at the deadline. Says whose
    /// drain, ordered by an operator, is over now.
    pub(super) fn end_drains(
        &mut self,
        around: &Surroundings<'_>,
        alarm: &mut Alarm,
    ) -> Vec<Endpoint> {
        let is_udp = matches!(around.service, ServiceKey::Address { protocol: Protocol::Udp, .. });
        let longest = if is_udp { around.udp_timeout } else { Duration::MAX };
        let deadline = self.rules.drain_deadline;
        // What takes the place of those that leave is to serve before they go.
        let is_replaced = self.is_sorry_serving()
            || self.real().next().is_none()
            || self.real().any(Server::is_eligible);
        let mut drained = Vec::new();
        for (endpoint, server) in &mut self.servers {
            let key = RealServerKey { service: around.service, server: *endpoint };
            if let Some(order) = around.orders.get(&key)
                && server.end_order(order, longest, alarm)
            {
                drained.push(*endpoint);
            }
            if server.role == Role::Leaving {
                server.leave(deadline.min(longest), is_replaced, alarm);
            }
        }
        drained
    }
}

impl Server {
    /// An operator has it out of service.
    pub(super) fn obey(&mut self, order: &Order) {
        self.say_as(Word::OPERATOR, Says::Zero, &order.words(), order.since, order.until());
    }

    /// Whether an operator has it out of service.
    pub(crate) fn is_ordered_out(&self) -> bool {
        let words = &mut self.decision.words.iter();
        words.any(|it| it.who == Word::OPERATOR && it.says == Says::Zero)
    }

    /// Whether a drain, which an operator ordered, is not over.
    pub(super) fn is_draining(&self) -> bool {
        let words = &mut self.decision.words.iter();
        words.any(|it| it.who == Word::OPERATOR && it.says == Says::Zero && it.until.is_some())
    }

    /// Takes it out of the table once its drain is over, unless it is to be kept. What the
    /// configuration does not state is kept, for weir could not put it back. Says whether
    /// the drain ends now.
    fn end_order(&mut self, order: &Order, longest: Duration, alarm: &mut Alarm) -> bool {
        let Kind::Drain { until, keep, is_over: was_over } = order.kind else { return false };
        let until = until.min(order.since.saturating_add(longest));
        let is_over = was_over || (self.gets_no_more() && alarm.now >= until) || self.is_drained();
        if !is_over {
            alarm.set(Some(until));
            alarm.set(Some(alarm.now.saturating_add(LOOK)));
        } else if !keep && self.stated.is_some() {
            self.say_as(Word::OPERATOR, Says::Absent, &order.words(), order.since, None);
        }
        is_over && !was_over
    }

    /// What the configuration has no more gets no new connections once it is replaced, and goes
    /// when those it has are over, or at the deadline.
    fn leave(&mut self, longest: Duration, is_replaced: bool, alarm: &mut Alarm) {
        let (since, reason) = (self.leaving_since, "no longer in the configuration");
        let until = since.saturating_add(longest);
        let is_needed = !is_replaced && !self.is_ordered_out() && alarm.now < until;
        if let Some(weight @ 1..) = self.weight.filter(|_| is_needed) {
            let reason = format!("{reason}; it serves until another does");
            alarm.set(Some(until));
            return self.say(Says::Held(weight), &reason, since, Some(until));
        }
        self.say(Says::Zero, reason, since, Some(until));
        if (self.gets_no_more() && alarm.now >= until) || self.is_drained() {
            self.say(Says::Absent, reason, since, None);
        } else {
            alarm.set(Some(until));
            alarm.set(Some(alarm.now.saturating_add(LOOK)));
        }
    }

    /// Whether it gets no new connections: while everything is frozen it may, and then no drain
    /// is over.
    fn gets_no_more(&self) -> bool {
        self.seen.is_none_or(|it| it.weight == 0)
    }

    /// Whether it has no connections left, and nobody who would come back to it, as seen
    /// since it gets no new ones.
    fn is_drained(&self) -> bool {
        let is_empty = self.connections.is_some_and(|it| {
            (it.active, it.inactive, it.templates) == (0, 0, 0)
                && Some(it.looked_at) > self.written_at
        });
        self.seen.is_none() || (self.gets_no_more() && is_empty)
    }
}
