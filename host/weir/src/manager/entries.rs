//! What policies remember for good.
//!
//! It is theirs by the name that the configuration gives them, and goes when that has them no
//! more. Kept as everything that must survive is, see [`super::memory`]; a value is a record of
//! its own, so that a small change is a small commit.

use std::sync::Arc;

use weir_wasm::Entries;

use super::Manager;

/// Before the records of entries.
pub(super) const RECORD: &str = "entry";

impl Manager {
    /// What the policy of this name remembers.
    pub(super) fn entries_of(&self, plugin: &str) -> Arc<Entries> {
        self.memory.entries.get(plugin).map(Arc::clone).unwrap_or_default()
    }

    /// A policy wants this to be kept under that name; none = forgotten.
    pub(super) fn note_entry(&mut self, plugin: &str, key: String, value: Option<Vec<u8>>) {
        if self.entries_of(plugin).get(&key) == value.as_ref() {
            return;
        }
        let record = value.as_deref().map(written);
        self.memory.pending.insert(record_key(plugin, &key), record);
        let entries = self.memory.entries.entry(plugin.to_owned()).or_default();
        let entries = Arc::make_mut(entries);
        match value {
            Some(value) => drop(entries.insert(key, value)),
            None => drop(entries.remove(&key)),
        }
    }

    /// The policy of this name remembers what it did before.
    pub(super) fn restore_entries(&mut self, plugin: &str, before: &Entries) {
        let now = self.entries_of(plugin);
        for key in now.keys().filter(|it| !before.contains_key(*it)) {
            self.note_entry(plugin, key.clone(), None);
        }
        for (key, value) in before.iter().filter(|(key, value)| now.get(*key) != Some(value)) {
            self.note_entry(plugin, key.clone(), Some(value.clone()));
        }
    }

    /// Nothing is remembered of the plugin of this name, which is gone.
    fn forget_entries(&mut self, plugin: &str) {
        self.restore_entries(plugin, &Entries::new());
        self.memory.entries.remove(plugin);
    }

    /// What is kept of plugins that the configuration has no more is forgotten. But not where the
    /// configuration looks cut off: the rest may name them.
    pub(super) fn forget_unnamed(&mut self) {
        if self.config.unfinished.is_some() {
            return;
        }
        let is_named = |name: &String| self.config.plugins.iter().any(|it| it.name == *name);
        let unnamed = self.memory.entries.keys().filter(|it| !is_named(it)).cloned();
        for plugin in unnamed.collect::<Vec<_>>() {
            self.forget_entries(&plugin);
        }
    }

    /// An entry that an earlier run kept; none = it is not understood.
    pub(super) fn recall_entry(&mut self, of: &str, record: &str) -> Option<()> {
        let (plugin, key) = of.split_once(' ')?;
        let entries = self.memory.entries.entry(plugin.to_owned()).or_default();
        Arc::make_mut(entries).insert(key.to_owned(), read(record)?);
        Some(())
    }
}

/// The names of plugins have no spaces.
fn record_key(plugin: &str, key: &str) -> String {
    format!("{RECORD} {plugin} {key}")
}

/// Bytes as a record, which is text: as they are where they are text themselves, for most are.
fn written(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => format!("={text}"),
        Err(_) => value.iter().map(|it| format!("{it:02x}")).collect(),
    }
}

/// What [`written`] wrote.
fn read(record: &str) -> Option<Vec<u8>> {
    if let Some(text) = record.strip_prefix('=') {
        return Some(text.as_bytes().to_vec());
    }
    let digits = record.as_bytes().chunks(2);
    digits.map(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_survive() {
        for value in [&b""[..], b"text", b"=", b"\xff\x00", "\u{0}\u{1f600}".as_bytes()] {
            assert_eq!(read(&written(value)).as_deref(), Some(value));
        }
        assert_eq!(read("=\n").as_deref(), Some(&b"\n"[..]));
        assert_eq!(read("zz"), None);
    }
}
