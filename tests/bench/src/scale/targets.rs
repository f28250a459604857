//! Many real servers that are checked: what that costs, how late it is, and how soon weights
//! follow.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{Checks, backend, configuration, embedded, start, wait_until_up};
use crate::{
    bed::{Bed, Size},
    edits::{self, server_address},
    monitor::Monitor,
    namespace,
    row::{Goal, Row},
    sample,
    server::{Illness, Manner, Server},
    verdict,
};

/// As many targets as real servers are checked in [`checks`].
const CHECKED: Size = Size::new(2000, 5);
const TARGETS: u32 = CHECKED.services * CHECKED.servers;

/// Those that are lost at once: each service has the same real servers.
const LOST: Size = Size::new(1000, 3);

/// The most that a check may have.
const FALL_MAX: u32 = 100;

const PATIENCE: Duration = Duration::from_secs(10);

const CHECKS: Checks =
    Checks { services: CHECKED.services, interval: Duration::from_secs(5), fall: 1 };

/// 10,000 real servers, each checked every 5 s.
pub(crate) fn checks(bed: &Bed) -> Result<Vec<Row>> {
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    // Servers that fail, and not often enough to be down, are checked at the fast period
    // exactly: what is above it between two checks is how late the second was.
    let checks = Checks { fall: FALL_MAX, ..CHECKS };
    let weir = start(bed, &embedded(CHECKED, &checks))?;
    wait_until_up(&weir, TARGETS)?;
    let window = Duration::from_secs(if bed.rounds(1, 0) == 1 { 20 } else { 10 });
    let (before, checked) = (weir.daemon.cpu()?, server.connections());
    sleep(window);
    let used = (weir.daemon.cpu()? - before).as_secs_f64() / window.as_secs_f64();
    let rate = (server.connections() - checked) / window.as_secs();
    ensure!(rate * 5 * 10 > u64::from(TARGETS) * 8, "only {rate} checks a second");
    let memory = weir.daemon.resident_bytes()?;

    for service in 0..CHECKED.services {
        for number in 0..CHECKED.servers {
            server.set(server_address(service, number), Some(Illness::Fails));
        }
    }
    // Each is checked once at the usual interval, a tenth longer at most, and then twice.
    sleep(CHECKS.interval * 2);
    server.gaps();
    sleep(window.max(CHECKS.interval * 2));
    let late: Vec<f64> = server
        .gaps()
        .iter()
        .map(|it| it.saturating_sub(CHECKS.interval).as_secs_f64() * 1e3)
        .collect();
    let note = format!("{TARGETS} real servers, HTTP, every 5 s: {rate} checks a second");
    Ok(vec![
        Row {
            name: "scale-checks".to_owned(),
            weir: used * 100.0,
            goal: Some(Goal::AtMost(40.0)),
            samples: 1,
            note: format!("{note}; 50,000 are to take two processors at most"),
            ..bed.row("processor for 10,000 targets", "%")
        },
        Row {
            name: "scale-checks-memory".to_owned(),
            weir: memory / 1e6,
            goal: Some(Goal::AtMost(100.0)),
            samples: 1,
            note: format!("{note}; 50,000 are to take 500 MB at most"),
            ..bed.row("memory for 10,000 targets", "MB")
        },
        Row {
            name: "scale-checks-late".to_owned(),
            weir: sample::percentile(&late, 99),
            goal: Some(Goal::AtMost(50.0)),
            samples: late.len(),
            note: format!(
                "{note}; median {:.2}; as the servers saw them come",
                sample::median(&late)
            ),
            ..bed.row("how late checks of 10,000 targets are, p99", "ms")
        },
    ])
}

/// Of so many, one fails and recovers.
pub(crate) fn verdict(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let weir = start(bed, &embedded(CHECKED, &CHECKS))?;
    wait_until_up(&weir, TARGETS)?;
    let step = if bed.rounds(1, 0) == 1 { 79 } else { 299 };
    let spread = (0..CHECKED.services).step_by(step);
    let times = verdict::latencies(&weir, &server, spread.map(|it| (it, it % CHECKED.servers)))?;
    Ok(Row {
        weir: sample::percentile(&times, 99),
        goal: Some(Goal::AtMost(2.0)),
        samples: times.len(),
        note: format!(
            "{TARGETS} real servers, HTTP, every 5 s; median {:.2}",
            sample::median(&times)
        ),
        ..bed.row("verdict to weight among 10,000 targets, p99", "ms")
    })
}

/// A real server that 1,000 services have fails and recovers.
pub(crate) fn lose(bed: &Bed) -> Result<Row> {
    let alone = if bed.has_kernel() {
        namespace::fresh_network()?;
        Some(edits::one_batch(LOST)?)
    } else {
        None
    };
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let monitor = bed.has_kernel().then(Monitor::start).transpose()?;
    let checks = Checks { services: LOST.services, interval: Duration::from_secs(1), fall: 1 };
    let shared = |_, number| server_address(0, number);
    let weir = start(bed, &configuration(backend(bed), LOST, shared, &checks))?;
    wait_until_up(&weir, LOST.services * LOST.servers)?;
    let lost = server_address(0, 0);
    let name = format!("server={lost}:8080");
    let (mut times, mut told_times, mut messages) = (Vec::new(), Vec::new(), 0);
    for _ in 0..bed.rounds(10, 3) {
        for (illness, verdict, weight) in
            [(Some(Illness::Fails), "after=down", "after=0"), (None, "after=up", "after=1")]
        {
            if illness.is_none() {
                sleep(verdict::PACE);
            }
            monitor.as_ref().map(Monitor::writes).transpose()?;
            let told = server.turn(lost, illness, PATIENCE)?;
            let since = |it: Instant| it.saturating_duration_since(told).as_secs_f64() * 1e3;
            // What is decided at once is written before any of it is told.
            times.push(since(weir.wait_for(&["health ", &name, verdict])?));
            if let Some(writes) = monitor.as_ref().map(Monitor::writes).transpose()? {
                let expected = usize::try_from(LOST.services)?;
                ensure!(writes.changes == expected, "{} changes were written", writes.changes);
                messages = messages.max(writes.messages);
            }
            let mut last = told;
            for _ in 0..LOST.services {
                last = weir.wait_for(&[" weight ", &name, weight])?;
            }
            told_times.push(since(last));
        }
    }
    let mut note = format!(
        "median {:.1}; until the first line that weir tells after all is written; until the \
         last: median {:.1}",
        sample::median(&times),
        sample::median(&told_times)
    );
    if let Some(alone) = alone {
        note += &format!(
            "; written in {messages} message(s); one such batch by itself: {:.1} ms",
            alone.as_secs_f64() * 1e3
        );
    }
    Ok(Row {
        weir: sample::percentile(&times, 99),
        goal: Some(Goal::AtMost(50.0)),
        samples: times.len(),
        note,
        ..bed.row("1,000 real servers lost at once, p99", "ms")
    })
}
