//! From what a check saw to the weight in the kernel.
//!
//! Measured from outside, and so an upper bound: the time begins when a real server hands
//! its answer to the kernel, and ends when weir's line that says that the weight was
//! written has been read. Between them lie the network, the check's parsing, the policy in
//! its sandbox, the merge, the write to IPVS, and the pipe that the line comes through.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    bed::{Bed, Size, scratch},
    checks::weir_configuration,
    daemon::Daemon,
    edits::server_address,
    namespace,
    row::{Goal, Row},
    sample::{self, now},
    server::{Manner, Server},
};

/// Few, so that the machine is idle between checks.
const TABLE: Size = Size::new(4, 5);

const INTERVAL: Duration = Duration::from_millis(200);

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let config = scratch().join("weir.toml");
    fs::write(&config, weir_configuration(TABLE, Manner::Http, INTERVAL))?;
    let mut command = bed.weir(TABLE);
    command
        .args(["run", "--config"])
        .arg(&config)
        .arg("--socket")
        .arg(scratch().join("weir.sock"))
        .stderr(Stdio::piped());
    let mut daemon = Daemon::start(command)?;
    let stderr = daemon.child.stderr.take().context("it is a pipe")?;
    let lines = timed_lines(stderr);
    for _ in 0..TABLE.services * TABLE.servers {
        wait_for(&lines, &["health ", "after=up"])?;
    }

    let samples = bed.rounds(200, 30);
    let mut times = Vec::new();
    for number in (0..TABLE.services * TABLE.servers).cycle().take(samples) {
        let target = server_address(number / TABLE.servers, number % TABLE.servers);
        for (ill, weight) in [(true, "after=0"), (false, "after=1")] {
            let told = server.turn(target, ill, PATIENCE)?;
            let name = format!("server={target}:8080");
            let written = wait_for(&lines, &[" weight ", &name, weight])?;
            times.push(written.saturating_duration_since(told).as_secs_f64() * 1e3);
        }
    }
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

/// What is printed, with the time it came.
fn timed_lines(from: impl std::io::Read + Send + 'static) -> Receiver<(Instant, String)> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send((now(), line)).is_err() {
                return;
            }
        }
    });
    lines
}

/// The time of the next line with all these parts.
fn wait_for(lines: &Receiver<(Instant, String)>, parts: &[&str]) -> Result<Instant> {
    let mut last = String::new();
    loop {
        let (at, line) = lines.recv_timeout(PATIENCE).with_context(|| {
            format!("weir did not say {}; its last line was: {last}", parts.join(" "))
        })?;
        if parts.iter().all(|part| line.contains(part)) {
            return Ok(at);
        }
        last = line;
    }
}
