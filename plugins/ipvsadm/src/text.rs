//! Text in columns. Widths and cuts count bytes, as `printf` does; written by hand, for
//! a listing has a million numbers and formatting machinery would be most of the plugin.

/// Appends a number.
pub(crate) fn put_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends the same 32 bits as a signed number.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: u32) {
    let number = number.cast_signed();
    if number < 0 {
        out.push(b'-');
    }
    put_decimal(out, number.unsigned_abs().into());
}

/// Fills what was written since `start` up to `width` with blanks on the right.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize, width: usize) {
    if out.len() < start + width {
        out.resize(start + width, b' ');
    }
}

/// Cuts what was written since `start` to `width` bytes.
pub(crate) fn cut(out: &mut Vec<u8>, start: usize, width: usize) {
    out.truncate(start + width);
}

/// `%-{width}s`.
pub(crate) fn put_left(out: &mut Vec<u8>, text: &[u8], width: usize) {
    let start = out.len();
    out.extend_from_slice(text);
    pad(out, start, width);
}

/// `%-{width}u`.
pub(crate) fn put_decimal_left(out: &mut Vec<u8>, number: u64, width: usize) {
    let start = out.len();
    put_decimal(out, number);
    pad(out, start, width);
}

/// `%{width}u`.
pub(crate) fn put_decimal_right(out: &mut Vec<u8>, number: u64, width: usize) {
    let digits = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    out.resize(out.len() + width.saturating_sub(digits), b' ');
    put_decimal(out, number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(put: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut out = b"|".to_vec();
        put(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("|{expected}"));
    }

    #[test]
    fn as_printf_does() {
        check(|out| put_decimal(out, 0), "0");
        check(|out| put_decimal(out, u64::MAX), "18446744073709551615");
        check(|out| put_signed(out, u32::MAX), "-1");
        check(|out| put_signed(out, 1 << 31), "-2147483648");
        check(|out| put_signed(out, 7), "7");
        check(|out| put_left(out, b"ab", 4), "ab  ");
        check(|out| put_left(out, b"abcde", 4), "abcde");
        check(|out| put_decimal_left(out, 10, 6), "10    ");
        check(|out| put_decimal_right(out, 0, 3), "  0");
        check(|out| put_decimal_right(out, 100, 3), "100");
        check(|out| put_decimal_right(out, 1000, 3), "1000");
    }
}
