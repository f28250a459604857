//! Real servers that are down, and leave the table for it: what goes on to a dead server
//! because it did before, a flow of UDP above all, ends no other way.

use std::time::Duration;

use weir_ipvs::{Protocol, ServiceKey};

use super::{
    Claim, Server,
    decide::{Alarm, Surroundings},
};
use crate::formula::Says;

/// Schedulers that share clients out anew, those of other real servers too, when one leaves.
const RESHUFFLE: [&str; 2] = ["dh", "mh"];

impl Claim {
    /// Takes out what is drained for being down long enough. What the configuration does not
    /// state stays, for weir could not put it back.
    pub(super) fn remove_down(&mut self, around: &Surroundings<'_>, alarm: &mut Alarm) {
        let Some(patience) = self.removes_down_after(around.service) else { return };
        for server in self.real_mut().filter(|it| it.stated.is_some() && it.is_out_for_down()) {
            let since = server.health.since;
            let due = since.saturating_add(patience);
            // One that is out stays out while it is down, whatever it does meanwhile.
            if alarm.now < due && server.weight.is_some() {
                alarm.set(Some(due));
                continue;
            }
            let reason =
                format!("{}; out of the table, so that its flows end", server.health.detail);
            server.say(Says::Absent, &reason, since, None);
        }
    }

    /// How long one is down before it is taken out; none = it never is.
    fn removes_down_after(&self, service: ServiceKey) -> Option<Duration> {
        let is_udp = matches!(service, ServiceKey::Address { protocol: Protocol::Udp, .. });
        let usual = is_udp && !RESHUFFLE.contains(&self.scheduler());
        self.rules.remove_down.unwrap_or(usual.then_some(Duration::ZERO))
    }
}

impl Server {
    /// Whether it has no weight for nothing but that it is down. One that someone else took out,
    /// and that is left, would have weight again once it is put back.
    fn is_out_for_down(&self) -> bool {
        let stays = |it: &Says| matches!(it, Says::Held(_) | Says::Lifted);
        self.is_down()
            && !self.is_ordered_out()
            && !self.is_left_out()
            && self.says(|it| *it == Says::Drain)
            && !self.says(stays)
    }
}
