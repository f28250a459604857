//! Addresses as the C library reads and writes them: `inet_aton`, `inet_pton` and
//! `inet_ntop` of glibc, over bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{numbers::is_space, text};

/// `inet_aton`: one to four parts, each decimal, octal (`012`) or hexadecimal (`0xa`), the
/// last filling what is left; anything may follow white space.
pub(crate) fn aton(text: &[u8]) -> Option<Ipv4Addr> {
    let mut address = 0;
    let mut rest = text;
    for part in 0.. {
        let (number, after) = any_base(rest)?;
        match after {
            [b'.', after @ ..] if part < 3 && number <= 0xff => {
                address |= number << (24 - 8 * part);
                rest = after;
            }
            [byte, ..] if !is_space(*byte) => return None,
            _ if number > u32::MAX >> (8 * part) => return None,
            _ => return Some(Ipv4Addr::from_bits(address | number)),
        }
    }
    None
}

/// A number in the base that its first characters tell, and what follows it.
fn any_base(text: &[u8]) -> Option<(u32, &[u8])> {
    let (base, digits) = match text {
        [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, digits)
        }
        [b'0', ..] => (8, text),
        [b'1'..=b'9', ..] => (10, text),
        _ => return None,
    };
    let value = |byte: &u8| char::from(*byte).to_digit(base);
    let length = digits.iter().take_while(|byte| value(byte).is_some()).count();
    let number = digits[..length]
        .iter()
        .filter_map(value)
        .try_fold(0_u32, |number, digit| number.checked_mul(base)?.checked_add(digit))?;
    Some((number, &digits[length..]))
}

/// `inet_pton` for IPv4: four decimal parts without leading zeros, and nothing else.
pub(crate) fn pton4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split(|&byte| byte == b'.');
    for octet in &mut octets {
        let part = parts.next()?;
        let plain = matches!(part, [b'0'] | [b'1'..=b'9', ..]) && part.len() <= 3;
        if !plain || !part.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = part.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        *octet = u8::try_from(number).ok()?;
    }
    parts.next().is_none().then_some(Ipv4Addr::from_octets(octets))
}

/// `inet_pton` for IPv6: no zone, no brackets.
pub(crate) fn pton6(text: &[u8]) -> Option<Ipv6Addr> {
    let Some(gap) = text.windows(2).position(|pair| pair == b"::") else {
        let mut groups = [0; 8];
        let count = read_groups(text, &mut groups)?;
        return (count == 8).then_some(Ipv6Addr::from_segments(groups));
    };
    let (mut head, mut tail) = ([0; 8], [0; 8]);
    let before = read_groups_or_nothing(&text[..gap], &mut head)?;
    let after = read_groups_or_nothing(&text[gap + 2..], &mut tail)?;
    // An address in dotted form can only be at the end.
    if before + after > 7 || text[..gap].contains(&b'.') {
        return None;
    }
    head[8 - after..].copy_from_slice(&tail[..after]);
    Some(Ipv6Addr::from_segments(head))
}

fn read_groups_or_nothing(text: &[u8], groups: &mut [u16; 8]) -> Option<usize> {
    if text.is_empty() { Some(0) } else { read_groups(text, groups) }
}

/// Reads groups between colons, the last two perhaps in dotted form; how many.
fn read_groups(text: &[u8], groups: &mut [u16; 8]) -> Option<usize> {
    let mut count = 0;
    let mut rest = Some(text);
    while let Some(text) = rest {
        let end = text.iter().position(|&byte| byte == b':');
        let group = &text[..end.unwrap_or(text.len())];
        rest = end.map(|end| &text[end + 1..]);
        if rest.is_none() && group.contains(&b'.') {
            let [a, b, c, d] = pton4(group)?.octets();
            groups
                .get_mut(count..count + 2)?
                .copy_from_slice(&[u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            return Some(count + 2);
        }
        *groups.get_mut(count)? = hexadecimal(group)?;
        count += 1;
    }
    Some(count)
}

/// One to four hexadecimal digits.
fn hexadecimal(group: &[u8]) -> Option<u16> {
    if !(1..=4).contains(&group.len()) {
        return None;
    }
    group.iter().try_fold(0_u16, |number, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(number << 4 | u16::try_from(digit).ok()?)
    })
}

/// Appends an address.
pub(crate) fn put(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put4(out, address),
        IpAddr::V6(address) => put6(out, address),
    }
}

/// Appends an IPv4 address.
pub(crate) fn put4(out: &mut Vec<u8>, address: Ipv4Addr) {
    let octets = address.octets();
    for (index, octet) in octets.into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        text::put_decimal(out, octet.into());
    }
}

/// Appends an IPv6 address as glibc does, which writes `::1.2.3.4` where RFC 5952 would
/// have `::102:304`.
pub(crate) fn put6(out: &mut Vec<u8>, address: Ipv6Addr) {
    let groups = address.segments();
    let (start, length) = longest_zeros(groups);
    let dotted = start == 0 && (length == 6 || length == 5 && groups[5] == 0xffff);
    let mut index = 0;
    while index < 8 {
        if index == start && length > 1 {
            out.extend_from_slice(b"::");
            index += length;
            continue;
        }
        if index > 0 && !(length > 1 && index == start + length) {
            out.push(b':');
        }
        if index == 6 && dotted {
            let [.., a, b, c, d] = address.octets();
            return put4(out, Ipv4Addr::new(a, b, c, d));
        }
        put_hexadecimal(out, groups[index]);
        index += 1;
    }
}

/// Where the longest row of zeros starts, the first if several are, and its length.
fn longest_zeros(groups: [u16; 8]) -> (usize, usize) {
    let (mut best, mut start) = ((0, 0), 0);
    for (index, &group) in groups.iter().enumerate() {
        if group != 0 {
            start = index + 1;
        } else if index + 1 - start > best.1 {
            best = (start, index + 1 - start);
        }
    }
    best
}

fn put_hexadecimal(out: &mut Vec<u8>, number: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut started = false;
    for shift in [12, 8, 4, 0] {
        let digit = usize::from(number >> shift & 15);
        started |= digit != 0 || shift == 0;
        if started {
            out.push(DIGITS[digit]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inet_aton_takes_what_c_does() {
        let check = |text: &str, expected: Option<[u8; 4]>| {
            assert_eq!(aton(text.as_bytes()), expected.map(Ipv4Addr::from_octets), "{text:?}");
        };
        check("10.0.0.1", Some([10, 0, 0, 1]));
        check("10.1", Some([10, 0, 0, 1]));
        check("10.1.2", Some([10, 1, 0, 2]));
        check("10.65536", Some([10, 1, 0, 0]));
        check("167772161", Some([10, 0, 0, 1]));
        check("0x0a000001", Some([10, 0, 0, 1]));
        check("0XA.1", Some([10, 0, 0, 1]));
        check("012.0.0.1", Some([10, 0, 0, 1]));
        check("10.0.0.1 x", Some([10, 0, 0, 1]));
        check("10.0.0.1\n", Some([10, 0, 0, 1]));
        check("4294967295", Some([255; 4]));
        check("24", Some([0, 0, 0, 24]));
        for bad in [
            "",
            " 10.0.0.1",
            "10.0.0.256",
            "256.1",
            "10.0.0.1x",
            "10.0.0.",
            ".1",
            "1.2.3.4.5",
            "4294967296",
            "10.16777216",
            "08",
            "0x",
            "0x.1",
            "-1",
            "/24",
            "10..1",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn inet_pton_is_strict() {
        for text in ["0.0.0.0", "224.0.0.81", "255.255.255.255"] {
            assert_eq!(pton4(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for bad in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.256",
            "1.2.3.4 ",
            "1.2.3.1111",
            "x",
            "99999999999999999999",
            "a.b.c.d",
            "1..2.3",
        ] {
            assert_eq!(pton4(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn ipv6_is_read_as_the_standard_library_reads_it() {
        for text in [
            "::",
            "::1",
            "1::",
            "2001:db8::80",
            "2001:db8::80:80",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::3:4:5:6:7:8",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "1:2:3:4:5:6:1.2.3.4",
            "FE80::1",
            "1::2:1.2.3.4",
            "",
            ":",
            ":::",
            "1",
            "1:2",
            "1:",
            ":1",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1::2::3",
            "12345::",
            "g::",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1.2.3",
            "1.2.3.4::",
            "fe80::1%lo",
            "[::1]",
            "::1 ",
            "1::2:3:4:5:6:7:8",
            "1:2:3:4::5:6:7:8",
            ":1::2",
            "1::2:",
            "::01.2.3.4",
            "1.2.3.4",
            "10.0.0.1:80",
            "::1.2.3.4:5",
        ] {
            assert_eq!(pton6(text.as_bytes()), text.parse().ok(), "{text:?}");
        }
    }

    #[test]
    fn ipv6_is_written_as_glibc_writes_it() {
        let check = |text: &str, expected: &str| {
            let mut out = Vec::new();
            put6(&mut out, text.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        for same in [
            "::",
            "::1",
            "1::",
            "2001:db8::80",
            "1:2:3:4:5:6:7:8",
            "1:0:3:4:5:6:7:8",
            "1::4:5:0:0:8",
            "::ffff:10.0.0.1",
            "fe80::1",
            "1:2:3:4:5:6:7:0",
            "1:2:3:4:5:6::",
            "0:2:3:4:5:6:7:8",
            "::3:4:5:6:7:8",
            "::ffff:0:0:1",
        ] {
            check(same, same);
        }
        check("::5:1", "::0.5.0.1");
        check("::102:304", "::1.2.3.4");
        check("1:0:0:4:5:0:0:8", "1::4:5:0:0:8");
    }
}
