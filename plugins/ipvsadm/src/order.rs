//! The order of listings.
//!
//! Differences are 32-bit numbers that wrap, taken as signed: addresses that are 2^31 or
//! more apart compare the wrong way round, so the relation is not transitive and the
//! result depends on the algorithm. It is glibc's: a stable merge sort, top down.

use std::net::IpAddr;

/// What a service is sorted by. Marks have no protocol, and the unspecified address.
#[derive(Clone, Copy)]
pub struct ServiceRank {
    pub fwmark: u32,
    pub protocol: u16,
    pub address: IpAddr,
    pub port: u16,
}

/// Negative, zero or positive: how a service compares with another.
pub fn compare_services(left: &ServiceRank, right: &ServiceRank) -> i32 {
    let family = |rank: &ServiceRank| u32::from(rank.address.is_ipv6());
    difference(left.fwmark, right.fwmark)
        .or_else(|| difference(family(left), family(right)))
        .or_else(|| difference(left.protocol.into(), right.protocol.into()))
        .unwrap_or_else(|| compare_endpoints(&(left.address, left.port), &(right.address, right.port)))
}

/// How an address and port compare with another. The left one's family says how much of
/// the addresses is compared.
pub fn compare_endpoints(left: &(IpAddr, u16), right: &(IpAddr, u16)) -> i32 {
    let count = if left.0.is_ipv6() { 4 } else { 1 };
    words(left.0)
        .into_iter()
        .zip(words(right.0))
        .take(count)
        .find_map(|(left, right)| difference(left, right))
        .or_else(|| difference(left.1.into(), right.1.into()))
        .unwrap_or(0)
}

/// An address as four words; one of IPv4 is followed by zeros.
fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [address.to_bits(), 0, 0, 0],
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            [96, 64, 32, 0].map(|shift| (bits >> shift & u128::from(u32::MAX)) as u32)
        }
    }
}

/// The wrapped difference, if there is one.
fn difference(left: u32, right: u32) -> Option<i32> {
    Some(left.wrapping_sub(right).cast_signed()).filter(|&it| it != 0)
}

/// Sorts as glibc's `qsort` does: the halves (the first is the smaller one), then a merge
/// that prefers the left.
pub fn sort<T: Copy>(items: &mut [T], compare: &impl Fn(&T, &T) -> i32) {
    let mut spare = items.to_vec();
    merge_sort(items, &mut spare, compare);
}

fn merge_sort<T: Copy>(items: &mut [T], spare: &mut [T], compare: &impl Fn(&T, &T) -> i32) {
    if items.len() < 2 {
        return;
    }
    let middle = items.len() / 2;
    merge_sort(&mut items[..middle], &mut spare[..middle], compare);
    merge_sort(&mut items[middle..], &mut spare[middle..], compare);
    if compare(&items[middle - 1], &items[middle]) <= 0 && is_merged(items, middle, compare) {
        return;
    }
    spare.copy_from_slice(items);
    let (left, right) = spare.split_at(middle);
    merge(left, right, items, compare);
}

fn merge<T: Copy>(left: &[T], right: &[T], merged: &mut [T], compare: &impl Fn(&T, &T) -> i32) {
    let (mut left, mut right) = (left.iter(), right.iter());
    for slot in merged {
        let take_left = match (left.as_slice().first(), right.as_slice().first()) {
            (Some(left), Some(right)) => compare(left, right) <= 0,
            (left, _) => left.is_some(),
        };
        if let Some(next) = if take_left { left.next() } else { right.next() } {
            *slot = *next;
        }
    }
}
