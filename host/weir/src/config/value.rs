//! Single values of the configuration: durations, sizes, numbers, addresses, words.
//!
//! Each parser says what it expected, with an example.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use toml::de::DeValue;
use weir_ipvs::{Endpoint, Family, Protocol};

use super::reader::found;

/// What is wrong with a value.
#[derive(Debug)]
pub(super) enum Wrong {
    /// All of it.
    Whole(String),
    /// Parts of it, each by itself, with where that stands.
    Parts(Vec<(usize, String)>),
}

impl Wrong {
    /// Every mistake and where it stands, of a value that stands at `offset`.
    pub(super) fn at(self, offset: usize) -> Vec<(usize, String)> {
        match self {
            Self::Whole(message) => vec![(offset, message)],
            Self::Parts(parts) => parts,
        }
    }
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self::Whole(message)
    }
}

/// All of `parts`, each of which comes with where it stands; or what is wrong with any of them.
pub(super) fn all<T, E: Into<Wrong>, C: FromIterator<T>>(
    parts: impl Iterator<Item = (usize, Result<T, E>)>,
) -> Result<C, Wrong> {
    let mut wrong = Vec::new();
    let good = parts.filter_map(|(offset, part)| match part {
        Ok(it) => Some(it),
        Err(error) => {
            wrong.extend(error.into().at(offset));
            None
        }
    });
    let good = good.collect();
    if wrong.is_empty() { Ok(good) } else { Err(Wrong::Parts(wrong)) }
}

/// A string, as it is.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(it) => Ok(it.to_string()),
        other => Err(format!("expected a string, found {}", found(other))),
    }
}

/// The path of a file or a directory.
pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match text(value)? {
        text if text.is_empty() => Err("expected a path, found \"\"".to_owned()),
        text => Ok(text.into()),
    }
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("expected true or false, found {}", found(value)))
}

/// A name that can be quoted in logs and on command lines.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, String> {
    let name = text(value)?;
    check_name(&name)?;
    Ok(name)
}

/// Whether `name` is 1 to 64 letters, digits, `.`, `_` or `-`.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let legal = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if (1..=64).contains(&name.len()) && name.chars().all(legal) {
        return Ok(());
    }
    Err(format!("expected 1 to 64 letters, digits, `.`, `_` or `-`, found \"{name}\""))
}

/// A whole number within `range`.
pub(super) fn number(value: &DeValue<'_>, range: RangeInclusive<u32>) -> Result<u32, String> {
    let parsed = value
        .as_integer()
        .and_then(|it| u32::from_str_radix(it.as_str(), it.radix()).ok())
        .filter(|it| range.contains(it));
    parsed.ok_or_else(|| {
        format!(
            "expected a whole number from {} to {}, found {}",
            range.start(),
            range.end(),
            found(value)
        )
    })
}

/// A percentage within `range`: `"50%"`.
pub(super) fn percent(value: &DeValue<'_>, range: RangeInclusive<u32>) -> Result<u32, String> {
    let digits = value.as_str().and_then(|it| it.strip_suffix('%'));
    let parsed = digits.and_then(|it| it.parse().ok()).filter(|it| range.contains(it));
    parsed.ok_or_else(|| {
        format!(
            "expected a percentage from \"{}%\" to \"{}%\", found {}",
            range.start(),
            range.end(),
            found(value)
        )
    })
}

/// A number within `range`, with or without a fraction.
pub(super) fn decimal(value: &DeValue<'_>, range: RangeInclusive<f64>) -> Result<f64, String> {
    let text = match value {
        DeValue::Float(it) => it.as_str(),
        DeValue::Integer(it) => it.as_str(),
        _ => "",
    };
    let parsed = text.parse().ok().filter(|it| range.contains(it));
    parsed.ok_or_else(|| {
        format!(
            "expected a number from {} to {}, found {}",
            range.start(),
            range.end(),
            found(value)
        )
    })
}

/// A port, 1..=65535.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, String> {
    let number = number(value, 1..=u16::MAX.into())?;
    u16::try_from(number).map_err(|_| format!("expected a port from 1 to 65535, found {number}"))
}

/// A duration within `range`: `"5s"`, `"200ms"`.
pub(super) fn duration(
    value: &DeValue<'_>,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, String> {
    let parsed = value.as_str().and_then(parse_duration).filter(|it| range.contains(it));
    parsed.ok_or_else(|| {
        format!(
            "expected a duration from {} to {}, such as \"5s\" or \"200ms\", found {}",
            show_duration(*range.start()),
            show_duration(*range.end()),
            found(value)
        )
    })
}

/// A number and its unit, without a space.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|it: char| !it.is_ascii_digit())?);
    let number: u64 = digits.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        "d" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}

/// A duration as it would be written here.
pub(crate) fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{}s", ms / 1000),
        _ => format!("{ms}ms"),
    }
}

/// Bytes: `"64MiB"`, `"512KiB"`.
pub(super) fn bytes(value: &DeValue<'_>, range: &RangeInclusive<usize>) -> Result<usize, String> {
    let parsed = value.as_str().and_then(|text| {
        let (digits, unit) = text.split_at(text.find(|it: char| !it.is_ascii_digit())?);
        let shift = match unit {
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        digits.parse::<usize>().ok()?.checked_mul(1 << shift)
    });
    let parsed: Option<usize> = parsed;
    let found = found(value);
    let bytes =
        parsed.ok_or_else(|| format!("expected a size such as \"64MiB\", found {found}"))?;
    if range.contains(&bytes) {
        return Ok(bytes);
    }
    let (least, most) = (show_bytes(*range.start()), show_bytes(*range.end()));
    Err(format!("expected \"{least}\" to \"{most}\", found {found}"))
}

/// A size as it is written: `64MiB`. What is no number of KiB is rounded down.
pub(super) fn show_bytes(bytes: usize) -> String {
    let kibibytes = bytes >> 10;
    match kibibytes.trailing_zeros() {
        _ if kibibytes == 0 => "0KiB".to_owned(),
        20.. => format!("{}GiB", kibibytes >> 20),
        10.. => format!("{}MiB", kibibytes >> 10),
        _ => format!("{kibibytes}KiB"),
    }
}

/// A table, as JSON text of an object.
pub(super) fn object(value: &DeValue<'_>) -> Result<String, Wrong> {
    if value.is_table() {
        return Ok(json(value)?.to_string());
    }
    Err(format!("expected a table, found {}", found(value)).into())
}

/// `address`, which `value` says, if one machine can have it.
pub(super) fn of_one_machine(address: IpAddr, value: &DeValue<'_>) -> Result<IpAddr, String> {
    let kind = match address {
        _ if address.is_unspecified() => "no address",
        _ if address.is_multicast() => "multicast",
        IpAddr::V4(it) if it.is_broadcast() => "broadcast",
        IpAddr::V6(it) if it.is_unicast_link_local() => "link-local",
        _ => return Ok(address),
    };
    Err(format!("expected the address of one machine, found {}, which is {kind}", found(value)))
}

/// An address and port, without a scope: IPVS has none.
pub(super) fn endpoint(value: &DeValue<'_>) -> Result<Endpoint, String> {
    parse_endpoint(value).ok_or_else(|| {
        format!(
            "expected an address and port such as \"192.0.2.1:80\" or \"[2001:db8::1]:80\", found {}",
            found(value)
        )
    })
}

/// An address, with or without a port.
pub(super) fn address_maybe_port(value: &DeValue<'_>) -> Result<(IpAddr, Option<u16>), String> {
    if let Some(address) = value.as_str().and_then(|it| it.parse().ok()) {
        return Ok((address, None));
    }
    let Some(endpoint) = parse_endpoint(value) else {
        return Err(format!(
            "expected an address such as \"192.0.2.1:80\" or \"192.0.2.1\", found {}",
            found(value)
        ));
    };
    Ok((endpoint.address, Some(endpoint.port)))
}

fn parse_endpoint(value: &DeValue<'_>) -> Option<Endpoint> {
    value.as_str().filter(|it| !it.contains('%'))?.parse().ok()
}

/// One word out of a table of words.
pub(super) fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let known = value.as_str().and_then(|it| words.iter().find(|(word, _)| *word == it));
    known.map(|(_, it)| *it).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        format!("expected {}, found {}", words.join(" or "), found(value))
    })
}

/// An array, each element by `parse`.
pub(super) fn list<T, E: Into<Wrong>>(
    value: &DeValue<'_>,
    parse: impl Fn(&DeValue<'_>) -> Result<T, E>,
) -> Result<Vec<T>, Wrong> {
    let Some(array) = value.as_array() else {
        return Err(format!("expected an array, found {}", found(value)).into());
    };
    all(array.iter().map(|it| (it.span().start, parse(it.get_ref()))))
}

/// Names of the address families.
pub(super) const FAMILIES: &[(&str, Family)] = &[("ipv4", Family::V4), ("ipv6", Family::V6)];

/// Names of the protocols.
pub(super) const PROTOCOLS: &[(&str, Protocol)] =
    &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];

/// A value as JSON, for the plugin whose setting it is.
fn json(value: &DeValue<'_>) -> Result<serde_json::Value, Wrong> {
    Ok(match value {
        DeValue::String(it) => it.to_string().into(),
        DeValue::Boolean(it) => (*it).into(),
        DeValue::Datetime(it) => it.to_string().into(),
        DeValue::Integer(it) => i64::from_str_radix(it.as_str(), it.radix())
            .map_err(|_| format!("expected a number of 64 bits, found {it}"))?
            .into(),
        DeValue::Float(it) => {
            let parsed: Option<f64> = it.as_str().parse().ok();
            let number = parsed.and_then(serde_json::Number::from_f64);
            number.ok_or_else(|| format!("expected a finite number, found {it}"))?.into()
        }
        DeValue::Array(_) => serde_json::Value::Array(list(value, json)?),
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| {
                let entry = json(value.get_ref()).map(|it| (key.get_ref().to_string(), it));
                (value.span().start, entry)
            });
            serde_json::Value::Object(all(entries)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        let expected = expected.map(Duration::from_millis);
        assert_eq!(parse_duration(text), expected, "{text}");
        if let Some(it) = expected {
            assert_eq!(parse_duration(&show_duration(it)), Some(it), "{text}");
        }
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        check("200ms", Some(200));
        check("5s", Some(5000));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("14d", Some(14 * 86_400_000));
        check("5", None);
        check("s", None);
        check("-1s", None);
        check("1.5s", None);
        check("5 s", None);
        check("18446744073709551615h", None);
    }
}
