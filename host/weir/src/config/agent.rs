//! `[agent]` and `agent = { .. }`: how the agents of real servers are asked.

use std::time::Duration;

use toml::de::DeValue;

use super::{
    check::{AgentCheck, Check, CheckKind, PERIODS},
    keys::{
        By, Key, Port, Span, Table,
        Without::{Is, Means},
    },
    reader::{Section, found},
    value,
    via::Via,
};

pub(super) static TABLE: Table = Table::new("agent", &[&[&PORT, &INTERVAL, &TIMEOUT, &SEND]]);

static PORT: Key<Port> = Key::new(
    "port",
    Port,
    Means("required"),
    "where agents listen, at the addresses of real servers",
);

static INTERVAL: Key<Span> = Key::new(
    "interval",
    Span(PERIODS),
    Is(Duration::from_secs(2)),
    "between the starts of two questions, varied by a tenth",
);

static TIMEOUT: Key<Span> = Key::new(
    "timeout",
    Span(PERIODS),
    Means("half of the interval"),
    "of one question; less than the interval",
);

static SEND: Key<By<String>> = Key::new(
    "send",
    By { read: send, types: &["string"] },
    Means("nothing"),
    "what is said first, as it stands, at most 1024 bytes: `\"web\\n\"`",
);

/// The most that is sent to an agent, in bytes.
const SEND_BYTES: usize = 1024;

/// The keys of an agent's table, those of the defaults included.
#[derive(Debug, Clone, Default)]
pub(super) struct AgentKeys {
    port: Option<u16>,
    interval: Option<Duration>,
    timeout: Option<Duration>,
    send: Option<String>,
}

impl AgentKeys {
    /// Reads a table over `defaults`.
    pub(super) fn read(mut section: Section<'_>, defaults: Option<&Self>) -> Self {
        let base = defaults.cloned().unwrap_or_default();
        let keys = Self {
            port: section.key(&PORT).or(base.port),
            interval: section.key(&INTERVAL).or(base.interval),
            timeout: section.key(&TIMEOUT).or(base.timeout),
            send: section.key(&SEND).or(base.send),
        };
        let (interval, timeout) = keys.times();
        if timeout >= interval {
            let show = value::show_duration;
            let message = format!("expected less than the interval ({})", show(interval));
            section.note_at(TIMEOUT.name, format!("{message}, found {}", show(timeout)));
        }
        section.finish_as(&TABLE);
        keys
    }

    fn times(&self) -> (Duration, Duration) {
        let interval = self.interval.unwrap_or(INTERVAL.usual());
        (interval, self.timeout.unwrap_or(interval / 2))
    }

    /// What the keys say, with what is left out; none = the port is missing.
    pub(super) fn finish(&self) -> Option<Check> {
        let (interval, timeout) = self.times();
        let send = self.send.clone().unwrap_or_default();
        Some(Check {
            kind: CheckKind::Agent(AgentCheck { send }),
            port: Some(self.port?),
            via: Via::default(),
            interval,
            fast: interval,
            timeout,
            rise: 1,
            fall: 1,
        })
    }
}

fn send(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    if text.len() <= SEND_BYTES {
        return Ok(text);
    }
    Err(format!("expected at most {SEND_BYTES} bytes, found {}", found(value)))
}
