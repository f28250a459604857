//! What is never otherwise, whatever happens.

use std::time::{Duration, Instant};

use super::{
    record::Seen,
    stage::{ALL, WEB},
};

/// By then a verdict shows in the table, or the line that tells it was read.
const SETTLED: Duration = Duration::from_millis(200);

/// Checks the whole record of a scenario.
pub(super) fn check(seen: &Seen) {
    is_served(seen);
    for number in ALL {
        follows_verdicts(seen, number);
    }
    for (_, line) in seen.lines("weight", None, seen.tables[0].0) {
        assert!(line.contains(" reason=\""), "a write without a reason: {line}");
    }
}

/// Once it serves, the service has an eligible entry at every moment, but for those times that
/// someone removed everything, until it is made again.
fn is_served(seen: &Seen) {
    let mut clears = seen.clears;
    let mut is_due = false;
    for (at, table) in &seen.tables {
        let weights = table.get(&WEB);
        if is_due && weights.is_none() && clears > 0 {
            clears -= 1;
            is_due = false;
        }
        let serves = weights.is_some_and(|it| it.values().any(|weight| *weight > 0));
        is_due |= serves;
        assert!(serves || !is_due, "nobody serves: {weights:?}\n{}", seen.story(*at));
    }
    assert!(is_due, "the service does not serve: {:?}", seen.tables.last());
}

/// A server that is down has no weight above 0.
fn follows_verdicts(seen: &Seen, number: u8) {
    let mut down = None;
    for (at, line) in seen.lines("health", Some(number), seen.tables[0].0) {
        match down.take() {
            None if line.contains(" after=down") => down = Some(at),
            Some(since) if line.contains(" after=up") => is_out(seen, number, since, at),
            before => down = before,
        }
    }
    if let Some(since) = down {
        is_out(seen, number, since, since + Duration::from_secs(86_400));
    }
}

/// Checks that a server had no weight between the two.
fn is_out(seen: &Seen, number: u8, since: Instant, until: Instant) {
    let since = since + SETTLED + seen.lag(since);
    let ends = seen.tables.iter().skip(1).map(|(at, _)| *at).chain([until]);
    for ((at, table), end) in seen.tables.iter().zip(ends) {
        let has = table.get(&WEB).and_then(|it| it.get(&number)).is_some_and(|it| *it > 0);
        // What the table shows just before the line of the verdict is read is no fault.
        let overlaps = end > since && *at + SETTLED < until;
        assert!(
            !(has && overlaps),
            "server {number} is down and has weight: {table:?}\n{}",
            seen.story(*at)
        );
    }
}
