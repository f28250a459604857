//! Shortest expected delay ([`ip_vs_sed.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_sed.c)).

use super::{Load, Pick, Scheduler};
use crate::server::{Server, ServerId};

/// Chooses who would have the fewest active connections by weight with this one among them.
#[derive(Debug)]
pub(super) struct Sed;

impl Scheduler for Sed {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        pick.eligible().min_by_key(|(_, server)| expected_delay(server)).map(|(id, _)| id)
    }
}

fn expected_delay(server: &Server) -> Load {
    Load { cost: u64::from(server.active) + 1, weight: server.config.weight }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn the_new_connection_counts_among_the_others() {
        check("sed", "+A1 +B3 >BBBAB");
        check("sed", "+A1 +B1 >BABA");
        check("sed", "+A2 +B3 A:1/0 B:2/0 >BA");
    }

    #[test]
    fn inactive_connections_do_not_count() {
        check("sed", "+A1 +B1 B:0/99 >BA");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("sed", "+A1 +B9 B0 >A B9 B! >A B? >B");
        check("sed", "+A1 A! >.");
    }
}
