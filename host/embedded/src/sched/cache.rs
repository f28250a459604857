//! What `lblc` and `lblcr` chose for a destination address, until it is forgotten.
//!
//! Owns when that is: after the expiration, or earlier if there are too many. The count of
//! entries is true here; the kernel's `lblc` counts one twice when its choice is replaced
//! (`ip_vs_lblc_new`), and comes to think that there are too many when there are not.

use std::{net::IpAddr, time::Duration};

use super::{
    Pick,
    hash::{fold, hash_32},
};
use crate::generation::Generation;

const TABLE_BITS: u32 = 10;
const TABLE_SIZE: usize = 1 << TABLE_BITS;

/// So many entries are fine.
const ENTRIES_MAX: usize = 16 * TABLE_SIZE;
/// No more than so many are let in, by the newer rules.
const ENTRIES_LIMIT: usize = ENTRIES_MAX + ENTRIES_MAX / 2;
/// What may be forgotten, by its time without use, if there are too many.
const ENTRY_TIMEOUT: Duration = Duration::from_secs(6 * 60);

/// How often it is looked whether there are too many.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// How many times there were not, until the expired ones are forgotten.
const CHECKS_TO_FULL_EXPIRATION: u32 = 30;

/// A hash table by destination address (`struct ip_vs_lblc_table`).
#[derive(Debug)]
pub(super) struct Cache<T> {
    buckets: Vec<Vec<Entry<T>>>,
    entries: usize,
    /// The bucket at which forgetting stopped last.
    rover: usize,
    checks: u32,
    next_check: Duration,
}

#[derive(Debug)]
struct Entry<T> {
    destination: IpAddr,
    chosen: T,
    last_use: Duration,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            buckets: (0..TABLE_SIZE).map(|_| Vec::new()).collect(),
            entries: 0,
            rover: 0,
            checks: 0,
            next_check: CHECK_INTERVAL,
        }
    }
}

impl<T> Cache<T> {
    /// Counts the intervals from `now` on.
    pub(super) fn start(&mut self, now: Duration) {
        self.next_check = now + CHECK_INTERVAL;
    }

    /// Everything chosen, in no order that means anything.
    pub(super) fn chosen(&self) -> impl Iterator<Item = &T> {
        self.buckets.iter().flatten().map(|entry| &entry.chosen)
    }

    /// What was chosen before for the destination of this packet.
    pub(super) fn get(&mut self, pick: &Pick<'_>) -> Option<&mut T> {
        let destination = pick.destination.address;
        let bucket = &mut self.buckets[bucket_of(destination)];
        let entry = bucket.iter_mut().find(|entry| entry.destination == destination)?;
        entry.last_use = pick.now;
        Some(&mut entry.chosen)
    }

    /// Enters what was chosen for a destination that it does not have, if there is room.
    pub(super) fn insert(&mut self, chosen: T, pick: &Pick<'_>) {
        if pick.generation == Generation::Newer && self.entries >= ENTRIES_LIMIT {
            return;
        }
        let destination = pick.destination.address;
        let entry = Entry { destination, chosen, last_use: pick.now };
        self.buckets[bucket_of(destination)].push(entry);
        self.entries += 1;
    }

    /// Makes the checks that are due by `now`.
    pub(super) fn tick(&mut self, now: Duration, expiration: Duration) {
        while self.next_check <= now {
            self.check(self.next_check, expiration);
            self.next_check += CHECK_INTERVAL;
        }
    }

    fn check(&mut self, now: Duration, expiration: Duration) {
        if self.checks + 1 == CHECKS_TO_FULL_EXPIRATION {
            self.checks = 0;
            self.forget(now, expiration, usize::MAX);
            return;
        }
        match self.entries.saturating_sub(ENTRIES_MAX) {
            0 => self.checks += 1,
            excess => self.forget(now, ENTRY_TIMEOUT, (excess * 4 / 3).min(ENTRIES_MAX / 2)),
        }
    }

    /// Forgets entries without use for as long as `idle`, bucket by bucket, until `goal` of
    /// them are gone.
    fn forget(&mut self, now: Duration, idle: Duration, goal: usize) {
        let mut forgotten = 0;
        for _ in 0..TABLE_SIZE {
            self.rover = (self.rover + 1) % TABLE_SIZE;
            let bucket = &mut self.buckets[self.rover];
            let before = bucket.len();
            bucket.retain(|entry| now < entry.last_use.saturating_add(idle));
            forgotten += before - bucket.len();
            if forgotten >= goal {
                break;
            }
        }
        self.entries -= forgotten;
    }
}

fn bucket_of(destination: IpAddr) -> usize {
    hash_32(fold(destination), TABLE_BITS) as usize
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use weir_ipvs::{Endpoint, Family};

    use super::*;
    use crate::{sched::tests::pick, server::Servers};

    const DAY: Duration = Duration::from_secs(86400);

    fn packet(nth: u32, seconds: u64) -> Pick<'static> {
        let destination = Endpoint::new(Ipv4Addr::from_bits(nth), 80);
        let servers = Servers { family: Family::V4, list: &[], arena: &[] };
        Pick { destination, now: Duration::from_secs(seconds), ..pick(servers) }
    }

    fn filled(entries: u32, seconds: u64) -> Cache<u32> {
        let mut cache = Cache::default();
        cache.start(Duration::from_secs(seconds));
        for nth in 0..entries {
            cache.insert(nth, &packet(nth, seconds));
        }
        cache
    }

    #[test]
    fn a_use_keeps_an_entry() {
        let mut cache = filled(2, 0);
        assert_eq!(cache.get(&packet(1, 1800)), Some(&mut 1));
        cache.tick(Duration::from_secs(86_400), DAY);
        assert_eq!(cache.get(&packet(0, 86_400)), None);
        assert_eq!(cache.get(&packet(1, 86_400)), Some(&mut 1));
    }

    #[test]
    fn expired_entries_go_every_half_hour() {
        let check = |last_use, seconds, entries| {
            let mut cache = filled(1, 0);
            cache.get(&packet(0, last_use));
            cache.tick(Duration::from_secs(seconds), DAY);
            assert_eq!(cache.entries, entries, "used at {last_use}, looked at {seconds}");
            assert_eq!(cache.chosen().count(), entries);
        };
        check(0, 86_399, 1);
        check(0, 86_400, 0);
        check(1, 86_400, 1);
        check(1, 88_199, 1);
        check(1, 88_200, 0);
    }

    #[test]
    fn if_there_are_too_many_unused_ones_go_early() {
        let check = |entries: u32, seconds, left: std::ops::RangeInclusive<usize>| {
            let mut cache = filled(entries, 0);
            cache.tick(Duration::from_secs(seconds), DAY);
            assert!(left.contains(&cache.entries), "{} of {entries} left", cache.entries);
            assert_eq!(cache.chosen().count(), cache.entries);
        };
        let plenty = 16 * 1024;
        check(plenty, 360, 16_384..=16_384);
        check(plenty + 300, 300, 16_684..=16_684);
        // At least 400 at once, by whole buckets of some 16.
        check(plenty + 300, 360, 16_684 - 450..=16_684 - 400);
        check(plenty + 300, 86_399, 16_684 - 450..=16_684 - 400);
        check(plenty + 300, 86_400 + 1800, 0..=0);
    }

    #[test]
    fn nobody_is_let_in_above_the_limit_by_the_newer_rules() {
        let mut cache = filled(24_577, 0);
        assert_eq!(cache.entries, 24_576);
        let newest = packet(30_000, 0);
        cache.insert(1, &Pick { generation: Generation::Older, ..newest });
        assert_eq!(cache.entries, 24_577);
    }
}
