//! What the settings of a plugin may be: the JSON Schema that its author put into its component,
//! or beside its script, read without running it.
//!
//! A schema comes from whoever made the plugin, and is read before the plugin is trusted with
//! anything. It stands alone: nothing is fetched, and it refers to no part of itself, so that to
//! check settings takes no longer than both are long. Patterns are matched in linear time.

use std::{
    error::Error,
    fmt,
    io::{BufReader, ErrorKind::NotFound},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use boon::{
    CompileError, Compiler, Draft, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError,
};
use serde_json::Value;
use weir_wasm::{open_regular, read_regular};

use crate::quoting;

/// What it is called while it is compiled.
const LOCATION: &str = "weir:settings";

/// Keywords that lead elsewhere.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The schema of a plugin's settings.
pub(crate) struct Schema {
    value: Value,
    compiled: Schemas,
    index: SchemaIndex,
}

/// One of the settings, as the schema has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    name: String,
    /// `number`, `string or null`; empty = it does not say.
    kind: String,
    is_required: bool,
    /// As TOML.
    default: Option<String>,
    description: String,
}

/// Something in settings that a schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Where: a JSON pointer, `/zones/0`; empty = the settings themselves.
    pub(crate) pointer: String,
    /// What is wrong, and what would be right.
    pub(crate) message: String,
}

/// Settings that a schema does not take, and all of why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit(pub(crate) Vec<Wrong>);

impl Schema {
    /// The schema in the component at `path`; none = it has none. Fails if that is no component,
    /// or its schema none that can be used.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Option<Self>> {
        let file = BufReader::with_capacity(64, open_regular(path)?);
        let text = weir_build::schema(file)?;
        text.map(|it| Self::parse(&it).context("the schema of its settings")).transpose()
    }

    /// The schema beside a script; none = there is no such file.
    pub(crate) fn beside(script: &Path) -> anyhow::Result<Option<Self>> {
        let path = place_beside(script);
        let context = || format!("the schema of its settings, {}", path.display());
        let bytes = match read_regular(&path, weir_build::SECTION_BYTES) {
            Err(error) if error.kind() == NotFound => return Ok(None),
            read => read.with_context(context)?,
        };
        let text = String::from_utf8(bytes).with_context(context)?;
        Self::parse(&text).map(Some).with_context(context)
    }

    /// Reads the text of one. Fails if it is not a JSON Schema (draft 2020-12), longer than
    /// 64 KiB, or refers to anything.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let most = weir_build::SECTION_BYTES;
        ensure!(text.len() as u64 <= most, "it is longer than {most} bytes");
        let value: Value = serde_json::from_str(text).context("it is no JSON")?;
        ensure!(value.is_object(), "expected an object");
        if let Some(keyword) = reference(&value) {
            bail!("{keyword} is not taken here: write out what it refers to");
        }
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nothing));
        let mut compiled = Schemas::new();
        let refused = |error: CompileError| {
            let text = format!("{error:#}");
            // What stands before is of the standard, and of no use to whoever wrote the schema.
            let causes = text.split_once("\n- ").map_or(&*text, |(_, causes)| causes);
            anyhow!("it is no JSON Schema: {causes}")
        };
        compiler.add_resource(LOCATION, value.clone()).map_err(refused)?;
        let index = compiler.compile(LOCATION, &mut compiled).map_err(refused)?;
        Ok(Self { value, compiled, index })
    }

    /// Checks settings: JSON text of an object.
    pub(crate) fn check(&self, settings: &str) -> Result<(), Unfit> {
        let settings: Value = serde_json::from_str(settings).map_err(|error| {
            Unfit(vec![Wrong {
                pointer: String::new(),
                message: format!("it is no JSON: {error}"),
            }])
        })?;
        self.compiled.validate(&settings, self.index).map_err(|error| {
            let mut wrong = Vec::new();
            self.gather(&error, &mut wrong);
            wrong.dedup();
            Unfit(wrong)
        })
    }

    /// The causes that have no causes.
    fn gather(&self, error: &ValidationError<'_, '_>, wrong: &mut Vec<Wrong>) {
        let is_choice = matches!(error.kind, ErrorKind::AnyOf | ErrorKind::OneOf(_));
        if !error.causes.is_empty() && !is_choice {
            return error.causes.iter().for_each(|it| self.gather(it, wrong));
        }
        let pointer = error.instance_location.to_string();
        let message = match &error.kind {
            ErrorKind::AdditionalProperties { got } if pointer.is_empty() => {
                let known: Vec<_> = self.settings().into_iter().map(|it| it.name).collect();
                format!("unknown key `{}`; known here: {}", got.join("`, `"), known.join(", "))
            }
            ErrorKind::Required { want } => format!("`{}` is missing", want.join("`, `")),
            _ if is_choice => "it is none of what its schema allows".to_owned(),
            other => other.to_string(),
        };
        // What is unknown stands where it was written.
        let unknown = match &error.kind {
            ErrorKind::AdditionalProperties { got } => got.first(),
            _ => None,
        };
        let pointer = unknown.map_or(pointer.clone(), |it| format!("{pointer}/{it}"));
        wrong.push(Wrong { pointer, message });
    }

    /// What can be set, in the order of names.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let required = self.value["required"].as_array();
        let is_required = |name: &str| required.is_some_and(|it| it.iter().any(|it| it == name));
        let properties = self.value["properties"].as_object();
        let setting = |(name, it): (&String, &Value)| Setting {
            name: name.clone(),
            kind: kind(it),
            is_required: is_required(name),
            default: it.get("default").and_then(in_toml),
            description: it["description"]
                .as_str()
                .unwrap_or_default()
                .replace(char::is_control, " "),
        };
        properties.into_iter().flatten().map(setting).collect()
    }
}

/// Where the schema of a script's settings is: `policy.settings.json` of `policy.star`.
pub(crate) fn place_beside(script: &Path) -> PathBuf {
    script.with_extension("settings.json")
}

/// Refuses to fetch.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        Err(format!("{url} is not fetched").into())
    }
}

/// A keyword in it that leads elsewhere.
fn reference(value: &Value) -> Option<&'static str> {
    match value {
        Value::Object(object) => {
            let own = REFERENCES.into_iter().find(|it| object.contains_key(*it));
            own.or_else(|| object.values().find_map(reference))
        }
        Value::Array(values) => values.iter().find_map(reference),
        _ => None,
    }
}

fn kind(schema: &Value) -> String {
    let one = |it: &Value| it.as_str().map(ToOwned::to_owned);
    match (&schema["type"], &schema["enum"]) {
        (_, Value::Array(values)) => {
            values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ")
        }
        (Value::Array(kinds), _) => kinds.iter().filter_map(one).collect::<Vec<_>>().join(" or "),
        (kind, _) => one(kind).unwrap_or_default(),
    }
}

/// A value of JSON as TOML has it on a line; none = TOML has it not.
fn in_toml(value: &Value) -> Option<String> {
    let value = toml::Value::try_from(value).ok()?;
    Some(value.to_string())
}

/// For people.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, is_required, default, description } = self;
        f.write_str(name)?;
        if !kind.is_empty() {
            write!(f, ", {kind}")?;
        }
        match default {
            Some(default) => write!(f, ", {default} unless set")?,
            None if *is_required => f.write_str(", required")?,
            None => {}
        }
        if !description.is_empty() {
            write!(f, ": {description}")?;
        }
        Ok(())
    }
}

impl Setting {
    /// A line of weir.toml that sets it, or could.
    pub(crate) fn to_be_edited(&self) -> String {
        let comment = if self.is_required { "" } else { "# " };
        let value = self.default.clone().unwrap_or_else(|| match self.kind.as_str() {
            "integer" | "number" => "0".to_owned(),
            "boolean" => "false".to_owned(),
            "array" => "[]".to_owned(),
            "object" => "{}".to_owned(),
            _ => "\"\"".to_owned(),
        });
        let name = quoting::key(&self.name);
        // It stays a line, whatever its author wrote: what follows would be configuration.
        format!("{comment}config.{name} = {value}   # {self}").replace(char::is_control, " ")
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, it) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{it}")?;
        }
        Ok(())
    }
}

impl Error for Unfit {}

impl fmt::Display for Wrong {
    /// As it is written in weir.toml: `config.zones.0: ..`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "config{}: {}", self.pointer.replace('/', "."), self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{
        "type": "object",
        "additionalProperties": false,
        "required": ["url"],
        "properties": {
            "gain": {"type": "number", "minimum": 0, "maximum": 2, "default": 0.5,
                     "description": "How strongly weights follow."},
            "url": {"type": "string", "pattern": "^https://"},
            "zones": {"type": "array", "items": {"type": "string"}},
            "by": {"enum": ["load", "time"]}
        }
    }"#;

    fn wrong(settings: &str) -> String {
        let schema = Schema::parse(SCHEMA).unwrap();
        schema.check(settings).map_or_else(|it| it.to_string(), |()| "fits".to_owned())
    }

    fn refused(text: &str) -> String {
        format!("{:#}", Schema::parse(text).err().unwrap())
    }

    #[test]
    fn settings_fit_or_it_is_said_what_does_not() {
        assert_eq!(
            wrong(r#"{"url": "https://x", "gain": 1, "zones": ["a"], "by": "load"}"#),
            "fits"
        );
        insta::assert_snapshot!(wrong("{}"), @"config: `url` is missing");
        insta::assert_snapshot!(wrong(r#"{"url": "https://x", "gian": 1}"#), @"config.gian: unknown key `gian`; known here: by, gain, url, zones");
        insta::assert_snapshot!(wrong(r#"{"url": "x", "gain": 3, "zones": ["a", 1]}"#), @"config.gain: must be <=2, but got 3; config.url: 'x' does not match pattern '^https://'; config.zones.1: want string, but got number");
        insta::assert_snapshot!(wrong(r#"{"url": "https://x", "by": "chance"}"#), @"config.by: value must be one of 'load', 'time'");
        insta::assert_snapshot!(wrong("{"), @"config: it is no JSON: EOF while parsing an object at line 1 column 1");
    }

    #[test]
    fn what_can_be_set_is_shown() {
        let settings = Schema::parse(SCHEMA).unwrap().settings();
        let shown: Vec<_> = settings.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                r#"by, "load" or "time""#,
                "gain, number, 0.5 unless set: How strongly weights follow.",
                "url, string, required",
                "zones, array",
            ]
        );
        let lines: Vec<_> = settings.iter().map(Setting::to_be_edited).collect();
        assert_eq!(
            lines,
            [
                r#"# config.by = ""   # by, "load" or "time""#,
                "# config.gain = 0.5   # gain, number, 0.5 unless set: How strongly weights follow.",
                r#"config.url = ""   # url, string, required"#,
                "# config.zones = []   # zones, array",
            ]
        );
        for line in lines {
            toml::from_str::<toml::Table>(line.trim_start_matches("# ")).unwrap();
        }
    }

    #[test]
    fn what_is_no_schema_or_leads_elsewhere_is_refused() {
        insta::assert_snapshot!(refused("{"), @"it is no JSON: EOF while parsing an object at line 1 column 1");
        insta::assert_snapshot!(refused("[]"), @"expected an object");
        let wrong = refused(r#"{"type": "digits"}"#);
        assert!(wrong.contains("at '/type': value must be one of 'array', 'boolean'"), "{wrong}");
        insta::assert_snapshot!(refused(r#"{"properties": {"a": {"$ref": "file:///etc/passwd"}}}"#), @"$ref is not taken here: write out what it refers to");
        insta::assert_snapshot!(refused(r##"{"allOf": [{"$dynamicRef": "#"}]}"##), @"$dynamicRef is not taken here: write out what it refers to");
        insta::assert_snapshot!(refused(r#"{"$schema": "https://weir.invalid/own"}"#), @"it is no JSON Schema: error loading https://weir.invalid/own: https://weir.invalid/own is not fetched");
        let wrong = refused(r#"{"pattern": "("}"#);
        let expected = "it is no JSON Schema: at '/pattern': '(' is not valid regex";
        assert!(wrong.starts_with(expected), "{wrong}");
        insta::assert_snapshot!(refused(&" ".repeat(65_537)), @"it is longer than 65536 bytes");
    }

    #[test]
    fn a_hostile_one_ends() {
        let deep = format!("{}true{}", r#"{"not":"#.repeat(2_000), "}".repeat(2_000));
        assert!(refused(&deep).starts_with("it is no JSON"), "{}", refused(&deep));
        let deep = format!("{}true{}", r#"{"not":"#.repeat(100), "}".repeat(100));
        Schema::parse(&deep).unwrap().check("{}").unwrap();
        let slow = r#"{"properties": {"a": {"pattern": "^(a+)+$"}}}"#;
        let settings = format!(r#"{{"a": "{}b"}}"#, "a".repeat(100_000));
        Schema::parse(slow).unwrap().check(&settings).unwrap_err();
    }
}
