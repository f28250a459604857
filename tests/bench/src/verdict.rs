//! From what a check saw to the weight in the kernel.
//!
//! Measured from outside, and so an upper bound: the time begins when a real server hands
//! its answer to the kernel, and ends when weir's line that says that the weight was
//! written has been read. Between them lie the network, the check's parsing, the policy in
//! its sandbox, the merge, the write to IPVS, and the pipe that the line comes through.

use std::{fs, thread::sleep, time::Duration};

use anyhow::Result;

use crate::{
    bed::{Bed, Size, scratch},
    checks::{Checks, weir_configuration},
    edits::server_address,
    namespace,
    row::{Goal, Row},
    sample,
    server::{Illness, Manner, Server},
    told::Told,
};

/// Few, so that the machine is idle between checks.
const TABLE: Size = Size::new(4, 5);

const CHECKS: Checks = Checks { interval: Duration::from_millis(200), fall: 1 };

const PATIENCE: Duration = Duration::from_secs(10);

/// weir raises the weight of a real server no sooner than a second after it wrote it last: no
/// part of what is measured here.
pub(crate) const PACE: Duration = Duration::from_millis(1100);

pub(crate) fn run(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let config = scratch().join("weir.toml");
    fs::write(&config, weir_configuration(TABLE, Manner::Http, CHECKS))?;
    let weir = Told::start(bed.run_weir(TABLE, &config)?)?;
    for _ in 0..TABLE.services * TABLE.servers {
        weir.wait_for(&["health ", "after=up"])?;
    }

    let targets = (0..TABLE.services * TABLE.servers).cycle().take(bed.rounds(100, 30));
    let times =
        latencies(&weir, &server, targets.map(|it| (it / TABLE.servers, it % TABLE.servers)))?;
    Ok(Row {
        weir: sample::percentile(&times, 99),
        goal: Some(Goal::AtMost(if bed.is_uml() { 2.0 } else { 0.2 })),
        samples: times.len(),
        note: format!(
            "median {:.3}, least {:.3}; from the server's answer to weir's line after the write",
            sample::median(&times),
            sample::percentile(&times, 0)
        ),
        ..bed.row("verdict to weight, p99", "ms")
    })
}

/// Lets real servers fall ill and recover, one after the other: milliseconds until each
/// weight follows.
pub(crate) fn latencies(
    weir: &Told,
    server: &Server,
    targets: impl Iterator<Item = (u32, u32)>,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for (service, number) in targets {
        let target = server_address(service, number);
        for (illness, weight) in [(Some(Illness::Fails), "after=0"), (None, "after=1")] {
            if illness.is_none() {
                sleep(PACE);
            }
            let told = server.turn(target, illness, PATIENCE)?;
            let name = format!("server={target}:8080");
            let written = weir.wait_for(&[" weight ", &name, weight])?;
            times.push(written.saturating_duration_since(told).as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}
