//! `[plugin.NAME]`: policies, weighers and guards, where they come from, and what they may do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use toml::de::DeValue;
use weir_wasm::{Limits, PolicyGrant, Services};

use weir_ipvs::ServiceKey;

use super::{
    keys::{Nested, Shape, Table},
    reader::{Section, found},
    server::{self, Labels, WEIGHT_MAX},
    service::Names,
    value,
};

/// One plugin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plugin {
    /// Its name, in logs and before statements.
    pub(crate) name: String,
    /// Where its code is.
    pub(crate) source: Source,
    /// The file of text that its code runs, as starlark does.
    pub(crate) script: Option<PathBuf>,
    /// JSON text of an object: its settings.
    pub(crate) config_json: String,
    /// What it may do.
    pub(crate) grant: Grant,
    /// What it may use.
    pub(crate) limits: Limits,
    /// How often it weighs each service, if it is a weigher.
    pub(crate) every: Duration,
    /// What becomes of what it says.
    pub(crate) mode: Mode,
    /// What becomes of its services when it was given up.
    pub(crate) fallback: Fallback,
}

impl Plugin {
    /// Whether it scales weights of the service or match of this name.
    pub(crate) fn may_scale(&self, name: &str) -> bool {
        self.mode == Mode::Enforce && self.grant.may_scale(name)
    }
}

/// What becomes of what a plugin says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is not called.
    Off,
    /// It is logged, and has no effect; the plugin cannot tell.
    Shadow,
    /// It takes effect.
    Enforce,
}

impl Mode {
    /// Their words.
    pub(crate) const WORDS: [(&str, Self); 3] =
        [("enforce", Self::Enforce), ("shadow", Self::Shadow), ("off", Self::Off)];
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|it| it.0 == text);
        found.map(|it| it.1).ok_or_else(|| format!("expected enforce, shadow or off, found {text}"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::Enforce => "enforce",
        })
    }
}

/// What becomes of a plugin's services when it was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// They go on with what others say.
    Static,
    /// weir itself drains real servers that are down, as health-weight does.
    BuiltinHealth,
}

/// Where a plugin's code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In this program, by this name.
    Builtin(String),
    /// In a component file.
    File(PathBuf),
}

/// What a policy may do; nothing, unless said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Which services it sees, and may say something about.
    pub(crate) reach: Reach,
    /// What it may say. Its `services` stay empty: names become keys where the table is
    /// known, in [`Grant::resolve`].
    weights: PolicyGrant,
    /// How fast its scales may move.
    pub(crate) max_step: Option<StepLimit>,
    /// How often it may say something new.
    pub(crate) changes: Option<Rate>,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// On average; 1 to 10000.
    pub(crate) per_second: u32,
    /// At once; 1 to 100000.
    pub(crate) burst: u32,
}

/// How fast a scale may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepLimit {
    /// Of the base weight, at a time; 1 to 100.
    pub(crate) percent: u32,
    /// Between two moves.
    pub(crate) per: Duration,
}

/// Which services, in the operator's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// None.
    None,
    /// Those of these services and matches, by name.
    Named(BTreeSet<String>),
    /// All that the configuration claims.
    All,
}

impl Grant {
    /// Whether it reaches the service or match of this name.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        match &self.reach {
            Reach::None => false,
            Reach::All => true,
            Reach::Named(names) => names.contains(name),
        }
    }

    /// Whether it and `other` both let a plugin set the base weights of some service.
    fn contests(&self, other: &Self) -> bool {
        let is_shared = match (&self.reach, &other.reach) {
            (Reach::None, _) | (_, Reach::None) => false,
            (Reach::Named(these), Reach::Named(those)) => !these.is_disjoint(those),
            _ => true,
        };
        is_shared && self.weights.base.is_some() && other.weights.base.is_some()
    }

    /// Whether it lets a plugin scale any weights at all.
    pub(crate) fn scales(&self) -> bool {
        self.weights.scale.is_some()
    }

    /// Whether it lets a plugin scale weights of the service or match of this name.
    pub(crate) fn may_scale(&self, name: &str) -> bool {
        self.reaches(name) && self.scales()
    }

    /// The grant over `claimed`, the services that are claimed now and the name of the
    /// service or match that claims each.
    pub(crate) fn resolve(&self, claimed: &BTreeMap<ServiceKey, String>) -> PolicyGrant {
        let services = match &self.reach {
            Reach::None => Services::None,
            Reach::All => Services::All,
            Reach::Named(names) => {
                let of_names = claimed.iter().filter(|(_, name)| names.contains(*name));
                Services::Named(of_names.map(|(key, _)| *key).collect())
            }
        };
        PolicyGrant { services, ..self.weights.clone() }
    }
}

pub(super) static PLUGINS: Nested = Nested {
    name: "plugin",
    table: &TABLE,
    shape: Shape::Named,
    default: "`health-weight`, where anything is checked",
    meaning: "plugins, where they come from, and what they may do",
};

static TABLE: Table = Table { name: "plugin", is_open: true, groups: &[] };

/// The built-in policy that is on by default.
const HEALTH_WEIGHT: &str = "health-weight";

/// The built-in component that runs scripts.
const STARLARK: &str = "starlark";

/// How long statements outlive a plugin that stopped running, unless its grant says.
const LEASE: Duration = Duration::from_secs(120);

/// How often a weigher weighs each service, unless said.
const EVERY: Duration = Duration::from_secs(5);

/// Every plugin that is on, in the order in which they are called: our own first, for they
/// keep nobody waiting. `names` are those of services and matches. Where something is
/// `checked`, health-weight is added unless it is configured, or configured off.
pub(super) fn read_all(top: &mut Section<'_>, names: &Names, checked: bool) -> Vec<Plugin> {
    let mut plugins = Vec::new();
    let mut implied = checked;
    if let Some(section) = top.section(PLUGINS.name) {
        for (name, section) in section.named_sections("plugin") {
            implied &= name != HEALTH_WEIGHT;
            plugins.extend(read(name, section, names, &plugins));
        }
    }
    if implied {
        plugins.push(Plugin {
            name: HEALTH_WEIGHT.to_owned(),
            source: Source::Builtin(HEALTH_WEIGHT.to_owned()),
            script: None,
            config_json: "{}".to_owned(),
            grant: health_weight_grant(),
            limits: Limits::for_policy(),
            every: EVERY,
            mode: Mode::Enforce,
            fallback: Fallback::BuiltinHealth,
        });
    }
    plugins.sort_by_key(|it| (matches!(it.source, Source::File(_)), it.name.clone()));
    plugins
}

fn health_weight_grant() -> Grant {
    let weights = PolicyGrant { drain: true, lease: LEASE, ..PolicyGrant::default() };
    Grant { reach: Reach::All, weights, max_step: None, changes: None }
}

fn read(
    name: String,
    mut section: Section<'_>,
    names: &Names,
    others: &[Plugin],
) -> Option<Plugin> {
    if let Err(message) = value::check_name(&name) {
        section.note_here(message);
    }
    let source = read_source(&mut section, &name);
    let script = section.get("script", path);
    if script.is_none() && source == Some(Source::Builtin(STARLARK.to_owned())) {
        section.note_at("component", "it runs a script: add script = \"policy.star\"");
    }
    let mode = section.get("mode", |it| value::word(it, &Mode::WORDS)).unwrap_or(Mode::Enforce);
    let fallbacks = [("static", Fallback::Static), ("builtin-health", Fallback::BuiltinHealth)];
    let fallback = section.get("fallback", |it| value::word(it, &fallbacks));
    let fallback = fallback.unwrap_or(match name == HEALTH_WEIGHT {
        true => Fallback::BuiltinHealth,
        false => Fallback::Static,
    });
    let config = section.value("config").is_some().then(|| section.get("config", config_json));
    let grant = match section.section("grant") {
        Some(grant) => read_grant(grant, names),
        None if source == Some(Source::Builtin(HEALTH_WEIGHT.to_owned())) => health_weight_grant(),
        None => Grant {
            reach: Reach::None,
            weights: PolicyGrant { lease: LEASE, ..PolicyGrant::default() },
            max_step: None,
            changes: None,
        },
    };
    if let Some(other) = others.iter().find(|it| it.grant.contests(&grant)) {
        section.note_here(format!(
            "plugin {} may set base weights of the same services: only one may",
            other.name
        ));
    }
    let limits = section.section("limits").map_or_else(Limits::for_policy, read_limits);
    let every = section.get("every", |it| {
        value::duration(it, &(Duration::from_secs(1)..=Duration::from_secs(3600)))
    });
    section.finish();
    let every = every.unwrap_or(EVERY);
    let config_json = config.flatten().unwrap_or_else(|| "{}".to_owned());
    (mode != Mode::Off).then_some(Plugin {
        name,
        source: source?,
        script,
        config_json,
        grant,
        limits,
        every,
        mode,
        fallback,
    })
}

/// Where the code is: `component`, for one that this program carries, or `source`.
fn read_source(section: &mut Section<'_>, name: &str) -> Option<Source> {
    let component = section.get("component", component);
    let file = section.get("source", source);
    match (section.value("component").is_some(), section.value("source").is_some()) {
        (true, true) => {
            section.note_at("source", "there is a `component` already: remove one of the two");
            None
        }
        (false, false) if name == HEALTH_WEIGHT => Some(Source::Builtin(name.to_owned())),
        (false, false) => {
            section.note_here(
                "`source` is missing: add source = \"/path/to/plugin.wasm\", \
                 or component = \"starlark\" and script = \"policy.star\"",
            );
            None
        }
        _ => component.or(file),
    }
}

fn component(value: &DeValue<'_>) -> Result<Source, String> {
    let name = value::text(value)?;
    value::check_name(&name)?;
    Ok(Source::Builtin(name))
}

fn source(value: &DeValue<'_>) -> Result<Source, String> {
    path(value).map(Source::File)
}

fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match value::text(value)? {
        text if text.is_empty() || text.contains("://") => {
            Err(format!("expected the path of a file, found \"{text}\""))
        }
        text => Ok(text.into()),
    }
}

fn config_json(value: &DeValue<'_>) -> Result<String, String> {
    if value.is_table() {
        return Ok(value::json(value)?.to_string());
    }
    Err(format!("expected a table, found {}", found(value)))
}

fn read_grant(mut section: Section<'_>, names: &Names) -> Grant {
    let reach = section.get("services", |it| reach(it, names)).unwrap_or(Reach::None);
    let (mut weights, max_step) = section.section("weights").map(read_weights).unwrap_or_default();
    let leases = Duration::ZERO..=Duration::from_secs(24 * 3600);
    weights.lease = section.get("lease", |it| value::duration(it, &leases)).unwrap_or(LEASE);
    let changes = section.get("changes", rate);
    section.finish();
    Grant { reach, weights, max_step, changes }
}

fn reach(value: &DeValue<'_>, names: &Names) -> Result<Reach, String> {
    if value.as_str() == Some("all") {
        return Ok(Reach::All);
    }
    if !value.is_array() {
        return Err(format!("expected \"all\", or an array of names, found {}", found(value)));
    }
    let reached = value::list(value, |it| reached(it, names))?;
    Ok(Reach::Named(reached.into_iter().flatten().collect()))
}

/// One service or match by its name, or all services that have certain labels.
fn reached(value: &DeValue<'_>, names: &Names) -> Result<Vec<String>, String> {
    let Some(table) = value.as_table() else {
        let name = value::text(value)?;
        if names.contains_key(&name) {
            return Ok(vec![name]);
        }
        return Err(format!("there is no service or match named \"{name}\""));
    };
    let wanted = table.get("labels").filter(|_| table.len() == 1).ok_or_else(|| {
        "expected a name, or labels such as { labels = { team = \"web\" } }".to_owned()
    })?;
    let wanted = server::labels(wanted.get_ref())?;
    let has_all = |it: &Labels| wanted.iter().all(|(key, value)| it.get(key) == Some(value));
    let found = names.iter().filter(|(_, labels)| has_all(labels));
    let found: Vec<String> = found.map(|(name, _)| name.clone()).collect();
    if found.is_empty() || wanted.is_empty() {
        return Err("there is no service with these labels".to_owned());
    }
    Ok(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Base,
    Scale,
    Floor,
    Cap,
    Drain,
}

fn read_weights(mut section: Section<'_>) -> (PolicyGrant, Option<StepLimit>) {
    let kinds = [
        ("base", Kind::Base),
        ("scale", Kind::Scale),
        ("floor", Kind::Floor),
        ("cap", Kind::Cap),
        ("drain", Kind::Drain),
    ];
    let intents = section
        .require("intents", "[\"drain\"]", |it| value::list(it, |it| value::word(it, &kinds)))
        .unwrap_or_default();
    let base = section.get("base", base_range);
    let scale = section.get("scale", scale_range);
    let floor = section.get("floor", |it| value::number(it, 1..=WEIGHT_MAX));
    let bounds = [
        ("base", Kind::Base, "base = [1, 200]", section.value("base").is_some()),
        ("scale", Kind::Scale, "scale = [100, 1500]", section.value("scale").is_some()),
        ("floor", Kind::Floor, "floor = 100", section.value("floor").is_some()),
    ];
    let max_step = section.get("max-step", step_limit);
    if max_step.is_some() && !intents.contains(&Kind::Scale) {
        section.note_at("max-step", "has no effect: add \"scale\" to intents, or remove this");
    }
    for (key, kind, example, given) in bounds {
        if intents.contains(&kind) && !given {
            section.note_at("intents", format!("\"{key}\" needs its bounds: add {example}"));
        }
        if !intents.contains(&kind) && given {
            section
                .note_at(key, format!("has no effect: add \"{key}\" to intents, or remove this"));
        }
    }
    section.finish();
    let grant = PolicyGrant {
        base,
        scale,
        floor,
        cap: intents.contains(&Kind::Cap),
        drain: intents.contains(&Kind::Drain),
        ..PolicyGrant::default()
    };
    (grant, max_step)
}

/// `"20/s burst 100"`.
fn rate(value: &DeValue<'_>) -> Result<Rate, String> {
    let text = value::text(value)?;
    let parsed = text.split_once("/s").and_then(|(per_second, rest)| {
        let per_second = per_second.trim().parse().ok()?;
        let burst = match rest.trim() {
            "" => per_second,
            rest => rest.strip_prefix("burst")?.trim().parse().ok()?,
        };
        let is_sane = (1..=10_000).contains(&per_second) && (1..=100_000).contains(&burst);
        is_sane.then_some(Rate { per_second, burst })
    });
    parsed.ok_or_else(|| format!("expected a rate such as \"20/s burst 100\", found \"{text}\""))
}

/// `"10% / 5s"`.
fn step_limit(value: &DeValue<'_>) -> Result<StepLimit, String> {
    let text = value::text(value)?;
    let parsed = text.split_once('/').and_then(|(percent, per)| {
        let percent = percent.trim().strip_suffix('%')?.parse().ok()?;
        let per = value::parse_duration(per.trim())?;
        let is_sane = (1..=100).contains(&percent) && per >= Duration::from_secs(1);
        is_sane.then_some(StepLimit { percent, per })
    });
    parsed.ok_or_else(|| {
        format!("expected 1% to 100%, and 1 s or more, such as \"10% / 5s\", found \"{text}\"")
    })
}

fn base_range(value: &DeValue<'_>) -> Result<std::ops::RangeInclusive<u32>, String> {
    match value::list(value, |it| value::number(it, 1..=WEIGHT_MAX))?[..] {
        [least, most] if least <= most => Ok(least..=most),
        _ => Err(format!("expected [least, most], such as [1, 200], found {}", found(value))),
    }
}

fn scale_range(value: &DeValue<'_>) -> Result<std::ops::RangeInclusive<u32>, String> {
    match value::list(value, |it| value::number(it, 1..=1_000_000))?[..] {
        [least, most] if least <= most => Ok(least..=most),
        _ => Err(format!(
            "expected [least, most] in thousandths, such as [100, 1500], found {}",
            found(value)
        )),
    }
}

fn read_limits(mut section: Section<'_>) -> Limits {
    let mut limits = Limits::for_policy();
    let times = Duration::from_millis(1)..=Duration::from_secs(60);
    if let Some(bytes) = section.get("memory", value::bytes) {
        limits.memory_bytes = bytes;
    }
    if let Some(time) = section.get("cpu", |it| value::duration(it, &times)) {
        limits.cpu = time;
    }
    if let Some(time) = section.get("wall", |it| value::duration(it, &times)) {
        limits.wall = Some(time);
    }
    if let Some(count) = section.get("log-lines-per-second", |it| value::number(it, 1..=10_000)) {
        limits.log_lines_per_second = count;
    }
    section.finish();
    limits
}
