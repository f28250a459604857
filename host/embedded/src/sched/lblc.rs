//! Locality-based least connection ([`ip_vs_lblc.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_lblc.c)).

use std::time::Duration;

use weir_ipvs::Error;

use super::{Pick, Scheduler, cache::Cache, wlc::Wlc};
use crate::{
    server::{Server, ServerId, Servers},
    settings::Sysctls,
};

/// Chooses for a destination address whom it chose before, for as long as that one is not
/// overloaded while others idle; and if it is, or at first, as `wlc` does.
#[derive(Debug, Default)]
pub(super) struct Lblc {
    cache: Cache<ServerId>,
}

impl Scheduler for Lblc {
    fn start(&mut self, _servers: Servers<'_>, now: Duration) -> Result<(), Error> {
        self.cache.start(now);
        Ok(())
    }

    /// Thresholds count only when a destination is chosen for anew, as in the kernel.
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        self.tick(pick.now, pick.sysctls);
        let Some(cached) = self.cache.get(pick) else {
            let server = Wlc.pick(pick)?;
            self.cache.insert(server, pick);
            return Some(server);
        };
        let server = pick.servers.get(*cached);
        let usable = server.available && server.config.weight > 0;
        if !usable || is_overloaded(server, pick) {
            *cached = Wlc.pick(pick)?;
        }
        Some(*cached)
    }

    fn tick(&mut self, now: Duration, sysctls: &Sysctls) {
        self.cache.tick(now, sysctls.lblc_expiration);
    }

    fn remembers(&self, server: ServerId) -> bool {
        self.cache.chosen().any(|&chosen| chosen == server)
    }
}

/// Whether it has more active connections than weight, while somebody has less than half as
/// many. Thresholds are another matter.
pub(super) fn is_overloaded(server: &Server, pick: &Pick<'_>) -> bool {
    let idles = |server: &Server| u64::from(server.active) * 2 < server.config.weight.into();
    server.active > server.config.weight && pick.servers.iter().any(|(_, other)| idles(other))
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn a_destination_keeps_its_real_server() {
        check("lblc", "+A1 +B1 @1 >B @2 >A @1 >B @2 >A @1 >B");
        check("lblc", "+A1 +B1 @1 >B A9 >B");
    }

    #[test]
    fn but_for_one_that_is_overloaded_while_another_idles() {
        check("lblc", "+A4 +B1 A:1/0 @1 >BBAAAA");
        check("lblc", "+A4 +B1 A:2/0 @1 >BBBB");
        // Whoever idles counts, be it one that may not be chosen.
        check("lblc", "+A4 +B1 A! @1 >BBBB A0 >B");
    }

    #[test]
    fn thresholds_count_only_for_a_destination_without() {
        check("lblc", "+A1 +B1 @1 >B B! >B @2 >A B? A! @3 >B");
    }

    #[test]
    fn one_that_rests_or_is_gone_is_replaced() {
        check("lblc", "+A1 +B1 @1 >B B0 >A B1 >A");
        check("lblc", "+A1 +B1 @1 >B B0 A0 >. B1 >B");
        check("lblc", "+A1 +B1 @1 >B -B >A +B1 >A");
    }

    #[test]
    fn one_that_came_back_from_the_trash_is_still_known() {
        check("lblc", "+A1 +B1 @1 >B -B ~3000 B:1/0 +B1 >B");
    }

    #[test]
    fn a_destination_is_forgotten_after_a_day() {
        check("lblc", "+A1 +B1 @1 >B A:1/0 B:2/0 ~86399 >B ~88200 >A");
    }
}
