//! Counters in columns of nine bytes: scaled to fit, or exact.

use crate::text;

/// Bytes of a column.
const WIDTH: usize = 9;

/// From this value on a counter is shown in units of the second number, with a letter.
const SCALES: [(u64, u64, u8); 4] = [
    (100_000_000_000_000, 1_000_000_000_000, b'T'),
    (100_000_000_000, 1_000_000_000, b'G'),
    (1_000_000_000, 1_000_000, b'M'),
    (100_000_000, 1_000, b'K'),
];

/// Appends a counter.
pub(crate) fn put(out: &mut Vec<u8>, value: u64, exact: bool) {
    if exact {
        return put_exact(out, value);
    }
    match SCALES.iter().find(|(from, ..)| value >= *from) {
        None => text::put_decimal_right(out, value, WIDTH),
        Some((_, unit, letter)) => {
            text::put_decimal_right(out, value / unit, WIDTH - 1);
            out.push(*letter);
        }
    }
}

/// At least one blank stands before an exact number.
fn put_exact(out: &mut Vec<u8>, value: u64) {
    out.push(b' ');
    text::put_decimal_right(out, value, WIDTH - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: u64, scaled: &str, exact: &str) {
        for (is_exact, expected) in [(false, scaled), (true, exact)] {
            let mut out = Vec::new();
            put(&mut out, value, is_exact);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn counters_are_truncated_to_what_fits() {
        check(0, "        0", "        0");
        check(99_999_999, " 99999999", " 99999999");
        check(100_000_000, "  100000K", " 100000000");
        check(102_047_600, "  102047K", " 102047600");
        check(999_999_999, "  999999K", " 999999999");
        check(1_000_000_000, "    1000M", " 1000000000");
        check(99_999_999_999, "   99999M", " 99999999999");
        check(100_000_000_000, "     100G", " 100000000000");
        check(99_999_999_999_999, "   99999G", " 99999999999999");
        check(100_000_000_000_000, "     100T", " 100000000000000");
        check(u64::MAX, "18446744T", " 18446744073709551615");
    }
}
