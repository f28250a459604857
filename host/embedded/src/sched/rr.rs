//! Round robin ([`ip_vs_rr.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_rr.c)).

use super::{Pick, Scheduler};
use crate::server::{ServerId, Servers};

/// Chooses one after the other, weights above 0 being all the same.
#[derive(Debug, Default)]
pub(super) struct Rr {
    /// How far down the list it has come: the position behind the last choice, 0 being
    /// before the front.
    behind: usize,
}

impl Scheduler for Rr {
    /// Who is new stands at the front, and is met when the walk begins again.
    fn added(&mut self, _servers: Servers<'_>) {
        if self.behind > 0 {
            self.behind += 1;
        }
    }

    fn deleted(&mut self, _servers: Servers<'_>, position: usize) {
        if position < self.behind {
            self.behind -= 1;
        }
    }

    /// Walks from behind the last choice to the end, then from the front to the last choice
    /// itself.
    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        let list = pick.servers.list;
        let (before, after) = list.split_at(self.behind);
        let steps = after
            .iter()
            .chain(before)
            .position(|&server| pick.servers.get(server).is_eligible())?;
        let position = (self.behind + steps) % list.len();
        self.behind = position + 1;
        Some(list[position])
    }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn one_comes_after_the_other_newest_first() {
        check("rr", "+A1 +B1 +C1 >CBACBAC");
        check("rr", "+A9 +B1 >BABA");
        check("rr", "+A1 >AA");
    }

    #[test]
    fn who_may_not_be_chosen_is_passed_by() {
        check("rr", "+A1 +B1 +C1 B0 >CAC B1 >BAC B! >ACA B? >CB");
        check("rr", "+A1 +B1 +C1 >C A0 B0 C0 >.. A1 B1 C1 >BAC");
    }

    #[test]
    fn the_place_in_the_list_outlives_its_changes() {
        check("rr", "+A1 +B1 >B +C1 >ACBA");
        check("rr", "+A1 +B1 >BA +C1 >CBA");
        check("rr", "+A1 +B1 +C1 >CB -B >ACA");
        check("rr", "+A1 +B1 +C1 >C -C >BAB");
        check("rr", "+A1 +B1 +C1 >CB -C >ABA");
        check("rr", "+A1 +B1 +C1 >C -A >BCB");
        check("rr", "+A1 >A -A >. +B1 +C1 >CB");
    }
}
