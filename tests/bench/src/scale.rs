//! Tables as large as big sites have them: 10,000 services of five real servers.

pub(crate) mod simulated;
pub(crate) mod targets;

use std::{fmt::Write as _, fs, net::Ipv4Addr, thread::sleep, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    edits::{self, server_address, service_address},
    monitor::Monitor,
    namespace,
    row::{Goal, Row},
    sample,
    server::{Manner, Server},
    told::Told,
    verdict,
};

const TABLE: Size = Size::new(10_000, 5);

/// Services of others, beside weir's.
const FOREIGN: u32 = 100;

/// What of a table is checked.
struct Checks {
    services: u32,
    interval: Duration,
    fall: u32,
}

const NO_CHECKS: Checks = Checks { services: 0, interval: Duration::ZERO, fall: 1 };

/// An empty table is filled, and then nothing happens.
pub(crate) fn fill(bed: &Bed) -> Result<Vec<Row>> {
    let mut note = format!("10,000 services of 5 real servers, without checks; {}", backend(bed));
    if bed.has_kernel() {
        namespace::fresh_network()?;
        let [filled, _] = edits::alone(TABLE)?;
        note += &format!("; the same writes by themselves: {:.2} s", filled.as_secs_f64());
    }
    namespace::fresh_network()?;
    let weir = start(bed, &configuration(backend(bed), TABLE, server_address, &NO_CHECKS))?;
    let ready = weir.wait_for(&[" ready "])? - weir.started;
    let window = Duration::from_secs(if bed.rounds(1, 0) == 1 { 30 } else { 12 });
    let memory = weir.daemon.resident_bytes()?;
    let before = weir.daemon.cpu()?;
    sleep(window);
    let idle = (weir.daemon.cpu()? - before).as_secs_f64() / window.as_secs_f64();
    Ok(vec![
        Row {
            name: "scale-fill".to_owned(),
            weir: ready.as_secs_f64(),
            goal: Some(Goal::AtMost(5.0)),
            note: format!("{note}; from the start to ready"),
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
            note,
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
    let monitor = bed.has_kernel().then(Monitor::start).transpose()?;
    let weir = start(bed, &configuration(backend(bed), TABLE, server_address, &checks))?;
    wait_until_up(&weir, TABLE.servers)?;
    monitor.as_ref().map(Monitor::writes).transpose()?;
    let targets = (0..TABLE.servers).cycle().take(bed.rounds(50, 10));
    let times = verdict::latencies(&weir, &server, targets.map(|it| (0, it)))?;
    if let Some(monitor) = monitor {
        let writes = monitor.writes()?.changes;
        ensure!(writes == times.len(), "{writes} writes for {} changes", times.len());
    }
    Ok(Row {
        weir: sample::percentile(&times, 99),
        goal: Some(Goal::AtMost(50.0)),
        samples: times.len(),
        note: format!(
            "{}; median {:.2}; from the server's answer to weir's line after the write",
            backend(bed),
            sample::median(&times)
        ),
        ..bed.row("verdict to weight among 10,000 services, p99", "ms")
    })
}

/// A table that is what it should be, and holds services of others besides.
pub(crate) fn adopt(bed: &Bed) -> Result<Row> {
    let found = Size::new(TABLE.services + FOREIGN, TABLE.servers);
    let mut note =
        format!("10,000 services of 5 real servers and {FOREIGN} of others; nothing was written");
    if bed.has_kernel() {
        namespace::fresh_network()?;
        let [_, read] = edits::alone(found)?;
        note += &format!("; to read that table by itself: {:.2} s", read.as_secs_f64());
    }
    let weir = start_on(found, bed, &configuration("kernel", TABLE, server_address, &NO_CHECKS))?;
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
        note,
        ..bed.row("an equal table is adopted", "s")
    })
}

fn wait_until_up(weir: &Told, targets: u32) -> Result<()> {
    for _ in 0..targets {
        weir.wait_for(&["health ", "after=up"])?;
    }
    Ok(())
}

/// The kernel's IPVS where there is one, and weir's own elsewhere.
fn backend(bed: &Bed) -> &'static str {
    if bed.has_kernel() { "kernel" } else { "embedded" }
}

fn start(bed: &Bed, configuration: &str) -> Result<Told> {
    start_on(Size::EMPTY, bed, configuration)
}

/// The same; the stand-in has a table of this size.
fn start_on(found: Size, bed: &Bed, configuration: &str) -> Result<Told> {
    let path = scratch().join("scale.toml");
    fs::write(&path, configuration)?;
    Told::start(bed.run_weir(found, &path)?)
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
