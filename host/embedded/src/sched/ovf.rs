//! Weighted overflow ([`ip_vs_ovf.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_ovf.c)).

use std::cmp::Reverse;

use super::{Pick, Scheduler};
use crate::server::ServerId;

/// Chooses the greatest weight of those that have no more active connections than weight.
#[derive(Debug)]
pub(super) struct Ovf;

impl Scheduler for Ovf {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        pick.eligible()
            .filter(|(_, server)| server.active <= server.config.weight)
            .min_by_key(|(_, server)| Reverse(server.config.weight))
            .map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn what_the_greatest_weight_cannot_take_flows_over() {
        check("ovf", "+A1 +B2 >BBBAA. B:1/0 >BB.");
        check("ovf", "+A2 +B2 >BBBAAA.");
    }

    #[test]
    fn inactive_connections_do_not_count() {
        check("ovf", "+A1 +B2 B:2/99 >BA");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("ovf", "+A1 +B5 B! >A B? B0 >A B5 >B");
    }
}
