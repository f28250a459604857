//! What the operator wrote: `weir.toml`, read, checked and turned into our own words.
//!
//! Pure, but for the files that it reads: the configuration, and what that names. Every mistake of a file is found in one run, with its place and
//! what was expected; a [`Config`] has none. `host/docs/configuration.md` is its manual.

mod backend;
mod check;
mod plugin;
mod reader;
mod rules;
mod selector;
mod service;
mod value;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use toml::de::DeTable;
use weir_ipvs::ServiceKey;

pub(crate) use self::{
    backend::{Backend, Embedded},
    check::{Check, CheckKind, HttpCheck, HttpVersion, Tls},
    plugin::{Grant, Plugin, Source, StepLimit},
    rules::{Drift, Rules, Whose},
    selector::Match,
    service::NamedService,
};
use self::{
    check::CheckKeys,
    reader::{Notes, Section},
    rules::RulesKeys,
};
use crate::problems::Problems;

/// Everything the configuration says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// Whose table it is that all of this is about.
    pub(crate) backend: Backend,
    /// `[[service]]`: desired state.
    pub(crate) services: Vec<NamedService>,
    /// `[[match]]`: claims on what others put into the table, in the order of the file:
    /// the first that fits counts.
    pub(crate) matches: Vec<Match>,
    /// `[plugin.NAME]`, in the order in which they are called; those that are off are left
    /// out.
    pub(crate) plugins: Vec<Plugin>,
    /// `[control] socket`: where commands find the daemon.
    pub(crate) socket: Option<PathBuf>,
    /// Where in `services` each is.
    positions: BTreeMap<ServiceKey, usize>,
}

impl Config {
    /// The `[[service]]` with this key.
    pub(crate) fn service(&self, key: &ServiceKey) -> Option<&NamedService> {
        self.positions.get(key).and_then(|it| self.services.get(*it))
    }
}

/// What the tables at the top give every service and match.
struct Defaults {
    check: Option<CheckKeys>,
    rules: RulesKeys,
}

/// Reads the file at `path`, beside which relative paths in it are looked for.
pub(crate) fn read(path: &Path) -> anyhow::Result<Config> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to read the configuration {}", path.display()))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    Ok(parse_beside(directory, &path.display().to_string(), &text)?)
}

/// Reads `text`; relative paths in it are looked for in `directory`.
pub(crate) fn parse_beside(directory: &Path, file: &str, text: &str) -> Result<Config, Problems> {
    let mut config = parse_in(directory, file, text)?;
    for plugin in &mut config.plugins {
        let source = match &mut plugin.source {
            Source::File(file) => Some(file),
            Source::Builtin(_) => None,
        };
        for file in source.into_iter().chain(&mut plugin.script) {
            // An absolute path stays what it is.
            *file = directory.join(&file);
        }
    }
    config.socket = config.socket.map(|it| directory.join(it));
    Ok(config)
}

/// Reads `text`, which names no files; `file` is its name in messages.
#[cfg(test)]
pub(crate) fn parse(file: &str, text: &str) -> Result<Config, Problems> {
    parse_in(Path::new(""), file, text)
}

fn parse_in(directory: &Path, file: &str, text: &str) -> Result<Config, Problems> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let notes = Notes::new(text, directory);
    for error in &errors {
        let offset = error.span().map_or(text.len(), |it| it.start);
        notes.add(offset, error.message());
    }
    // After a syntax error the rest may be misread, and complaints about it mislead.
    let config =
        errors.is_empty().then(|| config(Section::new(table.get_ref(), 0..text.len(), "", &notes)));
    let found = notes.into_found();
    match config {
        Some(config) if found.is_empty() => Ok(config),
        _ => Err(Problems::new(file, found)),
    }
}

fn config(mut top: Section<'_>) -> Config {
    let backend = backend::read(&mut top);
    let defaults = Defaults {
        check: top.section("check").map(|section| CheckKeys::read(section, None)),
        rules: RulesKeys::default().read(&mut top),
    };
    let mut names = BTreeSet::new();
    let services = service::read_all(&mut top, &defaults, &mut names);
    let matches = selector::read_all(&mut top, &defaults, &mut names);
    let checked = services.iter().any(NamedService::is_checked)
        || matches.iter().any(|it| it.check.is_some());
    let plugins = plugin::read_all(&mut top, &names, checked);
    let socket = top.section("control").and_then(control_socket);
    top.finish();
    let positions =
        services.iter().enumerate().map(|(index, it)| (it.service.key, index)).collect();
    Config { backend, services, matches, plugins, socket, positions }
}

/// The one key of `[control]`.
fn control_socket(mut section: Section<'_>) -> Option<PathBuf> {
    let socket = section.get("socket", value::text);
    section.finish();
    socket.map(PathBuf::from)
}
