//! Weighs real servers by the time of day: those that are named get a part of their base
//! weight outside business hours, for they sleep, run batches, or cost.
//!
//! Time is that of the director's own zone.

use std::collections::BTreeSet;

use serde::Deserialize;
use weir_sdk::weigher::{Input, Output, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Real servers by address and port; none named = all.
    #[serde(default)]
    servers: BTreeSet<String>,
    /// Such as `mon`; all five working days unless said.
    #[serde(default = "working_days")]
    days: BTreeSet<String>,
    /// When they begin and end, as `08:00`. They may go over midnight, and belong to the
    /// day on which they began.
    from: Time,
    to: Time,
    /// Thousandths of the base weight outside them.
    outside: u32,
}

/// Minutes since midnight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct Time(i64);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
            let is_time = (0..24).contains(&hour) && (0..60).contains(&minute);
            is_time.then_some(Self(hour * 60 + minute))
        });
        parsed.ok_or_else(|| format!("expected a time such as \"08:00\", found \"{text}\""))
    }
}

/// As the days that began with the Unix epoch, a Thursday, go on.
const DAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];

fn working_days() -> BTreeSet<String> {
    ["mon", "tue", "wed", "thu", "fri"].map(str::to_owned).into()
}

fn weigh(input: &Input) -> Result<Output, String> {
    let settings: Settings = settings(input)?;
    if let Some(unknown) = settings.days.iter().find(|it| !DAYS.contains(&it.as_str())) {
        return Err(format!("config: days: expected words such as \"mon\", found \"{unknown}\""));
    }
    let seconds = input.at / 1_000_000_000;
    let local = i64::try_from(seconds).unwrap_or(0) + i64::from(input.utc_offset);
    let is_open = is_open(&settings, local.div_euclid(60));
    let scale = |server: String| {
        let is_named = settings.servers.is_empty() || settings.servers.contains(&server);
        if is_named && !is_open { settings.outside } else { 1000 }
    };
    let servers = input.candidates.iter().map(|it| it.server.config.server.to_string());
    Ok(Output { scales: servers.map(scale).collect(), memo: Vec::new() })
}

/// Whether it is business hours, `minute` local minutes after the epoch.
fn is_open(settings: &Settings, minute: i64) -> bool {
    let Settings { days, from, to, .. } = settings;
    let (day, time) = (minute.div_euclid(24 * 60), Time(minute.rem_euclid(24 * 60)));
    let is_day = |day: i64| {
        let number = usize::try_from(day.rem_euclid(7)).unwrap_or(0);
        days.contains(DAYS[number])
    };
    if from <= to {
        return is_day(day) && (*from..*to).contains(&time);
    }
    (is_day(day) && time >= *from) || (is_day(day - 1) && time < *to)
}

weir_sdk::weigher!(weigh);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, days: &[&str], open: &[(i64, bool)]) {
        let time = |text: &str| Time::try_from(text.to_owned()).unwrap();
        let settings = Settings {
            servers: BTreeSet::new(),
            days: days.iter().map(|it| (*it).to_owned()).collect(),
            from: time(from),
            to: time(to),
            outside: 100,
        };
        for (hour, expected) in open {
            assert_eq!(is_open(&settings, hour * 60), *expected, "{from} to {to} at {hour} h");
        }
    }

    #[test]
    fn hours_are_those_of_their_days() {
        // The epoch was a Thursday.
        check(
            "08:00",
            "18:00",
            &["thu"],
            &[(7, false), (8, true), (17, true), (18, false), (32, false)],
        );
        check(
            "22:00",
            "06:00",
            &["thu"],
            &[(5, false), (22, true), (29, true), (30, false), (46, false)],
        );
        check("22:00", "06:00", &["wed"], &[(5, true), (22, false), (-2, true)]);
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for text in ["", "8", "24:00", "08:60", "a:b"] {
            assert!(Time::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
