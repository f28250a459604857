//! Single values of a scenario: durations, rates, shares, ranges.

use std::{net::IpAddr, time::Duration};

use crate::simulate::scenario::Percentile;

/// `500ms`, `7.6s`, `1m30s`; exact to a nanosecond.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] = [
        ("h", 3_600_000_000_000),
        ("ms", 1_000_000),
        ("us", 1000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|it: char| it.is_ascii_alphabetic())?;
        let (number, tail) = rest.split_at(unit_at);
        let end = tail.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, nanoseconds) = UNITS.iter().find(|it| it.0 == unit)?;
        total = total.checked_add(scaled(number, *nanoseconds)?)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(total))
}

/// `number`, with at most nine digits after its point, times `unit`.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let billionths: u64 = format!("{fraction:0<9}").parse().ok()?;
    let part = u128::from(billionths) * u128::from(unit) / 1_000_000_000;
    whole.checked_add(u64::try_from(part).ok()?)
}

/// A duration as it would be written: `1m30s`, `7.6s`, `250ms`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    if nanoseconds < 1_000_000_000 {
        return match nanoseconds {
            0 => "0s".to_owned(),
            it if it < 1_000_000 => format!("{}us", decimal(it, 1000)),
            it => format!("{}ms", decimal(it, 1_000_000)),
        };
    }
    let (hours, rest) = (nanoseconds / 3_600_000_000_000, nanoseconds % 3_600_000_000_000);
    let (minutes, rest) = (rest / 60_000_000_000, rest % 60_000_000_000);
    let mut text = String::new();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if minutes > 0 {
        text += &format!("{minutes}m");
    }
    if rest > 0 {
        text += &format!("{}s", decimal(rest, 1_000_000_000));
    }
    text
}

/// A time of a simulation for people: to the millisecond.
pub(crate) fn show_moment(at: Duration) -> String {
    let milliseconds = at.as_nanos().saturating_add(500_000) / 1_000_000;
    show_duration(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
}

/// `value / unit`, for a unit that is a power of ten, without zeros at the end.
fn decimal(value: u128, unit: u128) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `100/s`, `0.5/s`, `30/m`, `10/h`: events a second.
pub(super) fn rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(positive(number)? / seconds)
}

/// A finite number of at least 0.
pub(super) fn positive(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    text.parse().ok().filter(|it: &f64| is_plain && it.is_finite())
}

/// `30%`: a part of one, from 0 to 1.
pub(super) fn share(text: &str) -> Option<f64> {
    let percent = positive(text.strip_suffix('%')?)?;
    (percent <= 100.0).then_some(percent / 100.0)
}

/// `10x`: a factor above 0.
pub(super) fn factor(text: &str) -> Option<f64> {
    positive(text.strip_suffix('x')?).filter(|it| *it > 0.0)
}

/// `p50`, `p99.9`: a percentile.
pub(super) fn percentile(text: &str) -> Option<Percentile> {
    let thousandths = scaled(text.strip_prefix('p')?, 1000)?;
    let thousandths = usize::try_from(thousandths).ok()?;
    (thousandths <= Percentile::ALL).then_some(Percentile(thousandths))
}

/// `A..B`, both ends by `parse`.
pub(super) fn range<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let (least, most) = text.split_once("..")?;
    Some((parse(least)?, parse(most)?))
}

/// `198.18.0.0/15`, `2001:db8::/64`: an address and the number of bits that are given.
pub(super) fn prefix(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length: u32 = length.parse().ok()?;
    (length <= bits).then_some((address, length))
}

/// Whether `text` can be the name of a server or of clients.
pub(super) fn name(text: &str) -> Option<&str> {
    let mut characters = text.chars();
    let starts_well = characters.next().is_some_and(|it| it.is_ascii_alphabetic());
    let goes_on_well = characters.all(|it| it.is_ascii_alphanumeric() || "._-".contains(it));
    (starts_well && goes_on_well && text.len() <= 64).then_some(text)
}

/// The name of a fence of a further configuration: `toml NAME`.
pub(super) fn fence_name(kind: &str) -> Option<&str> {
    name(kind.strip_prefix("toml ")?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, nanoseconds: Option<u64>) {
        let expected = nanoseconds.map(Duration::from_nanos);
        assert_eq!(duration(text), expected, "{text}");
    }

    #[test]
    fn durations_are_exact() {
        check("500ms", Some(500_000_000));
        check("7.6s", Some(7_600_000_000));
        check("0.000000001s", Some(1));
        check("1m7.6s", Some(67_600_000_000));
        check("1h2m3s4ms5us", Some(3_723_004_005_000));
        check("2.5h", Some(9_000_000_000_000));
        check("0s", Some(0));
        for text in ["", "5", "s", "-1s", "5 s", "1.s.", "1e3s", "5d", ".5s", "99999999999h"] {
            check(text, None);
        }
    }

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["500ms", "7.6s", "1m7.6s", "1h", "1h30m", "1m", "10s", "250us", "0s", "1.5ms"]
        {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
    }

    #[test]
    fn rates_shares_and_factors_have_units() {
        assert_eq!(rate("100/s"), Some(100.0));
        assert_eq!(rate("30/m"), Some(0.5));
        assert_eq!(rate("100"), None);
        assert_eq!(share("30%"), Some(0.3));
        assert_eq!(share("101%"), None);
        assert_eq!(factor("2.5x"), Some(2.5));
        assert_eq!(factor("0x"), None);
        assert_eq!(percentile("p99.9"), Some(Percentile(99_900)));
        assert_eq!(percentile("p101"), None);
        assert_eq!(positive("inf"), None);
        assert_eq!(range("5ms..20ms", duration).map(|it| it.1.as_millis()), Some(20));
        assert_eq!(prefix("10.0.0.0/33"), None);
        assert_eq!(name("web-1"), Some("web-1"));
        assert_eq!(name("1web"), None);
    }
}
