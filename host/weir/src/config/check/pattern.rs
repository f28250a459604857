//! `contains` and `matches`: what is looked for in what a server sends.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use toml::de::DeValue;

use super::{
    Section, found,
    keys::{By, Key, Without::Means},
    value,
};

/// What is looked for in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// As it was written, and under which key.
    written: (&'static str, String),
    regex: Regex,
}

/// The most memory that a compiled pattern may take, in bytes.
const COMPILED_BYTES: usize = 1 << 20;

pub(super) static CONTAINS: Key<By<Pattern>> = Key::new(
    "contains",
    By { read: contains, types: &["string"] },
    Means("none"),
    "a text that must be in what the server sends: of http, in the body",
);

pub(super) static MATCHES: Key<By<Pattern>> = Key::new(
    "matches",
    By { read: matches, types: &["string"] },
    Means("none"),
    "instead: a [regular expression](https://docs.rs/regex/latest/regex/#syntax) that must match \
     somewhere in it. One for bytes that are no text begins with `(?-u)`",
);

impl Pattern {
    /// Whether it is somewhere in `bytes`.
    pub(crate) fn is_in(&self, bytes: &[u8]) -> bool {
        self.regex.is_match(bytes)
    }

    fn new(key: &'static str, text: String, regex: &str) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(regex).size_limit(COMPILED_BYTES).build()?;
        Ok(Self { written: (key, text), regex })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.written {
            ("contains", text) => write!(f, "{text:?}"),
            (_, text) => write!(f, "/{text}/"),
        }
    }
}

/// The two keys, of which one may be there; an own one replaces an inherited one.
#[derive(Debug, Clone, Default)]
pub(super) struct PatternKeys(Option<Pattern>);

impl PatternKeys {
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let contains = section.key(&CONTAINS);
        let matches = section.key(&MATCHES);
        if section.has(CONTAINS.name) && section.has(MATCHES.name) {
            section.note_at(MATCHES.name, "goes without contains: remove one");
        }
        Self(contains.or(matches).or(self.0))
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn finish(&self) -> Option<Pattern> {
        self.0.clone()
    }
}

fn contains(value: &DeValue<'_>) -> Result<Pattern, String> {
    let text = some_text(value)?;
    let regex = regex::escape(&text);
    Pattern::new(CONTAINS.name, text, &regex).map_err(|_| "is too long".to_owned())
}

fn matches(value: &DeValue<'_>) -> Result<Pattern, String> {
    let text = some_text(value)?;
    Pattern::new(MATCHES.name, text.clone(), &text).map_err(|error| {
        // The library draws where it is in several lines; the last says what.
        let error = error.to_string();
        let what = error.lines().last().unwrap_or_default();
        let what = what.trim_start_matches("error: ");
        format!("expected a regular expression such as \"^ok$\": {what}")
    })
}

fn some_text(it: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(it)?;
    if text.is_empty() {
        return Err(format!("expected a text such as \"ok\", found {}", found(it)));
    }
    Ok(text)
}
