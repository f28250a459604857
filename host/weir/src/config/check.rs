//! `[check]` and `check = { .. }`: one check.
//!
//! The table at the top gives defaults for every service; a service's own overrides them
//! key by key. What only some types of checks have is in the files beneath: [`http`] and
//! [`tls`].

mod command;
mod dns;
mod grpc;
mod http;
mod pattern;
mod plugin;
mod tls;
mod udp;

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

pub(crate) use self::{
    command::CommandCheck,
    dns::DnsCheck,
    grpc::GrpcCheck,
    http::{HttpCheck, HttpVersion},
    plugin::PluginCheck,
    tls::{Expiring, Tls, system_client},
    udp::UdpCheck,
};
use self::{
    command::CommandKeys, dns::DnsKeys, grpc::GrpcKeys, http::HttpKeys, pattern::PatternKeys,
    plugin::PluginKeys, tls::TlsKeys, udp::UdpKeys,
};
use super::{
    keys::{
        self, Key, Nested, Number, Port, Row, Shape, Span, Table,
        Without::{Is, Means},
        Word,
    },
    reader::{Section, found},
    value,
    via::{self, Via},
};

/// How one service's real servers are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// What is asked of them.
    pub(crate) kind: CheckKind,
    /// Where, if not at the real server's own port.
    pub(crate) port: Option<u16>,
    /// On which way.
    pub(crate) via: Via,
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
    Http(Arc<HttpCheck>),
    /// To shake hands.
    Tls(Tls),
    /// What it says of its own health by gRPC.
    Grpc(GrpcCheck),
    /// To answer a datagram, or not to refuse it.
    Udp(UdpCheck),
    /// To answer a question by DNS.
    Dns(DnsCheck),
    /// To send an echo back.
    Icmp,
    /// What a program makes of it.
    Command(CommandCheck),
    /// What a plugin makes of it.
    Plugin(Box<PluginCheck>),
    /// What its agent says; not whether it is up.
    Agent(AgentCheck),
}

/// HAProxy's agent protocol, see [`crate::health`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentCheck {
    /// What is said to the agent first, as it stands.
    pub(crate) send: String,
}

impl CheckKind {
    /// Whether it says that a server is up or down.
    pub(crate) fn says_health(&self) -> bool {
        !matches!(self, Self::Agent(_))
    }

    /// The plugin that makes it, if one does.
    pub(crate) fn plugin(&self) -> Option<&str> {
        if let Self::Plugin(check) = self { Some(&check.plugin) } else { None }
    }

    /// The plugin that makes it, if one does, and what it says over that plugin's settings.
    pub(crate) fn plugin_settings(&self) -> Option<(&str, &str)> {
        if let Self::Plugin(it) = self { Some((&it.plugin, &it.config_json)) } else { None }
    }

    /// Whether what an agent says comes with it.
    pub(crate) fn carries_agent(&self) -> bool {
        match self {
            Self::Http(check) => check.agent_header.is_some(),
            Self::Agent(_) => true,
            _ => false,
        }
    }

    /// Whether something between 0 and the base weight may follow from it.
    pub(crate) fn steers(&self) -> bool {
        let degrades = match self {
            Self::Http(check) => {
                check.degraded.is_some() || check.tls.as_ref().is_some_and(Tls::degrades)
            }
            Self::Tls(tls) | Self::Grpc(GrpcCheck { tls: Some(tls), .. }) => tls.degrades(),
            Self::Command(_) | Self::Plugin(_) => true,
            _ => false,
        };
        degrades || self.carries_agent()
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Http(check) if check.tls.is_some() => write!(f, "https {}", check.path),
            Self::Http(check) => write!(f, "http {}", check.path),
            Self::Tls(_) => f.write_str("tls"),
            Self::Grpc(check) => write!(f, "grpc {}", check.service),
            Self::Udp(_) => f.write_str("udp"),
            Self::Dns(check) => write!(f, "dns {} {}", check.name, check.record),
            Self::Icmp => f.write_str("icmp"),
            Self::Command(check) => f.write_str(check.program()),
            Self::Plugin(check) => write!(f, "plugin {}", check.plugin),
            Self::Agent(_) => f.write_str("agent"),
        }
    }
}

/// The `[check]` at the top.
pub(super) static USUAL: Nested = Nested {
    name: "check",
    table: &TABLE,
    shape: Shape::One,
    default: "none",
    meaning: "how every service's real servers are checked",
};

/// The `check` of a service, a match or a profile.
pub(super) static OWN: Nested = Nested {
    name: "check",
    table: &TABLE,
    shape: Shape::OneManyOrFalse,
    default: "the `[check]` at the top",
    meaning: "a table, over that at the top key by key, or an array of such; `false` = not checked",
};

/// What all checks have, and in its parts what only some types have.
static TABLE: Table =
    Table::new("check", &[&[&TYPE, &PORT, &INTERVAL], COUNTED, &[&via::VIA]]).with(PARTS);

/// What only some types have.
pub(super) const PARTS: &[&Table] = &[
    &http::TABLE,
    &http::DEGRADED_TABLE,
    &grpc::TABLE,
    &tls::TABLE,
    &udp::TABLE,
    &dns::TABLE,
    &command::TABLE,
    &plugin::TABLE,
];

/// How what is asked becomes a verdict.
pub(super) const COUNTED: &[&dyn Row] = &[&FAST, &TIMEOUT, &RISE, &FALL];

pub(super) static TYPE: Key<Word<Kind>> =
    Key::new("type", Word(KINDS), Is(Kind::Tcp), "what is asked, see [checks.md](checks.md)");

static PORT: Key<Port> =
    Key::new("port", Port, Means("the real server's"), "needed where that is 0");

static INTERVAL: Key<Span> = Key::new(
    "interval",
    Span(PERIODS),
    Is(Duration::from_secs(5)),
    "between the starts of two probes, varied by a tenth",
);

static FAST: Key<Span> = Key::new(
    "fast",
    Span(PERIODS),
    Means("`\"1s\"`, or the interval if shorter"),
    "the same while a verdict is changing; at most the interval",
);

static TIMEOUT: Key<Span> = Key::new(
    "timeout",
    Span(PERIODS),
    Means("`\"2s\"`, or 2/5 of the interval if shorter"),
    "of one probe, all of it; less than the interval",
);

static RISE: Key<Number> =
    Key::new("rise", Number(COUNTS), Is(2), "passes in a row that make a server up");

static FALL: Key<Number> =
    Key::new("fall", Number(COUNTS), Is(3), "failures in a row that make a server down");

pub(super) const PERIODS: RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3600);
const COUNTS: RangeInclusive<u32> = 1..=100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Tcp,
    Http,
    Https,
    Tls,
    Grpc,
    Grpcs,
    Udp,
    Dns,
    Icmp,
    Command,
    Plugin,
}

const KINDS: &[(&str, Kind)] = &[
    ("tcp", Kind::Tcp),
    ("http", Kind::Http),
    ("https", Kind::Https),
    ("tls", Kind::Tls),
    ("grpc", Kind::Grpc),
    ("grpcs", Kind::Grpcs),
    ("udp", Kind::Udp),
    ("dns", Kind::Dns),
    ("icmp", Kind::Icmp),
    ("command", Kind::Command),
    ("plugin", Kind::Plugin),
];

const ANY_HTTP: &[Kind] = &[Kind::Http, Kind::Https];
const ANY_GRPC: &[Kind] = &[Kind::Grpc, Kind::Grpcs];
const ANY_TLS: &[Kind] = &[Kind::Https, Kind::Tls, Kind::Grpcs, Kind::Plugin];

impl Kind {
    /// The types that have this key; empty = all.
    fn having(key: &str) -> Vec<Self> {
        let parts = PARTS.iter().zip([
            ANY_HTTP,
            ANY_HTTP,
            ANY_GRPC,
            ANY_TLS,
            &[Self::Udp],
            &[Self::Dns],
            &[Self::Command],
            &[Self::Plugin],
        ]);
        parts.filter(|(part, _)| part.has(key)).flat_map(|(_, kinds)| kinds).copied().collect()
    }

    fn word(self) -> &'static str {
        KINDS.iter().find(|it| it.1 == self).map_or("", |it| it.0)
    }

    /// What it offers to speak within TLS, if it speaks TLS.
    fn alpn(self, version: HttpVersion) -> Option<&'static [&'static [u8]]> {
        match (self, version) {
            (Self::Https, HttpVersion::One) => Some(&[b"http/1.1"]),
            (Self::Https, HttpVersion::Two) => Some(&[b"h2"]),
            (Self::Https, HttpVersion::Any) => Some(&[b"h2", b"http/1.1"]),
            (Self::Tls, _) => Some(&[]),
            (Self::Grpcs, _) => Some(&[b"h2"]),
            _ => None,
        }
    }
}

/// The keys of a check table, those of the defaults included.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckKeys {
    kind: Option<Kind>,
    port: Option<u16>,
    via: Via,
    interval: Option<Duration>,
    fast: Option<Duration>,
    timeout: Option<Duration>,
    rise: Option<u32>,
    fall: Option<u32>,
    http: HttpKeys,
    pattern: PatternKeys,
    tls: TlsKeys,
    grpc: GrpcKeys,
    udp: UdpKeys,
    dns: DnsKeys,
    command: CommandKeys,
    plugin: PluginKeys,
    /// Made of `tls`, where the type speaks it.
    made: Option<Tls>,
}

impl CheckKeys {
    /// Nothing but an interval.
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval: Some(interval), ..Self::default() }
    }

    /// Reads a table over `defaults`.
    pub(super) fn read(mut section: Section<'_>, defaults: Option<&Self>) -> Self {
        let base = defaults.cloned().unwrap_or_default();
        let mut keys = Self {
            kind: section.key(&TYPE).or(base.kind),
            port: section.key(&PORT).or(base.port),
            via: base.via.read(&mut section),
            interval: section.key(&INTERVAL).or(base.interval),
            fast: section.key(&FAST).or(base.fast),
            timeout: section.key(&TIMEOUT).or(base.timeout),
            rise: section.key(&RISE).or(base.rise),
            fall: section.key(&FALL).or(base.fall),
            http: base.http.read(&mut section),
            pattern: base.pattern.read(&mut section),
            tls: base.tls.read(&mut section),
            grpc: base.grpc.read(&mut section),
            udp: base.udp.read(&mut section),
            dns: base.dns.read(&mut section),
            command: base.command.read(&mut section),
            plugin: base.plugin.read(&mut section),
            made: base.made,
        };
        keys.note_contradictions(&section);
        keys.made = keys.alpn().and_then(|alpn| keys.tls.make(alpn, keys.made.take(), &section));
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
        for key in TABLE.names().into_iter().filter(|it| section.has(it)) {
            let kinds = Kind::having(key);
            if !kinds.is_empty() && !kinds.contains(&self.kind()) {
                let kinds: Vec<_> = kinds.iter().map(|it| format!("\"{}\"", it.word())).collect();
                let message = format!("is for type = {} only", kinds.join(" or "));
                section.note_at(key, message + "; change the type, or remove this");
            }
        }
        match self.kind() {
            Kind::Http | Kind::Https => {
                self.http.note_contradictions(self.kind() == Kind::Https, &self.pattern, section);
            }
            Kind::Udp => self.udp.note_contradictions(&self.pattern, section),
            Kind::Dns => self.dns.note_contradictions(section),
            Kind::Command => self.command.note_contradictions(section),
            Kind::Plugin => {
                let of_tls = tls::TABLE.names().into_iter().find(|it| section.has(it));
                self.plugin.note_contradictions(of_tls, section);
            }
            _ => {}
        }
    }

    fn kind(&self) -> Kind {
        self.kind.unwrap_or(TYPE.usual())
    }

    /// What is offered within TLS, if that is spoken.
    fn alpn(&self) -> Option<&'static [&'static [u8]]> {
        match self.kind() {
            Kind::Plugin => self.plugin.is_tls().then_some(&[]),
            kind => kind.alpn(self.version()),
        }
    }

    fn version(&self) -> HttpVersion {
        self.http.version(self.kind() == Kind::Https)
    }

    /// Interval, fast period, time-out. A short interval alone shortens what follows from
    /// it.
    fn times(&self) -> (Duration, Duration, Duration) {
        let interval = self.interval.unwrap_or(INTERVAL.usual());
        let fast = self.fast.unwrap_or(Duration::from_secs(1).min(interval));
        let timeout = self.timeout.unwrap_or(Duration::from_secs(2).min(interval * 2 / 5));
        (interval, fast, timeout)
    }

    /// What the keys say, with what is left out.
    pub(super) fn finish(&self) -> Check {
        let (interval, fast, timeout) = self.times();
        let kind = match self.kind() {
            Kind::Tcp => CheckKind::Tcp,
            // Without, there was a mistake, and this is not used.
            Kind::Tls => self.made.clone().map_or(CheckKind::Tcp, CheckKind::Tls),
            Kind::Grpc | Kind::Grpcs => {
                let host = self.http.host().cloned();
                CheckKind::Grpc(self.grpc.finish(host, self.made.clone()))
            }
            Kind::Udp => CheckKind::Udp(self.udp.finish(self.pattern.finish())),
            Kind::Dns => CheckKind::Dns(self.dns.finish()),
            Kind::Icmp => CheckKind::Icmp,
            Kind::Command => CheckKind::Command(self.command.finish()),
            Kind::Plugin => CheckKind::Plugin(Box::new(self.plugin.finish(self.made.clone()))),
            Kind::Http | Kind::Https => {
                let pattern = self.pattern.finish();
                CheckKind::Http(Arc::new(self.http.finish(
                    self.version(),
                    pattern,
                    self.made.clone(),
                )))
            }
        };
        Check {
            kind,
            port: self.port,
            via: self.via,
            interval,
            fast,
            timeout,
            rise: self.rise.unwrap_or(RISE.usual()),
            fall: self.fall.unwrap_or(FALL.usual()),
        }
    }
}
