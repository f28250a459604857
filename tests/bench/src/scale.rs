//! Tables as large as big sites have them: 10,000 services of five real servers.

use std::{fmt::Write as _, fs, net::Ipv4Addr, thread::sleep, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    edits::{self, server_address, service_address},
    namespace,
    row::{Goal, Row},
    sample,
    server::{Manner, Server},
    told::Told,
    verdict,
};

const TABLE: Size = Size::new(10_000, 5);

/// As many targets as real servers are checked in [`checks`].
const CHECKED: Size = Size::new(2000, 5);

/// Services of others, beside weir's.
const FOREIGN: u32 = 100;

/// Where services are whose addresses must be this machine's own.
const LOCAL_SERVICES: u32 = (127 << 24) + (128 << 16);

/// What of a table is checked.
struct Checks {
    services: u32,
    interval: Duration,
}

/// An empty table is filled, and then nothing happens.
pub(crate) fn fill(bed: &Bed) -> Result<Vec<Row>> {
    namespace::fresh_network()?;
    let weir = start(bed, &embedded(TABLE, &Checks { services: 0, interval: Duration::ZERO }))?;
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
    let checks = Checks { services: 1, interval: Duration::from_millis(200) };
    let weir = start(bed, &embedded(TABLE, &checks))?;
    for _ in 0..TABLE.servers {
        weir.wait_for(&["health ", "after=up"])?;
    }
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
    let checks = Checks { services: CHECKED.services, interval: Duration::from_secs(5) };
    let weir = start(bed, &embedded(CHECKED, &checks))?;
    let targets = CHECKED.services * CHECKED.servers;
    for _ in 0..targets {
        weir.wait_for(&["health ", "after=up"])?;
    }
    let window = Duration::from_secs(if bed.rounds(1, 0) == 1 { 20 } else { 10 });
    let (before, checked) = (weir.daemon.cpu()?, server.connections());
    sleep(window);
    let used = (weir.daemon.cpu()? - before).as_secs_f64() / window.as_secs_f64();
    let rate = (server.connections() - checked) / window.as_secs();
    ensure!(rate * 5 * 10 > u64::from(targets) * 8, "only {rate} checks a second");
    let memory = weir.daemon.resident_bytes()?;
    let spread = (0..CHECKED.services).step_by(199).take(bed.rounds(10, 3));
    let times = verdict::latencies(&weir, &server, spread.map(|it| (it, it % CHECKED.servers)))?;
    let note = format!("{targets} real servers, HTTP, every 5 s: {rate} checks a second");
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
            name: "scale-checks-verdict".to_owned(),
            weir: sample::percentile(&times, 99),
            goal: Some(Goal::AtMost(2.0)),
            samples: times.len(),
            note: format!("{note}; median {:.2}", sample::median(&times)),
            ..bed.row("verdict to weight among 10,000 targets, p99", "ms")
        },
    ])
}

/// A kernel whose table is what it should be, and holds services of others besides.
pub(crate) fn adopt(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    edits::fill(Size::new(TABLE.services + FOREIGN, TABLE.servers))?;
    let table = Size::new(TABLE.services, TABLE.servers);
    let none = Checks { services: 0, interval: Duration::ZERO };
    let weir = start(bed, &configuration("kernel", table, service_address, &none))?;
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
    let mut command = bed.weir(Size::EMPTY);
    command.args(["run", "--config"]).arg(path).arg("--socket").arg(scratch().join("scale.sock"));
    Told::start(command)
}

fn embedded(size: Size, checks: &Checks) -> String {
    configuration("embedded", size, |it| Ipv4Addr::from_bits(LOCAL_SERVICES + it), checks)
}

/// The first services are checked.
fn configuration(
    backend: &str,
    size: Size,
    address: impl Fn(u32) -> Ipv4Addr,
    checks: &Checks,
) -> String {
    let mut text = format!("backend = \"{backend}\"\n");
    let mut put = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").is_ok();
    let (interval, timeout) = (checks.interval.as_millis(), checks.interval.as_millis() * 9 / 10);
    for service in 0..size.services {
        put(format_args!(
            "[[service]]\nname = \"s{service}\"\naddress = \"{}:80\"",
            address(service)
        ));
        put(format_args!("scheduler = \"wrr\""));
        for number in 0..size.servers {
            let server = server_address(service, number);
            put(format_args!("[[service.server]]\naddress = \"{server}:8080\"\nweight = 1"));
        }
        if service < checks.services {
            put(format_args!("[service.check]\ntype = \"http\"\npath = \"/\"\nrise = 1\nfall = 1"));
            put(format_args!("interval = \"{interval}ms\"\nfast = \"{interval}ms\""));
            put(format_args!("timeout = \"{timeout}ms\""));
        }
    }
    text
}
