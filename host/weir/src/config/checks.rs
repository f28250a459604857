//! `check`, `check-combine` and `agent` of a service or match: all that is asked of its real
//! servers.

use std::{sync::Arc, time::Duration};

use toml::de::DeValue;

use super::{
    Defaults,
    agent::{self, AgentKeys},
    check::{Check, CheckKeys, CheckKind},
    keys::{By, Key, Nested, Shape, Without::Means},
    reader::{Section, found},
    value,
};

/// All that is asked of the real servers of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checks {
    /// What says whether they are up; at least one.
    pub(crate) list: Vec<Arc<Check>>,
    /// How many of these make a server up; 1 to all of them.
    pub(crate) needed: usize,
    /// What asks their agents.
    pub(crate) agent: Option<Arc<Check>>,
}

impl Checks {
    /// One check alone.
    #[cfg(test)]
    pub(crate) fn one(check: Check) -> Self {
        Self { list: vec![Arc::new(check)], needed: 1, agent: None }
    }

    /// From a fault to the verdict at the latest, where a server falls silent. It takes
    /// less where it refuses.
    pub(crate) fn detection(&self) -> Duration {
        self.list.iter().map(|it| it.detection()).max().unwrap_or_default()
    }

    /// Whether each check knows which port to ask, of servers with this one.
    pub(crate) fn has_ports(&self, port: u16) -> bool {
        let needs = |it: &&Arc<Check>| !matches!(it.kind, CheckKind::Icmp);
        self.list.iter().filter(needs).all(|it| it.port.unwrap_or(port) != 0)
    }

    /// Whether agents are heard.
    pub(crate) fn has_agent(&self) -> bool {
        self.agent.is_some() || self.list.iter().any(|it| it.kind.carries_agent())
    }

    /// Whether something between 0 and the base weight may follow from what is asked.
    pub(crate) fn steers(&self) -> bool {
        self.has_agent() || self.list.iter().any(|it| it.kind.steers())
    }
}

/// The `[agent]` at the top.
pub(super) static USUAL_AGENT: Nested = Nested {
    name: "agent",
    table: &agent::TABLE,
    shape: Shape::One,
    default: "none",
    meaning: "how their agents are asked, see [checks.md](checks.md)",
};

/// The `agent` of a service, a match or a profile.
pub(super) static AGENT: Nested = Nested {
    name: "agent",
    table: &agent::TABLE,
    shape: Shape::OneOrFalse,
    default: "the `[agent]` at the top",
    meaning: "the same for agents",
};

pub(super) static COMBINE: Key<By<Combine>> = Key::new(
    "check-combine",
    By { read: combine, types: &["string"] },
    Means("`\"all\"`"),
    "how many of several checks make a server up: `\"all\"`, `\"any\"`, `\"at-least 2\"`",
);

/// How many of several are needed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Combine {
    All,
    Any,
    AtLeast(usize),
}

/// Reads the three keys of a service or match over the defaults; none = nothing is asked.
pub(super) fn read(section: &mut Section<'_>, defaults: &Defaults) -> Option<Checks> {
    let list = read_list(section, defaults.check.as_ref());
    let agent = read_agent(section, defaults.agent.as_ref());
    let combine = section.key(&COMBINE);
    let Some(list) = list else {
        if section.has("agent") && agent.is_some() {
            let remedy =
                "nothing says whether these servers are up: add check = { type = \"tcp\" }";
            section.note_at("agent", remedy);
        }
        return None;
    };
    let needed = match combine.unwrap_or(Combine::All) {
        Combine::All => list.len(),
        Combine::Any => 1,
        Combine::AtLeast(least) => {
            if least > list.len() {
                let message = format!("expected at most the number of checks ({})", list.len());
                section.note_at("check-combine", format!("{message}, found {least}"));
            }
            least
        }
    };
    if agent.is_some()
        && let Some(check) = list.iter().find(|it| it.kind.carries_agent())
    {
        let message = format!("{} brings what the agent says already: remove one", check.kind);
        section.note_at("agent", message);
    }
    Some(Checks { list, needed, agent })
}

/// What is asked by the defaults alone.
pub(super) fn usual(defaults: &Defaults) -> Option<Checks> {
    let list = vec![Arc::new(defaults.check.as_ref()?.finish())];
    let agent = defaults.agent.as_ref().and_then(AgentKeys::finish).map(Arc::new);
    Some(Checks { needed: list.len(), list, agent })
}

/// The own table or tables over the defaults, the defaults alone, or none with
/// `check = false`.
fn read_list(section: &mut Section<'_>, defaults: Option<&CheckKeys>) -> Option<Vec<Arc<Check>>> {
    let value = section.value("check");
    match value.map(toml::Spanned::get_ref) {
        None => defaults.map(|it| vec![Arc::new(it.finish())]),
        Some(DeValue::Boolean(false)) => None,
        Some(DeValue::Table(_)) => {
            let own = section.section("check")?;
            Some(vec![Arc::new(CheckKeys::read(own, defaults).finish())])
        }
        Some(DeValue::Array(_)) => {
            let what = format!("{}: check", section.what);
            let own = section.sections("check", &what);
            if own.is_empty() {
                section.note_at("check", "expected at least one check, or false for none");
                return None;
            }
            let one = |it| Arc::new(CheckKeys::read(it, defaults).finish());
            Some(own.into_iter().map(one).collect())
        }
        Some(other) => {
            let found = found(other);
            let message = "expected a table, an array of tables, or false for none";
            section.note_at("check", format!("{message}, found {found}"));
            None
        }
    }
}

fn read_agent(section: &mut Section<'_>, defaults: Option<&AgentKeys>) -> Option<Arc<Check>> {
    let value = section.value("agent");
    let keys = match value.map(toml::Spanned::get_ref) {
        None => return defaults.and_then(AgentKeys::finish).map(Arc::new),
        Some(DeValue::Boolean(false)) => return None,
        Some(DeValue::Table(_)) => AgentKeys::read(section.section("agent")?, defaults),
        Some(other) => {
            let found = found(other);
            section.note_at("agent", format!("expected a table, or false for none, found {found}"));
            return None;
        }
    };
    if keys.finish().is_none() && value.is_some() {
        section.note_at("agent", "`port` is missing: add port = 9777");
    }
    keys.finish().map(Arc::new)
}

/// `"all"`, `"any"`, `"at-least 2"`.
fn combine(value: &DeValue<'_>) -> Result<Combine, String> {
    let text = value::text(value).unwrap_or_default();
    let least = text.strip_prefix("at-least ").and_then(|it| it.trim().parse().ok());
    match (text.as_str(), least) {
        ("all", _) => Ok(Combine::All),
        ("any", _) => Ok(Combine::Any),
        (_, Some(least @ 1..)) => Ok(Combine::AtLeast(least)),
        _ => Err(format!("expected \"all\", \"any\" or \"at-least 2\", found {}", found(value))),
    }
}
