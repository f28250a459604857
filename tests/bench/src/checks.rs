//! What a health check costs: weir against keepalived, on the same real servers, at the
//! same interval.
//!
//! Each runs alone for some seconds, in turns. What it used of the processor, all its
//! processes and threads, is divided by the connections that the servers saw.

use std::{fs, io::Write as _, process::Command, thread::sleep, time::Duration};

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

/// Between two checks of one real server.
const INTERVAL: Duration = Duration::from_secs(1);

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
    fs::write(&keepalived_config, keepalived_configuration(size, manner))?;
    let weir_config = scratch().join("weir.toml");
    fs::write(&weir_config, weir_configuration(size, manner, INTERVAL))?;
    let window = Duration::from_secs(if bed.rounds(1, 0) == 1 { 10 } else { 4 });
    let rounds = bed.rounds(5, 1);
    let (mut original, mut weir) = (Vec::new(), Vec::new());
    let mut rates = [0.0; 2];
    for _ in 0..rounds {
        let mut command = bed.keepalived(size);
        let pid = |name| scratch().join(name);
        command.args(["-n", "-l", "-C", "-f"]).arg(&keepalived_config);
        command.arg("-p").arg(pid("keepalived.pid")).arg("-c").arg(pid("checkers.pid"));
        let (cost, rate) = measure(command, &server, window, size)?;
        original.push(cost);
        rates[0] = rate;
        let mut command = bed.weir(size);
        command
            .args(["run", "--config"])
            .arg(&weir_config)
            .arg("--socket")
            .arg(scratch().join("weir.sock"));
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

/// What makes weir check every real server at `interval`.
pub(crate) fn weir_configuration(size: Size, manner: Manner, interval: Duration) -> String {
    let kind = match manner {
        Manner::Accept => "type = \"tcp\"",
        Manner::Http => "type = \"http\"\npath = \"/health\"",
    };
    let interval = interval.as_millis();
    let timeout = interval * 9 / 10;
    let mut text = Vec::new();
    let mut put = |line: String| writeln!(text, "{line}").is_ok();
    put(format!("[check]\n{kind}\ninterval = \"{interval}ms\"\nfast = \"{interval}ms\""));
    put(format!("timeout = \"{timeout}ms\"\nrise = 1\nfall = 1"));
    for service in 0..size.services {
        let address = service_address(service);
        put(format!("\n[[service]]\nname = \"service-{service}\"\naddress = \"{address}:80\""));
        put("scheduler = \"wrr\"".to_owned());
        for number in 0..size.servers {
            let server = server_address(service, number);
            put(format!("[[service.server]]\naddress = \"{server}:8080\"\nweight = 1"));
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn keepalived_configuration(size: Size, manner: Manner) -> String {
    let check = match manner {
        Manner::Accept => "TCP_CHECK { connect_timeout 1 }",
        Manner::Http => "HTTP_GET { url { path /health\n status_code 200\n }\n connect_timeout 1 }",
    };
    let interval = INTERVAL.as_secs();
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
