//! `plugin.toml`: what its author says of a plugin, and how it is built.
//!
//! `weir plugin build` puts the text into the component, so that it travels with it.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// See the module.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) plugin: About,
    pub(super) build: Option<Build>,
    pub(super) config: Option<Config>,
    #[serde(default)]
    pub(super) wants: Wants,
}

/// `[plugin]`: what it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) world: String,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) license: String,
}

/// `[build]`: what it is made of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    pub(super) language: String,
    /// From the folder of the manifest.
    pub(super) source: PathBuf,
}

/// `[config]`: what its settings are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// The file with their JSON Schema, from the folder of the manifest.
    pub(super) schema: PathBuf,
}

/// `[wants]`: what it asks an operator for, each with a reason.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wants {
    pub(super) table: Option<Want>,
    pub(super) health: Option<Want>,
    pub(super) weights: Option<Weights>,
    pub(super) state: Option<State>,
    pub(super) structure: Option<Structure>,
    pub(super) http: Option<Http>,
}

/// One wish.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Want {
    pub(super) reason: String,
}

/// What it wants to say of weights, in the words of a grant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    pub(super) intents: Vec<String>,
    pub(super) scale: Option<[u32; 2]>,
    pub(super) floor: Option<u32>,
    pub(super) reason: String,
}

/// How much it wants to have kept for good, in the words of a grant: `64KiB`; none = nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) bytes: Option<String>,
    pub(super) reason: String,
}

/// Which services it wants to own, in the words of a grant; none = the operator knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Structure {
    pub(super) addresses: Option<Vec<String>>,
    pub(super) reason: String,
}

/// What it wants to ask of others, in the words of a grant; none = the operator knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) rules: Option<Vec<String>>,
    /// Names of what it wants put into headers.
    #[serde(default)]
    pub(super) secrets: Vec<String>,
    pub(super) reason: String,
}

impl Manifest {
    /// Reads the text of one; what is wrong is said with its line.
    pub(super) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("its manifest, plugin.toml, is not as expected")
    }

    /// Why it wants the power of this name.
    pub(super) fn reason(&self, want: &str) -> Option<&str> {
        let wants = &self.wants;
        match want {
            "table" => wants.table.as_ref().map(|it| &*it.reason),
            "health" => wants.health.as_ref().map(|it| &*it.reason),
            "weights" => wants.weights.as_ref().map(|it| &*it.reason),
            "state" => wants.state.as_ref().map(|it| &*it.reason),
            "structure" => wants.structure.as_ref().map(|it| &*it.reason),
            "http" => wants.http.as_ref().map(|it| &*it.reason),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_have_reasons() {
        let about = "[plugin]\nname = \"x\"\nworld = \"policy\"\n[wants.table]\n";
        let manifest = Manifest::parse(&format!("{about}reason = \"looks\"\n")).unwrap();
        assert_eq!(manifest.reason("table"), Some("looks"));
        assert_eq!(manifest.reason("health"), None);
        assert!(Manifest::parse(about).is_err());
    }
}
