//! Weighs real servers by the connections they work on: one that needs longer for the same
//! has more of them open, and gets fewer new ones.

use serde::Deserialize;
use weir_sdk::weigher::{Candidate, Input, Output, balance, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// How strongly weights follow, see [`balance`].
    gain: f64,
    /// Connections of a real server that has the mean base weight, below which differences
    /// are chance.
    least: f64,
    /// Whether inactive connections count: with UDP, all are.
    inactive: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { gain: 0.5, least: 10.0, inactive: false }
    }
}

fn weigh(input: &Input) -> Result<Output, String> {
    let Settings { gain, least, inactive } = settings(input)?;
    let count = input.candidates.len() as f64;
    let mean = input.candidates.iter().map(|it| f64::from(it.base)).sum::<f64>() / count;
    let load = |it: &Candidate| {
        let server = &it.server;
        let open = server.active + if inactive { server.inactive } else { 0 };
        // As many as a server of the mean base weight would have.
        let open = f64::from(open) * mean / f64::from(it.base.max(1));
        (it.base > 0).then(|| open.max(least))
    };
    balance(input, gain, load)
}

weir_sdk::weigher!(weigh);
