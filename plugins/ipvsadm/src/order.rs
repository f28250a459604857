//! The order of listings.
//!
//! Differences are 32-bit numbers that wrap, taken as signed: addresses that are 2^31 or
//! more apart compare the wrong way round, so the relation is not transitive and the
//! result depends on the algorithm. It is glibc's: a stable merge sort, top down.

use std::net::IpAddr;

/// What a service is sorted by. Marks have no protocol, and the unspecified address.
#[derive(Clone, Copy)]
pub(crate) struct ServiceRank {
    pub(crate) fwmark: u32,
    pub(crate) protocol: u16,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// Negative, zero or positive: how a service compares with another.
pub(crate) fn compare_services(left: &ServiceRank, right: &ServiceRank) -> i32 {
    let family = |rank: &ServiceRank| u32::from(rank.address.is_ipv6());
    difference(left.fwmark, right.fwmark)
        .or_else(|| difference(family(left), family(right)))
        .or_else(|| difference(left.protocol.into(), right.protocol.into()))
        .unwrap_or_else(|| {
            compare_endpoints(&(left.address, left.port), &(right.address, right.port))
        })
}

/// How an address and port compare with another. The left one's family says how much of
/// the addresses is compared.
pub(crate) fn compare_endpoints(left: &(IpAddr, u16), right: &(IpAddr, u16)) -> i32 {
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
            let [a, b, c, d, e, f, g, h] = address.segments();
            [(a, b), (c, d), (e, f), (g, h)]
                .map(|(high, low)| u32::from(high) << 16 | u32::from(low))
        }
    }
}

/// The wrapped difference, if there is one.
fn difference(left: u32, right: u32) -> Option<i32> {
    Some(left.wrapping_sub(right).cast_signed()).filter(|&it| it != 0)
}

/// Sorts as glibc's `qsort` does: the halves (the first is the smaller one), then a merge
/// that prefers the left.
pub(crate) fn sort<T: Copy>(items: &mut [T], compare: &impl Fn(&T, &T) -> i32) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: &str) {
        let mut servers: Vec<(IpAddr, u16)> =
            input.split(' ').map(|it| (it.parse().unwrap(), 80)).collect();
        sort(&mut servers, &compare_endpoints);
        let sorted: Vec<_> = servers.iter().map(|it| it.0.to_string()).collect();
        assert_eq!(sorted.join(" "), expected);
    }

    #[test]
    fn addresses_half_the_space_apart_compare_the_wrong_way_round() {
        check("10.0.0.1 192.0.2.200", "192.0.2.200 10.0.0.1");
        check(
            "10.0.0.9 192.168.0.1 10.0.0.10 130.0.0.1 5.0.0.1",
            "192.168.0.1 5.0.0.1 10.0.0.9 10.0.0.10 130.0.0.1",
        );
        check("2001:db8::1 fe80::1", "fe80::1 2001:db8::1");
        check("2001:db8::2 2001:db8::1", "2001:db8::1 2001:db8::2");
    }

    #[test]
    fn an_intransitive_set_depends_on_its_order_as_in_glibc() {
        check("1.0.0.1 127.0.0.1 200.0.0.1", "1.0.0.1 127.0.0.1 200.0.0.1");
        check("200.0.0.1 127.0.0.1 1.0.0.1", "200.0.0.1 1.0.0.1 127.0.0.1");
    }

    #[test]
    fn the_left_family_decides_how_much_is_compared() {
        let server = |text: &str| (text.parse().unwrap(), 80);
        assert_eq!(compare_endpoints(&server("32.1.13.184"), &server("2001:db8::1")), 0);
        assert!(compare_endpoints(&server("2001:db8::1"), &server("32.1.13.184")) > 0);
    }

    #[test]
    fn services_go_by_mark_family_protocol_address_and_port() {
        let rank = |fwmark, protocol, address: &str, port| ServiceRank {
            fwmark,
            protocol,
            address: address.parse().unwrap(),
            port,
        };
        let ordered = [
            rank(u32::MAX, 0, "0.0.0.0", 0),
            rank(0, 6, "10.0.0.1", 80),
            rank(0, 6, "10.0.0.1", 81),
            rank(0, 17, "1.1.1.1", 53),
            rank(0, 6, "fe80::1", 80),
            rank(0, 6, "2001:db8::1", 79),
            rank(2, 0, "0.0.0.0", 0),
            rank(5, 0, "0.0.0.0", 0),
            rank(5, 0, "::", 0),
        ];
        for pair in ordered.windows(2) {
            assert!(compare_services(&pair[0], &pair[1]) < 0);
            assert!(compare_services(&pair[1], &pair[0]) > 0);
        }
    }

    #[test]
    fn equal_items_keep_their_order() {
        let mut items: Vec<(u32, u32)> = (0..100).map(|it| (it * 7 % 5, it)).collect();
        sort(&mut items, &|left, right| left.0.cast_signed() - right.0.cast_signed());
        assert!(items.is_sorted());
    }
}
