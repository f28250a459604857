//! Plugins as the manager calls them: loaded from where the configuration says, and given
//! what it grants.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    rc::Rc,
    sync::Arc,
    time::SystemTime,
};

use anyhow::{anyhow, ensure};
use weir_wasm::{
    Checking, Effect, Envelope, Failure, Limits, LogLine, LogSink, Plugin, Policy, PolicyGrant,
    Refusal, Runtime, Settings, View, World,
};

use super::pulse::Pulse;
use crate::{
    builtin, commands,
    config::{self, Config, Source},
    health::Checker,
    manager::{self, Code, Guest},
    problems::{Problem, Problems},
    report::Line,
    schema::{self, Schema, Unfit, Wrong},
    script,
};

/// A plugin whose code is ready to run.
pub(crate) struct Loaded {
    config: config::Plugin,
    plugin: Plugin,
    /// What it is to be called for.
    roles: Vec<World>,
    /// What its settings may be, if it says.
    schema: Option<Schema>,
    stamp: Stamp,
}

/// Tells the files of a plugin from others that took their places: that of its code, that of its
/// script, and the schema beside that; nothing for what it has not.
pub(super) type Stamp = [Option<(u64, u64, Option<SystemTime>)>; 3];

impl Loaded {
    /// The name of the plugin.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }
}

/// The file of each plugin as it was loaded, by the plugin's name.
pub(super) fn stamps(loaded: &[Loaded]) -> BTreeMap<String, Stamp> {
    loaded.iter().map(|it| (it.config.name.clone(), it.stamp)).collect()
}

/// The files of a plugin as they are now.
pub(super) fn stamp(plugin: &config::Plugin) -> Stamp {
    let component = match &plugin.source {
        Source::File(path) => Some(path),
        Source::Builtin(_) => None,
    };
    let schema = plugin.script.as_deref().map(schema::place_beside);
    [component, plugin.script.as_ref(), schema.as_ref()].map(|path| {
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
        match load_one(runtime, plugin, &log) {
            Ok(it) => loaded.push(it),
            Err(error) => problems.extend(problems_of(config, &plugin.name, &error)),
        }
    }
    problems.extend(idle_checkers(config, &loaded));
    problems.extend(unfit_checks(config, &loaded));
    if problems.is_empty() { Ok(loaded) } else { Err(Problems::new(problems)) }
}

/// What is wrong with a plugin that cannot be used, or with each of its settings.
fn problems_of(config: &Config, name: &str, error: &anyhow::Error) -> Vec<Problem> {
    let Some(Unfit(wrong)) = error.downcast_ref() else {
        let message = format!("plugin {name}: {error:#}");
        return vec![Problem { place: config.place_of(name), message }];
    };
    let problem = |it: &Wrong| Problem {
        place: config.place_of_setting(name, &it.pointer),
        message: format!("plugin {name}: {it}"),
    };
    wrong.iter().map(problem).collect()
}

/// Checks whose settings, over those of the plugin that they name, its schema does not take.
fn unfit_checks(config: &Config, loaded: &[Loaded]) -> Vec<Problem> {
    let problem = |(name, over): (&str, &str)| {
        let schema = loaded.iter().find(|it| it.name() == name)?.schema.as_ref()?;
        let plugin = config.plugins.iter().find(|it| it.name == name)?;
        let unfit = schema.check(&script::over(&plugin.config_json, over, false)).err()?;
        let message = format!("plugin {name}: with the settings of a check that names it: {unfit}");
        Some(Problem { place: config.place_of(name), message })
    };
    config.checks().filter_map(|it| it.kind.plugin_settings()).filter_map(problem).collect()
}

/// Plugins that a check names and that check nothing.
fn idle_checkers(config: &Config, loaded: &[Loaded]) -> Vec<Problem> {
    let named: BTreeSet<&str> = config.checks().filter_map(|it| it.kind.plugin()).collect();
    let problem = |it: &Loaded| {
        let idle = manager::idle(&it.roles)?;
        let message = format!("plugin {}: {idle}", it.name());
        Some(Problem { place: config.place_of(it.name()), message })
    };
    loaded.iter().filter(|it| named.contains(it.name())).filter_map(problem).collect()
}

/// Loads one of them.
pub(crate) fn load_one(
    runtime: &Runtime,
    config: &config::Plugin,
    log: &impl Fn(&Line),
) -> anyhow::Result<Loaded> {
    // Before it is read: a file that is replaced meanwhile counts as another.
    let stamp = stamp(config);
    let plugin = find(runtime, &config.source, log)?;
    ensure!(!plugin.is(World::Command), "it is a command: run it with `weir exec`");
    let schema = match &config.source {
        Source::File(path) => Schema::of(path)?,
        Source::Builtin(name) => builtin::schema(name).map(Schema::parse).transpose()?,
    };
    let remedy = "remove `script`, or have it run by component = \"starlark\"";
    ensure!(
        config.script.is_none() || schema.is_none(),
        "it has settings of its own, as its schema says, and runs no script: {remedy}"
    );
    ensure!(
        config.script.is_none() || plugin.chooses(),
        "it runs no script, for it does not export weir:plugin/roles: {remedy}"
    );
    let schema = config.script.as_ref().map_or(Ok(schema), |it| Schema::beside(it))?;
    // A checker has settings of each check, too, and may have no others.
    let fits = |roles: &[World]| match &schema {
        Some(schema) if roles != [World::Checker] => schema.check(&config.config_json),
        _ => Ok(()),
    };
    if config.script.is_none() {
        fits(plugin.worlds())?;
    }
    let mut config = config.clone();
    if let Some(script) = &config.script {
        config.config_json = script::settings(script, &config.config_json)?;
    }
    let roles = roles(runtime, &plugin, &config.name, &config.config_json, config.limits);
    if config.script.is_some() {
        // What it is, it says when it is read; where that fails, it may be for its settings.
        fits(roles.as_deref().unwrap_or_default())?;
    }
    let roles = roles?;
    ensure!(
        !roles.contains(&World::Weigher) || config.grant.scales(),
        "it is a weigher, and may not scale: add to its grant \
         weights = {{ intents = [\"scale\"], scale = [500, 1500] }}"
    );
    Ok(Loaded { config, plugin, roles, schema, stamp })
}

/// The roles that a plugin plays with these settings. A script with a mistake fails here,
/// before the table is touched.
pub(crate) fn roles(
    runtime: &Runtime,
    plugin: &Plugin,
    name: &str,
    config_json: &str,
    limits: Limits,
) -> anyhow::Result<Vec<World>> {
    let settings = Settings {
        instance: name.to_owned(),
        config_json: config_json.to_owned(),
        grant: PolicyGrant::default(),
        limits,
        log: Arc::new(|_| {}),
    };
    runtime.roles(plugin, settings).map_err(|failure| match failure {
        Failure::Refused { message, .. } => anyhow!(message),
        failure => {
            let failure = failure.to_string();
            anyhow!(failure.strip_prefix(&format!("{name}: ")).unwrap_or(&failure).to_owned())
        }
    })
}

fn find(runtime: &Runtime, source: &Source, log: &impl Fn(&Line)) -> anyhow::Result<Plugin> {
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
            Ok(plugin)
        }
    }
}

/// The code of a plugin, as the manager calls it. Its lines go to `log`.
pub(crate) fn code(
    loaded: Loaded,
    runtime: &Arc<Runtime>,
    pulse: &Arc<Pulse>,
    log: &LogSink,
) -> Code {
    let (runtime, pulse) = (Arc::clone(runtime), Arc::clone(pulse));
    let settings = Settings {
        instance: loaded.config.name.clone(),
        config_json: loaded.config.config_json.clone(),
        grant: PolicyGrant::default(),
        limits: loaded.config.limits,
        log: Arc::clone(log),
    };
    let made = roles_of(&runtime, &pulse, loaded, &settings);
    made.unwrap_or_else(|failure| {
        let report = failure.to_string();
        Code::of_policy(move |_, _, _| Err(report.clone()))
    })
}

/// The same, or why it cannot be called.
fn roles_of(
    runtime: &Arc<Runtime>,
    pulse: &Arc<Pulse>,
    loaded: Loaded,
    settings: &Settings,
) -> Result<Code, Failure> {
    let is_script = loaded.config.script.is_some();
    let Loaded { plugin, roles, .. } = loaded;
    let mut code = Code::default();
    if roles.contains(&World::Weigher) {
        let weigher = runtime.weigher(&plugin, settings.clone())?;
        let pulse = Arc::clone(pulse);
        code.weigher = Some(Box::new(move |weighing| {
            pulse.during(|| weigher.weigh(weighing)).map_err(|it| it.to_string())
        }));
    }
    if roles.contains(&World::Guard) {
        let guard = runtime.guard(&plugin, settings.clone())?;
        let pulse = Arc::clone(pulse);
        code.guard = Some(Rc::new(move |grant, review, view| {
            pulse.during(|| guard.judge(grant, review, view)).map_err(|it| it.to_string())
        }));
    }
    if roles.contains(&World::Checker) {
        let checker = runtime.checker(&plugin, settings.clone())?;
        let (pulse, base) = (Arc::clone(pulse), settings.config_json.clone());
        code.checker = Some(Checker::new(move |checking, reach| {
            let settings = script::over(&base, &checking.settings, is_script);
            let checking = Checking { settings, ..checking };
            pulse.during(|| checker.check(checking, reach)).map_err(|it| it.to_string())
        }));
    }
    code.is_controller = roles.contains(&World::Controller);
    if roles.iter().any(|it| it.reacts()) {
        let (runtime, pulse, settings) = (Arc::clone(runtime), Arc::clone(pulse), settings.clone());
        code.policy = Some(Box::new(move |grant, birth, view| {
            let settings = Settings { grant, ..settings.clone() };
            let start = || runtime.start_policy(&plugin, settings, birth, view);
            let (policy, subscription) = pulse.during(start).map_err(|it| it.to_string())?;
            let instance = Instance { policy, pulse: Arc::clone(&pulse) };
            Ok((Box::new(instance) as Box<dyn Guest>, subscription))
        }));
    }
    Ok(code)
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

    fn take_refusals(&mut self) -> Vec<Refusal> {
        self.policy.take_refusals()
    }
}

/// A line of a plugin as one of weir's log.
pub(crate) fn line_of(line: LogLine) -> Line {
    let start =
        Line::new(line.level, "log").with("plugin", line.plugin).with("message", line.message);
    line.fields.into_iter().fold(start, |line, (key, value)| line.with(key, value))
}
