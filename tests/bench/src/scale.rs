//! Tables as large as big sites have them: 10,000 services of five real servers.

use std::{fmt::Write as _, fs, net::Ipv4Addr, thread::sleep, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    daemon,
    edits::{self, server_address, service_address},
    monitor::Monitor,
    namespace,
    row::{Goal, Row},
    sample,
    server::{Illness, Manner, Server},
    told::Told,
    verdict,
};

const TABLE: Size = Size::new(10_000, 5);

/// As many targets as real servers are checked in [`checks`].
const CHECKED: Size = Size::new(2000, 5);
const TARGETS: u32 = CHECKED.services * CHECKED.servers;

/// Services of others, beside weir's.
const FOREIGN: u32 = 100;

/// Those that are lost at once: each service has the same real servers.
const LOST: Size = Size::new(1000, 3);

/// What is simulated, and how long: twice, for what only the time makes to be known.
const SIMULATED: Size = Size::new(10_000, 5);
const SIMULATED_SECONDS: [u32; 2] = [20, 60];

/// The most that a check may have.
const FALL_MAX: u32 = 100;

const PATIENCE: Duration = Duration::from_secs(10);

/// What of a table is checked.
struct Checks {
    services: u32,
    interval: Duration,
    fall: u32,
}

const NO_CHECKS: Checks = Checks { services: 0, interval: Duration::ZERO, fall: 1 };

const CHECKS: Checks =
    Checks { services: CHECKED.services, interval: Duration::from_secs(5), fall: 1 };

/// An empty table is filled, and then nothing happens.
pub(crate) fn fill(bed: &Bed) -> Result<Vec<Row>> {
    namespace::fresh_network()?;
    let weir = start(bed, &embedded(TABLE, &NO_CHECKS))?;
    let ready = weir.wait_for(&[" ready "])? - weir.started;
    let window = Duration::from_secs(if bed.rounds(1, 0) == 1 { 30 } else { 12 });
    let memory = weir.daemon.resident_bytes()?;
    let before = weir.daemon.cpu()?;
    sleep(window);
    let idle = (weir.daemon.cpu()? - before).as_secs_f64() / window.as_secs_f64();
    let note = "10,000 services of 5 real servers, without checks; weir's own IPVS";
    Ok(vec![
        Row {
            name: "scale-fill".to_owned(),
            weir: ready.as_secs_f64(),
            goal: Some(Goal::AtMost(5.0)),
            note: format!("{note}, a listening socket for each; from the start to ready"),
            samples: 1,
            ..bed.row("an empty table is complete", "s")
        },
        Row {
            name: "scale-fill-idle".to_owned(),
            weir: idle * 100.0,
            note: format!("{note}; over {} s", window.as_secs()),
            samples: 1,
            ..bed.row("processor while nothing happens", "%")
        },
        Row {
            name: "scale-fill-memory".to_owned(),
            weir: memory / 1e6,
            note: note.to_owned(),
            samples: 1,
            ..bed.row("memory of a big table", "MB")
        },
    ])
}

/// One real server of a big table fails and recovers.
pub(crate) fn change(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let checks = Checks { services: 1, interval: Duration::from_millis(200), fall: 1 };
    let weir = start(bed, &embedded(TABLE, &checks))?;
    wait_until_up(&weir, TABLE.servers)?;
    let targets = (0..TABLE.servers).cycle().take(bed.rounds(50, 10));
    let times = verdict::latencies(&weir, &server, targets.map(|it| (0, it)))?;
    Ok(Row {
        weir: sample::percentile(&times, 99),
        goal: Some(Goal::AtMost(50.0)),
        samples: times.len(),
        note: format!(
            "median {:.2}; from the server's answer to weir's line after the write",
            sample::median(&times)
        ),
        ..bed.row("verdict to weight among 10,000 services, p99", "ms")
    })
}

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
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let monitor = bed.has_kernel().then(Monitor::start).transpose()?;
    let backend = if bed.has_kernel() { "kernel" } else { "embedded" };
    let checks = Checks { services: LOST.services, interval: Duration::from_secs(1), fall: 1 };
    let shared = |_, number| server_address(0, number);
    let weir = start(bed, &configuration(backend, LOST, shared, &checks))?;
    wait_until_up(&weir, LOST.services * LOST.servers)?;
    let lost = server_address(0, 0);
    let name = format!("server={lost}:8080");
    let (mut times, mut messages) = (Vec::new(), 0);
    for _ in 0..bed.rounds(10, 3) {
        for (illness, weight) in [(Some(Illness::Fails), "after=0"), (None, "after=1")] {
            monitor.as_ref().map(Monitor::writes).transpose()?;
            let told = server.turn(lost, illness, PATIENCE)?;
            let mut last = told;
            for _ in 0..LOST.services {
                last = weir.wait_for(&[" weight ", &name, weight])?;
            }
            times.push(last.saturating_duration_since(told).as_secs_f64() * 1e3);
            if let Some(writes) = monitor.as_ref().map(Monitor::writes).transpose()? {
                let expected = usize::try_from(LOST.services)?;
                ensure!(writes.changes == expected, "{} changes", writes.changes);
                messages = messages.max(writes.messages);
            }
        }
    }
    let mut note =
        format!("median {:.1}; the line that tells the last is waited for", sample::median(&times));
    if bed.has_kernel() {
        note += &format!("; written in {messages} message(s)");
    }
    Ok(Row {
        weir: sample::percentile(&times, 99),
        goal: Some(Goal::AtMost(50.0)),
        samples: times.len(),
        note,
        ..bed.row("1,000 real servers lost at once, p99", "ms")
    })
}

/// 50,000 targets in virtual time: everything but the probes themselves.
pub(crate) fn simulate(bed: &Bed) -> Result<Vec<Row>> {
    let [short, long] = SIMULATED_SECONDS.map(|seconds| -> Result<_> {
        let path = scratch().join("scale.scenario");
        let checks = Checks { services: SIMULATED.services, ..CHECKS };
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

/// A kernel whose table is what it should be, and holds services of others besides.
pub(crate) fn adopt(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    edits::fill(Size::new(TABLE.services + FOREIGN, TABLE.servers))?;
    let table = Size::new(TABLE.services, TABLE.servers);
    let weir = start(bed, &configuration("kernel", table, server_address, &NO_CHECKS))?;
    let mut writes = 0;
    let ready = weir.wait_for_past(&[" ready "], |line| {
        writes +=
            usize::from([" weight ", " server-", " service-"].iter().any(|it| line.contains(it)));
    })?;
    ensure!(writes == 0, "{writes} writes to a table that was as it should be");
    Ok(Row {
        weir: (ready - weir.started).as_secs_f64(),
        goal: Some(Goal::AtMost(2.0)),
        samples: 1,
        note: format!(
            "10,000 services of 5 real servers and {FOREIGN} of others; nothing was written"
        ),
        ..bed.row("an equal table is adopted", "s")
    })
}

fn start(bed: &Bed, configuration: &str) -> Result<Told> {
    let path = scratch().join("scale.toml");
    fs::write(&path, configuration)?;
    Told::start(bed.run_weir(Size::EMPTY, &path)?)
}

fn wait_until_up(weir: &Told, targets: u32) -> Result<()> {
    for _ in 0..targets {
        weir.wait_for(&["health ", "after=up"])?;
    }
    Ok(())
}

fn embedded(size: Size, checks: &Checks) -> String {
    configuration("embedded", size, server_address, checks)
}

/// The first services are checked.
fn configuration(
    backend: &str,
    size: Size,
    server: impl Fn(u32, u32) -> Ipv4Addr,
    checks: &Checks,
) -> String {
    let mut text = format!("backend = \"{backend}\"\n");
    let mut put = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").is_ok();
    let (interval, timeout) = (checks.interval.as_millis(), checks.interval.as_millis() * 9 / 10);
    for service in 0..size.services {
        let address = service_address(service);
        put(format_args!("[[service]]\nname = \"s{service}\"\naddress = \"{address}:80\""));
        put(format_args!("scheduler = \"wrr\""));
        for number in 0..size.servers {
            let server = server(service, number);
            put(format_args!("[[service.server]]\naddress = \"{server}:8080\"\nweight = 1"));
        }
        if service < checks.services {
            put(format_args!("[service.check]\ntype = \"http\"\npath = \"/\"\nrise = 1"));
            put(format_args!("fall = {}\ntimeout = \"{timeout}ms\"", checks.fall));
            put(format_args!("interval = \"{interval}ms\"\nfast = \"{interval}ms\""));
        }
    }
    text
}
