//! What keeps a service serving: `[slow-start]`, `[safety]`, `[drain]` and `drift`.
//!
//! Each is a table at the top, which gives defaults for every service and match, and the
//! same key in a service or match, which overrides it key by key.

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{
    reader::{Section, found},
    value,
};
use crate::safety::{
    flap::Damping,
    panic::{Floor, Mode},
    ramp::Curve,
};

/// The rules of one service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    /// How servers that come back get their weight.
    pub(crate) slow_start: SlowStart,
    /// Below which part of a service failing checks are not followed.
    pub(crate) panic: Floor,
    /// How servers that keep going down are held down, if they are.
    pub(crate) damping: Option<Damping>,
    /// How long a drain may last, whatever connections are left.
    pub(crate) drain_deadline: Duration,
    /// What becomes of edits by others.
    pub(crate) drift: Drift,
}

/// Slow start of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SlowStart {
    /// As the scheduler needs it: the curve, where an idle server would be flooded.
    Usual(Curve),
    /// As written.
    Always(Curve),
    /// Never.
    Off,
}

impl SlowStart {
    /// The curve for services with this scheduler: by default those that send everything
    /// to the server with the fewest connections, which is the one that just came back.
    pub(crate) fn curve(&self, scheduler: &str) -> Option<Curve> {
        match self {
            Self::Usual(curve) if matches!(scheduler, "wlc" | "sed") => Some(*curve),
            Self::Always(curve) => Some(*curve),
            Self::Usual(_) | Self::Off => None,
        }
    }
}

/// Whose word counts, where someone else edits what the configuration states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drift {
    /// The service itself: scheduler, flags, persistence.
    pub(crate) service: Whose,
    /// Which real servers there are, and all of them but their weights.
    pub(crate) servers: Whose,
    /// Base weights.
    pub(crate) weight: Whose,
}

/// What becomes of an edit by someone else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// It is undone.
    Restore,
    /// It is taken over.
    Adopt,
    /// It is told, and left until there is something of weir's own to write.
    Alert,
}

/// The keys of the tables, those of the defaults included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RulesKeys {
    slow_start_off: Option<bool>,
    window: Option<Duration>,
    least_percent: Option<u32>,
    aggression: Option<f64>,
    panic_floor: Option<u32>,
    panic_mode: Option<Mode>,
    flap_hold: Option<Duration>,
    flap_hold_max: Option<Duration>,
    drain_deadline: Option<Duration>,
    drift: DriftKeys,
}

#[derive(Debug, Clone, Copy, Default)]
struct DriftKeys {
    service: Option<Whose>,
    servers: Option<Whose>,
    weight: Option<Whose>,
}

const WINDOWS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
const HOLDS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

const DEADLINES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(7 * 86_400);

const MODES: [(&str, Mode); 3] = [("hold", Mode::Hold), ("all", Mode::All), ("off", Mode::Off)];
const WHOSE: [(&str, Whose); 3] =
    [("restore", Whose::Restore), ("adopt", Whose::Adopt), ("alert", Whose::Alert)];

impl RulesKeys {
    /// Reads the keys of `section`, the file itself or a service or match, over these.
    pub(super) fn read(mut self, section: &mut Section<'_>) -> Self {
        self.read_slow_start(section);
        if let Some(safety) = section.section("safety") {
            self.read_safety(safety);
        }
        if let Some(mut drain) = section.section("drain") {
            let deadline = drain.get("deadline", |it| value::duration(it, &DEADLINES));
            self.drain_deadline = deadline.or(self.drain_deadline);
            drain.finish();
        }
        self.drift.read(section);
        self
    }

    fn read_slow_start(&mut self, section: &mut Section<'_>) {
        match section.value("slow-start").map(toml::Spanned::get_ref) {
            None => {}
            Some(DeValue::Boolean(false)) => self.slow_start_off = Some(true),
            Some(DeValue::Table(_)) => {
                let Some(mut table) = section.section("slow-start") else { return };
                self.slow_start_off = Some(false);
                let window = table.get("window", |it| value::duration(it, &WINDOWS));
                self.window = window.or(self.window);
                let least = table.get("min", |it| value::percent(it, 1..=100));
                self.least_percent = least.or(self.least_percent);
                let aggression = table.get("aggression", |it| value::decimal(it, 0.1..=10.0));
                self.aggression = aggression.or(self.aggression);
                table.finish();
            }
            Some(other) => {
                let found = found(other);
                let message = format!("expected a table, or false for none, found {found}");
                section.note_at("slow-start", message);
            }
        }
    }

    fn read_safety(&mut self, mut section: Section<'_>) {
        let floor = section.get("panic-floor", |it| value::percent(it, 0..=100));
        self.panic_floor = floor.or(self.panic_floor);
        self.panic_mode =
            section.get("panic-mode", |it| value::word(it, &MODES)).or(self.panic_mode);
        let hold = section.get("flap-hold", |it| value::duration(it, &HOLDS));
        self.flap_hold = hold.or(self.flap_hold);
        let hold_max = section.get("flap-hold-max", |it| value::duration(it, &HOLDS));
        self.flap_hold_max = hold_max.or(self.flap_hold_max);
        let (hold, hold_max) = self.holds();
        if hold > hold_max {
            section.note_at(
                "flap-hold",
                format!(
                    "expected at most flap-hold-max ({}), found {}",
                    value::show_duration(hold_max),
                    value::show_duration(hold)
                ),
            );
        }
        section.finish();
    }

    fn holds(&self) -> (Duration, Duration) {
        let hold = self.flap_hold.unwrap_or(Duration::ZERO);
        (hold, self.flap_hold_max.unwrap_or(Duration::from_secs(300).max(hold)))
    }

    /// What the keys say, with what is left out.
    pub(super) fn finish(&self) -> Rules {
        let curve = Curve {
            window: self.window.unwrap_or(Duration::from_secs(60)),
            least_percent: self.least_percent.unwrap_or(10),
            aggression: self.aggression.unwrap_or(1.0),
        };
        let slow_start = match self.slow_start_off {
            None => SlowStart::Usual(curve),
            Some(false) => SlowStart::Always(curve),
            Some(true) => SlowStart::Off,
        };
        let (hold, hold_max) = self.holds();
        Rules {
            slow_start,
            panic: Floor {
                percent: self.panic_floor.unwrap_or(50),
                mode: self.panic_mode.unwrap_or(Mode::Hold),
            },
            damping: (hold > Duration::ZERO).then_some(Damping { hold, hold_max }),
            drain_deadline: self.drain_deadline.unwrap_or(Duration::from_secs(300)),
            drift: self.drift.finish(),
        }
    }
}

impl DriftKeys {
    /// One word for everything, or a table of words.
    fn read(&mut self, section: &mut Section<'_>) {
        match section.value("drift").map(toml::Spanned::get_ref) {
            None => {}
            Some(DeValue::Table(_)) => {
                let Some(mut table) = section.section("drift") else { return };
                let mut get = |key| table.get(key, |it| value::word(it, &WHOSE));
                self.service = get("service").or(self.service);
                self.servers = get("servers").or(self.servers);
                self.weight = get("weight").or(self.weight);
                table.finish();
            }
            Some(_) => {
                if let Some(all) = section.get("drift", |it| value::word(it, &WHOSE)) {
                    let all = Some(all);
                    *self = Self { service: all, servers: all, weight: all };
                }
            }
        }
    }

    fn finish(self) -> Drift {
        Drift {
            service: self.service.unwrap_or(Whose::Restore),
            servers: self.servers.unwrap_or(Whose::Restore),
            weight: self.weight.unwrap_or(Whose::Restore),
        }
    }
}
