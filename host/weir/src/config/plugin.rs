//! `[plugin.NAME]`: where plugins come from, and what they may do.

pub(super) mod grant;

use std::{
    collections::BTreeSet, fmt, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration,
};

use toml::de::DeValue;
use weir_wasm::Limits;

pub(crate) use self::grant::{Grant, Keeping, Rate, StepLimit};
use super::{
    keys::{
        self, By, Key, Name, Nested, Number, Shape, Size, Span, Table,
        Without::{Is, Means},
        Word,
    },
    reader::Section,
    server,
    service::{Common, Names},
    value::{self, Wrong},
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
    /// Whether it gives real servers of the service or match of this name a part of their weight.
    pub(crate) fn may_steer(&self, name: &str) -> bool {
        self.mode == Mode::Enforce && self.grant.may_steer(name)
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

pub(super) static PLUGINS: Nested = Nested {
    name: "plugin",
    table: &TABLE,
    shape: Shape::Named,
    default: "`health-weight`, where anything is checked",
    meaning: "plugins, where they come from, and what they may do",
};

static TABLE: Table = Table::new(
    "plugin",
    &[&[&SOURCE, &COMPONENT, &SCRIPT, &MODE, &FALLBACK, &CONFIG, &EVERY, &grant::GRANT, &LIMITS]],
);

static SOURCE: Key<By<PathBuf>> = Key::new(
    "source",
    By { read: path, types: &["string"] },
    Means("required, unless `component`"),
    "the path of a `.wasm` component of the world `policy`, `controller`, `weigher`, `guard` or `checker`, from \
     the directory of this file",
);

static COMPONENT: Key<Name> = Key::new(
    "component",
    Name,
    Means("none"),
    "one that weir carries, instead: `\"starlark\"`, which runs a script, or one of those in \
     [plugins.md](plugins.md#those-that-come-with-weir)",
);

static SCRIPT: Key<By<PathBuf>> = Key::new(
    "script",
    By { read: path, types: &["string"] },
    Means("none"),
    "the path of a text that the component runs, from the directory of this file; at most 1 MiB. \
     Needed by `\"starlark\"`",
);

static MODE: Key<Word<Mode>> = Key::new(
    "mode",
    Word(&Mode::WORDS),
    Is(Mode::Enforce),
    "`\"shadow\"`: what it says is logged and has no effect; `\"off\"`: as if it were not there",
);

static FALLBACK: Key<Word<Fallback>> = Key::new(
    "fallback",
    Word(&[("static", Fallback::Static), ("builtin-health", Fallback::BuiltinHealth)]),
    Means("`\"static\"`, but for `health-weight`"),
    "once it was given up: `\"static\"`, others are followed; `\"builtin-health\"`, weir itself \
     drains what is down, which is the default of `health-weight`",
);

static CONFIG: Key<By<String, Wrong>> = Key::new(
    "config",
    By { read: value::object, types: &["object"] },
    Means("`{}`"),
    "a table, given to the plugin as JSON; beside a script, as `{\"script\": {\"name\": .., \
     \"text\": ..}, \"config\": ..}`",
);

static EVERY: Key<Span> = Key::new(
    "every",
    Span(Duration::from_secs(1)..=Duration::from_secs(3600)),
    Is(Duration::from_secs(5)),
    "how often it weighs each service, if it is a weigher",
);

static LIMITS: Nested = Nested {
    name: "limits",
    table: &LIMITS_TABLE,
    shape: Shape::One,
    default: "as below",
    meaning: "what it may use",
};

static LIMITS_TABLE: Table = Table::new("limits", &[&[&MEMORY, &CPU, &WALL, &LOG_LINES]]);

static MEMORY: Key<Size> =
    Key::new("memory", Size(64 << 10..=4 << 30), Is(64 << 20), "linear memory");

static CPU: Key<Span> =
    Key::new("cpu", Span(CALLS), Is(Duration::from_millis(100)), "processor time of one call");

static WALL: Key<Span> = Key::new(
    "wall",
    Span(CALLS),
    Is(Duration::from_secs(5)),
    "time on the clock of one call; a checker has the `timeout` of its check and 1 s instead",
);

static LOG_LINES: Key<Number> = Key::new(
    "log-lines-per-second",
    Number(1..=10_000),
    Is(20),
    "what is beyond is dropped and counted",
);

const CALLS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

/// The built-in policy that is on by default.
const HEALTH_WEIGHT: &str = "health-weight";

/// The built-in component that runs scripts.
const STARLARK: &str = "starlark";

/// The names of those that are on.
pub(super) fn names_on(top: &Section<'_>) -> BTreeSet<String> {
    top.names_without(PLUGINS.name, (MODE.name, "off"))
}

/// Every plugin that is on, in the order in which they are called: our own first, for they
/// keep nobody waiting. `names` are those of services and matches. Where something is
/// `checked`, health-weight is added unless it is configured, or configured off.
pub(super) fn read_all(
    top: &mut Section<'_>,
    names: &Names,
    common: &Common<'_>,
    checked: bool,
) -> Vec<Plugin> {
    let mut plugins: Vec<Plugin> = Vec::new();
    let mut is_named = false;
    if let Some(section) = top.section(PLUGINS.name) {
        for (name, section) in section.named_sections("plugin") {
            is_named |= name == HEALTH_WEIGHT;
            plugins.extend(read(name, section, (names, common), &plugins));
        }
    }
    let has_checks = |it: &Plugin| it.grant.keeping.as_ref().is_some_and(|it| it.check.is_some());
    if !is_named && (checked || plugins.iter().any(has_checks)) {
        plugins.push(Plugin {
            name: HEALTH_WEIGHT.to_owned(),
            source: Source::Builtin(HEALTH_WEIGHT.to_owned()),
            script: None,
            config_json: "{}".to_owned(),
            grant: Grant::to_drain(),
            limits: Limits::for_policy(),
            every: EVERY.usual(),
            mode: Mode::Enforce,
            fallback: Fallback::BuiltinHealth,
        });
    }
    plugins.sort_by_key(|it| (matches!(it.source, Source::File(_)), it.name.clone()));
    plugins
}

fn read(
    name: String,
    mut section: Section<'_>,
    (names, common): (&Names, &Common<'_>),
    others: &[Plugin],
) -> Option<Plugin> {
    if let Err(message) = value::check_name(&name) {
        section.note_here(message);
    }
    let source = read_source(&mut section, &name);
    let script = section.key(&SCRIPT);
    match &source {
        Some(Source::Builtin(it)) if it == STARLARK && script.is_none() => {
            section.note_at(COMPONENT.name, "it runs a script: add script = \"policy.star\"");
        }
        Some(Source::Builtin(it)) if it != STARLARK && script.is_some() => {
            let remedy = "remove this, or have it run by component = \"starlark\"";
            section.note_at(SCRIPT.name, format!("{it} runs no script: {remedy}"));
        }
        // What is in a file is known once it is loaded.
        _ => {}
    }
    let mode = section.key_or_usual(&MODE);
    let fallback = section.key(&FALLBACK).unwrap_or(match name == HEALTH_WEIGHT {
        true => Fallback::BuiltinHealth,
        false => Fallback::Static,
    });
    let config = section.key(&CONFIG);
    let grant = match section.section(grant::GRANT.name) {
        Some(grant) => grant::read(grant, names, common),
        None if source == Some(Source::Builtin(HEALTH_WEIGHT.to_owned())) => Grant::to_drain(),
        None => Grant::none(),
    };
    if let Some(other) = others.iter().find(|it| it.grant.contests(&grant)) {
        section.note_here(format!(
            "plugin {} may set base weights of the same services: only one may",
            other.name
        ));
    }
    let limits = section.section(LIMITS.name).map_or_else(Limits::for_policy, read_limits);
    let every = section.key_or_usual(&EVERY);
    section.finish_as(&TABLE);
    let config_json = config.unwrap_or_else(|| "{}".to_owned());
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
    let component = section.key(&COMPONENT).map(Source::Builtin);
    let file = section.key(&SOURCE).map(Source::File);
    match (section.has(COMPONENT.name), section.has(SOURCE.name)) {
        (true, true) => {
            section.note_at(SOURCE.name, "there is a `component` already: remove one of the two");
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

fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    match value::text(value)? {
        text if text.is_empty() || text.contains("://") => {
            Err(format!("expected the path of a file, found \"{text}\""))
        }
        text => Ok(text.into()),
    }
}

fn read_limits(mut section: Section<'_>) -> Limits {
    let limits = Limits {
        memory_bytes: section.key_or_usual(&MEMORY),
        cpu: section.key_or_usual(&CPU),
        wall: Some(section.key_or_usual(&WALL)),
        log_lines_per_second: section.key_or_usual(&LOG_LINES),
        ..Limits::for_policy()
    };
    section.finish_as(&LIMITS_TABLE);
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_policies_unless_said() {
        let usual = Limits::for_policy();
        assert_eq!(MEMORY.usual(), usual.memory_bytes);
        assert_eq!((CPU.usual(), Some(WALL.usual())), (usual.cpu, usual.wall));
        assert_eq!(LOG_LINES.usual(), usual.log_lines_per_second);
    }
}
