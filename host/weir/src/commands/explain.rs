//! `weir explain`: why a weight is what it is.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{operator, table::Table};
use crate::{
    control::{
        self, Http, Unasked,
        protocol::{self, Decisions, Event, Explained, ExplainedServer, ShownService, Why, Word},
    },
    inherited,
};

/// Writes of the past that are told.
const WRITES: usize = 20;

/// What `weir explain` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The service, and perhaps one of its real servers: `web`, `192.0.2.1:80 10.0.0.1`,
    /// `fwmark 7 10.0.0.1:8080`.
    #[arg(required = true, num_args = 1..=4, value_names = ["VIP", "SERVER"])]
    names: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Explains it.
pub(crate) fn run(options: &Options, socket: Option<&Path>) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let (service, server) = operator::split(&options.names);
    let daemon = control::daemon(socket)?;
    let now: Explained = match daemon.order(protocol::EXPLAIN, &Why { service, server }) {
        Ok(explained) => explained,
        Err(unasked) => return operator::refused(unasked),
    };
    let writes = earlier(&daemon, &now)?;
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer(&mut out, &Whole { now, writes })?;
        writeln!(out)?;
    } else {
        show(&mut out, &now, &writes)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As `--json` has it.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    now: Explained,
    /// By the decision log, oldest first.
    writes: Vec<Event>,
}

/// The last writes of the weights that are explained, as far as the decision log has them.
fn earlier(daemon: &Http, explained: &Explained) -> Result<Vec<Event>> {
    let server = match explained.servers.as_slice() {
        [one] => Some(one.server.address.to_string()),
        _ => None,
    };
    let asked = Decisions {
        service: Some(explained.service.key.0.to_string()),
        server,
        event: Some("weight".to_owned()),
        limit: Some(WRITES),
    };
    let mut answer = match daemon.ask(protocol::DECISIONS, &asked) {
        Ok(answer) => answer,
        // There is no such log, or it cannot be read.
        Err(Unasked::Refused(_)) => return Ok(Vec::new()),
        Err(Unasked::Broken(error)) => return Err(error.into()),
    };
    let mut writes = Vec::new();
    while let Some(event) = answer.next_line()? {
        writes.push(event);
    }
    Ok(writes)
}

fn show(out: &mut dyn Write, explained: &Explained, writes: &[Event]) -> io::Result<()> {
    show_service(out, &explained.service)?;
    for server in &explained.servers {
        writeln!(out)?;
        show_server(out, server)?;
    }
    if writes.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nwrites:")?;
    let mut table = Table::new(&["AT", "REAL SERVER", "BEFORE", "AFTER", "BY", "REASON"], &[2, 3]);
    for write in writes {
        let field = |key| write.fields.get(key).unwrap_or_default().to_owned();
        let cells = ["server", "before", "after", "plugin", "reason"].map(field);
        table.row([write.at.clone()].into_iter().chain(cells).collect());
    }
    table.write(out, "  ")
}

fn show_service(out: &mut dyn Write, service: &ShownService) -> io::Result<()> {
    write!(out, "{} ({}), {}", service.name, service.key.0, service.scheduler)?;
    match &service.owner {
        Some(owner) => writeln!(out, ", of plugin {owner}")?,
        None => writeln!(out)?,
    }
    writeln!(out, "  {} of {} base weight is up", service.live, service.all)?;
    if let Some(since) = &service.panic_since {
        writeln!(out, "  panic since {since}: it fell below its floor")?;
    }
    if service.is_quorum_lost {
        writeln!(out, "  no quorum of {}", service.quorum)?;
    }
    if let Some(frozen) = &service.frozen {
        writeln!(out, "  frozen since {}: {}", frozen.since, frozen.reason)?;
    }
    Ok(())
}

fn show_server(out: &mut dyn Write, explained: &ExplainedServer) -> io::Result<()> {
    let server = &explained.server;
    let weight =
        server.weight.map_or_else(|| "not in the table".into(), |it| format!("weight {it}"));
    writeln!(out, "{}: {weight}", server.address)?;
    match &server.health {
        Some(it) => writeln!(out, "  {} since {}: {}", it.state, it.since, it.detail)?,
        None => writeln!(out, "  not checked")?,
    }
    writeln!(out, "  said of it:{}", if server.words.is_empty() { " nothing" } else { "" })?;
    server.words.iter().try_for_each(|it| writeln!(out, "    {}", said(it)))?;
    if !explained.denied.is_empty() {
        writeln!(out, "  denied:")?;
    }
    for it in &explained.denied {
        writeln!(out, "    {}", said(&it.word))?;
        match &it.again {
            Some(again) => writeln!(out, "      {}; asked again at {again}", it.why)?,
            None => writeln!(out, "      {}", it.why)?,
        }
    }
    writeln!(out, "  computed:")?;
    let mut table = Table::new(&["STEP", "WEIGHT"], &[1]);
    for step in &explained.steps {
        let weight = step.weight.map_or_else(String::new, |it| it.to_string());
        table.row(vec![step.what.clone(), weight]);
    }
    table.write(out, "    ")?;
    if let Some(waits) = &explained.waits {
        writeln!(out, "  that is not in the table yet: {waits}")?;
    }
    if let Some(write) = &explained.last_write {
        let shown = |it: Option<u32>| it.map_or_else(|| "absent".to_owned(), |it| it.to_string());
        let (before, after) = (shown(write.before), shown(write.after));
        writeln!(out, "  last written at {}: {before} -> {after}", write.at)?;
        writeln!(out, "    by {}: {}", write.who, write.reason)?;
    }
    Ok(())
}

fn said(word: &Word) -> String {
    let until = word.until.iter().map(|it| format!(", until {it}")).collect::<String>();
    format!("{} by {} since {}{until}: {}", word.says, word.who, word.since, word.reason)
}
