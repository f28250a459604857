//! Source hashing ([`ip_vs_sh.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_sh.c)).

use std::iter::repeat_n;

use weir_ipvs::ServiceFlags;

use super::{
    Pick, Scheduler,
    hash::{fold, hash_32},
};
use crate::server::{ServerId, Servers};

const TABLE_BITS: u32 = 8;
const TABLE_SIZE: usize = 1 << TABLE_BITS;

const FALLBACK: ServiceFlags = ServiceFlags::SCHEDULER_1;
const PORT: ServiceFlags = ServiceFlags::SCHEDULER_2;

/// Chooses by the source address, and with `sh-port` the source port too. If that real
/// server may not be chosen nobody is, but with `sh-fallback` somebody else.
#[derive(Debug, Default)]
pub(super) struct Sh {
    /// [`TABLE_SIZE`] of them, or none for want of real servers.
    buckets: Vec<ServerId>,
}

impl Scheduler for Sh {
    /// Gives everybody as many buckets as their weight in turn, and one for a weight of 0.
    fn changed(&mut self, servers: Servers<'_>) {
        let shares = servers
            .iter()
            .cycle()
            .flat_map(|(id, server)| repeat_n(id, server.config.weight.max(1) as usize));
        self.buckets.clear();
        self.buckets.extend(shares.take(TABLE_SIZE));
    }

    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        let port = if pick.flags.contains(PORT) { pick.source.port } else { 0 };
        let key = hash_32(fold(pick.source.address).wrapping_add(port.into()), TABLE_BITS);
        let bucket = |offset: usize| (offset + key as usize) % TABLE_SIZE;
        let eligible = |bucket: usize| {
            let &server = self.buckets.get(bucket)?;
            pick.servers.get(server).is_eligible().then_some(server)
        };

        let first = bucket(0);
        match eligible(first) {
            None if pick.flags.contains(FALLBACK) => {
                (0..TABLE_SIZE).find_map(|offset| eligible(bucket((first + offset) % TABLE_SIZE)))
            }
            choice => choice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::tests::{Trial, check, letter, with_servers};

    #[test]
    fn buckets_are_dealt_by_weight() {
        let check = |weights: &[u32], expected: &str| {
            let mut sh = Sh::default();
            with_servers(weights, |servers| sh.changed(servers));
            let dealt: String = sh.buckets.iter().copied().map(letter).collect();
            assert_eq!(dealt, expected.repeat(TABLE_SIZE).get(..sh.buckets.len()).unwrap());
            assert!(matches!(sh.buckets.len(), 0 | TABLE_SIZE));
        };
        check(&[1, 3], "BBBA");
        check(&[0, 2, 0], "CBBA");
        check(&[5, 0x7FFF_FFFF], "B");
        check(&[], "");
    }

    #[test]
    fn a_client_has_one_real_server() {
        check("sh", "+A1 +B1 +C1 #1 >ABCB #1 >ABCB");
    }

    #[test]
    fn nobody_stands_in_but_with_the_fallback() {
        let script = "+A1 +B1 +C1 #1 >A A! #1 ";
        Trial::new("sh").run(&format!("{script}>. A? A0 #1 >. A1 #1 >A"));
        let mut fallback = Trial::new("sh");
        fallback.flags = FALLBACK;
        fallback.run(&format!("{script}>B B! #1 >C C0 #1 >. A? #1 >A"));
    }

    #[test]
    fn ports_count_only_if_asked_for() {
        let picks = |flags| {
            let mut trial = Trial::new("sh");
            trial.flags = flags;
            trial.run("+A1 +B1 +C1").picks_by_port(100)
        };
        assert_eq!(picks(ServiceFlags::default()), 1);
        assert_eq!(picks(PORT), 3);
    }
}
