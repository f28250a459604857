//! Maglev hashing ([`ip_vs_mh.c`](https://github.com/torvalds/linux/blob/v6.12/net/netfilter/ipvs/ip_vs_mh.c)), as section 3.4 of
//! [Maglev](https://www.usenix.org/system/files/conference/nsdi16/nsdi16-paper-eisenbud.pdf)
//! describes it: few clients move when a real server comes or goes.

use std::{cmp::Ordering, iter::successors, net::IpAddr, time::Duration};

use siphasher::sip::SipHasher13;
use weir_ipvs::{Error, Family, ServiceFlags};

use super::{Pick, Scheduler, hash::fold, wrr::gcd};
use crate::server::{Server, ServerId, Servers};

/// A prime number; the kernel's unless it was built with another
/// `CONFIG_IP_VS_MH_TAB_INDEX`.
const TABLE_SIZE: u32 = 4093;
/// The most bits of a weight that count, half of that index.
const WEIGHT_BITS: u32 = 6;

/// Keys of the hash; the second one is for strides only.
const KEY: u64 = 2_654_435_761;
const STRIDE_KEY: u64 = 2_654_446_892;

const FALLBACK: ServiceFlags = ServiceFlags::SCHEDULER_1;
const PORT: ServiceFlags = ServiceFlags::SCHEDULER_2;

/// Chooses by the source address, and with `mh-port` the source port too. If that real
/// server may not be chosen nobody is, but with `mh-fallback` somebody else.
#[derive(Debug, Default)]
pub(super) struct Mh {
    /// [`TABLE_SIZE`] of them, or none for want of weight.
    table: Vec<ServerId>,
    /// The list has changed since. Populating takes its time, which a list that is loaded
    /// whole should take once.
    outdated: bool,
}

impl Scheduler for Mh {
    fn start(&mut self, servers: Servers<'_>, _now: Duration) -> Result<(), Error> {
        if servers.list.len() > TABLE_SIZE as usize {
            return Err(Error::Errno(22));
        }
        self.changed(servers);
        Ok(())
    }

    /// A table that becomes too small stays as it was by the last list that fitted, which
    /// fills it.
    fn changed(&mut self, servers: Servers<'_>) {
        match servers.list.len().cmp(&(TABLE_SIZE as usize)) {
            Ordering::Less => self.outdated = true,
            Ordering::Equal => self.update(servers),
            Ordering::Greater => {}
        }
    }

    fn pick(&mut self, pick: &Pick<'_>) -> Option<ServerId> {
        if self.outdated {
            self.update(pick.servers);
        }
        let port = if pick.flags.contains(PORT) { pick.source.port } else { 0 };
        let key = fold(pick.source.address).wrapping_add(port.into());
        let position = |offset: u32| hash(key.wrapping_add(offset), KEY) % TABLE_SIZE;
        let eligible = |position: u32| {
            let &server = self.table.get(position as usize)?;
            pick.servers.get(server).is_eligible().then_some(server)
        };

        let first = position(0);
        match eligible(first) {
            None if pick.flags.contains(FALLBACK) => {
                (0..TABLE_SIZE).find_map(|offset| eligible(position((first + offset) % TABLE_SIZE)))
            }
            choice => choice,
        }
    }

    /// A table that is too small keeps whom it has.
    fn remembers(&self, server: ServerId) -> bool {
        !self.outdated && self.table.contains(&server)
    }
}

impl Mh {
    fn update(&mut self, servers: Servers<'_>) {
        self.table = populate(servers);
        self.outdated = false;
    }
}

/// Lets everybody take turns at the next position that they prefer and that is free, until
/// none is.
///
/// It is the last weight above 0 that counts, so that a table stays as it is while a real
/// server rests.
fn populate(servers: Servers<'_>) -> Vec<ServerId> {
    let weights = || servers.iter().map(|(_, server)| server.last_weight);
    let divisor = weights().fold(0, gcd);
    if divisor == 0 {
        return Vec::new();
    }
    let greatest = weights().fold(0, u32::max) / divisor;
    let shift = (u32::BITS - greatest.leading_zeros()).saturating_sub(WEIGHT_BITS);
    let mut players: Vec<_> = servers
        .iter()
        .filter(|(_, server)| server.last_weight > 0)
        .map(|(id, server)| {
            let turns = (server.last_weight / divisor) >> shift;
            (id, turns.max(1), preferences(server, servers.family))
        })
        .collect();

    let mut table = vec![None; TABLE_SIZE as usize];
    let mut free = TABLE_SIZE;
    while free > 0 {
        for (id, turns, preferences) in &mut players {
            let turns = free.min(*turns);
            for _ in 0..turns {
                let position = preferences.find(|&position| table[position].is_none());
                table[position.expect("all positions come by, and one is free")] = Some(*id);
            }
            free -= turns;
        }
    }
    table.into_iter().flatten().collect()
}

/// The positions of the table in the order in which a real server would like to have them,
/// again and again.
fn preferences(server: &Server, family: Family) -> impl Iterator<Item = usize> + use<> {
    let endpoint = server.config.endpoint;
    let address = match (endpoint.address, family) {
        // The kernel reads every address as one of the service's family.
        (IpAddr::V6(address), Family::V4) => (address.to_bits() >> 96) as u32,
        (address, _) => fold(address),
    };
    let key = address.wrapping_add(endpoint.port.into());
    let first = hash(key, KEY) % TABLE_SIZE;
    let stride = hash(key, STRIDE_KEY) % (TABLE_SIZE - 1) + 1;
    successors(Some(first), move |position| Some((position + stride) % TABLE_SIZE))
        .map(|position| position as usize)
}

/// The kernel's `hsiphash` of 64-bit machines, whose two keys are the same here.
#[expect(clippy::cast_possible_truncation, reason = "the kernel takes the lower half too")]
fn hash(value: u32, key: u64) -> u32 {
    SipHasher13::new_with_keys(key, key).hash(&value.to_le_bytes()) as u32
}

#[cfg(test)]
mod tests {
    use weir_ipvs::Endpoint;

    use super::*;
    use crate::sched::tests::{Trial, check, pick, server, with_servers};

    fn table(weights: &[u32]) -> Vec<ServerId> {
        with_servers(weights, populate)
    }

    #[test]
    fn positions_are_dealt_by_weight() {
        let check = |weights: &[u32], shares: &[usize]| {
            let table = table(weights);
            let share = |id| table.iter().filter(|&&it| it == ServerId(id)).count();
            let dealt: Vec<_> = (0..).map(share).take(weights.len()).collect();
            assert_eq!(dealt, shares, "{weights:?}");
        };
        check(&[1, 1, 1], &[1364, 1364, 1365]);
        check(&[1, 2, 3], &[682, 1364, 2047]);
        check(&[50, 100], &[1364, 2729]);
        check(&[1, 0], &[4093, 0]);
        // 1000 has ten bits, of which six count: 62 turns.
        check(&[1000, 1], &[4028, 65]);
        check(&[], &[]);
        check(&[0, 0], &[0, 0]);
    }

    #[test]
    fn an_address_of_another_family_is_read_as_one_of_the_services() {
        let check = |address: &str, family, like: &str| {
            let preferred = |address: &str, family| {
                let mut server = server(ServerId(0), 1);
                server.config.endpoint = Endpoint::new(address.parse::<IpAddr>().unwrap(), 80);
                preferences(&server, family).take(3).collect::<Vec<_>>()
            };
            let own = if like.contains(':') { Family::V6 } else { Family::V4 };
            assert_eq!(preferred(address, family), preferred(like, own), "{address}");
        };
        check("2001:db8::7", Family::V4, "32.1.13.184");
        check("10.1.0.3", Family::V6, "a01:3::");
        check("2001:db8::7", Family::V6, "::2001:dbf");
    }

    #[test]
    fn few_clients_move_when_a_real_server_goes() {
        let (before, after) = (table(&[1; 10]), table(&[1; 9]));
        let gone = ServerId(9);
        let kept = before.iter().zip(&after).filter(|(old, _)| **old != gone);
        let moved = kept.filter(|(old, new)| old != new).count();
        assert!(moved < 4093 / 10, "{moved} of those moved whose real server is still there");
    }

    #[test]
    fn resting_moves_nobody() {
        let mut trial = Trial::new("mh");
        trial.flags = FALLBACK;
        trial.run("+A1 +B1 +C1 #1 >CCACA C0 #1 >ABABA C1 #1 >CCACA");
        check("mh", "+A0 >. A1 >A A0 >. A1 >A");
    }

    #[test]
    fn nobody_stands_in_but_with_the_fallback() {
        let script = "+A1 +B1 +C1 #1 >C C! #1 ";
        Trial::new("mh").run(&format!("{script}>. C? C0 #1 >. C1 #1 >C"));
        let mut fallback = Trial::new("mh");
        fallback.flags = FALLBACK;
        fallback.run(&format!("{script}>A A! #1 >B B0 #1 >. C? #1 >C"));
    }

    #[test]
    fn ports_count_only_if_asked_for() {
        let picks = |flags| {
            let mut trial = Trial::new("mh");
            trial.flags = flags;
            trial.run("+A1 +B1 +C1").picks_by_port(100)
        };
        assert_eq!(picks(ServiceFlags::default()), 1);
        assert_eq!(picks(PORT), 3);
    }

    #[test]
    fn a_table_that_is_too_small_stays_as_it_was() {
        let (full, over) = (vec![1; 4093], vec![1; 4094]);
        let mut mh = Mh::default();
        with_servers(&full, |servers| mh.start(servers, Duration::ZERO)).unwrap();
        let before = table(&full);
        with_servers(&over, |servers| {
            mh.added(servers);
            mh.pick(&pick(servers)).unwrap();
        });
        assert_eq!(mh.table, before);
        assert!(mh.remembers(ServerId(7)) && !mh.remembers(ServerId(4093)));

        let refused = with_servers(&over, |servers| mh.start(servers, Duration::ZERO));
        assert_eq!(refused, Err(Error::Errno(22)));
    }
}
