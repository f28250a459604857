//! Weighs real servers by how long their checks take: one that answers late gets less.
//!
//! A check goes the way of one request, and measures a path that may be idle. Where servers
//! can say how loaded they are, or `least-load` sees it, that is the better signal.

use serde::Deserialize;
use weir_sdk::weigher::{Input, Output, balance, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// How strongly weights follow, see [`balance`].
    gain: f64,
    /// Milliseconds, below which differences are chance.
    least_ms: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { gain: 0.5, least_ms: 5.0 }
    }
}

fn weigh(input: &Input) -> Result<Output, String> {
    let Settings { gain, least_ms } = settings(input)?;
    balance(input, gain, |it| {
        let milliseconds = it.latency? as f64 / 1e6;
        Some(milliseconds.max(least_ms))
    })
}

weir_sdk::weigher!(weigh);
