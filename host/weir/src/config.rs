//! What the operator wrote: `weir.toml`, read, checked and turned into our own words.
//!
//! [`files`] has the text, [`merge`] makes one table of it, and each table has a file that
//! reads it. Pure, but for the files that are read: the configuration, and what that names.
//! Every mistake is found in one run, with its place and what was expected; a [`Config`] has
//! none. `host/docs/configuration.md` is its manual.

mod agent;
mod backend;
mod check;
mod checks;
mod differences;
mod files;
mod globals;
mod keys;
mod log;
mod loops;
#[cfg(test)]
mod manual;
mod merge;
mod plugin;
mod reader;
mod references;
mod rules;
mod schema;
mod selector;
mod self_probe;
mod server;
mod service;
mod shorthand;
mod value;
mod via;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::DeValue;
use weir_ipvs::ServiceKey;

#[cfg(test)]
pub(crate) use self::check::AgentCheck;
use self::{
    agent::AgentKeys,
    check::CheckKeys,
    keys::{By, Key, Nested, Shape, Table, Without::Means},
    reader::{Notes, Section},
    rules::RulesKeys,
    service::{Common, Names},
};
pub(crate) use self::{
    backend::{Backend, Embedded},
    check::{
        Check, CheckKind, CommandCheck, DnsCheck, Expiring, GrpcCheck, HttpCheck, HttpVersion,
        PluginCheck, Tls, UdpCheck, system_client,
    },
    checks::Checks,
    differences::{Difference, Kind as DifferenceKind},
    files::Files,
    globals::Globals,
    log::{Log, Place as LogPlace},
    plugin::{Fallback, Grant, Keeping, Mode, Plugin, Rate, Source, StepLimit},
    rules::{Drift, Rules, Whose},
    schema::schema,
    selector::Match,
    self_probe::SelfProbe,
    service::NamedService,
    via::{Via, ViaAddress},
};
use crate::problems::{Place, Problem, Problems};

/// Where the configuration is, unless it is said.
pub(crate) const DEFAULT_PATH: &str = "/etc/weir/weir.toml";

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
    /// What the tables at the top say of services: holds for those that it has no more.
    pub(crate) rules: Rules,
    /// What it states of IPVS as a whole.
    pub(crate) globals: Globals,
    /// `[[self-probe]]`: what the director must reach for its checks to be believed.
    pub(crate) self_probes: Vec<SelfProbe>,
    /// `[control] socket`: where commands find the daemon.
    pub(crate) socket: Option<PathBuf>,
    /// A file of it whose last line has no end: whoever writes it may not be done.
    pub(crate) unfinished: Option<Arc<str>>,
    /// Where each plugin's code is stated, by its name, and each of its settings, by its name and
    /// the keys on the way.
    places: BTreeMap<String, Place>,
    /// `[state] directory`: where what must survive is kept.
    pub(crate) state: Option<PathBuf>,
    /// `[log]`: what is logged beside stderr.
    pub(crate) log: Log,
    /// Where in `services` each is.
    positions: BTreeMap<ServiceKey, usize>,
    /// Whose each name is; none = a match's.
    names: BTreeMap<String, Option<ServiceKey>>,
}

impl Config {
    /// The `[[service]]` with this key.
    pub(crate) fn service(&self, key: &ServiceKey) -> Option<&NamedService> {
        self.positions.get(key).and_then(|it| self.services.get(*it))
    }

    /// Has it state a service that a plugin owns, in the place of what it owned with this key.
    pub(crate) fn own(&mut self, service: NamedService) {
        let (key, name) = (service.service.key, service.name.clone());
        match self.positions.get(&key) {
            Some(at) => {
                let before = std::mem::replace(&mut self.services[*at], service);
                self.names.remove(&before.name);
            }
            None => {
                self.positions.insert(key, self.services.len());
                self.services.push(service);
            }
        }
        self.names.insert(name, Some(key));
    }

    /// Has it no more state the service with this key.
    pub(crate) fn disown(&mut self, key: &ServiceKey) {
        let Some(at) = self.positions.remove(key) else { return };
        let gone = self.services.swap_remove(at);
        self.names.remove(&gone.name);
        if let Some(moved) = self.services.get(at) {
            self.positions.insert(moved.service.key, at);
        }
    }

    /// Whether a service or match other than that with this key has the name.
    pub(crate) fn has_name(&self, name: &str, key: &ServiceKey) -> bool {
        self.names.get(name).is_some_and(|it| *it != Some(*key))
    }

    /// Every check that is made.
    pub(crate) fn checks(&self) -> impl Iterator<Item = &Check> {
        let of_services = self.services.iter().filter_map(|it| it.check.as_ref());
        let of_matches = self.matches.iter().filter_map(|it| it.check.as_ref());
        let keeping =
            self.plugins.iter().filter_map(|it| it.grant.keeping.as_ref()?.check.as_ref());
        let listed = of_services.chain(of_matches).chain(keeping).flat_map(|it| &it.list);
        listed.chain(self.self_probes.iter().map(|it| &it.check)).map(|it| &**it)
    }

    /// Where the code of the plugin of this name is stated, for messages.
    pub(crate) fn place_of(&self, plugin: &str) -> Place {
        let place = self.places.get(plugin).cloned();
        place.unwrap_or_else(|| Place::of_file(format!("plugin {plugin}")))
    }

    /// Where the setting of the plugin of this name stands that `pointer`, a JSON pointer, leads to,
    /// or what it would be in.
    pub(crate) fn place_of_setting(&self, plugin: &str, pointer: &str) -> Place {
        let mut path = pointer;
        while let Some((above, _)) = path.rsplit_once('/') {
            if let Some(place) = self.places.get(&format!("{plugin}/config{path}")) {
                return place.clone();
            }
            path = above;
        }
        let whole = self.places.get(&format!("{plugin}/config"));
        whole.cloned().unwrap_or_else(|| self.place_of(plugin))
    }

    /// The same with relative paths looked for in `directory`; absolute ones stay what they
    /// are.
    fn beside(mut self, directory: &Path) -> Self {
        for plugin in &mut self.plugins {
            let source = match &mut plugin.source {
                Source::File(file) => Some(file),
                Source::Builtin(_) => None,
            };
            for file in source.into_iter().chain(&mut plugin.script) {
                *file = directory.join(&file);
            }
            plugin.grant.beside(directory);
        }
        self.socket = self.socket.map(|it| directory.join(it));
        self.state = self.state.map(|it| directory.join(it));
        if let LogPlace::At(path) = &mut self.log.decisions {
            *path = directory.join(&path);
        }
        self
    }
}

/// What the tables at the top, or a profile, give services and matches.
struct Defaults {
    check: Option<CheckKeys>,
    agent: Option<AgentKeys>,
    rules: RulesKeys,
}

impl Defaults {
    /// The same with what a profile says over them.
    fn under(&self, profile: &mut Section<'_>) -> Self {
        let usual = self.check.as_ref();
        let check = match profile.value(check::OWN.name).map(toml::Spanned::get_ref) {
            None => self.check.clone(),
            Some(DeValue::Boolean(false)) => None,
            Some(_) => profile.section(check::OWN.name).map(|it| CheckKeys::read(it, usual)),
        };
        let usual = self.agent.as_ref();
        let agent = match profile.value(checks::AGENT.name).map(toml::Spanned::get_ref) {
            None => self.agent.clone(),
            Some(DeValue::Boolean(false)) => None,
            Some(_) => profile.section(checks::AGENT.name).map(|it| AgentKeys::read(it, usual)),
        };
        Self { check, agent, rules: self.rules.read(profile) }
    }
}

static TOP: Table = Table::new(
    "top",
    &[&[
        &backend::BACKEND,
        &backend::EMBEDDED,
        &check::USUAL,
        &checks::USUAL_AGENT,
        &rules::SLOW_START,
        &rules::SAFETY,
        &rules::DRAIN,
        &rules::DRIFT,
        &service::DEFAULTS,
        &service::PROFILES,
        &service::POOLS,
        &service::SERVICES,
        &selector::MATCHES,
        &self_probe::SELF_PROBES,
        &plugin::PLUGINS,
        &globals::TIMEOUTS,
        &globals::SYNC,
        &CONTROL,
        &STATE,
        &log::LOG,
    ]],
);

static STATE: Nested = Nested {
    name: "state",
    table: &STATE_TABLE,
    shape: Shape::One,
    default: "",
    meaning: "where what must survive a restart is kept",
};

static STATE_TABLE: Table = Table::new("state", &[&[&DIRECTORY]]);

static DIRECTORY: Key<By<PathBuf>> = Key::new(
    "directory",
    By { read: value::path, types: &["string"] },
    Means("see below"),
    "where `state.redb` is, from the directory of this file; made if it is missing, with mode 0700",
);

static CONTROL: Nested = Nested {
    name: "control",
    table: &CONTROL_TABLE,
    shape: Shape::One,
    default: "",
    meaning: "where commands find the daemon",
};

static CONTROL_TABLE: Table = Table::new("control", &[&[&SOCKET]]);

static SOCKET: Key<By<PathBuf>> = Key::new(
    "socket",
    By { read: value::path, types: &["string"] },
    Means("`/run/weir/weir.sock`; for others than root `$XDG_RUNTIME_DIR/weir/weir.sock`"),
    "where commands find the daemon, from the directory of this file. `--socket` and \
     `WEIR_SOCKET` go before it. See [commands.md](commands.md)",
);

/// Reads the file at `path`, or the fragments in the directory at `path`. Relative paths in
/// it are looked for in the same directory.
pub(crate) fn read(path: &Path) -> Result<Config, Problems> {
    parse_files(&Files::read(path)?)
}

/// Reads `text`; relative paths in it are looked for in `directory`.
pub(crate) fn parse_beside(directory: &Path, file: &str, text: &str) -> Result<Config, Problems> {
    parse_files(&Files::one(directory, file, text))
}

/// Reads the text of files.
pub(crate) fn parse_files(files: &Files) -> Result<Config, Problems> {
    match understand(files) {
        (Some(config), found) if found.is_empty() => Ok(config),
        (_, found) => Err(Problems::new(found)),
    }
}

/// What can be understood of the text of files, and every mistake in it. With a mistake the
/// configuration is good for nothing but its names.
pub(crate) fn understand(files: &Files) -> (Option<Config>, Vec<Problem>) {
    let notes = Notes::new(files);
    let table = merge::merged(files, &notes);
    let config = table.as_ref().map(|it| config(Section::new(it, 0..files.end(), "", &notes)));
    let found = notes.into_found();
    let whole =
        |it: Config| Config { unfinished: files.unfinished(), ..it.beside(&files.directory) };
    (config.map(whole), found)
}

/// Reads `text`; `file` is its name in messages.
#[cfg(test)]
pub(crate) fn parse(file: &str, text: &str) -> Result<Config, Problems> {
    parse_beside(Path::new(""), file, text)
}

fn config(mut top: Section<'_>) -> Config {
    top.notes.know_plugins(plugin::names_on(&top));
    let backend = backend::read(&mut top);
    let defaults = Defaults {
        check: top.section(check::USUAL.name).map(|it| CheckKeys::read(it, None)),
        agent: top.section(checks::USUAL_AGENT.name).map(|it| AgentKeys::read(it, None)),
        rules: RulesKeys::default().read(&mut top),
    };
    let common = Common::read(&mut top, defaults, &backend);
    let mut names = Names::new();
    let services = service::read_all(&mut top, &common, &mut names);
    let matches = selector::read_all(&mut top, common.defaults(), &mut names);
    let checked = services.iter().any(NamedService::is_checked)
        || matches.iter().any(|it| it.check.is_some());
    let plugins = plugin::read_all(&mut top, &names, &common, checked);
    let self_probes = self_probe::read(&mut top);
    let globals = globals::read(&mut top);
    globals::check(&globals, &services, &top);
    let socket = top.section(CONTROL.name).and_then(|it| one_path(it, &SOCKET, &CONTROL_TABLE));
    let log = top.section(log::LOG.name).map(log::read).unwrap_or_default();
    let state = top.section(STATE.name).and_then(|it| one_path(it, &DIRECTORY, &STATE_TABLE));
    let place = |it: &Plugin| {
        let keys = ["script", "source", "component"].iter();
        let mut places = keys.map(|key| top.place_of(&["plugin", &it.name, key]));
        let place = places.find_map(|it| it).or_else(|| top.place_of(&["plugin", &it.name]));
        Some((it.name.clone(), place?))
    };
    let settings = |it: &Plugin| {
        let found = top.places_below(&["plugin", &it.name, "config"]);
        let whole = top.place_of(&["plugin", &it.name, "config"]).map(|it| (String::new(), it));
        let name = format!("{}/config", it.name);
        found.into_iter().chain(whole).map(move |(path, place)| (format!("{name}{path}"), place))
    };
    let places = plugins.iter().filter_map(place);
    let places = places.chain(plugins.iter().flat_map(settings)).collect();
    top.finish_as(&TOP);
    let rules = common.defaults().rules.finish();
    let positions =
        services.iter().enumerate().map(|(index, it)| (it.service.key, index)).collect();
    let of_services = services.iter().map(|it| (it.name.clone(), Some(it.service.key)));
    let of_matches = matches.iter().map(|it| (it.name.clone(), None));
    let names = of_services.chain(of_matches).collect();
    let unfinished = None;
    Config {
        backend,
        services,
        matches,
        plugins,
        rules,
        globals,
        self_probes,
        socket,
        state,
        log,
        unfinished,
        places,
        positions,
        names,
    }
}

/// The one key of a table, which is a path.
fn one_path(
    mut section: Section<'_>,
    key: &Key<By<PathBuf>>,
    table: &'static Table,
) -> Option<PathBuf> {
    let path = section.key(key);
    section.finish_as(table);
    path
}
