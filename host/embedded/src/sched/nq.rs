//! Never queue ([`ip_vs_nq.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_nq.c)).

use super::{Pick, Scheduler, sed::Sed};
use crate::server::ServerId;

/// Chooses whoever is idle, however slow; and if nobody is, as `sed` does.
#[derive(Debug)]
pub(super) struct Nq;

impl Scheduler for Nq {
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        let idle = pick.eligible().find(|(_, server)| server.active == 0);
        idle.map(|(id, _)| id).or_else(|| Sed.pick(pick))
    }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn an_idle_one_wins_however_slow() {
        check("nq", "+A1 +B9 >BABBBBBBBB");
        check("nq", "+A3 +B1 >BAAAAAB");
    }

    #[test]
    fn inactive_connections_do_not_count() {
        check("nq", "+A1 +B9 A:0/99 B:1/0 >AB");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("nq", "+A1 +B1 +C1 C0 B! >AA B? >B C5 >C");
        check("nq", "+A0 >.");
    }
}
