//! `plugin.toml`: what its author says of a plugin, and how it is built.
//!
//! `weir plugin build` puts the text into the component, so that it travels with it.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// What may be asked for.
const WANTS: [&str; 6] = ["table", "health", "weights", "state", "structure", "http"];

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
        let parsed = toml::from_str(text).map_err(anyhow::Error::from);
        let checked = parsed.and_then(|it: Self| it.check().map(|()| it));
        checked.context("its manifest, plugin.toml, is not as expected")
    }

    /// What it says is shown on terminals, and put into configurations: it must not be taken for
    /// more.
    fn check(&self) -> Result<()> {
        let About { name, version, summary, license, .. } = &self.plugin;
        ensure!(
            is_name(name),
            "plugin.name is {name:?}: expected 1 to 64 letters, digits, - and _"
        );
        let secrets = self.wants.http.iter().flat_map(|it| &it.secrets);
        for it in secrets {
            ensure!(
                is_name(it),
                "wants.http.secrets has {it:?}: expected letters, digits, - and _"
            );
        }
        let reasons = WANTS.into_iter().filter_map(|it| self.reason(it));
        for text in [&**version, summary, license].into_iter().chain(reasons) {
            ensure!(
                !text.contains(char::is_control),
                "{text:?}: expected one line, without control characters"
            );
        }
        Ok(())
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

/// Whether it can be a key of a configuration, and a file.
fn is_name(text: &str) -> bool {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_more_is_refused() {
        let refused = |name: &str, reason: &str, secret: &str| {
            let text = format!(
                "[plugin]\nname = {name:?}\nworld = \"policy\"\n\
                 [wants.http]\nsecrets = [{secret:?}]\nreason = {reason:?}\n"
            );
            Manifest::parse(&text).map_err(|it| it.root_cause().to_string()).err()
        };
        assert_eq!(refused("x", "asks", "token"), None);
        for name in ["", "../x", "x]\n[evil", &"x".repeat(65)] {
            assert!(refused(name, "asks", "token").unwrap().starts_with("plugin.name is "));
        }
        assert!(refused("x", "asks", "a b").unwrap().starts_with("wants.http.secrets has "));
        assert!(refused("x", "asks\n[plugin.evil]", "token").unwrap().contains("one line"));
    }

    #[test]
    fn wishes_have_reasons() {
        let about = "[plugin]\nname = \"x\"\nworld = \"policy\"\n[wants.table]\n";
        let manifest = Manifest::parse(&format!("{about}reason = \"looks\"\n")).unwrap();
        assert_eq!(manifest.reason("table"), Some("looks"));
        assert_eq!(manifest.reason("health"), None);
        assert!(Manifest::parse(about).is_err());
    }
}
