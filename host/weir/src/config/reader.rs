//! Reading TOML so that one run names every mistake, each with its place.
//!
//! Knows nothing of what the keys mean. serde would stop at the first mistake.

use std::{cell::RefCell, collections::BTreeSet, fmt, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use weir_wasm::read_regular;

use super::{
    files::Files,
    keys::{Form, Key, Row, Table},
    value::Wrong,
};
use crate::{
    problems::{Place, Problem},
    spelling,
};

/// The most that is read of a file that the configuration names.
const FILE_BYTES: u64 = 4 << 20;

/// A value and where it stands.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// Where mistakes are collected while one configuration is read.
pub(super) struct Notes<'t> {
    files: &'t Files,
    found: RefCell<Vec<Problem>>,
    /// What references were replaced by, and how they are written.
    hidden: RefCell<Vec<(String, String)>>,
    /// Plugins that are on, for checks are read before them.
    plugins: RefCell<BTreeSet<String>>,
}

impl<'t> Notes<'t> {
    pub(super) fn new(files: &'t Files) -> Self {
        Self {
            files,
            found: RefCell::default(),
            hidden: RefCell::default(),
            plugins: RefCell::default(),
        }
    }

    /// Says which plugins are on.
    pub(super) fn know_plugins(&self, plugins: BTreeSet<String>) {
        *self.plugins.borrow_mut() = plugins;
    }

    /// Whether a plugin of this name is on.
    pub(super) fn has_plugin(&self, name: &str) -> bool {
        self.plugins.borrow().contains(name)
    }

    /// Notes a mistake at `offset`.
    pub(super) fn add(&self, offset: usize, message: impl Into<String>) {
        let hidden = self.hidden.borrow();
        let message = hidden.iter().fold(message.into(), |message, (value, written)| {
            message.replace(&format!("\"{value}\""), &format!("what {written} stands for"))
        });
        self.found.borrow_mut().push(Problem { place: self.place(offset), message });
    }

    /// No message shows `value`: it may be a secret, written as `written`.
    pub(super) fn hide(&self, value: &str, written: &str) {
        self.hidden.borrow_mut().push((value.to_owned(), written.to_owned()));
    }

    /// Where the byte at `offset` stands.
    pub(super) fn place(&self, offset: usize) -> Place {
        self.files.place(offset)
    }

    /// All of them.
    pub(super) fn into_found(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

/// One table while it is read. Keys that nobody asked for are mistakes, see
/// [`Section::finish`].
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    span: Range<usize>,
    /// What it is, for messages: `service web`; empty for the file itself.
    pub(super) what: String,
    asked: BTreeSet<&'static str>,
    /// Tables that count for these keys where this one says nothing, the nearest first.
    inherited: Vec<(&'static [&'static dyn Row], &'t DeTable<'t>)>,
    pub(super) notes: &'t Notes<'t>,
}

impl<'t> Section<'t> {
    pub(super) fn new(
        table: &'t DeTable<'t>,
        span: Range<usize>,
        what: impl Into<String>,
        notes: &'t Notes<'t>,
    ) -> Self {
        Self {
            table,
            span,
            what: what.into(),
            asked: BTreeSet::new(),
            inherited: Vec::new(),
            notes,
        }
    }

    /// What this one does not say of `keys`, it has from `other`, or from where that has it.
    pub(super) fn inherit(&mut self, keys: &'static [&'static dyn Row], other: &Self) {
        self.inherited.push((keys, other.table));
        self.inherited.extend(other.inherited.iter().map(|(_, table)| (keys, *table)));
    }

    /// The same for groups of keys; from nowhere, if there is no other.
    pub(super) fn inherit_all(
        &mut self,
        groups: &[&'static [&'static dyn Row]],
        other: Option<&Self>,
    ) {
        if let Some(other) = other {
            groups.iter().for_each(|keys| self.inherit(keys, other));
        }
    }

    /// The same table, for mistakes that show once it was read.
    pub(super) fn here(&self) -> Self {
        let same = Section::new(self.table, self.span.clone(), self.what.clone(), self.notes);
        Self { inherited: self.inherited.clone(), ..same }
    }

    /// The value of `key`, which is then a known key.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.asked.insert(key);
        self.table.get(key).or_else(|| self.inherited_value(key))
    }

    fn inherited_value(&self, key: &str) -> Option<&'t Value<'t>> {
        let inherited = self.inherited.iter();
        let mut saying = inherited.filter(|(keys, _)| keys.iter().any(|it| it.name() == key));
        saying.find_map(|(_, table)| table.get(key))
    }

    /// The value of `key`; a mistake is noted where it is written, and counts as absent.
    pub(super) fn key<F: Form>(&mut self, key: &Key<F>) -> Option<F::Value> {
        let value = self.value(key.name)?;
        match key.read(value.get_ref()) {
            Ok(it) => Some(it),
            // What is inherited was noted there.
            Err(_) if !self.table.contains_key(key.name) => None,
            Err(wrong) => {
                self.note_wrong(key.name, wrong);
                None
            }
        }
    }

    /// As [`Section::key`], with the value that counts without it.
    pub(super) fn key_or_usual<F: Form<Value: Clone>>(&mut self, key: &Key<F>) -> F::Value {
        self.key(key).unwrap_or_else(|| key.usual())
    }

    /// As [`Section::key`], with its absence a mistake: `example` is what to write.
    pub(super) fn required<F: Form>(&mut self, key: &Key<F>, example: &str) -> Option<F::Value> {
        if self.value(key.name).is_none() {
            self.note_here(format!("`{0}` is missing: add {0} = {example}", key.name));
            return None;
        }
        self.key(key)
    }

    /// The value of `key` as `parse` understands it; a mistake is noted and counts as
    /// absent.
    pub(super) fn get<T, E: Into<Wrong>>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&DeValue<'t>) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.value(key)?;
        match parse(value.get_ref()) {
            Ok(it) => Some(it),
            Err(wrong) => {
                self.note_wrong(key, wrong.into());
                None
            }
        }
    }

    /// The table at `key`.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        let what = format!("{}{}{key}", self.what, if self.what.is_empty() { "" } else { ": " });
        self.open(value, what)
    }

    /// The tables of the array at `key`, as `[[key]]` writes it.
    pub(super) fn sections(&mut self, key: &'static str, what: &str) -> Vec<Self> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let remedy = format!("write each one under [[{key}]]");
        self.open_all(value, what, &remedy)
    }

    fn open_all(&self, value: &'t Value<'t>, what: &str, remedy: &str) -> Vec<Self> {
        let DeValue::Array(array) = value.get_ref() else {
            self.notes.add(value.span().start, format!("{what}: expected tables: {remedy}"));
            return Vec::new();
        };
        array.iter().filter_map(|it| self.open(it, what.to_owned())).collect()
    }

    /// The tables of each array of the table at `key`, by its name.
    pub(super) fn named_lists(&mut self, key: &'static str) -> Vec<(String, Vec<Self>)> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(holder) = self.open(value, key.to_owned()) else { return Vec::new() };
        let lists = holder.table.iter().map(|(name, value)| {
            let name = name.get_ref().to_string();
            let what = format!("{key} {name}");
            let tables = self.open_all(value, &what, "each one is an address or a table");
            (name, tables)
        });
        lists.collect()
    }

    /// The names of the tables of the table at `key` that do not say `off = word`.
    pub(super) fn names_without(&self, key: &str, (off, word): (&str, &str)) -> BTreeSet<String> {
        let holder = self.table.get(key).and_then(|it| it.get_ref().as_table());
        let is_on = |it: &Value<'_>| {
            let said = it.get_ref().as_table().and_then(|it| it.get(off));
            said.is_none_or(|it| it.get_ref().as_str() != Some(word))
        };
        let named = holder.into_iter().flat_map(|it| it.iter()).filter(|(_, it)| is_on(it));
        named.map(|(name, _)| name.get_ref().to_string()).collect()
    }

    /// Every table of this one by its name, all of whose keys are thereby known.
    pub(super) fn named_sections(&self, what: &str) -> Vec<(String, Self)> {
        self.table
            .iter()
            .filter_map(|(name, value)| {
                let name = name.get_ref().to_string();
                let section = self.open(value, format!("{what} {name}"))?;
                Some((name, section))
            })
            .collect()
    }

    fn open(&self, value: &'t Value<'t>, what: String) -> Option<Self> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Section::new(table, value.span(), what, self.notes));
        }
        self.notes.add(
            value.span().start,
            format!("{what}: expected a table, found {}", found(value.get_ref())),
        );
        None
    }

    /// Where what the keys of `path` lead to stands; none = it is not there.
    pub(super) fn place_of(&self, path: &[&str]) -> Option<Place> {
        let (last, tables) = path.split_last()?;
        let mut table = self.table;
        for key in tables {
            table = table.get(*key)?.get_ref().as_table()?;
        }
        Some(self.notes.place(table.get(*last)?.span().start))
    }

    /// Where each key below that table stands which the keys of `path` lead to, at any depth, by
    /// the keys on the way: `/a/b`.
    pub(super) fn places_below(&self, path: &[&str]) -> Vec<(String, Place)> {
        let mut table = Some(self.table);
        for key in path {
            table = table.and_then(|it| it.get(*key)).and_then(|it| it.get_ref().as_table());
        }
        let mut places = Vec::new();
        let mut left: Vec<_> = table.map(|it| (String::new(), it)).into_iter().collect();
        while let Some((above, table)) = left.pop() {
            for (key, value) in table {
                let path = format!("{above}/{}", key.get_ref());
                places.push((path.clone(), self.notes.place(value.span().start)));
                left.extend(value.get_ref().as_table().map(|it| (path, it)));
            }
        }
        places
    }

    /// Notes a mistake at `offset`, with the name of this table before it.
    pub(super) fn note(&self, offset: usize, message: impl fmt::Display) {
        let colon = if self.what.is_empty() { "" } else { ": " };
        self.notes.add(offset, format!("{}{colon}{message}", self.what));
    }

    /// Notes a mistake of the table as a whole.
    pub(super) fn note_here(&self, message: impl fmt::Display) {
        self.note(self.span.start, message);
    }

    /// Notes a mistake at the value of `key`, or of the table if it is not there.
    pub(super) fn note_at(&self, key: &str, message: impl fmt::Display) {
        self.note_wrong(key, message.to_string().into());
    }

    /// The same of every mistake in the value of `key`, each where it stands.
    pub(super) fn note_wrong(&self, key: &str, wrong: Wrong) {
        let offset = self.table.get(key).map_or(self.span.start, |it| it.span().start);
        for (offset, message) in wrong.at(offset) {
            self.note(offset, format!("{key}: {message}"));
        }
    }

    /// Notes a mistake at the value of `key`, be it in the table that it is inherited from: there
    /// without a name, so that what many inherit is noted once.
    pub(super) fn note_where_said(&self, key: &str, message: impl fmt::Display) {
        match self.inherited_value(key) {
            Some(value) if !self.has(key) => {
                self.notes.add(value.span().start, format!("{key}: {message}"));
            }
            _ => self.note_at(key, message),
        }
    }

    /// Whether it has nothing from elsewhere.
    pub(super) fn is_alone(&self) -> bool {
        self.inherited.is_empty()
    }

    /// Whether the table has `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// What is in the file that `value` names, beside the configuration.
    pub(super) fn file(&self, value: &DeValue<'_>) -> Result<Vec<u8>, String> {
        let Some(name) = value.as_str() else {
            return Err(format!("expected the path of a file, found {}", found(value)));
        };
        read_regular(&self.notes.files.directory.join(name), FILE_BYTES)
            .map_err(|error| format!("failed to read \"{name}\": {error}"))
    }

    /// Notes the keys that `table` does not have.
    pub(super) fn finish_as(self, table: &Table) {
        let known = table.names();
        let unlisted = self.asked.iter().find(|it| !known.contains(*it));
        debug_assert!(unlisted.is_none(), "{} has no row for {unlisted:?}", table.name);
        self.note_unknown(&known);
    }

    /// Notes the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = Vec::from_iter(self.asked.iter().copied());
        self.note_unknown(&known);
    }

    fn note_unknown(&self, known: &[&'static str]) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let remedy = match spelling::nearest(name, known) {
                    Some(it) => format!("did you mean `{it}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                self.note(key.span().start, format!("unknown key `{name}`; {remedy}"));
            }
        }
    }
}

/// What stands there, in words.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(it) => format!("\"{it}\""),
        DeValue::Integer(it) => it.to_string(),
        DeValue::Float(it) => it.to_string(),
        DeValue::Boolean(it) => it.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
