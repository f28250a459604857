//! `[agent]` and `agent = { .. }`: how the agents of real servers are asked.

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{
    check::{AgentCheck, Check, CheckKind},
    reader::{Section, found},
    value,
    via::Via,
};

const PERIODS: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

const INTERVAL: Duration = Duration::from_secs(2);

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
        let period = |it: &DeValue<'_>| value::duration(it, &PERIODS);
        let keys = Self {
            port: section.get("port", value::port).or(base.port),
            interval: section.get("interval", period).or(base.interval),
            timeout: section.get("timeout", period).or(base.timeout),
            send: section.get("send", send).or(base.send),
        };
        let (interval, timeout) = keys.times();
        if timeout >= interval {
            let show = value::show_duration;
            let message = format!("expected less than the interval ({})", show(interval));
            section.note_at("timeout", format!("{message}, found {}", show(timeout)));
        }
        section.finish();
        keys
    }

    fn times(&self) -> (Duration, Duration) {
        let interval = self.interval.unwrap_or(INTERVAL);
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
