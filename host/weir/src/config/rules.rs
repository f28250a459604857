//! What keeps a service serving: `[slow-start]`, `[safety]`, `[drain]` and `drift`.
//!
//! Each is a table at the top, which gives defaults for every service and match, and the
//! same key in a service or match, which overrides it key by key.

use std::{ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::{
    keys::{
        Decimal, Form as _, Key, Nested, OrFalse, Percent, Shape, Span, Table,
        Without::{Is, Means},
        Word,
    },
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
    /// How long a real server is down before it is taken out of the table; none within =
    /// never, none = as the protocol needs it.
    pub(crate) remove_down: Option<Option<Duration>>,
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

impl Drift {
    /// Every edit is undone.
    pub(crate) const RESTORE: Self =
        Self { service: Whose::Restore, servers: Whose::Restore, weight: Whose::Restore };
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
    remove_down: Option<Option<Duration>>,
    drift: DriftKeys,
}

#[derive(Debug, Clone, Copy, Default)]
struct DriftKeys {
    service: Option<Whose>,
    servers: Option<Whose>,
    weight: Option<Whose>,
}

pub(super) static SLOW_START: Nested = Nested {
    name: "slow-start",
    table: &SLOW_START_TABLE,
    shape: Shape::OneOrFalse,
    default: "for `wlc` and `sed`",
    meaning: "how a checked real server gets its weight when it comes back",
};

static SLOW_START_TABLE: Table = Table::new("slow-start", &[&[&WINDOW, &MIN, &AGGRESSION]]);

static WINDOW: Key<Span> = Key::new(
    "window",
    Span(Duration::from_secs(1)..=Duration::from_secs(3600)),
    Is(Duration::from_secs(60)),
    "until the whole weight",
);

static MIN: Key<Percent> =
    Key::new("min", Percent(1..=100), Is(10), "of the weight, where it begins");

static AGGRESSION: Key<Decimal> = Key::new(
    "aggression",
    Decimal(0.1..=10.0),
    Is(1.0),
    "1 = a straight line, more = steeper at the start",
);

pub(super) static SAFETY: Nested = Nested {
    name: "safety",
    table: &SAFETY_TABLE,
    shape: Shape::One,
    default: "",
    meaning: "what weir does not do whatever checks say",
};

static SAFETY_TABLE: Table =
    Table::new("safety", &[&[&PANIC_FLOOR, &PANIC_MODE, &FLAP_HOLD, &FLAP_HOLD_MAX]]);

static PANIC_FLOOR: Key<Percent> = Key::new(
    "panic-floor",
    Percent(0..=100),
    Is(50),
    "below this part of a service's base weight, failing checks are not followed",
);

static PANIC_MODE: Key<Word<Mode>> = Key::new(
    "panic-mode",
    Word(&[("hold", Mode::Hold), ("all", Mode::All), ("off", Mode::Off)]),
    Is(Mode::Hold),
    "below it: weights stay, every server gets its weight, or there is no floor",
);

static FLAP_HOLD: Key<Span> = Key::new(
    "flap-hold",
    Span(HOLDS),
    Is(Duration::ZERO),
    "how long a server stays out for each time it went down",
);

static FLAP_HOLD_MAX: Key<Span> =
    Key::new("flap-hold-max", Span(HOLDS), Is(Duration::from_secs(300)), "at most so long");

const HOLDS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);

pub(super) static DRAIN: Nested = Nested {
    name: "drain",
    table: &DRAIN_TABLE,
    shape: Shape::One,
    default: "",
    meaning: "how real servers leave",
};

static DRAIN_TABLE: Table = Table::new("drain", &[&[&DEADLINE, &REMOVE_DOWN]]);

static DEADLINE: Key<Span> = Key::new(
    "deadline",
    Span(Duration::ZERO..=Duration::from_secs(7 * 86_400)),
    Is(Duration::from_secs(300)),
    "a real server that is taken out of the configuration is removed when its connections are \
     over, or after this time; for UDP, after one UDP time-out at the latest",
);

static REMOVE_DOWN: Key<OrFalse<Span>> = Key::new(
    "remove-down",
    OrFalse(Span(Duration::ZERO..=Duration::from_secs(86_400))),
    Means("`\"0s\"` for UDP, unless its scheduler is `dh` or `mh`; else `false`"),
    "how long a real server is down before it is taken out of the table until it is up, so that \
     what clings to it ends; `false` = it stays, with weight 0",
);

pub(super) static DRIFT: Nested = Nested {
    name: "drift",
    table: &DRIFT_TABLE,
    shape: Shape::OneOrWord(&["restore", "adopt", "alert"]),
    default: "`\"restore\"`",
    meaning: "what becomes of edits by others, one word for all or a table",
};

static DRIFT_TABLE: Table =
    Table::new("drift", &[&[&DRIFT_SERVICE, &DRIFT_SERVERS, &DRIFT_WEIGHT]]);

const WHOSE: Word<Whose> =
    Word(&[("restore", Whose::Restore), ("adopt", Whose::Adopt), ("alert", Whose::Alert)]);

static DRIFT_SERVICE: Key<Word<Whose>> = Key::new(
    "service",
    WHOSE,
    Is(Whose::Restore),
    "that it is there, its scheduler, flags and persistence",
);

static DRIFT_SERVERS: Key<Word<Whose>> = Key::new(
    "servers",
    WHOSE,
    Is(Whose::Restore),
    "which real servers there are, and all of them but their weights",
);

static DRIFT_WEIGHT: Key<Word<Whose>> =
    Key::new("weight", WHOSE, Is(Whose::Restore), "base weights");

impl RulesKeys {
    /// Reads the keys of `section`, the file itself or a service or match, over these.
    pub(super) fn read(mut self, section: &mut Section<'_>) -> Self {
        self.read_slow_start(section);
        if let Some(safety) = section.section(SAFETY.name) {
            self.read_safety(safety);
        }
        if let Some(mut drain) = section.section(DRAIN.name) {
            self.drain_deadline = drain.key(&DEADLINE).or(self.drain_deadline);
            self.remove_down = drain.key(&REMOVE_DOWN).or(self.remove_down);
            drain.finish_as(&DRAIN_TABLE);
        }
        self.drift.read(section);
        self
    }

    fn read_slow_start(&mut self, section: &mut Section<'_>) {
        match section.value(SLOW_START.name).map(toml::Spanned::get_ref) {
            None => {}
            Some(DeValue::Boolean(false)) => self.slow_start_off = Some(true),
            Some(DeValue::Table(_)) => {
                let Some(mut table) = section.section(SLOW_START.name) else { return };
                self.slow_start_off = Some(false);
                self.window = table.key(&WINDOW).or(self.window);
                self.least_percent = table.key(&MIN).or(self.least_percent);
                self.aggression = table.key(&AGGRESSION).or(self.aggression);
                table.finish_as(&SLOW_START_TABLE);
            }
            Some(other) => {
                let found = found(other);
                let message = format!("expected a table, or false for none, found {found}");
                section.note_at(SLOW_START.name, message);
            }
        }
    }

    fn read_safety(&mut self, mut section: Section<'_>) {
        self.panic_floor = section.key(&PANIC_FLOOR).or(self.panic_floor);
        self.panic_mode = section.key(&PANIC_MODE).or(self.panic_mode);
        self.flap_hold = section.key(&FLAP_HOLD).or(self.flap_hold);
        self.flap_hold_max = section.key(&FLAP_HOLD_MAX).or(self.flap_hold_max);
        let (hold, hold_max) = self.holds();
        if hold > hold_max {
            section.note_at(
                FLAP_HOLD.name,
                format!(
                    "expected at most flap-hold-max ({}), found {}",
                    value::show_duration(hold_max),
                    value::show_duration(hold)
                ),
            );
        }
        section.finish_as(&SAFETY_TABLE);
    }

    fn holds(&self) -> (Duration, Duration) {
        let hold = self.flap_hold.unwrap_or(FLAP_HOLD.usual());
        (hold, self.flap_hold_max.unwrap_or(FLAP_HOLD_MAX.usual().max(hold)))
    }

    /// What the keys say, with what is left out.
    pub(super) fn finish(&self) -> Rules {
        let curve = Curve {
            window: self.window.unwrap_or(WINDOW.usual()),
            least_percent: self.least_percent.unwrap_or(MIN.usual()),
            aggression: self.aggression.unwrap_or(AGGRESSION.usual()),
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
                percent: self.panic_floor.unwrap_or(PANIC_FLOOR.usual()),
                mode: self.panic_mode.unwrap_or(PANIC_MODE.usual()),
            },
            damping: (hold > Duration::ZERO).then_some(Damping { hold, hold_max }),
            drain_deadline: self.drain_deadline.unwrap_or(DEADLINE.usual()),
            remove_down: self.remove_down,
            drift: self.drift.finish(),
        }
    }
}

impl DriftKeys {
    /// One word for everything, or a table of words.
    fn read(&mut self, section: &mut Section<'_>) {
        match section.value(DRIFT.name).map(toml::Spanned::get_ref) {
            None => {}
            Some(DeValue::Table(_)) => {
                let Some(mut table) = section.section(DRIFT.name) else { return };
                self.service = table.key(&DRIFT_SERVICE).or(self.service);
                self.servers = table.key(&DRIFT_SERVERS).or(self.servers);
                self.weight = table.key(&DRIFT_WEIGHT).or(self.weight);
                table.finish_as(&DRIFT_TABLE);
            }
            Some(_) => {
                if let Some(all) = section.get(DRIFT.name, |it| WHOSE.read(it)) {
                    let all = Some(all);
                    *self = Self { service: all, servers: all, weight: all };
                }
            }
        }
    }

    fn finish(self) -> Drift {
        Drift {
            service: self.service.unwrap_or(DRIFT_SERVICE.usual()),
            servers: self.servers.unwrap_or(DRIFT_SERVERS.usual()),
            weight: self.weight.unwrap_or(DRIFT_WEIGHT.usual()),
        }
    }
}
