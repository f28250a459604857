//! `[log]`: the decision log.

use std::{path::PathBuf, time::Duration};

use super::{reader::Section, value};
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

const AGES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(3600)..=Duration::from_secs(366 * 86_400);

/// Fewer bytes have room for too little to explain anything.
const BYTES_MIN: usize = 1 << 20;

pub(super) fn read(mut section: Section<'_>) -> Log {
    let mut log = Log::default();
    let place = section.get("decisions", |it| match it.as_bool() {
        Some(true) => Ok(Place::Usual),
        Some(false) => Ok(Place::Off),
        None => value::text(it).map(|it| Place::At(it.into())),
    });
    log.decisions = place.unwrap_or(log.decisions);
    let size = section.get("decisions-size", |it| match value::bytes(it)? {
        bytes @ BYTES_MIN.. => Ok(bytes),
        _ => Err("expected at least \"1MiB\"".to_owned()),
    });
    if let Some(bytes) = size {
        log.bounds.bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    }
    if let Some(age) = section.get("decisions-age", |it| value::duration(it, &AGES)) {
        log.bounds.age = age;
    }
    section.finish();
    log
}
