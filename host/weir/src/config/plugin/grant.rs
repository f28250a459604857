//! `[plugin.NAME.grant]`: what a plugin may do.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::de::DeValue;
use weir_ipvs::{Prefix, Protocol, ServiceKey};
use weir_wasm::{HttpRule, Labels, PolicyGrant, Services, StructureGrant};

use super::{
    super::{
        checks::Checks,
        reader::found,
        rules::Rules,
        selector::PREFIX,
        service::{Common, PROFILE},
    },
    Names, Section,
    keys::{
        By, Key, List, Listed, Nested, Number, Port, Shape, Size, Span, Table,
        Without::{Is, Means},
        Word,
    },
    server::{self, WEIGHT_MAX},
    value::{self, Wrong},
};

/// What a policy may do; nothing, unless said.
#[derive(Debug, Clone, PartialEq)]
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
    /// How what it owns is checked and kept, if it may own anything.
    pub(crate) keeping: Option<Keeping>,
}

/// How services that a plugin owns are checked, and what keeps them serving.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Keeping {
    pub(crate) check: Option<Checks>,
    pub(crate) rules: Rules,
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
    /// Nothing.
    pub(super) fn none() -> Self {
        let weights = PolicyGrant { lease: LEASE.usual(), ..PolicyGrant::default() };
        Self { reach: Reach::None, weights, max_step: None, changes: None, keeping: None }
    }

    /// What health-weight needs.
    pub(super) fn to_drain() -> Self {
        let none = Self::none();
        let weights = PolicyGrant { drain: true, ..none.weights };
        Self { reach: Reach::All, weights, ..none }
    }

    /// Whether it reaches the service or match of this name.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        match &self.reach {
            Reach::None => false,
            Reach::All => true,
            Reach::Named(names) => names.contains(name),
        }
    }

    /// Whether it and `other` both let a plugin set the base weights of some service.
    pub(super) fn contests(&self, other: &Self) -> bool {
        let is_shared = match (&self.reach, &other.reach) {
            (Reach::None, _) | (_, Reach::None) => false,
            (Reach::Named(these), Reach::Named(those)) => !these.is_disjoint(those),
            _ => true,
        };
        is_shared && self.weights.base.is_some() && other.weights.base.is_some()
    }

    /// Whether it lets a plugin own a service with this key.
    pub(crate) fn may_own(&self, key: &ServiceKey) -> bool {
        self.weights.structure.as_ref().is_some_and(|it| it.reaches(key))
    }

    /// Whether it lets a plugin scale any weights at all.
    pub(crate) fn scales(&self) -> bool {
        self.weights.scale.is_some()
    }

    /// Whether it lets a plugin give real servers of the service or match of this name a part
    /// of their weight.
    pub(crate) fn may_steer(&self, name: &str) -> bool {
        self.reaches(name) && (self.scales() || self.weights.cap)
    }

    /// The same with relative paths looked for in `directory`.
    pub(crate) fn beside(&mut self, directory: &Path) {
        for file in self.weights.secrets.values_mut() {
            *file = directory.join(&file);
        }
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

pub(super) static GRANT: Nested = Nested {
    name: "grant",
    table: &TABLE,
    shape: Shape::One,
    default: "nothing",
    meaning: "what it may do",
};

static TABLE: Table = Table::new(
    "grant",
    &[&[&REACH, &WEIGHTS, &CHANGES, &LEASE, &STATE, &STRUCTURE, &HTTP, &SECRETS]],
);

static REACH: Key<By<Asked, Wrong>> = Key::new(
    "services",
    By { read: asked, types: &["string", "array"] },
    Means("none"),
    "`\"all\"` that the configuration claims, or names of services and matches, or labels of \
     services, all of which they must have: `[\"web\", { labels = { team = \"shop\" } }]`",
);

static WEIGHTS: Nested = Nested {
    name: "weights",
    table: &WEIGHTS_TABLE,
    shape: Shape::One,
    default: "nothing",
    meaning: "what it may say of weights",
};

static CHANGES: Key<By<Rate>> = Key::new(
    "changes",
    By { read: rate, types: &["string"] },
    Means("any number"),
    "how often it may say something new: `\"20/s burst 100\"`, 1 to 10000 and 1 to 100000. A \
     statement beyond is refused",
);

static LEASE: Key<Span> = Key::new(
    "lease",
    Span(Duration::ZERO..=Duration::from_secs(24 * 3600)),
    Is(Duration::from_secs(120)),
    "how long its statements outlive it, should it stop running",
);

static STATE: Key<Size> = Key::new(
    "state",
    Size(1 << 10..=16 << 20),
    Means("none"),
    "how much it may have kept for good, see [plugins.md](plugins.md#what-a-plugin-remembers)",
);

static STRUCTURE: Nested = Nested {
    name: "structure",
    table: &STRUCTURE_TABLE,
    shape: Shape::One,
    default: "nothing",
    meaning: "which services it may own, if it is a controller: see \
              [plugins.md](plugins.md#controllers)",
};

static HTTP: Key<List<By<HttpRule>>> = Key::new(
    "http",
    List(By { read: rule, types: &["string"] }),
    Means("nothing"),
    "what a controller may ask of others: a method and where all that it asks for begins, \
     `[\"GET https://registry.example:8500/v1/\"]`. Names that lead to this machine or its links \
     are not asked: write the address",
);

static SECRETS: Nested = Nested {
    name: "secrets",
    table: &SECRET_TABLE,
    shape: Shape::Named,
    default: "none",
    meaning: "what weir puts into headers of its requests by HTTP, and it never sees",
};

static SECRET_TABLE: Table = Table::new("secret", &[&[&FILE]]);

static FILE: Key<By<PathBuf>> = Key::new(
    "file",
    By { read: super::path, types: &["string"] },
    Means("required"),
    "the path of a file with the secret, from the directory of this file; read with each request, \
     spaces and line ends at its end left out; at most 4 KiB",
);

static STRUCTURE_TABLE: Table = Table::new(
    "structure",
    &[&[&ADDRESSES, &PROTOCOL, &PORTS, &REAL_SERVERS, &SERVICES_MAX, &SERVERS_MAX, &PROFILE]],
);

static ADDRESSES: Key<List<By<Prefix>>> = Key::new(
    "addresses",
    List(PREFIX),
    Means("required"),
    "virtual addresses or prefixes: `[\"192.0.2.0/24\"]`",
);

static PROTOCOL: Key<Word<Protocol>> =
    Key::new("protocol", Word(value::PROTOCOLS), Means("any"), "");

static PORTS: Key<Listed<Port>> = Key::new("ports", Listed(Port), Means("any"), "");

static REAL_SERVERS: Key<Listed<By<Prefix>>> = Key::new(
    "real-servers",
    Listed(PREFIX),
    Means("any"),
    "addresses or prefixes of their real servers",
);

static SERVICES_MAX: Key<Number> =
    Key::new("services", Number(1..=4096), Is(16), "how many services");

static SERVERS_MAX: Key<Number> =
    Key::new("servers", Number(1..=4096), Is(256), "how many real servers each may have");

static WEIGHTS_TABLE: Table =
    Table::new("weights", &[&[&INTENTS, &BASE, &SCALE, &MAX_STEP, &FLOOR]]);

static INTENTS: Key<List<Word<Kind>>> = Key::new(
    "intents",
    List(Word(&[
        ("base", Kind::Base),
        ("scale", Kind::Scale),
        ("floor", Kind::Floor),
        ("cap", Kind::Cap),
        ("drain", Kind::Drain),
    ])),
    Means("required"),
    "what it may say",
);

static BASE: Key<By<RangeInclusive<u32>, Wrong>> = Key::new(
    "base",
    By { read: base_range, types: &["array"] },
    Means("none"),
    "`[least, most]`, 1 to 2147483647; needed for `\"base\"`. What is outside is clamped. In each \
     service one plugin alone may have it",
);

static SCALE: Key<By<RangeInclusive<u32>, Wrong>> = Key::new(
    "scale",
    By { read: scale_range, types: &["array"] },
    Means("none"),
    "`[least, most]` in thousandths, 1 to 1000000; needed for `\"scale\"`. What is outside is clamped",
);

static MAX_STEP: Key<By<StepLimit>> = Key::new(
    "max-step",
    By { read: step_limit, types: &["string"] },
    Means("none"),
    "how far its scale may move at a time, of the base weight: `\"10% / 5s\"`. Taking it back is \
     not limited",
);

static FLOOR: Key<Number> = Key::new(
    "floor",
    Number(1..=WEIGHT_MAX),
    Means("none"),
    "the highest floor; needed for `\"floor\"`",
);

/// Reads the table; `names` are those of services and matches.
pub(super) fn read(mut section: Section<'_>, names: &Names, common: &Common<'_>) -> Grant {
    let reach = section.key(&REACH).map(|it| it.resolve(names)).transpose();
    let reach = reach.unwrap_or_else(|wrong| {
        section.note_wrong(REACH.name, wrong);
        None
    });
    let (mut weights, max_step) =
        section.section(WEIGHTS.name).map(read_weights).unwrap_or_default();
    weights.lease = section.key_or_usual(&LEASE);
    weights.state_bytes = section.key(&STATE).unwrap_or(0);
    let changes = section.key(&CHANGES);
    let structure = section.section(STRUCTURE.name).map(|it| read_structure(it, common));
    let (structure, keeping) = structure.unzip();
    weights.structure = structure;
    weights.http = section.key(&HTTP).unwrap_or_default();
    weights.secrets = section.section(SECRETS.name).as_ref().map(read_secrets).unwrap_or_default();
    section.finish_as(&TABLE);
    Grant { reach: reach.unwrap_or(Reach::None), weights, max_step, changes, keeping }
}

fn read_structure(mut section: Section<'_>, common: &Common<'_>) -> (StructureGrant, Keeping) {
    let grant = StructureGrant {
        addresses: section.required(&ADDRESSES, "[\"192.0.2.0/24\"]").unwrap_or_default(),
        protocol: section.key(&PROTOCOL),
        ports: section.key(&PORTS).unwrap_or_default(),
        real_servers: section.key(&REAL_SERVERS).unwrap_or_default(),
        services_max: section.key_or_usual(&SERVICES_MAX) as usize,
        servers_max: section.key_or_usual(&SERVERS_MAX) as usize,
    };
    let (check, rules) = common.keeping(&mut section);
    section.finish_as(&STRUCTURE_TABLE);
    (grant, Keeping { check, rules })
}

fn read_secrets(section: &Section<'_>) -> BTreeMap<String, PathBuf> {
    let mut secrets = BTreeMap::new();
    for (name, mut section) in section.named_sections("secret") {
        if let Err(message) = value::check_name(&name) {
            section.note_here(message);
        }
        let file = section.required(&FILE, "\"/run/credentials/weir/token\"");
        secrets.extend(file.map(|it| (name, it)));
        section.finish_as(&SECRET_TABLE);
    }
    secrets
}

fn rule(value: &DeValue<'_>) -> Result<HttpRule, String> {
    value::text(value)?.parse()
}

/// `services` of a grant, as written.
enum Asked {
    All,
    /// Each with where it stands.
    Some(Vec<(usize, Selected)>),
}

enum Selected {
    /// One service or match.
    Name(String),
    /// All services that have these.
    Labels(Labels),
}

impl Asked {
    /// Which these are, of those with `names`.
    fn resolve(self, names: &Names) -> Result<Reach, Wrong> {
        let selected = match self {
            Self::All => return Ok(Reach::All),
            Self::Some(selected) => selected,
        };
        let named = selected.into_iter().map(|(offset, it)| (offset, it.resolve(names)));
        let named: Vec<_> = value::all(named)?;
        Ok(Reach::Named(named.into_iter().flatten().collect()))
    }
}

impl Selected {
    fn resolve(self, names: &Names) -> Result<Vec<String>, String> {
        match self {
            Self::Name(name) if names.contains_key(&name) => Ok(vec![name]),
            Self::Name(name) => Err(format!("there is no service or match named \"{name}\"")),
            Self::Labels(wanted) => {
                let has_all =
                    |it: &Labels| wanted.iter().all(|(key, value)| it.get(key) == Some(value));
                let found = names.iter().filter(|(_, labels)| has_all(labels));
                let found: Vec<String> = found.map(|(name, _)| name.clone()).collect();
                if found.is_empty() || wanted.is_empty() {
                    return Err("there is no service with these labels".to_owned());
                }
                Ok(found)
            }
        }
    }
}

fn asked(value: &DeValue<'_>) -> Result<Asked, Wrong> {
    match value {
        DeValue::String(word) if word == "all" => Ok(Asked::All),
        DeValue::Array(array) => {
            let all = array.iter().map(|it| {
                let offset = it.span().start;
                (offset, selected(it.get_ref()).map(|it| (offset, it)))
            });
            value::all(all).map(Asked::Some)
        }
        _ => Err(format!("expected \"all\", or an array of names, found {}", found(value)).into()),
    }
}

fn selected(value: &DeValue<'_>) -> Result<Selected, Wrong> {
    let Some(table) = value.as_table() else { return Ok(Selected::Name(value::text(value)?)) };
    let wanted = table.get("labels").filter(|_| table.len() == 1).ok_or_else(|| {
        "expected a name, or labels such as { labels = { team = \"web\" } }".to_owned()
    })?;
    server::labels(wanted.get_ref()).map(Selected::Labels)
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
    let intents = section.required(&INTENTS, "[\"drain\"]");
    let base = section.key(&BASE);
    let scale = section.key(&SCALE);
    let floor = section.key(&FLOOR);
    let max_step = section.key(&MAX_STEP);
    if let Some(intents) = &intents {
        note_bounds(&section, intents);
        if max_step.is_some() && !intents.contains(&Kind::Scale) {
            let message = "has no effect: add \"scale\" to intents, or remove this";
            section.note_at(MAX_STEP.name, message);
        }
    }
    section.finish();
    let intents = intents.unwrap_or_default();
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

/// Notes bounds that are missing, or bound nothing.
fn note_bounds(section: &Section<'_>, intents: &[Kind]) {
    let bounds = [
        (BASE.name, Kind::Base, "base = [1, 200]"),
        (SCALE.name, Kind::Scale, "scale = [100, 1500]"),
        (FLOOR.name, Kind::Floor, "floor = 100"),
    ];
    for (key, kind, example) in bounds {
        match (intents.contains(&kind), section.has(key)) {
            (true, false) => {
                let message = format!("\"{key}\" needs its bounds: add {example}");
                section.note_at(INTENTS.name, message);
            }
            (false, true) => {
                let message = format!("has no effect: add \"{key}\" to intents, or remove this");
                section.note_at(key, message);
            }
            _ => {}
        }
    }
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

fn base_range(value: &DeValue<'_>) -> Result<RangeInclusive<u32>, Wrong> {
    match value::list(value, |it| value::number(it, 1..=WEIGHT_MAX))?[..] {
        [least, most] if least <= most => Ok(least..=most),
        _ => {
            let expected = "expected [least, most], such as [1, 200]";
            Err(format!("{expected}, found {}", found(value)).into())
        }
    }
}

fn scale_range(value: &DeValue<'_>) -> Result<RangeInclusive<u32>, Wrong> {
    match value::list(value, |it| value::number(it, 1..=1_000_000))?[..] {
        [least, most] if least <= most => Ok(least..=most),
        _ => {
            let expected = "expected [least, most] in thousandths, such as [100, 1500]";
            Err(format!("{expected}, found {}", found(value)).into())
        }
    }
}
