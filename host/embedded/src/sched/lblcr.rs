//! Locality-based least connection with replication ([`ip_vs_lblcr.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_lblcr.c)).

use std::{cmp::Reverse, time::Duration};

use weir_ipvs::Error;

use super::{Pick, Scheduler, cache::Cache, lblc::is_overloaded, wlc::Wlc};
use crate::{
    server::{ServerId, Servers},
    settings::Sysctls,
};

/// Chooses for a destination address the least loaded of a set, which grows by the choice of
/// `wlc` when that one is overloaded while others idle, and shrinks when that has not
/// happened for long.
#[derive(Debug, Default)]
pub(super) struct Lblcr {
    cache: Cache<Set>,
}

impl Scheduler for Lblcr {
    fn start(&mut self, _servers: Servers<'_>, now: Duration) -> Result<(), Error> {
        self.cache.start(now);
        Ok(())
    }

    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        self.tick(pick.now, pick.sysctls);
        let Some(set) = self.cache.get(pick) else {
            let server = Wlc.pick(pick)?;
            let set = Set { servers: vec![server], changed: pick.now };
            self.cache.insert(set, pick);
            return Some(server);
        };
        let least = set.least_loaded(pick);
        if pick.now > set.changed.saturating_add(pick.sysctls.lblcr_expiration) {
            set.shrink(pick);
        }
        if let Some(server) = least
            && !is_overloaded(pick.servers.get(server), pick)
        {
            return Some(server);
        }
        let server = Wlc.pick(pick)?;
        set.grow(server, pick.now);
        Some(server)
    }

    fn tick(&mut self, now: Duration, sysctls: &Sysctls) {
        self.cache.tick(now, sysctls.lblcr_expiration);
    }

    fn remembers(&self, server: ServerId) -> bool {
        self.cache.chosen().any(|set| set.servers.contains(&server))
    }
}

/// The real servers of a destination address (`struct ip_vs_dest_set`).
#[derive(Debug)]
struct Set {
    /// Newest first.
    servers: Vec<ServerId>,
    changed: Duration,
}

impl Set {
    fn least_loaded(&self, pick: &Pick<'_>) -> Option<ServerId> {
        let servers = Servers { list: &self.servers, ..pick.servers };
        servers
            .iter()
            .filter(|(_, server)| server.available && server.is_eligible())
            .min_by_key(|(_, server)| pick.load(server))
            .map(|(id, _)| id)
    }

    fn grow(&mut self, server: ServerId, now: Duration) {
        if !self.servers.contains(&server) {
            self.servers.insert(0, server);
            self.changed = now;
        }
    }

    /// Loses the most loaded one, but never the last one.
    fn shrink(&mut self, pick: &Pick<'_>) {
        let servers = Servers { list: &self.servers, ..pick.servers };
        let most = servers
            .iter()
            .filter(|(_, server)| server.config.weight > 0)
            .min_by_key(|(_, server)| Reverse(pick.load(server)))
            .map(|(id, _)| id);
        if let Some(most) = most
            && self.servers.len() > 1
        {
            self.servers.retain(|&server| server != most);
            self.changed = pick.now;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn a_destination_keeps_its_real_server() {
        check("lblcr", "+A1 +B1 @1 >B @2 >A @1 >B @2 >A @1 >B");
    }

    #[test]
    fn the_set_grows_when_it_is_overloaded_while_another_idles() {
        check("lblcr", "+A4 +B1 A:1/0 @1 >BBA A:9/0 >B A:0/0 >A");
        check("lblcr", "+A4 +B1 A:2/0 @1 >BBBB");
    }

    #[test]
    fn the_least_loaded_of_the_set_is_chosen() {
        // A joins the set of B, C does not.
        check("lblcr", "+A4 +B1 +C1 C:9/0 A:1/0 @1 >BBA C:0/0 A:1/0 B:0/0 >BA B0 >A");
    }

    #[test]
    fn thresholds_count() {
        check("lblcr", "+A1 +B1 @1 >B B! >A B? A! >B A? B:0/0 >B");
    }

    #[test]
    fn one_that_rests_or_is_gone_is_passed_by() {
        check("lblcr", "+A1 +B1 @1 >B B0 >A A0 >. B1 >B");
        check("lblcr", "+A1 +B1 @1 >B -B >A +B1 B:0/0 >B");
    }

    #[test]
    fn the_most_loaded_leaves_a_set_that_stayed_the_same_for_a_day() {
        let both = "+A4 +B1 A:1/0 @1 >BBA A:1/0 B:0/0";
        let then_only_a_idles = "A:0/0 B:1/0";
        check("lblcr", &format!("{both} ~50000 >B B:0/0 ~36400 >B {then_only_a_idles} >A"));
        // A left, though a better choice by then.
        check("lblcr", &format!("{both} ~50000 >B B:0/0 ~36401 >B {then_only_a_idles} >B"));
    }

    #[test]
    fn a_destination_is_forgotten_after_a_day() {
        check("lblcr", "+A1 +B1 @1 >B A:1/0 B:2/0 ~86399 >B ~88200 >A");
    }
}
