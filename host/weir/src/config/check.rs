//! `[check]` and `check = { .. }`: how real servers are checked.
//!
//! The table at the top gives defaults for every service; a service's own overrides them
//! key by key. What only some types of checks have is in the files beneath: [`http`] and
//! [`tls`].

mod http;
mod pattern;
mod tls;

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use self::{http::HttpKeys, pattern::PatternKeys, tls::TlsKeys};
pub(crate) use self::{
    http::{HttpCheck, HttpVersion},
    tls::Tls,
};
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
    Http(Box<HttpCheck>),
}

const PERIODS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const COUNTS: RangeInclusive<u32> = 1..=100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Http,
    Https,
}

const KINDS: [(&str, Kind); 3] = [("tcp", Kind::Tcp), ("http", Kind::Http), ("https", Kind::Https)];

const ANY_HTTP: &[Kind] = &[Kind::Http, Kind::Https];
const ANY_TLS: &[Kind] = &[Kind::Https];

/// Keys that only these types have.
const SPECIFIC: [(&[&str], &[Kind]); 3] =
    [(http::KEYS, ANY_HTTP), (pattern::KEYS, ANY_HTTP), (tls::KEYS, ANY_TLS)];

impl Kind {
    fn word(self) -> &'static str {
        KINDS.iter().find(|it| it.1 == self).map_or("", |it| it.0)
    }

    /// What it offers to speak within TLS, if it speaks TLS.
    fn alpn(self, version: HttpVersion) -> Option<&'static [&'static [u8]]> {
        match (self, version) {
            (Self::Https, HttpVersion::One) => Some(&[b"http/1.1"]),
            (Self::Https, HttpVersion::Two) => Some(&[b"h2"]),
            (Self::Https, HttpVersion::Any) => Some(&[b"h2", b"http/1.1"]),
            (Self::Tcp | Self::Http, _) => None,
        }
    }
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
    http: HttpKeys,
    pattern: PatternKeys,
    tls: TlsKeys,
    /// Made of `tls`, where the type speaks it.
    made: Option<Tls>,
}

impl CheckKeys {
    /// Reads a table over `defaults`.
    pub(super) fn read(mut section: Section<'_>, defaults: Option<&Self>) -> Self {
        let base = defaults.cloned().unwrap_or_default();
        let period = |it: &DeValue<'_>| value::duration(it, &PERIODS);
        let mut keys = Self {
            kind: section.get("type", |it| value::word(it, &KINDS)).or(base.kind),
            port: section.get("port", value::port).or(base.port),
            interval: section.get("interval", period).or(base.interval),
            fast: section.get("fast", period).or(base.fast),
            timeout: section.get("timeout", period).or(base.timeout),
            rise: section.get("rise", |it| value::number(it, COUNTS)).or(base.rise),
            fall: section.get("fall", |it| value::number(it, COUNTS)).or(base.fall),
            http: base.http.read(&mut section),
            pattern: base.pattern.read(&mut section),
            tls: base.tls.read(&mut section),
            made: base.made,
        };
        keys.note_contradictions(&section);
        keys.made = keys
            .kind()
            .alpn(keys.version())
            .and_then(|alpn| keys.tls.make(alpn, keys.made.take(), &section));
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
        // What is inherited by another type has no effect, and is no mistake.
        for (keys, kinds) in SPECIFIC.iter().filter(|(_, kinds)| !kinds.contains(&self.kind())) {
            for key in keys.iter().filter(|it| section.has(it)) {
                let kinds: Vec<_> = kinds.iter().map(|it| format!("\"{}\"", it.word())).collect();
                let message = format!("is for type = {} only", kinds.join(" or "));
                section.note_at(key, message + "; change the type, or remove this");
            }
        }
        if ANY_HTTP.contains(&self.kind()) {
            self.http.note_contradictions(self.kind() == Kind::Https, &self.pattern, section);
        }
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::Tcp)
    }

    fn version(&self) -> HttpVersion {
        self.http.version(self.kind() == Kind::Https)
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
            Kind::Http | Kind::Https => {
                let pattern = self.pattern.finish();
                CheckKind::Http(Box::new(self.http.finish(
                    self.version(),
                    pattern,
                    self.made.clone(),
                )))
            }
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
