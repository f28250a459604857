//! `weir status`: every service and real server, and what is said of them.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{
    operator::{self, clock},
    table::Table,
};
use crate::{
    control::{
        self, Http, Unasked,
        protocol::{self, Frozen, Head, Server, ShownService, StatusLine, Which, Word},
    },
    inherited,
};

/// Between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(1);

/// Clears a terminal, and begins at its top.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What `weir status` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The service: `web`, `192.0.2.1:80`, `tcp 192.0.2.1:80`, `fwmark 7`. Without it, all.
    #[arg(num_args = 0..=3, value_name = "VIP")]
    names: Vec<String>,
    /// Look again every second.
    #[arg(long)]
    watch: bool,
    /// Print JSON: an object, with --watch a line each second.
    #[arg(long)]
    json: bool,
}

/// As `--json` has it.
#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    head: Head,
    services: Vec<ShownService>,
}

/// Shows it.
pub(crate) fn run(options: &Options, socket: Option<&Path>) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let which = Which { service: operator::only_service(&options.names)? };
    let daemon = control::daemon(socket)?;
    let mut out = io::stdout().lock();
    loop {
        let status = match look(&daemon, &which) {
            Ok(status) => status,
            Err(unasked) => return operator::refused(unasked),
        };
        if options.json {
            serde_json::to_writer(&mut out, &status)?;
            writeln!(out)?;
        } else {
            let mut text = Vec::new();
            if options.watch && io::stdout().is_terminal() {
                text.extend_from_slice(CLEAR.as_bytes());
            }
            show(&mut text, &status)?;
            out.write_all(&text)?;
        }
        out.flush()?;
        if !options.watch {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(LOOK);
    }
}

fn look(daemon: &Http, which: &Which) -> Result<Status, Unasked> {
    let mut answer = daemon.ask(protocol::STATUS, which)?;
    let mut status = Status { head: Head::default(), services: Vec::new() };
    while let Some(line) = answer.next_line()? {
        match line {
            StatusLine::Head(head) => status.head = head,
            StatusLine::Service(service) => status.services.push(service),
        }
    }
    Ok(status)
}

fn show(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    let Head { at, version, services, servers, alerts, frozen, plugins, orders } = &status.head;
    writeln!(out, "weir {version} at {at}: {services} services, {servers} real servers")?;
    for alert in alerts {
        let since = alert.since.iter().map(|it| format!(" since {}", clock(it, at)));
        writeln!(out, "ALERT {}{}: {}", alert.kind, since.collect::<String>(), alert.message)?;
    }
    // Nobody need look at what is over in a moment, but it is why weights do not change.
    let is_alert = |it: &Frozen| alerts.iter().any(|alert| alert.message == it.reason);
    for it in frozen.iter().filter(|it| !is_alert(it)) {
        writeln!(out, "frozen {}", said_by(&it.who, &it.reason, it.until.as_deref(), at))?;
    }
    for plugin in plugins {
        writeln!(out, "plugin {}: {}", plugin.name, plugin.state)?;
    }
    for it in orders {
        let (kind, by) = (&it.order.kind, &it.order.by);
        writeln!(out, "{kind} by {by} of {} of {}, which is not there", it.server, it.service.0)?;
    }
    for service in &status.services {
        writeln!(out)?;
        show_service(out, service, at)?;
    }
    Ok(())
}

fn show_service(out: &mut dyn Write, service: &ShownService, at: &str) -> io::Result<()> {
    let mut words = vec![format!("{}  {}", service.name, service.key.0), service.scheduler.clone()];
    words.extend(service.persistence_s.map(|it| format!("persistent {it} s")));
    words.push(format!("{} of {} up", service.live, service.all));
    words.extend(service.is_sorry_serving.then(|| "the sorry server serves".to_owned()));
    words.extend(service.owner.as_ref().map(|it| format!("of plugin {it}")));
    words.extend(service.is_leaving.then(|| "leaves".to_owned()));
    writeln!(out, "{}", words.join(", "))?;
    let headings = ["REAL SERVER", "WEIGHT", "BASE", "STATE", "SINCE", "ACTIVE", "INACTIVE", "WHY"];
    let mut table = Table::new(&headings, &[1, 2, 5, 6]);
    for server in &service.servers {
        let health = server.health.as_ref();
        table.row(vec![
            server.address.to_string(),
            weight(server),
            server.base.to_string(),
            health.map_or_else(|| "unchecked".to_owned(), |it| it.state.clone()),
            health.map_or_else(|| "-".to_owned(), |it| clock(&it.since, at)),
            server.active.to_string(),
            server.inactive.to_string(),
            why(server, at),
        ]);
    }
    table.write(out, "  ")
}

/// What is in the table, and what is to be.
fn weight(server: &Server) -> String {
    let shown = |it: Option<u32>| it.map_or_else(|| "absent".to_owned(), |it| it.to_string());
    match server.weight == server.goal {
        true => shown(server.weight),
        false => format!("{}->{}", shown(server.weight), shown(server.goal)),
    }
}

fn why(server: &Server, at: &str) -> String {
    let mut words: Vec<String> = server.words.iter().map(|it| word(it, at)).collect();
    words.extend(server.foreign.map(|it| format!("someone else wrote {it}, and that is left")));
    if server.order.as_ref().is_some_and(|it| it.is_over) {
        words.push("the drain is over".to_owned());
    }
    if server.role != "real" {
        words.push(server.role.clone());
    }
    words.join("; ")
}

fn word(word: &Word, at: &str) -> String {
    let Word { says, who, reason, until, .. } = word;
    format!("{says} {}", said_by(who, reason, until.as_deref(), at))
}

fn said_by(who: &str, reason: &str, until: Option<&str>, at: &str) -> String {
    let until = until.map(|it| format!(", until {}", clock(it, at))).unwrap_or_default();
    format!("({who}: {reason}{until})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::Alert;

    #[test]
    fn what_is_frozen_is_told_once() {
        let at = "2026-11-26T02:20:11.123Z".to_owned();
        let frozen = |reason: &str, until: Option<&str>| Frozen {
            who: "weir".into(),
            reason: reason.into(),
            since: at.clone(),
            until: until.map(Into::into),
            ..Frozen::default()
        };
        let doubt = "half of all real servers ceased to pass at once";
        let alert = Alert {
            kind: "frozen".into(),
            since: Some(at.clone()),
            message: doubt.into(),
            ..Alert::default()
        };
        let awaited = "self-probes have not answered yet";
        let head = Head {
            at: at.clone(),
            version: "0.1.0".into(),
            alerts: vec![alert],
            frozen: vec![frozen(doubt, None), frozen(awaited, Some("2026-11-26T02:20:21.123Z"))],
            ..Head::default()
        };
        let mut out = Vec::new();
        show(&mut out, &Status { head, services: Vec::new() }).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        weir 0.1.0 at 2026-11-26T02:20:11.123Z: 0 services, 0 real servers
        ALERT frozen since 02:20:11: half of all real servers ceased to pass at once
        frozen (weir: self-probes have not answered yet, until 02:20:21)
        ");
    }
}
