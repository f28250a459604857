//! What policies alone have: health, events, intents, and why they are made.

use std::time::Duration;

use crate::{
    Birth, Envelope, Event, HTTP_REPLY_BYTES, HealthReport, HealthStatus, HttpAnswer, HttpFailure,
    HttpReply, Intent, Statement, Subscription,
    bindings::{events, health, health_words, http_messages, intents, reactor, real_servers},
    clock::nanoseconds,
    host::intents::{Verdict, Wish},
};

/// Between two events `stats`, unless the policy says.
const STATS_EVERY: Duration = Duration::from_secs(5);

/// The least that it may say.
const STATS_EVERY_MIN: Duration = Duration::from_secs(1);

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
    let report = report.unwrap_or_else(|| HealthReport { since: now, ..HealthReport::default() });
    health::HealthReport {
        key,
        status: report.status.into(),
        since: milliseconds(now.saturating_sub(report.since)),
        latency: report.latency.get().map(nanoseconds),
    }
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
            Event::Stats(elapsed) => events::Event::Stats(milliseconds(*elapsed)),
            Event::Answered(answer) => events::Event::Answered(answer.into()),
            Event::Stopping(within) => events::Event::Stopping(milliseconds(*within)),
        };
        Self { sequence: envelope.sequence, at: envelope.at_ns, event }
    }
}

impl From<&HttpAnswer> for events::HttpAnswer {
    fn from(HttpAnswer { tag, outcome }: &HttpAnswer) -> Self {
        let outcome = match outcome.clone() {
            Ok(HttpReply { status, headers, body }) => {
                Ok(http_messages::Response { status, headers, body })
            }
            Err(HttpFailure::Denied(why)) => Err(http_messages::Error::Denied(why)),
            Err(HttpFailure::Timeout) => Err(http_messages::Error::Timeout),
            Err(HttpFailure::TooLarge) => {
                let most = u32::try_from(HTTP_REPLY_BYTES).unwrap_or(u32::MAX);
                Err(http_messages::Error::TooLarge(most))
            }
            Err(HttpFailure::Failed(why)) => Err(http_messages::Error::Failed(why)),
        };
        Self { tag: tag.clone(), outcome }
    }
}

impl From<events::Subscription> for Subscription {
    fn from(subscription: events::Subscription) -> Self {
        let every = subscription.stats_every.map_or(STATS_EVERY, Duration::from_millis);
        let wants_stats = subscription.kinds.contains(&events::Kind::Stats);
        Self {
            health: subscription.kinds.contains(&events::Kind::Health),
            stats_every: wants_stats.then(|| every.max(STATS_EVERY_MIN)),
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

impl From<intents::Statement> for Wish {
    fn from(statement: intents::Statement) -> Self {
        Self {
            key: statement.key.into(),
            intent: statement.intent.into(),
            lease: statement.lease.map(Duration::from_millis),
            reason: statement.reason,
        }
    }
}

impl From<Verdict> for intents::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Ok(None) => Self::Accepted,
            Ok(Some(number)) => Self::Clamped(number),
            Err(why) => Self::Refused(why),
        }
    }
}

impl From<intents::Intent> for Intent {
    fn from(intent: intents::Intent) -> Self {
        match intent {
            intents::Intent::Base(weight) => Self::Base(weight),
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
            Intent::Base(weight) => Self::Base(weight),
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
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
