//! Least connection ([`ip_vs_lc.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_lc.c)).

use super::{Pick, Scheduler};
use crate::server::ServerId;

/// Chooses whose connections cost the least, weights above 0 being all the same.
#[derive(Debug)]
pub(super) struct Lc;

impl Scheduler for Lc {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        pick.eligible().min_by_key(|(_, server)| pick.load(server).cost).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        generation::Generation,
        sched::tests::{Trial, check},
    };

    #[test]
    fn the_fewest_connections_win_whatever_the_weights() {
        check("lc", "+A1 +B9 >BABA");
        check("lc", "+A1 +B1 +C1 A:3/0 B:2/0 C:4/0 >BBA");
        check("lc", "+A1 +B1 A:1/0 B:0/200 >BA");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("lc", "+A1 +B1 +C1 C0 B! >AA B? >BB C1 >CCCB");
        check("lc", "+A0 +B1 B! >.");
    }

    #[test]
    fn an_active_connection_costs_more_by_the_newer_rules() {
        let check = |generation, script: &str| {
            let mut trial = Trial::new("lc");
            trial.generation = generation;
            trial.run(script);
        };
        check(Generation::Older, "+A1 +B1 A:0/256 B:1/0 >B");
        check(Generation::Newer, "+A1 +B1 A:0/256 B:1/0 >A");
    }
}
