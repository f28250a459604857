//! Plugins as the manager calls them: loaded from where the configuration says, and given
//! what it grants.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _, sync::Arc, time::SystemTime};

use anyhow::{anyhow, ensure};
use weir_wasm::{
    Birth, Effect, Envelope, LogLine, LogSink, Plugin, Policy, PolicyGrant, PolicySettings,
    Runtime, View, World,
};

use super::pulse::Pulse;
use crate::{
    builtin, commands,
    config::{self, Config, Source},
    manager::{Guest, Starter},
    problems::{Problem, Problems},
    report::Line,
    script,
};

/// A plugin whose code is ready to run.
pub(crate) struct Loaded {
    config: config::Plugin,
    plugin: Plugin,
    code: Code,
}

/// Tells the file of a plugin's code, and that of its script, from others that took their
/// places; nothing for what it has not.
pub(super) type Code = [Option<(u64, u64, Option<SystemTime>)>; 2];

/// The code of each plugin, by its name.
pub(super) fn codes(loaded: &[Loaded]) -> BTreeMap<String, Code> {
    loaded.iter().map(|it| (it.config.name.clone(), it.code)).collect()
}

fn code(plugin: &config::Plugin) -> Code {
    let component = match &plugin.source {
        Source::File(path) => Some(path),
        Source::Builtin(_) => None,
    };
    [component, plugin.script.as_ref()].map(|path| {
        let found = fs::metadata(path?).ok()?;
        Some((found.ino(), found.len(), found.modified().ok()))
    })
}

/// Loads every plugin of `config`, in its order, or says what is wrong with each that cannot
/// be used. What can be gone on without goes to `log`.
pub(crate) fn load(
    runtime: &Runtime,
    config: &Config,
    log: impl Fn(&Line),
) -> Result<Vec<Loaded>, Problems> {
    let (mut loaded, mut problems) = (Vec::new(), Vec::new());
    for plugin in &config.plugins {
        // Before it is read: a file that is replaced meanwhile counts as another.
        let code = code(plugin);
        match prepare(runtime, plugin, &log) {
            Ok((config, plugin)) => loaded.push(Loaded { config, plugin, code }),
            Err(error) => problems.push(Problem {
                place: config.place_of(&plugin.name),
                message: format!("plugin {}: {error:#}", plugin.name),
            }),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(Problems::new(problems)) }
}

/// One of them, and its configuration with what its script says.
fn prepare(
    runtime: &Runtime,
    config: &config::Plugin,
    log: &impl Fn(&Line),
) -> anyhow::Result<(config::Plugin, Plugin)> {
    let plugin = load_one(runtime, &config.source, log)?;
    let mut config = config.clone();
    if let Some(script) = &config.script {
        config.config_json = script::settings(script, &config.config_json)?;
        script::try_out(runtime, &plugin, &config)?;
    }
    Ok((config, plugin))
}

fn load_one(runtime: &Runtime, source: &Source, log: &impl Fn(&Line)) -> anyhow::Result<Plugin> {
    match source {
        Source::Builtin(name) => {
            let found = builtin::POLICIES.iter().find(|it| it.name() == name);
            let builtin = found.ok_or_else(|| {
                let names: Vec<&str> = builtin::POLICIES.iter().map(|it| it.name()).collect();
                anyhow!("there is no component {name} in weir, but {}", names.join(", "))
            })?;
            let cache = runtime.must_compile(builtin).then(commands::cache).flatten();
            Ok(runtime.builtin(builtin, cache.as_ref())?)
        }
        Source::File(path) => {
            let plugin = runtime.load(path, commands::cache().as_ref())?;
            if let Some(error) = plugin.cache_error() {
                log(&Line::warn("cache").with("error", error));
            }
            ensure!(
                plugin.world() == World::Policy,
                "{} is a command, not a policy: run it with `weir exec`",
                path.display()
            );
            Ok(plugin)
        }
    }
}

/// What makes instances of a plugin, whose lines go to `log`.
pub(crate) fn starter(
    loaded: Loaded,
    runtime: &Arc<Runtime>,
    pulse: &Arc<Pulse>,
    log: LogSink,
) -> Starter {
    let (runtime, pulse) = (Arc::clone(runtime), Arc::clone(pulse));
    Box::new(move |grant: PolicyGrant, birth: Birth, view: View| {
        let settings = PolicySettings {
            instance: loaded.config.name.clone(),
            config_json: loaded.config.config_json.clone(),
            grant,
            limits: loaded.config.limits,
            log: Arc::clone(&log),
        };
        let started = pulse.during(|| runtime.start_policy(&loaded.plugin, settings, birth, view));
        let (policy, subscription) = started.map_err(|failure| failure.to_string())?;
        let instance = Instance { policy, pulse: Arc::clone(&pulse) };
        Ok((Box::new(instance) as Box<dyn Guest>, subscription))
    })
}

struct Instance {
    policy: Policy,
    pulse: Arc<Pulse>,
}

impl Guest for Instance {
    fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, String> {
        let handled = self.pulse.during(|| self.policy.handle(view, batch));
        handled.map_err(|failure| failure.to_string())
    }
}

/// A line of a plugin as one of weir's log.
pub(crate) fn line_of(line: LogLine) -> Line {
    let start =
        Line::new(line.level, "log").with("plugin", line.plugin).with("message", line.message);
    line.fields.into_iter().fold(start, |line, (key, value)| line.with(key, value))
}
