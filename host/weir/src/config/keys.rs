//! What a key of the configuration is: its name, how its value is written, what counts
//! without it, and what it means.
//!
//! A fact about a key is written once, in its row. The reader, the JSON Schema and the tables
//! of the manual follow from it.

use std::{collections::BTreeSet, fmt, ops::RangeInclusive, time::Duration};

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::value::{self, Wrong};

/// One key, whose value is written in the form `F`.
pub(super) struct Key<F: Form> {
    pub(super) name: &'static str,
    form: F,
    without: Without<F::Value>,
    /// What it means, in Markdown.
    meaning: &'static str,
}

/// What counts without a key.
pub(super) enum Without<T> {
    /// This value.
    Is(T),
    /// What this says, in Markdown.
    Means(&'static str),
}

/// How the values of a key are written.
pub(super) trait Form {
    type Value;

    /// The value; an error says what was expected, and what was found.
    fn read(&self, value: &DeValue<'_>) -> Result<Self::Value, Wrong>;

    /// Its JSON Schema.
    fn schema(&self) -> Json;

    /// Which values there are, in Markdown; empty where the meaning says it.
    fn range(&self) -> String {
        String::new()
    }

    /// A value as it is written. Asked of forms only that have values to be had without a
    /// key.
    fn show(&self, _: &Self::Value) -> String {
        String::new()
    }
}

/// A row of a table: a key, whatever its form.
pub(super) trait Row: Sync {
    fn name(&self) -> &'static str;
    /// What counts without it, in Markdown.
    fn default(&self) -> String;
    /// What it means, in Markdown.
    fn meaning(&self) -> &'static str;
    fn schema(&self) -> Json;
    fn range(&self) -> String;
    /// The table that it holds, if it does.
    fn table(&self) -> Option<&'static Table> {
        None
    }
    /// How that is written at the top of a file, in the manual.
    #[cfg(test)]
    fn heading(&self) -> Option<String> {
        None
    }
}

/// The keys of a table of the configuration. Groups are shared with other tables.
pub(super) struct Table {
    /// In the manual and the schema.
    pub(super) name: &'static str,
    pub(super) groups: &'static [&'static [&'static dyn Row]],
    /// Tables whose keys it has, too: those of one type of check only. The manual tells of them
    /// elsewhere.
    pub(super) parts: &'static [&'static Self],
}

impl Table {
    /// Of keys that are all its own.
    pub(super) const fn new(
        name: &'static str,
        groups: &'static [&'static [&'static dyn Row]],
    ) -> Self {
        Self { name, groups, parts: &[] }
    }

    /// The same with the keys of other tables.
    pub(super) const fn with(self, parts: &'static [&'static Self]) -> Self {
        Self { parts, ..self }
    }

    /// Those of its own.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'static dyn Row> {
        self.groups.iter().flat_map(|it| it.iter().copied())
    }

    /// Those of its parts, too.
    pub(super) fn all_rows(&self) -> impl Iterator<Item = &'static dyn Row> {
        self.rows().chain(self.parts.iter().flat_map(|it| it.rows()))
    }

    /// Whether one of its own is called so.
    pub(super) fn has(&self, key: &str) -> bool {
        self.rows().any(|it| it.name() == key)
    }

    /// What they are called, each name once.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let names: BTreeSet<_> = self.all_rows().map(Row::name).collect();
        names.into_iter().collect()
    }
}

impl<F: Form> Key<F> {
    pub(super) const fn new(
        name: &'static str,
        form: F,
        without: Without<F::Value>,
        meaning: &'static str,
    ) -> Self {
        Self { name, form, without, meaning }
    }

    pub(super) fn read(&self, value: &DeValue<'_>) -> Result<F::Value, Wrong> {
        self.form.read(value)
    }

    /// The value that counts without it.
    pub(super) fn usual(&self) -> F::Value
    where
        F::Value: Clone,
    {
        match &self.without {
            Without::Is(value) => value.clone(),
            Without::Means(_) => unreachable!("{} has no value without a word", self.name),
        }
    }
}

impl<F: Form + Sync> Row for Key<F>
where
    F::Value: Sync,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn default(&self) -> String {
        match &self.without {
            Without::Is(value) => format!("`{}`", self.form.show(value)),
            Without::Means(text) => (*text).to_owned(),
        }
    }

    fn meaning(&self) -> &'static str {
        self.meaning
    }

    fn schema(&self) -> Json {
        self.form.schema()
    }

    fn range(&self) -> String {
        self.form.range()
    }
}

/// A key that holds tables, which have readers of their own.
pub(super) struct Nested {
    pub(super) name: &'static str,
    pub(super) table: &'static Table,
    pub(super) shape: Shape,
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
}

/// How tables are held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// One.
    One,
    /// One, or `false` for none.
    OneOrFalse,
    /// One, an array of them, or `false` for none.
    OneManyOrFalse,
    /// One, or a word in its place.
    OneOrWord(&'static [&'static str]),
    /// An array of them; true = an element may be a string that says the most of it.
    Many(bool),
    /// One for each name.
    Named,
    /// An array of them for each name, with strings as elements, too.
    NamedMany,
}

impl Row for Nested {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default(&self) -> String {
        self.default.to_owned()
    }

    fn meaning(&self) -> &'static str {
        self.meaning
    }

    fn schema(&self) -> Json {
        let one = json!({"$ref": format!("#/$defs/{}", self.table.name)});
        let or_text = json!({"anyOf": [one, {"type": "string"}]});
        let many =
            |of_text| json!({"type": "array", "items": if of_text { &or_text } else { &one }});
        match self.shape {
            Shape::One => one,
            Shape::OneOrFalse => json!({"anyOf": [one, {"const": false}]}),
            Shape::OneManyOrFalse => json!({"anyOf": [one, many(false), {"const": false}]}),
            Shape::OneOrWord(words) => json!({"anyOf": [one, {"enum": words}, reference()]}),
            Shape::Many(of_text) => many(of_text),
            Shape::Named => json!({"type": "object", "additionalProperties": one}),
            Shape::NamedMany => json!({"type": "object", "additionalProperties": many(true)}),
        }
    }

    fn range(&self) -> String {
        String::new()
    }

    fn table(&self) -> Option<&'static Table> {
        Some(self.table)
    }

    #[cfg(test)]
    fn heading(&self) -> Option<String> {
        let name = self.name;
        Some(match self.shape {
            Shape::Many(_) => format!("[[{name}]]"),
            Shape::Named => format!("[{name}.NAME]"),
            Shape::One
            | Shape::OneOrFalse
            | Shape::OneManyOrFalse
            | Shape::OneOrWord(_)
            | Shape::NamedMany => {
                format!("[{name}]")
            }
        })
    }
}

/// A string that a reference may stand in.
fn text(pattern: &str) -> Json {
    json!({"type": "string", "pattern": format!("^({pattern})$|\\$\\{{")})
}

/// A string that a reference stands in.
fn reference() -> Json {
    json!({"type": "string", "pattern": "\\$\\{"})
}

fn from_to(least: impl fmt::Display, most: impl fmt::Display) -> String {
    format!("{least} to {most}")
}

/// A duration within a range.
pub(super) struct Span(pub(super) RangeInclusive<Duration>);

impl Form for Span {
    type Value = Duration;

    fn read(&self, value: &DeValue<'_>) -> Result<Duration, Wrong> {
        Ok(value::duration(value, &self.0)?)
    }

    fn schema(&self) -> Json {
        text("[0-9]+(ms|s|m|h|d)")
    }

    fn range(&self) -> String {
        let shown = |it: &Duration| {
            let text = value::show_duration(*it);
            let unit = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
            format!("{} {}", &text[..unit], &text[unit..])
        };
        from_to(shown(self.0.start()), shown(self.0.end()))
    }

    fn show(&self, value: &Self::Value) -> String {
        format!("\"{}\"", value::show_duration(*value))
    }
}

/// What this form writes, or `false` for none.
pub(super) struct OrFalse<F>(pub(super) F);

impl<F: Form> Form for OrFalse<F> {
    type Value = Option<F::Value>;

    fn read(&self, value: &DeValue<'_>) -> Result<Self::Value, Wrong> {
        match value {
            DeValue::Boolean(false) => Ok(None),
            _ => self.0.read(value).map(Some).map_err(|it| match it {
                Wrong::Whole(it) => it.replacen(", found", ", or false, found", 1).into(),
                of_parts @ Wrong::Parts(_) => of_parts,
            }),
        }
    }

    fn schema(&self) -> Json {
        json!({"anyOf": [self.0.schema(), {"const": false}]})
    }

    fn range(&self) -> String {
        self.0.range()
    }
}

/// A whole number within a range.
pub(super) struct Number(pub(super) RangeInclusive<u32>);

impl Form for Number {
    type Value = u32;

    fn read(&self, value: &DeValue<'_>) -> Result<u32, Wrong> {
        Ok(value::number(value, self.0.clone())?)
    }

    fn schema(&self) -> Json {
        json!({"type": "integer", "minimum": self.0.start(), "maximum": self.0.end()})
    }

    fn range(&self) -> String {
        from_to(self.0.start(), self.0.end())
    }

    fn show(&self, value: &Self::Value) -> String {
        value.to_string()
    }
}

/// A percentage within a range.
pub(super) struct Percent(pub(super) RangeInclusive<u32>);

impl Form for Percent {
    type Value = u32;

    fn read(&self, value: &DeValue<'_>) -> Result<u32, Wrong> {
        Ok(value::percent(value, self.0.clone())?)
    }

    fn schema(&self) -> Json {
        text("[0-9]+%")
    }

    fn range(&self) -> String {
        format!("{} % to {} %", self.0.start(), self.0.end())
    }

    fn show(&self, value: &Self::Value) -> String {
        format!("\"{value}%\"")
    }
}

/// A number of bytes within a range.
pub(super) struct Size(pub(super) RangeInclusive<usize>);

impl Form for Size {
    type Value = usize;

    fn read(&self, value: &DeValue<'_>) -> Result<usize, Wrong> {
        Ok(value::bytes(value, &self.0)?)
    }

    fn schema(&self) -> Json {
        text("[0-9]+(KiB|MiB|GiB)")
    }

    fn range(&self) -> String {
        let shown = |it: &usize| format!("`\"{}\"`", value::show_bytes(*it));
        from_to(shown(self.0.start()), shown(self.0.end()))
    }

    fn show(&self, value: &usize) -> String {
        format!("\"{}\"", value::show_bytes(*value))
    }
}

/// A number within a range, with or without a fraction.
pub(super) struct Decimal(pub(super) RangeInclusive<f64>);

impl Form for Decimal {
    type Value = f64;

    fn read(&self, value: &DeValue<'_>) -> Result<f64, Wrong> {
        Ok(value::decimal(value, self.0.clone())?)
    }

    fn schema(&self) -> Json {
        json!({"type": "number", "minimum": self.0.start(), "maximum": self.0.end()})
    }

    fn range(&self) -> String {
        from_to(self.0.start(), self.0.end())
    }

    fn show(&self, value: &Self::Value) -> String {
        value.to_string()
    }
}

/// A port that something listens at.
pub(super) struct Port;

impl Form for Port {
    type Value = u16;

    fn read(&self, value: &DeValue<'_>) -> Result<u16, Wrong> {
        Ok(value::port(value)?)
    }

    fn schema(&self) -> Json {
        json!({"type": "integer", "minimum": 1, "maximum": u16::MAX})
    }

    fn range(&self) -> String {
        from_to(1, u16::MAX)
    }
}

/// True or false.
pub(super) struct Flag;

impl Form for Flag {
    type Value = bool;

    fn read(&self, value: &DeValue<'_>) -> Result<bool, Wrong> {
        Ok(value::boolean(value)?)
    }

    fn schema(&self) -> Json {
        json!({"type": "boolean"})
    }

    fn show(&self, value: &Self::Value) -> String {
        value.to_string()
    }
}

/// A name that can be quoted in logs and on command lines.
pub(super) struct Name;

impl Form for Name {
    type Value = String;

    fn read(&self, value: &DeValue<'_>) -> Result<String, Wrong> {
        Ok(value::name(value)?)
    }

    fn schema(&self) -> Json {
        text("[A-Za-z0-9._-]{1,64}")
    }
}

/// One of these words, each with what it stands for.
pub(super) struct Word<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq + 'static> Form for Word<T> {
    type Value = T;

    fn read(&self, value: &DeValue<'_>) -> Result<T, Wrong> {
        Ok(value::word(value, self.0)?)
    }

    fn schema(&self) -> Json {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        json!({"anyOf": [{"enum": words}, reference()]})
    }

    fn range(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
        words.join(", ")
    }

    fn show(&self, value: &T) -> String {
        let known = self.0.iter().find(|(_, it)| it == value);
        known.map_or_else(String::new, |(word, _)| format!("\"{word}\""))
    }
}

/// An array of values of this form.
pub(super) struct List<F>(pub(super) F);

impl<F: Form> Form for List<F> {
    type Value = Vec<F::Value>;

    fn read(&self, value: &DeValue<'_>) -> Result<Self::Value, Wrong> {
        value::list(value, |it| self.0.read(it))
    }

    fn schema(&self) -> Json {
        json!({"type": "array", "items": self.0.schema()})
    }

    fn range(&self) -> String {
        self.0.range()
    }
}

/// The same with at least one: that any will do is said by leaving the key out.
pub(super) struct Listed<F>(pub(super) F);

impl<F: Form> Form for Listed<F> {
    type Value = Vec<F::Value>;

    fn read(&self, value: &DeValue<'_>) -> Result<Self::Value, Wrong> {
        let values = value::list(value, |it| self.0.read(it))?;
        if values.is_empty() {
            return Err("expected at least one; for any, leave this out".to_owned().into());
        }
        Ok(values)
    }

    fn schema(&self) -> Json {
        json!({"type": "array", "items": self.0.schema(), "minItems": 1})
    }

    fn range(&self) -> String {
        self.0.range()
    }
}

/// Whatever has a reader of its own; with mistakes of the whole, unless `E` is [`Wrong`].
pub(super) struct By<T, E = String> {
    pub(super) read: fn(&DeValue<'_>) -> Result<T, E>,
    /// Of JSON: the types that it may have.
    pub(super) types: &'static [&'static str],
}

impl<T, E: Into<Wrong>> Form for By<T, E> {
    type Value = T;

    fn read(&self, value: &DeValue<'_>) -> Result<T, Wrong> {
        (self.read)(value).map_err(Into::into)
    }

    fn schema(&self) -> Json {
        json!({"type": self.types})
    }
}
