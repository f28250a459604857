//! More targets than one machine can have, in virtual time.

use std::{fs, time::Duration};

use anyhow::Result;

use super::{Checks, embedded};
use crate::{
    bed::{Bed, Size, scratch},
    daemon,
    row::{Goal, Row},
};

/// What is simulated, and how long: twice, for what only the time makes to be known.
const SIMULATED: Size = Size::new(10_000, 5);
const SIMULATED_SECONDS: [u32; 2] = [20, 60];

/// 50,000 targets in virtual time: everything but the probes themselves.
pub(crate) fn run(bed: &Bed) -> Result<Vec<Row>> {
    let [short, long] = SIMULATED_SECONDS.map(|seconds| -> Result<_> {
        let path = scratch().join("scale.scenario");
        let checks =
            Checks { services: SIMULATED.services, interval: Duration::from_secs(5), fall: 1 };
        let configuration = embedded(SIMULATED, &checks);
        fs::write(
            &path,
            format!("duration {seconds}s\nsample {seconds}s\n```toml\n{configuration}```\n"),
        )?;
        let mut command = bed.weir();
        command.arg("simulate").arg(path);
        daemon::usage(command)
    });
    let (short, long) = (short?, long?);
    let seconds = SIMULATED_SECONDS[1] - SIMULATED_SECONDS[0];
    let used = (long.cpu.saturating_sub(short.cpu)).as_secs_f64() / f64::from(seconds);
    let note = "50,000 real servers of 10,000 services, checked every 5 s in virtual time";
    Ok(vec![
        Row {
            name: "scale-simulate".to_owned(),
            weir: used * 100.0,
            samples: 1,
            note: format!("{note}; of one processor, for what is not the probes themselves"),
            ..bed.row("processor for 50,000 simulated targets", "%")
        },
        Row {
            name: "scale-simulate-memory".to_owned(),
            weir: long.peak_bytes / 1e6,
            goal: Some(Goal::AtMost(500.0)),
            samples: 1,
            note: format!("{note}; the most at any time, the simulation itself included"),
            ..bed.row("memory for 50,000 simulated targets", "MB")
        },
    ])
}
