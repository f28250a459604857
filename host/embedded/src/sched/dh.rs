//! Destination hashing ([`ip_vs_dh.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_dh.c)).

use super::{
    Pick, Scheduler,
    hash::{fold, hash_32},
};
use crate::server::{ServerId, Servers};

const TABLE_BITS: u32 = 8;
const TABLE_SIZE: usize = 1 << TABLE_BITS;

/// Chooses by the destination address alone, whatever the weights above 0.
#[derive(Debug, Default)]
pub(super) struct Dh {
    /// [`TABLE_SIZE`] of them, or none for want of real servers.
    buckets: Vec<ServerId>,
}

impl Scheduler for Dh {
    fn changed(&mut self, servers: Servers<'_>) {
        self.buckets.clear();
        self.buckets.extend(servers.list.iter().cycle().take(TABLE_SIZE));
    }

    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        let bucket = hash_32(fold(pick.destination.address), TABLE_BITS);
        let &server = self.buckets.get(bucket as usize)?;
        pick.servers.get(server).is_eligible().then_some(server)
    }
}

#[cfg(test)]
mod tests {
    use crate::sched::tests::check;

    #[test]
    fn a_destination_has_one_real_server() {
        check("dh", "+A1 +B1 +C1 @1 >AA @2 >CC @7 >BB @1 >A");
    }

    #[test]
    fn weights_do_not_move_destinations() {
        check("dh", "+A1 +B1 +C1 A9 B7 @1 >A @2 >C @7 >B");
    }

    #[test]
    fn nobody_stands_in() {
        check("dh", "+A1 +B1 +C1 @1 A0 >.. A1 >A A! >. A? >A");
    }

    #[test]
    fn the_table_is_dealt_anew_when_the_list_changes() {
        check("dh", "+A1 +B1 +C1 @1 >A -A >C +A1 >B");
    }
}
