//! Times, taken in turns, and what is told of them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Runs that are not counted: they bring files into memory.
const WARM_UPS: usize = 2;

/// Of what was measured in turns, in milliseconds.
pub(crate) struct Pairs {
    pub(crate) original: Vec<f64>,
    pub(crate) weir: Vec<f64>,
}

/// Measures both `rounds` times in turns; who begins changes from round to round.
pub(crate) fn in_turns(
    rounds: usize,
    mut original: impl FnMut() -> Result<Duration>,
    mut weir: impl FnMut() -> Result<Duration>,
) -> Result<Pairs> {
    let warm_ups = WARM_UPS.min(rounds / 2);
    let mut pairs = Pairs { original: Vec::new(), weir: Vec::new() };
    for round in 0..rounds + warm_ups {
        let (first, second);
        if round % 2 == 0 {
            first = original()?;
            second = weir()?;
        } else {
            second = weir()?;
            first = original()?;
        }
        if round >= warm_ups {
            pairs.original.push(first.as_secs_f64() * 1e3);
            pairs.weir.push(second.as_secs_f64() * 1e3);
        }
    }
    Ok(pairs)
}

/// The time from the start of a process to its end, which must be a good one.
pub(crate) fn time(mut command: Command) -> Result<Duration> {
    let start = now();
    let status = command.status();
    let took = start.elapsed();
    let status =
        status.with_context(|| format!("failed to start {}", command.get_program().display()))?;
    ensure!(status.success(), "{}: {status}", command.get_program().display());
    Ok(took)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that so many in a hundred do not exceed.
pub(crate) fn percentile(values: &[f64], hundredths: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * hundredths).div_ceil(100).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::disallowed_methods, reason = "whoever measures owns a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((median(&values) - 50.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 99) - 99.0).abs() < f64::EPSILON);
        assert!((percentile(&[3.0], 99) - 3.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn what_is_measured_in_turns_is_measured_equally_often() {
        let pairs =
            in_turns(3, || Ok(Duration::from_millis(2)), || Ok(Duration::from_millis(1))).unwrap();
        assert_eq!((pairs.original.len(), pairs.weir.len()), (3, 3));
        assert!(median(&pairs.original) > median(&pairs.weir));
    }
}
