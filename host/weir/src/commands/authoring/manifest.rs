//! `plugin.toml`: what its author says of a plugin, and how it is built.
//!
//! `weir plugin build` puts the text into the component, so that it travels with it.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::WORLDS;
use crate::{config, problems::Place, quoting};

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
    #[serde(deserialize_with = "name")]
    pub(super) name: String,
    #[serde(deserialize_with = "world")]
    pub(super) world: String,
    #[serde(default, deserialize_with = "line")]
    pub(super) version: String,
    #[serde(default, deserialize_with = "line")]
    pub(super) summary: String,
    #[serde(default, deserialize_with = "line")]
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
    #[serde(default, deserialize_with = "wish")]
    pub(super) weights: Option<Weights>,
    #[serde(default, deserialize_with = "wish")]
    pub(super) state: Option<State>,
    #[serde(default, deserialize_with = "wish")]
    pub(super) structure: Option<Structure>,
    #[serde(default, deserialize_with = "wish")]
    pub(super) http: Option<Http>,
}

/// One wish.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Want {
    #[serde(deserialize_with = "line")]
    pub(super) reason: String,
}

/// What it wants to say of weights, in the words of a grant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    pub(super) intents: Vec<String>,
    pub(super) base: Option<[u32; 2]>,
    pub(super) scale: Option<[u32; 2]>,
    pub(super) floor: Option<u32>,
    #[serde(deserialize_with = "line")]
    pub(super) reason: String,
}

/// How much it wants to have kept for good, in the words of a grant: `64KiB`; none = nothing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) bytes: Option<String>,
    #[serde(deserialize_with = "line")]
    pub(super) reason: String,
}

/// Which services it wants to own, in the words of a grant; none = the operator knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Structure {
    pub(super) addresses: Option<Vec<String>>,
    #[serde(deserialize_with = "line")]
    pub(super) reason: String,
}

/// What it wants to ask of others, in the words of a grant; none = the operator knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) rules: Option<Vec<String>>,
    /// Names of what it wants put into headers.
    #[serde(default, deserialize_with = "names")]
    pub(super) secrets: Vec<String>,
    #[serde(deserialize_with = "line")]
    pub(super) reason: String,
}

/// A wish in the words of a grant.
pub(super) trait Wish {
    /// What of a grant grants it, in lines; nothing where only the operator knows.
    fn granted(&self) -> String;
}

impl Wish for Weights {
    fn granted(&self) -> String {
        let Self { intents, base, scale, floor, .. } = self;
        let range = |name, it: Option<[u32; 2]>| it.map(|it| format!("{name} = {it:?}"));
        let bounds =
            [range("base", *base), range("scale", *scale), floor.map(|it| format!("floor = {it}"))];
        let parts: Vec<_> = bounds.into_iter().flatten().collect();
        // Who says nothing of them may import the words for it all the same.
        if intents.is_empty() && parts.is_empty() {
            return String::new();
        }
        let intents = format!("intents = {}", quoting::value(intents.clone()));
        let parts = [vec![intents], parts].concat();
        format!("weights = {{ {} }}\n", parts.join(", "))
    }
}

impl Wish for State {
    fn granted(&self) -> String {
        let state = |it: &String| format!("state = {}\n", quoting::value(it.as_str()));
        self.bytes.as_ref().map(state).unwrap_or_default()
    }
}

impl Wish for Structure {
    fn granted(&self) -> String {
        let addresses = quoting::value(self.addresses.clone().unwrap_or_default());
        format!("structure = {{ addresses = {addresses} }}   # those it may own\n")
    }
}

impl Wish for Http {
    fn granted(&self) -> String {
        let secret = |it: &String| format!("secrets.{it}.file = \"/run/credentials/weir/{it}\"\n");
        let secrets: String = self.secrets.iter().map(secret).collect();
        let rules = quoting::value(self.rules.clone().unwrap_or_default());
        format!("http = {rules}\n{secrets}")
    }
}

impl Manifest {
    /// Reads the text of one, which is in the file of this name; what is wrong is said with its
    /// line. What it says is shown on terminals, and put into configurations: it must not be taken
    /// for more.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map(|it| line_and_column(text, it.start));
            let place = Place { at, ..Place::of_file(file) };
            anyhow!("{place}: {}", error.message().replace('\n', ", "))
        })
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

/// Both from 1; columns count characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// What can be a key of a configuration, and a file.
fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        return Ok(text);
    }
    Err(D::Error::custom(format!("expected 1 to 64 letters, digits, - and _, found {text:?}")))
}

fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct Name(#[serde(deserialize_with = "name")] String);
    let names = Vec::<Name>::deserialize(from)?;
    Ok(names.into_iter().map(|it| it.0).collect())
}

/// What is shown to people.
fn line<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if text.contains(char::is_control) {
        let message = format!("expected one line, without control characters, found {text:?}");
        return Err(D::Error::custom(message));
    }
    Ok(text)
}

fn world<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    if WORLDS.iter().any(|it| it.name == text) {
        return Ok(text);
    }
    let worlds = WORLDS.map(|it| it.name).join(", ");
    Err(D::Error::custom(format!("expected one of {worlds}, found {text:?}")))
}

/// What an operator could grant: it is read as a configuration would be that does.
fn wish<'de, D, W>(from: D) -> Result<Option<W>, D::Error>
where
    D: Deserializer<'de>,
    W: Wish + Deserialize<'de>,
{
    let wish = W::deserialize(from)?;
    let configuration =
        format!("[plugin.x]\nsource = \"x.wasm\"\n[plugin.x.grant]\n{}", wish.granted());
    let Err(problems) = config::parse_beside(Path::new(""), "weir.toml", &configuration) else {
        return Ok(Some(wish));
    };
    let messages = problems
        .into_found()
        .into_iter()
        .map(|it| it.message.strip_prefix("plugin x: grant: ").unwrap_or(&it.message).to_owned());
    Err(D::Error::custom(messages.collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        Manifest::parse("plugin.toml", text).map_err(|it| it.to_string()).err()
    }

    #[test]
    fn what_could_be_taken_for_more_is_refused() {
        let refused = |name: &str, reason: &str, secret: &str| {
            refused(&format!(
                "[plugin]\nname = {name:?}\nworld = \"policy\"\n\
                 [wants.http]\nsecrets = [{secret:?}]\nreason = {reason:?}\n"
            ))
        };
        assert_eq!(refused("x", "asks", "token"), None);
        for name in ["", "../x", "x]\n[evil", &"x".repeat(65)] {
            let said = refused(name, "asks", "token").unwrap();
            assert!(said.starts_with("plugin.toml:2:8: expected 1 to 64 letters"), "{said}");
        }
        let said = refused("x", "asks", "a b").unwrap();
        assert!(said.starts_with("plugin.toml:5:12: expected 1 to 64 letters"), "{said}");
        let said = refused("x", "asks\n[plugin.evil]", "token").unwrap();
        assert!(said.starts_with("plugin.toml:6:10: expected one line"), "{said}");
    }

    #[test]
    fn what_nobody_could_grant_is_refused() {
        let refused = |wants: &str| {
            refused(&format!("[plugin]\nname = \"x\"\nworld = \"policy\"\n[wants]\n{wants}\n"))
        };
        for wants in [
            r#"weights = { intents = [], reason = "none" }"#,
            r#"weights = { intents = ["base", "scale", "floor", "cap", "drain"], base = [1, 9], scale = [500, 1500], floor = 3, reason = "x" }"#,
            r#"state = { reason = "x" }"#,
            r#"state = { bytes = "64KiB", reason = "x" }"#,
            r#"structure = { addresses = ["192.0.2.0/24", "::1"], reason = "x" }"#,
            r#"http = { rules = ["GET https://x.example/"], secrets = ["token"], reason = "x" }"#,
        ] {
            assert_eq!(refused(wants), None, "{wants}");
        }
        let said = |wants: &str| refused(wants).unwrap();
        insta::assert_snapshot!(said(r#"weights = { intents = ["drains"], reason = "x" }"#), @r#"plugin.toml:5:11: weights: intents: expected "base" or "scale" or "floor" or "cap" or "drain", found "drains""#);
        insta::assert_snapshot!(said(r#"weights = { intents = ["scale"], scale = [9, 3], reason = "x" }"#), @"plugin.toml:5:11: weights: scale: expected [least, most] in thousandths, such as [100, 1500], found an array");
        insta::assert_snapshot!(said(r#"weights = { intents = ["scale"], reason = "x" }"#), @r#"plugin.toml:5:11: weights: intents: "scale" needs its bounds: add scale = [100, 1500]"#);
        insta::assert_snapshot!(said(r#"weights = { intents = [], floor = 3, reason = "x" }"#), @r#"plugin.toml:5:11: weights: floor: has no effect: add "floor" to intents, or remove this"#);
        // Rust would quote this character as TOML does not.
        let said_of_it = said(r#"weights = { intents = ["\u007f"], reason = "x" }"#);
        assert!(said_of_it.starts_with("plugin.toml:5:11: weights: intents: "), "{said_of_it}");
        for (wants, place) in [
            (r#"state = { bytes = "64 barrels", reason = "x" }"#, "plugin.toml:5:9: state: "),
            (
                r#"structure = { addresses = ["here"], reason = "x" }"#,
                "plugin.toml:5:13: structure: addresses: ",
            ),
            (
                r#"http = { rules = ["https://x.example/"], reason = "x" }"#,
                "plugin.toml:5:8: http: ",
            ),
        ] {
            assert!(said(wants).starts_with(place), "{}", said(wants));
        }
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        let said = |text: &str| refused(text).unwrap();
        insta::assert_snapshot!(said("[plugin]\nname = \"x\"\nworld = \"police\"\n"), @r#"plugin.toml:3:9: expected one of policy, controller, weigher, guard, checker, command, found "police""#);
        insta::assert_snapshot!(said("[plugin]\nname = \"x\"\nworld = \"guard\"\nfoo = 1\n"), @"plugin.toml:4:1: unknown field `foo`, expected one of `name`, `world`, `version`, `summary`, `license`");
    }

    #[test]
    fn wishes_have_reasons() {
        let about = "[plugin]\nname = \"x\"\nworld = \"policy\"\n[wants.table]\n";
        let manifest = Manifest::parse("plugin.toml", &format!("{about}reason = \"looks\"\n"));
        let manifest = manifest.unwrap();
        assert_eq!(manifest.reason("table"), Some("looks"));
        assert_eq!(manifest.reason("health"), None);
        assert!(refused(about).is_some());
    }
}
