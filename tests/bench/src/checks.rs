//! What a health check costs: weir against keepalived, on the same real servers, at the
//! same interval.
//!
//! Each runs alone for some seconds, in turns. What it used of the processor, all its
//! processes and threads, is divided by the connections that the servers saw.

use std::{fs, process::Command, thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    daemon::Daemon,
    edits::{server_address, service_address},
    namespace,
    row::{Goal, Row},
    sample,
    server::{Manner, Server},
};

/// How every real server is checked.
#[derive(Clone, Copy)]
pub(crate) struct Checks {
    /// Between two.
    pub(crate) interval: Duration,
    /// So many failures in a row, an interval apart, put a server out; one success brings
    /// it back.
    pub(crate) fall: u32,
}

const CHECKS: Checks = Checks { interval: Duration::from_secs(1), fall: 1 };

/// For start-up, and for the first checks to be spread as the program spreads them.
const WARM_UP: Duration = Duration::from_secs(4);

pub(crate) fn tcp(bed: &Bed) -> Result<Row> {
    let row = compare(bed, Manner::Accept, "TCP")?;
    Ok(Row { goal: Some(Goal::RatioAtMost(1.0)), ..row })
}

pub(crate) fn http(bed: &Bed) -> Result<Row> {
    let row = compare(bed, Manner::Http, "HTTP")?;
    Ok(Row { goal: Some(Goal::RatioAtMost(0.8)), ..row })
}

/// A check costs a millisecond under UML, and the goal is not about a busy machine.
fn size(bed: &Bed) -> Size {
    if bed.is_uml() { Size::new(20, 10) } else { Size::new(100, 10) }
}

fn compare(bed: &Bed, manner: Manner, kind: &str) -> Result<Row> {
    namespace::fresh_network()?;
    let size = size(bed);
    let server = Server::start(manner)?;
    let keepalived_config = scratch().join("keepalived.conf");
    fs::write(&keepalived_config, keepalived_configuration(size, manner, CHECKS))?;
    let weir_config = scratch().join("weir.toml");
    fs::write(&weir_config, weir_configuration(size, manner, CHECKS))?;
    let window = Duration::from_secs(if bed.rounds(1, 0) == 1 { 10 } else { 4 });
    let rounds = bed.rounds(5, 1);
    let (mut original, mut weir) = (Vec::new(), Vec::new());
    let mut rates = [0.0; 2];
    for _ in 0..rounds {
        let command = bed.run_keepalived(size, &keepalived_config);
        let (cost, rate) = measure(command, &server, window, size)?;
        original.push(cost);
        rates[0] = rate;
        let command = bed.run_weir(size, &weir_config)?;
        let (cost, rate) = measure(command, &server, window, size)?;
        weir.push(cost);
        rates[1] = rate;
    }
    let targets = size.services * size.servers;
    Ok(Row {
        original: Some(sample::median(&original)),
        weir: sample::median(&weir),
        samples: rounds,
        note: format!(
            "keepalived is the original; {targets} real servers, {:.0} and {:.0} checks a second",
            rates[0], rates[1]
        ),
        ..bed.row(format!("processor time of a {kind} check"), "us")
    })
}

/// Microseconds of processor time per check, and checks per second.
fn measure(command: Command, server: &Server, window: Duration, size: Size) -> Result<(f64, f64)> {
    let name = command.get_program().display().to_string();
    let mut daemon = Daemon::start(command)?;
    sleep(WARM_UP);
    daemon.ensure_runs().with_context(|| name.clone())?;
    let (cpu, connections) = (daemon.cpu()?, server.connections());
    sleep(window);
    let cpu = daemon.cpu()? - cpu;
    let checks = server.connections() - connections;
    let expected = u64::from(size.services * size.servers) * window.as_secs();
    ensure!(
        checks * 10 > expected * 8 && checks * 10 < expected * 12,
        "{name} made {checks} checks, not {expected}"
    );
    let checks = f64::from(u32::try_from(checks)?);
    Ok((cpu.as_secs_f64() * 1e6 / checks, checks / window.as_secs_f64()))
}

/// What makes weir check every real server.
pub(crate) fn weir_configuration(size: Size, manner: Manner, checks: Checks) -> String {
    let kind = match manner {
        Manner::Accept => "type = \"tcp\"",
        Manner::Http => "type = \"http\"\npath = \"/health\"",
    };
    let (interval, fall) = (checks.interval.as_millis(), checks.fall);
    let timeout = interval * 9 / 10;
    let mut text = format!(
        "[check]\n{kind}\ninterval = \"{interval}ms\"\nfast = \"{interval}ms\"\n\
         timeout = \"{timeout}ms\"\nrise = 1\nfall = {fall}\n"
    );
    for service in 0..size.services {
        let address = service_address(service);
        text +=
            &format!("\n[[service]]\nname = \"service-{service}\"\naddress = \"{address}:80\"\n");
        text += "scheduler = \"wrr\"\n";
        for number in 0..size.servers {
            let server = server_address(service, number);
            text += &format!("[[service.server]]\naddress = \"{server}:8080\"\nweight = 1\n");
        }
    }
    text
}

/// What makes keepalived do the same.
pub(crate) fn keepalived_configuration(size: Size, manner: Manner, checks: Checks) -> String {
    let (kind, url) = match manner {
        Manner::Accept => ("TCP_CHECK", ""),
        Manner::Http => ("HTTP_GET", "url { path /health\n status_code 200\n }\n"),
    };
    let (interval, retries) = (checks.interval.as_secs(), checks.fall - 1);
    let timeout = checks.interval.as_secs_f64() * 0.9;
    let check = format!(
        "{kind} {{ {url} connect_timeout {timeout}\n retry {retries}\n delay_before_retry {interval}\n }}"
    );
    let mut text = String::new();
    for service in 0..size.services {
        let address = service_address(service);
        text += &format!("virtual_server {address} 80 {{\n delay_loop {interval}\n");
        text += " lvs_sched wrr\n lvs_method NAT\n protocol TCP\n";
        for number in 0..size.servers {
            let server = server_address(service, number);
            text += &format!(" real_server {server} 8080 {{\n weight 1\n {check}\n }}\n");
        }
        text += "}\n";
    }
    text
}
