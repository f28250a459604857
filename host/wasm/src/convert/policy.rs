//! What policies alone have: health, events, intents, and why they are made.

use std::time::Duration;

use crate::{
    Birth, Envelope, Event, HealthReport, HealthStatus, Intent, Statement, Subscription,
    bindings::{events, health, health_words, intents, reactor, real_servers},
};

impl From<HealthStatus> for health_words::HealthStatus {
    fn from(status: HealthStatus) -> Self {
        match status {
            HealthStatus::Unknown => Self::Unknown,
            HealthStatus::Up => Self::Up,
            HealthStatus::Down => Self::Down,
        }
    }
}

/// One answer of `health.current`, at the time `now`; none = nobody checks it.
pub(crate) fn health_report(
    key: real_servers::RealServerKey,
    report: Option<HealthReport>,
    now: Duration,
) -> health::HealthReport {
    let report = report.unwrap_or(HealthReport { status: HealthStatus::Unknown, since: now });
    let lasted = now.saturating_sub(report.since);
    health::HealthReport { key, status: report.status.into(), since: milliseconds(lasted) }
}

impl From<&Envelope> for events::Envelope {
    fn from(envelope: &Envelope) -> Self {
        let event = match &envelope.event {
            Event::Started => events::Event::Started,
            Event::Overflow(lost) => events::Event::Overflow(*lost),
            Event::Health(change) => events::Event::Health(events::HealthChange {
                server: change.server.into(),
                detail: change.detail.clone(),
                before: change.before.into(),
                after: change.after.into(),
                lasted: milliseconds(change.lasted),
            }),
            Event::Stopping(within) => events::Event::Stopping(milliseconds(*within)),
        };
        Self { sequence: envelope.sequence, at: envelope.at_ns, event }
    }
}

impl From<events::Subscription> for Subscription {
    fn from(subscription: events::Subscription) -> Self {
        Self {
            health: subscription.kinds.contains(&events::Kind::Health),
            other: subscription.kinds.contains(&events::Kind::Other),
        }
    }
}

impl From<Birth> for reactor::Birth {
    fn from(birth: Birth) -> Self {
        match birth {
            Birth::Fresh => Self::Fresh,
            Birth::Recovery(why) => Self::Recovery(why),
        }
    }
}

impl From<intents::Intent> for Intent {
    fn from(intent: intents::Intent) -> Self {
        match intent {
            intents::Intent::Scale(factor) => Self::Scale(factor),
            intents::Intent::Floor(weight) => Self::Floor(weight),
            intents::Intent::Cap(weight) => Self::Cap(weight),
            intents::Intent::Drain => Self::Drain,
        }
    }
}

impl From<Intent> for intents::Intent {
    fn from(intent: Intent) -> Self {
        match intent {
            Intent::Scale(factor) => Self::Scale(factor),
            Intent::Floor(weight) => Self::Floor(weight),
            Intent::Cap(weight) => Self::Cap(weight),
            Intent::Drain => Self::Drain,
        }
    }
}

impl From<&Statement> for intents::Statement {
    fn from(statement: &Statement) -> Self {
        Self {
            key: statement.key.into(),
            intent: statement.intent.into(),
            lease: Some(milliseconds(statement.lease)),
            reason: statement.reason.clone(),
        }
    }
}

/// Whole milliseconds, which fit for the next 500 million years.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
