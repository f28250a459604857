//! Weighs real servers by the connections they work on: one that needs longer for the same
//! has more of them open, and gets fewer new ones.
//!
//! They are measured by the weight that each would have without this plugin. So one that its
//! agent says is busy, and that gets less for it, does not look idle for having less to do.

use serde::Deserialize;
use weir_sdk::weigher::{Candidate, Input, Output, balance, settings};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// How strongly weights follow, see [`balance`].
    gain: f64,
    /// Connections of a real server that has the mean weight, below which differences
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
    let weights = || input.candidates.iter().map(|it| f64::from(it.unweighed));
    let serving = weights().filter(|it| *it > 0.0).count();
    let mean = weights().sum::<f64>() / serving.max(1) as f64;
    let load = |it: &Candidate| {
        let server = &it.server;
        let open = server.active + if inactive { server.inactive } else { 0 };
        // As many as a server of the mean weight would have.
        let open = f64::from(open) * mean / f64::from(it.unweighed.max(1));
        (it.unweighed > 0).then(|| open.max(least))
    };
    balance(input, gain, load)
}

weir_sdk::weigher!(weigh);
