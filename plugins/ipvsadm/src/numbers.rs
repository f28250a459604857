//! Numbers as the C library reads them.
//!
//! `int` is `strtol` over a whole string, `prefix` is `atoi`; neither is like Rust's
//! `parse`, for white space, signs and leading zeros are fine.

use std::ops::RangeInclusive;

/// The whole of `text` as a decimal number within `range`.
pub(crate) fn int(text: &[u8], range: RangeInclusive<i64>) -> Option<i64> {
    let (number, rest) = decimal(text)?;
    (rest.is_empty() && range.contains(&number)).then_some(number)
}

/// The number at the start of `text`, 0 if there is none; what follows is ignored.
pub(crate) fn prefix(text: &[u8]) -> i64 {
    decimal(text).map_or(0, |(number, _)| number)
}

/// What C calls white space.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// A number (held at the limits of 64 bits, as `strtol` does) and what follows it.
fn decimal(text: &[u8]) -> Option<(i64, &[u8])> {
    let start = text.iter().position(|&byte| !is_space(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let magnitude = digits[..length].iter().fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add((digit - b'0').into())
    });
    let number = if negative { -magnitude } else { magnitude };
    (length > 0).then_some((number, &digits[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(int(text.as_bytes(), -10..=i64::MAX), expected, "{text:?}");
    }

    #[test]
    fn strtol_over_the_whole_string() {
        check("7", Some(7));
        check("+5", Some(5));
        check(" \t9", Some(9));
        check("-0", Some(0));
        check("-10", Some(-10));
        check("-11", None);
        check("010", Some(10));
        check("99999999999999999999", Some(i64::MAX));
        check("", None);
        check("+", None);
        check(" ", None);
        check("+ 5", None);
        check("5 ", None);
        check("0x10", None);
        check("--5", None);
    }

    #[test]
    fn atoi_ignores_what_follows() {
        assert_eq!(prefix(b"64x"), 64);
        assert_eq!(prefix(b" -3 4"), -3);
        assert_eq!(prefix(b"x"), 0);
        assert_eq!(prefix(b""), 0);
    }
}
