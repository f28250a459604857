//! Weighted fail-over ([`ip_vs_fo.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_fo.c)).

use std::cmp::Reverse;

use super::{Pick, Scheduler};
use crate::server::ServerId;

/// Chooses the greatest weight, until it is 0 or its real server overloaded.
#[derive(Debug)]
pub(super) struct Fo;

impl Scheduler for Fo {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        pick.eligible().min_by_key(|(_, server)| Reverse(server.config.weight)).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn the_greatest_weight_takes_all() {
        check("fo", "+A1 +B3 +C2 >BBBB");
        check("fo", "+A3 +B3 +C2 >BB");
    }

    #[test]
    fn the_next_one_stands_in() {
        check("fo", "+A1 +B3 +C2 B! >CC C0 >A B? >B");
        check("fo", "+A1 +B3 A0 B0 >.");
    }
}
