//! `weir check`: what is wrong with a configuration, before it is used.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use weir_wasm::Runtime;

use crate::{
    cli::Exit,
    config::{self, Config, Files},
    control::Mistake,
    inherited,
    problems::Problems,
    run::plugins,
};

/// What `weir check` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The configuration: a file, or a directory of fragments.
    #[arg(long, value_name = "PATH", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    /// Answer in JSON, on standard output.
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of configurations instead.
    #[arg(long)]
    schema: bool,
}

/// What was found, for programs.
#[derive(Debug, Default, Serialize)]
struct Report {
    mistakes: Vec<Mistake>,
    services: usize,
    real_servers: usize,
    matches: usize,
    plugins: Vec<String>,
}

/// Checks everything that `weir run` would, plugins included, and touches nothing.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    inherited::restore_sigpipe();
    if options.schema {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&config::schema())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = Runtime::for_daemon()?;
    let checked = check(options, &runtime);
    let status = if checked.is_ok() { ExitCode::SUCCESS } else { Exit::Failure.into() };
    if options.json {
        let report = match checked {
            Ok(config) => Report::of(&config),
            Err(problems) => Report { mistakes: problems.into(), ..Report::default() },
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
        return Ok(status);
    }
    match checked {
        Ok(config) => {
            let shown = options.config.display();
            writeln!(io::stdout(), "{shown}: no mistakes: {}", Report::of(&config))?;
        }
        Err(problems) => super::print_error(&problems.to_string()),
    }
    Ok(status)
}

fn check(options: &Options, runtime: &Runtime) -> Result<Config, Problems> {
    let files = Files::read(&options.config)?;
    let (config, mut found) = config::understand(&files);
    // A mistake elsewhere does not keep plugins from being looked at.
    if let Some(config) = &config
        && let Err(problems) = plugins::load(runtime, config, |_| {})
    {
        found.extend(problems.into_found());
    }
    match config {
        Some(config) if found.is_empty() => Ok(config),
        _ => Err(files.show(Problems::new(found))),
    }
}

impl Report {
    fn of(config: &Config) -> Self {
        Self {
            mistakes: Vec::new(),
            services: config.services.len(),
            real_servers: config.services.iter().map(|it| it.servers.len()).sum(),
            matches: config.matches.len(),
            plugins: config.plugins.iter().map(|it| it.name.clone()).collect(),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (services, servers) = (self.services, self.real_servers);
        write!(f, "services: {services}, real servers: {servers}, matches: {}", self.matches)?;
        write!(f, ", plugins: ")?;
        f.write_str(if self.plugins.is_empty() { "none" } else { "" })?;
        f.write_str(&self.plugins.join(" "))
    }
}
