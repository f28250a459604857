//! `[log]`: the decision log.

use std::{path::PathBuf, time::Duration};

use toml::de::DeValue;

use super::{
    keys::{
        By, Key, Nested, Shape, Size, Span, Table,
        Without::{Is, Means},
    },
    reader::Section,
    value,
};
use crate::decisions::Bounds;

/// What is logged beside stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Where decisions go.
    pub(crate) decisions: Place,
    /// What of them is kept.
    pub(crate) bounds: Bounds,
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Beside the state.
    Usual,
    /// Nowhere.
    Off,
    /// There.
    At(PathBuf),
}

impl Default for Log {
    fn default() -> Self {
        Self { decisions: Place::Usual, bounds: Bounds::default() }
    }
}

pub(super) static LOG: Nested = Nested {
    name: "log",
    table: &TABLE,
    shape: Shape::One,
    default: "",
    meaning: "the decision log",
};

static TABLE: Table = Table::new("log", &[&[&DECISIONS, &SIZE, &AGE]]);

static DECISIONS: Key<By<Place>> = Key::new(
    "decisions",
    By { read: place, types: &["string", "boolean"] },
    Means("`decisions.jsonl` beside the state"),
    "its path, from the directory of this file; `false`: there is none",
);

/// Fewer bytes have room for too little to explain anything.
static SIZE: Key<Size> =
    Key::new("decisions-size", Size(1 << 20..=1 << 40), Is(64 << 20), "all of its files together");

static AGE: Key<Span> = Key::new(
    "decisions-age",
    Span(Duration::from_secs(3600)..=Duration::from_secs(366 * 86_400)),
    Is(Duration::from_secs(7 * 86_400)),
    "how long lines are kept",
);

pub(super) fn read(mut section: Section<'_>) -> Log {
    let decisions = section.key(&DECISIONS).unwrap_or(Place::Usual);
    let bytes = section.key_or_usual(&SIZE) as u64;
    let age = section.key_or_usual(&AGE);
    section.finish_as(&TABLE);
    Log { decisions, bounds: Bounds { bytes, age } }
}

fn place(value: &DeValue<'_>) -> Result<Place, String> {
    match value.as_bool() {
        Some(true) => Ok(Place::Usual),
        Some(false) => Ok(Place::Off),
        None => value::path(value).map(Place::At),
    }
}
