//! `weir plan`: what a configuration, or a saved table, would change, before it does.
//!
//! Of what runs, the daemon knows best what would follow: it is asked. Without one it is what
//! `weir run` would do first, with what its last run left. Nothing is written.

use std::{
    fmt::Display,
    fs,
    io::{self, Write},
    path::{Path, PathBuf, absolute},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use weir_embedded::{Embedded, Settings};
use weir_ipvs::{
    Change, Fields, Ipvs, Scope, Snapshot, TableEntry,
    diff::{self, PlannedService},
};
use weir_netlink::{Autoload, Netlink};

use super::reload::{tell_differences, tell_refusal};
use crate::{
    cli::Exit,
    config::{self, Files},
    control::{self, Backend, Plan, PlanStep, protocol},
    inherited,
    manager::Manager,
    run::{self, Left},
    simulate::{self, Machinery},
};

/// What `weir plan` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The configuration, or a table as `ipvsadm -S -n` prints it. Without it, the daemon's
    /// own configuration; without a daemon, /etc/weir/weir.toml.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same, for a configuration.
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// Compare with this table, as `ipvsadm -S -n` prints it, instead of asking a daemon or
    /// the kernel.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Answer in JSON, on standard output.
    #[arg(long)]
    json: bool,
}

/// Says what would be written, in which order, and why.
pub(crate) fn run(options: &Options, socket: Option<&Path>) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    let file = options.file.as_ref().or(options.config.as_ref());
    let backend = match &options.table {
        Some(_) => None,
        None => Some(control::choose(socket)?),
    };
    let plan = match (file.filter(|it| is_table(it)), backend) {
        (Some(wanted), backend) => of_table(wanted, &mut *live(options, backend)?)?,
        (None, Some(Backend::Daemon(remote))) => {
            let config = file.map(absolute).transpose()?;
            let request = protocol::PlanRequest { config };
            match remote.0.order(protocol::PLAN, &request) {
                Ok(plan) => plan,
                Err(unasked) => return tell_refusal(unasked, options.json),
            }
        }
        (None, backend) => {
            let files =
                Files::read(file.map_or(Path::new(config::DEFAULT_PATH), PathBuf::as_path))?;
            let config = config::parse_files(&files).map_err(|it| files.show(it))?;
            let (left, told) = match options.table {
                // It may be that of another machine.
                Some(_) => (Left::nothing(), None),
                None => run::left(socket, &config),
            };
            let mut live = match &config.backend {
                // It begins empty, with the daemon.
                config::Backend::Embedded(_) if options.table.is_none() => {
                    Box::new(Embedded::new(Settings::default()))
                }
                _ => live(options, backend)?,
            };
            let now = left.clock.now();
            let mut rehearsed = Manager::rehearse_start(now, config, left.records, &mut *live)
                .map_err(|error| run::unusable(&error))?;
            rehearsed.news.splice(..0, told);
            rehearsed.into()
        }
    };
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string(&plan)?)?;
    } else {
        tell(&mut out, &plan)?;
    }
    Ok(match (&plan.refusal, plan.steps.is_empty()) {
        (Some(_), _) => Exit::Refused.into(),
        (None, true) => ExitCode::SUCCESS,
        (None, false) => Exit::Changes.into(),
    })
}

/// Whether it is a table as `ipvsadm -S` prints it; no line of TOML begins like its.
fn is_table(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut said = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
    said.next().is_some_and(|it| it.starts_with('-'))
}

/// The IPVS to compare with.
fn live(options: &Options, backend: Option<Backend>) -> Result<Box<dyn Ipvs>> {
    Ok(match (&options.table, backend) {
        (Some(table), _) => Box::new(saved(table)?),
        (None, Some(Backend::Daemon(remote))) => Box::new(remote),
        (None, _) => Box::new(Netlink::open(Autoload::No).map_err(|error| run::unusable(&error))?),
    })
}

/// The table that a file holds.
fn saved(path: &Path) -> Result<Embedded> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to read the table {}", path.display()))?;
    let is_said = |it: &&str| !it.is_empty() && !it.starts_with('#');
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, it)| is_said(it));
    let lines: Vec<(usize, String)> = lines.map(|(number, it)| (number, it.to_owned())).collect();
    simulate::table(Embedded::new(Settings::default()), path, &lines, &Machinery::new()?)
}

/// What makes the table that `wanted` holds out of that of `live`.
fn of_table(wanted: &Path, live: &mut dyn Ipvs) -> Result<Plan> {
    let read = |ipvs: &mut dyn Ipvs| ipvs.read(Scope::All, Fields::ALL).map(planned);
    let actual = read(live).map_err(|error| run::unusable(&error))?;
    let desired = read(&mut saved(wanted)?)?;
    let steps = diff::diff(&actual, &desired).into_iter().map(|change| {
        let server = match &change {
            Change::EditServer(service, it) => Some((*service, it.endpoint)),
            Change::DeleteServer(key) => Some((key.service, key.server)),
            _ => None,
        };
        let before = server.and_then(|(service, it)| actual.get(&service)?.servers.get(&it));
        let weight_before = before.map(|it| it.weight);
        PlanStep { change: change.into(), weight_before, reason: String::new(), then: None }
    });
    Ok(Plan { steps: steps.collect(), ..Plan::default() })
}

fn planned(snapshot: Snapshot) -> diff::Plan {
    let entry = |it: TableEntry| {
        let servers = it.servers.iter().map(|it| (it.config.endpoint, it.config)).collect();
        (it.service.config.key, PlannedService { service: it.service.config, servers })
    };
    snapshot.entries.into_iter().map(entry).collect()
}

/// Tells it to people.
fn tell(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    if !plan.differences.is_empty() {
        writeln!(out, "the configuration differs from the one that runs:")?;
        tell_differences(out, &plan.differences)?;
    }
    for line in &plan.news {
        writeln!(out, "would be told: {line}")?;
    }
    if plan.steps.is_empty() {
        writeln!(out, "nothing would be written")?;
    } else {
        writeln!(out, "would be written, in this order:")?;
        tell_steps(out, &plan.steps)?;
    }
    if let Some(refusal) = &plan.refusal {
        writeln!(out, "but a reload is refused: {refusal}")?;
    }
    Ok(())
}

fn tell_steps(out: &mut dyn Write, steps: &[PlanStep]) -> io::Result<()> {
    let rows: Vec<[String; 4]> = steps.iter().map(PlanStep::row).collect();
    let width = |column: usize| rows.iter().map(|it| it[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [verb, what, weight, why] in &rows {
        let [first, second, third] = widths;
        let line = format!("  {verb:first$}  {what:second$}  {weight:third$}  {why}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

impl PlanStep {
    /// What is done, to what, its weight, and why.
    fn row(&self) -> [String; 4] {
        use protocol::Change as C;

        let before = self.weight_before.map_or_else(|| "absent".to_owned(), |it| it.to_string());
        let weight = |after: &dyn Display| format!("weight {before} -> {after}");
        let (verb, what, how) = match &self.change {
            C::AddService(it) => ("add", it.key.0.to_string(), it.scheduler.clone()),
            C::EditService(it) => ("edit", it.key.0.to_string(), it.scheduler.clone()),
            C::DeleteService { service } => ("remove", service.0.to_string(), String::new()),
            C::AddServer { service, server } => {
                ("add", format!("{} {}", service.0, server.address), weight(&server.weight))
            }
            C::EditServer { service, server } if self.weight_before == Some(server.weight) => {
                ("edit", format!("{} {}", service.0, server.address), format!("weight {before}"))
            }
            C::EditServer { service, server } => {
                ("edit", format!("{} {}", service.0, server.address), weight(&server.weight))
            }
            C::DeleteServer { service, server } => {
                ("remove", format!("{} {server}", service.0), weight(&"absent"))
            }
            C::SetTimeouts(it) => {
                let all = [("tcp", it.tcp_s), ("tcp-fin", it.tcp_fin_s), ("udp", it.udp_s)];
                let set = all.iter().filter(|it| it.1 != 0);
                let set: Vec<_> = set.map(|(key, seconds)| format!("{key} {seconds}s")).collect();
                ("set", "time-outs".to_owned(), set.join(", "))
            }
            C::StartDaemon(it) => ("start", format!("sync {:?}", it.role), String::new()),
            C::StopDaemon { role, .. } => ("stop", format!("sync {role:?}"), String::new()),
            other => ("do", format!("{other:?}"), String::new()),
        };
        let why = [Some(&self.reason).filter(|it| !it.is_empty()), self.then.as_ref()];
        let why: Vec<&str> = why.into_iter().flatten().map(String::as_str).collect();
        [verb.to_owned(), what, how, why.join("; ")]
    }
}
