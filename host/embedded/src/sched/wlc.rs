//! Weighted least connection ([`ip_vs_wlc.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_wlc.c)).

use super::{Pick, Scheduler};
use crate::server::ServerId;

/// Chooses whose connections cost the least by weight.
#[derive(Debug)]
pub(super) struct Wlc;

impl Scheduler for Wlc {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        pick.eligible().min_by_key(|(_, server)| pick.load(server)).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        generation::Generation,
        sched::tests::{Trial, check},
    };

    #[test]
    fn connections_count_by_weight() {
        check("wlc", "+A1 +B2 >BABBAB");
        check("wlc", "+A3 +B1 A:3/0 B:1/0 >BAAAB");
        check("wlc", "+A2 +B2 A:0/1 >BA");
    }

    #[test]
    fn a_changed_weight_counts_at_once() {
        check("wlc", "+A1 +B1 >BABA A3 >AAAAB");
        check("wlc", "+A1 +B1 B0 >AA B1 >BBBA");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("wlc", "+A1 +B9 B! >AA B? >BB");
        check("wlc", "+A0 +B0 >.");
    }

    #[test]
    fn an_active_connection_costs_more_by_the_newer_rules() {
        let check = |generation, script: &str| {
            let mut trial = Trial::new("wlc");
            trial.generation = generation;
            trial.run(script);
        };
        check(Generation::Older, "+A1 +B1 A:0/256 B:1/0 >B");
        check(Generation::Newer, "+A1 +B1 A:0/256 B:1/0 >A");
    }
}
