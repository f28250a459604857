//! Side by side with keepalived on the kernel's IPVS: the same real servers, clients and
//! faults, checked at the same intervals.
//!
//! Each runs alone, in a network namespace of its own. Clients keep connecting to one of
//! the services, whose real servers fail one after the other, in three ways, and recover.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    checks::{Checks, keepalived_configuration, weir_configuration},
    daemon::Daemon,
    edits::{server_address, service_address},
    monitor::{Monitor, Writes},
    namespace,
    row::Row,
    sample::{self, now},
    server::{CLIENTS_PATH, Illness, Manner, Server},
};

const TABLE: Size = Size::new(20, 10);

/// Two failures in a row, a second apart, and one success.
const CHECKS: Checks = Checks { interval: Duration::from_secs(1), fall: 2 };

const ILLNESSES: [(Illness, &str); 3] = [
    (Illness::Fails, "answers with status 503"),
    (Illness::Resets, "resets connections"),
    (Illness::Hangs, "does not answer"),
];

/// At one time, each with a pause after every connection.
const CLIENTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(20);

/// How long a client waits to be answered.
const CLIENT_PATIENCE: Duration = Duration::from_millis(100);

/// A real server that no client has asked for so long is out of the way of clients, who ask
/// each of those that are not several times a second.
const QUIET: Duration = Duration::from_millis(1500);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one of them did.
#[derive(Default)]
struct Story {
    /// Seconds from each fault to the last client that was sent there, by [`ILLNESSES`].
    noticed: [Vec<f64>; ILLNESSES.len()],
    /// Seconds from the end of each fault to the next client.
    recovered: Vec<f64>,
    /// From the first fault on.
    seconds: f64,
    writes: Writes,
    checks: u64,
    cpu_seconds: f64,
    memory_bytes: f64,
}

pub(crate) fn run(bed: &Bed) -> Result<Vec<Row>> {
    let rounds = bed.rounds(6, 2);
    let keepalived_config = scratch().join("keepalived.conf");
    fs::write(&keepalived_config, keepalived_configuration(TABLE, Manner::Http, CHECKS))?;
    let weir_config = scratch().join("weir.toml");
    fs::write(&weir_config, weir_configuration(TABLE, Manner::Http, CHECKS))?;
    let keepalived =
        namespace::on_thread(|| tell(bed.run_keepalived(TABLE, &keepalived_config), rounds))?;
    let weir = namespace::on_thread(|| tell(bed.run_weir(TABLE, &weir_config)?, rounds))?;
    Ok(rows(bed, &keepalived, &weir))
}

fn tell(command: Command, rounds: usize) -> Result<Story> {
    namespace::fresh_network()?;
    let server = Server::start(Manner::Http)?;
    let monitor = Monitor::start()?;
    let mut daemon = Daemon::start(command)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Threads that are started here stay in this namespace.
        (0..CLIENTS).for_each(|_| drop(scope.spawn(|| connect_until(&is_over))));
        let story = follow(&mut daemon, &server, &monitor, rounds);
        is_over.store(true, Ordering::Relaxed);
        story
    })
}

fn follow(daemon: &mut Daemon, server: &Server, monitor: &Monitor, rounds: usize) -> Result<Story> {
    let mut story = Story::default();
    for number in 0..TABLE.servers {
        wait(|| server.last_client(server_address(0, number)).is_some())?;
    }
    // What made the table is not counted.
    thread::sleep(QUIET);
    daemon.ensure_runs()?;
    monitor.writes()?;
    let (begin, cpu, checks) = (now(), daemon.cpu()?, server.checks());
    for round in 0..rounds {
        for (kind, (illness, _)) in ILLNESSES.into_iter().enumerate() {
            let number = u32::try_from(round * ILLNESSES.len() + kind)? % TABLE.servers;
            let target = server_address(0, number);
            let fault = now();
            server.set(target, Some(illness));
            let last = wait_until_quiet(server, target)?;
            story.noticed[kind].push(last.saturating_duration_since(fault).as_secs_f64());
            let end = now();
            server.set(target, None);
            let asked = || server.last_client(target).filter(|it| *it > end);
            wait(|| asked().is_some())?;
            let asked = asked().unwrap_or(end);
            story.recovered.push((asked - end).as_secs_f64());
        }
    }
    story.seconds = begin.elapsed().as_secs_f64();
    story.cpu_seconds = (daemon.cpu()? - cpu).as_secs_f64();
    story.checks = server.checks() - checks;
    story.writes = monitor.writes()?;
    story.memory_bytes = daemon.proportional_bytes()?;
    Ok(story)
}

/// Waits until clients are not sent there any more: when the last one was.
fn wait_until_quiet(server: &Server, target: Ipv4Addr) -> Result<Instant> {
    let last = || server.last_client(target).unwrap_or_else(now);
    wait(|| last().elapsed() > QUIET)?;
    Ok(last())
}

fn wait(mut is_so: impl FnMut() -> bool) -> Result<()> {
    let start = now();
    while !is_so() {
        ensure!(start.elapsed() < PATIENCE, "clients are not sent where they should be");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Connections to the first service, one after the other. What becomes of each is seen
/// where it arrives.
fn connect_until(is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let _ = connect();
        thread::sleep(PAUSE);
    }
}

fn connect() -> std::io::Result<()> {
    let address = (service_address(0), 80).into();
    let mut client = TcpStream::connect_timeout(&address, CLIENT_PATIENCE)?;
    client.set_read_timeout(Some(CLIENT_PATIENCE))?;
    write!(client, "GET {CLIENTS_PATH} HTTP/1.1\r\n\r\n")?;
    client.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn rows(bed: &Bed, keepalived: &Story, weir: &Story) -> Vec<Row> {
    let row = |name: &str, what: &str, unit: &str, of: &dyn Fn(&Story) -> f64, note: String| Row {
        name: format!("faults-{name}"),
        original: Some(of(keepalived)),
        weir: of(weir),
        samples: weir.recovered.len(),
        note,
        ..bed.row(format!("{what}, keepalived"), unit)
    };
    let mut rows = Vec::new();
    for (kind, (_, what)) in ILLNESSES.into_iter().enumerate() {
        let most = |story: &Story| story.noticed[kind].iter().copied().fold(0.0, f64::max);
        let note = format!(
            "the server {what}; median, the most {:.2} and {:.2}; checked every second, out \
             after two failures a second apart",
            most(keepalived),
            most(weir)
        );
        let of = |story: &Story| sample::median(&story.noticed[kind]);
        let name = ["fails", "resets", "hangs"][kind];
        let samples = weir.noticed[kind].len();
        rows.push(Row {
            samples,
            ..row(name, "from a fault to the last client sent there", "s", &of, note)
        });
    }
    rows.push(row(
        "recovers",
        "from the end of a fault to the first client",
        "s",
        &|it| sample::median(&it.recovered),
        "median; in after one success".to_owned(),
    ));
    let faults = weir.recovered.len();
    rows.push(row(
        "writes",
        "changes of the table for each fault and its end",
        "",
        &|it| count(it.writes.changes) / count(faults),
        format!(
            "of services and real servers; {} and {} messages in all, for {faults} faults",
            keepalived.writes.messages, weir.writes.messages
        ),
    ));
    let targets = TABLE.services * TABLE.servers;
    rows.push(row(
        "checks",
        "checks a second",
        "1/s",
        &|it| count(it.checks) / it.seconds,
        format!("{targets} real servers, every second"),
    ));
    rows.push(row(
        "cpu",
        "processor during faults",
        "%",
        &|it| it.cpu_seconds / it.seconds * 100.0,
        format!("{targets} real servers, all processes, checks included"),
    ));
    rows.push(row(
        "memory",
        "memory during faults",
        "MB",
        &|it| it.memory_bytes / 1e6,
        "all processes; what they share is counted once".to_owned(),
    ));
    rows
}

fn count(number: impl TryInto<u32>) -> f64 {
    number.try_into().map_or(f64::NAN, f64::from)
}
