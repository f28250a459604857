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

#[cfg(test)]
mod tests {
    use weir_sdk::weigher::fake::Service;

    use super::*;

    fn service() -> Service {
        Service::new("tcp 192.0.2.1:80", &[("10.0.0.1:80", 100), ("10.0.0.2:80", 100)])
    }

    #[test]
    fn who_has_more_open_gets_less() -> Result<(), String> {
        let service = service();
        let mut scales = service.weigh(weigh)?;
        service.set_connections("10.0.0.1:80", 200, 0);
        service.set_connections("10.0.0.2:80", 20, 0);
        for _ in 0..12 {
            scales = service.weigh(weigh)?;
        }
        assert!(scales[0] < scales[1], "{scales:?}");
        Ok(())
    }

    #[test]
    fn a_few_are_chance() -> Result<(), String> {
        let service = service();
        service.set_connections("10.0.0.1:80", 9, 200);
        for _ in 0..12 {
            assert_eq!(service.weigh(weigh)?, [1000, 1000]);
        }
        Ok(())
    }

    #[test]
    fn what_it_does_not_know_is_said() {
        let service = service().with_settings(r#"{"gains": 1}"#);
        assert!(service.weigh(weigh).is_err_and(|it| it.contains("unknown field `gains`")));
    }
}
