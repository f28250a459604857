//! `[check]` and `check = { .. }`: how real servers are checked.
//!
//! The table at the top gives defaults for every service; a service's own overrides them
//! key by key.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{
    reader::{Section, found},
    value,
};

/// How one service's real servers are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// What is asked of them.
    pub(crate) kind: CheckKind,
    /// Where, if not at the real server's own port.
    pub(crate) port: Option<u16>,
    /// Between the starts of two probes of a server that is up or down.
    pub(crate) interval: Duration,
    /// The same while the verdict is changing; at most `interval`.
    pub(crate) fast: Duration,
    /// Of one probe; less than `interval`.
    pub(crate) timeout: Duration,
    /// Passes in a row that make a server up.
    pub(crate) rise: u32,
    /// Failures in a row that make a server down.
    pub(crate) fall: u32,
}

impl Check {
    /// From a fault to the verdict at the latest, where a server falls silent. It takes
    /// less where it refuses.
    pub(crate) fn detection(&self) -> Duration {
        let retries = self.fast.max(self.timeout) * (self.fall - 1);
        self.interval * 11 / 10 + retries + self.timeout
    }
}

/// What is asked of a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CheckKind {
    /// To accept a connection.
    Tcp,
    /// To answer a request.
    Http(HttpCheck),
}

/// HTTP/1.1 GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpCheck {
    /// With the query, if any: `/health?deep=1`.
    pub(crate) path: String,
    /// The `Host` header; the address that is probed, if none.
    pub(crate) host: Option<String>,
    /// Statuses that pass.
    pub(crate) expect: BTreeSet<u16>,
}

const PERIODS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const COUNTS: RangeInclusive<u32> = 1..=100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Http,
}

/// The keys of a check table, those of the defaults included.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckKeys {
    kind: Option<Kind>,
    port: Option<u16>,
    interval: Option<Duration>,
    fast: Option<Duration>,
    timeout: Option<Duration>,
    rise: Option<u32>,
    fall: Option<u32>,
    path: Option<String>,
    host: Option<String>,
    expect: Option<BTreeSet<u16>>,
}

impl CheckKeys {
    /// Reads a table over `defaults`.
    pub(super) fn read(mut section: Section<'_>, defaults: Option<&Self>) -> Self {
        let base = defaults.cloned().unwrap_or_default();
        let period = |it: &DeValue<'_>| value::duration(it, &PERIODS);
        let kinds = [("tcp", Kind::Tcp), ("http", Kind::Http)];
        let keys = Self {
            kind: section.get("type", |it| value::word(it, &kinds)).or(base.kind),
            port: section.get("port", value::port).or(base.port),
            interval: section.get("interval", period).or(base.interval),
            fast: section.get("fast", period).or(base.fast),
            timeout: section.get("timeout", period).or(base.timeout),
            rise: section.get("rise", |it| value::number(it, COUNTS)).or(base.rise),
            fall: section.get("fall", |it| value::number(it, COUNTS)).or(base.fall),
            path: section.get("path", path).or(base.path),
            host: section.get("host", host).or(base.host),
            expect: section.get("expect", statuses).or(base.expect),
        };
        keys.note_contradictions(&section);
        section.finish();
        keys
    }

    fn note_contradictions(&self, section: &Section<'_>) {
        let (interval, fast, timeout) = self.times();
        let show = value::show_duration;
        if timeout >= interval {
            let (timeout, interval) = (show(timeout), show(interval));
            section.note_at(
                "timeout",
                format!("expected less than the interval ({interval}), found {timeout}"),
            );
        }
        if fast > interval {
            let (fast, interval) = (show(fast), show(interval));
            section.note_at(
                "fast",
                format!("expected at most the interval ({interval}), found {fast}"),
            );
        }
        if self.kind() == Kind::Tcp {
            let extra = [
                ("path", self.path.is_some()),
                ("host", self.host.is_some()),
                ("expect", self.expect.is_some()),
            ];
            for (key, _) in extra.iter().filter(|(_, given)| *given) {
                section.note_at(key, "is for type = \"http\" only; add it, or remove this");
            }
        }
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Tcp)
    }

    /// Interval, fast period, time-out. A short interval alone shortens what follows from
    /// it.
    fn times(&self) -> (Duration, Duration, Duration) {
        let interval = self.interval.unwrap_or(Duration::from_secs(5));
        let fast = self.fast.unwrap_or(Duration::from_secs(1).min(interval));
        let timeout = self.timeout.unwrap_or(Duration::from_secs(2).min(interval * 2 / 5));
        (interval, fast, timeout)
    }

    /// What the keys say, with what is left out.
    pub(super) fn finish(&self) -> Check {
        let (interval, fast, timeout) = self.times();
        let kind = match self.kind() {
            Kind::Tcp => CheckKind::Tcp,
            Kind::Http => CheckKind::Http(HttpCheck {
                path: self.path.clone().unwrap_or_else(|| "/".to_owned()),
                host: self.host.clone(),
                expect: self.expect.clone().unwrap_or_else(|| (200..=299).collect()),
            }),
        };
        Check {
            kind,
            port: self.port,
            interval,
            fast,
            timeout,
            rise: self.rise.unwrap_or(2),
            fall: self.fall.unwrap_or(3),
        }
    }
}

/// The `check` of a service: its own table over the defaults, the defaults alone, or none
/// with `check = false`.
pub(super) fn of_service(section: &mut Section<'_>, defaults: Option<&CheckKeys>) -> Option<Check> {
    let value = section.value("check");
    match value.map(toml::Spanned::get_ref) {
        None => defaults.map(CheckKeys::finish),
        Some(DeValue::Boolean(false)) => None,
        Some(DeValue::Table(_)) => {
            let own = section.section("check")?;
            Some(CheckKeys::read(own, defaults).finish())
        }
        Some(other) => {
            let found = found(other);
            section.note_at("check", format!("expected a table, or false for none, found {found}"));
            None
        }
    }
}

fn path(value: &DeValue<'_>) -> Result<String, String> {
    let path = value::text(value)?;
    let legal = path.starts_with('/') && path.bytes().all(|it| it.is_ascii_graphic() && it != b'#');
    if legal {
        return Ok(path);
    }
    Err(format!("expected a path such as \"/health\", percent-encoded, found {}", found(value)))
}

fn host(value: &DeValue<'_>) -> Result<String, String> {
    let host = value::text(value)?;
    if !host.is_empty() && host.bytes().all(|it| it.is_ascii_graphic()) {
        return Ok(host);
    }
    Err(format!("expected a host name such as \"www.example.com\", found {}", found(value)))
}

fn statuses(value: &DeValue<'_>) -> Result<BTreeSet<u16>, String> {
    let ranges = value::list(value, status_range)?;
    if ranges.is_empty() {
        return Err("expected at least one status: no answer would pass".to_owned());
    }
    Ok(ranges.into_iter().flatten().collect())
}

fn status_range(value: &DeValue<'_>) -> Result<RangeInclusive<u16>, String> {
    let text = match value {
        DeValue::Integer(it) => it.to_string(),
        other => value::text(other)?,
    };
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    let range = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
    match range {
        Some((first, last)) if 100 <= first && first <= last && last <= 599 => Ok(first..=last),
        _ => Err(format!(
            "expected statuses from 100 to 599 such as 204 or \"200-399\", found {}",
            found(value)
        )),
    }
}
