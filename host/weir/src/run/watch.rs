//! Files of plugins, watched: one that is replaced is loaded, and takes the place of what
//! runs.
//!
//! Looks at size, time and inode once a second; a file is taken once two looks agree, so that
//! one that is being written is left alone.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::plugins::{self, Loaded, Stamp};
use crate::config;

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// The files, and what was seen of them.
#[derive(Default)]
pub(super) struct Watched(Mutex<BTreeMap<String, File>>);

struct File {
    plugin: config::Plugin,
    /// As it was loaded, or refused.
    known: Stamp,
    /// As it was at the look before.
    seen: Stamp,
}

impl Watched {
    /// Watches the files of these plugins, which were just loaded, and no others.
    pub(super) fn set(&self, plugins: &[config::Plugin], loaded: &[Loaded]) {
        let stamps = plugins::stamps(loaded);
        let file = |plugin: &config::Plugin| {
            let known = stamps.get(&plugin.name).copied().unwrap_or_default();
            (plugin.name.clone(), File { plugin: plugin.clone(), known, seen: known })
        };
        *self.lock() = plugins.iter().map(file).collect();
    }

    /// Plugins of which a file was replaced since the look before the last.
    pub(super) fn replaced(&self) -> Vec<config::Plugin> {
        let mut replaced = Vec::new();
        for file in self.lock().values_mut() {
            let now = plugins::stamp(&file.plugin);
            let is_stable = now == mem::replace(&mut file.seen, now);
            // What is not there now may be on its way; but a schema need not be there.
            let is_whole = is_there(now) == is_there(file.known);
            if now != file.known && is_stable && is_whole {
                file.known = now;
                replaced.push(file.plugin.clone());
            }
        }
        replaced
    }

    /// What the configuration says of the plugin of this name.
    pub(super) fn plugin(&self, name: &str) -> Option<config::Plugin> {
        self.lock().get(name).map(|it| it.plugin.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is the code, and the script.
fn is_there([code, script, _]: Stamp) -> (bool, bool) {
    (code.is_some(), script.is_some())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::quoting;

    #[test]
    fn a_schema_beside_a_script_is_watched_as_that_is() {
        let folder = tempfile::tempdir().unwrap();
        let [script, schema] = ["x.star", "x.settings.json"].map(|it| folder.path().join(it));
        fs::write(&script, "x = 1\n").unwrap();
        let script_path = quoting::value(script.to_str().unwrap());
        let text = format!("[plugin.x]\ncomponent = \"starlark\"\nscript = {script_path}\n");
        let plugin = config::parse("weir.toml", &text).unwrap().plugins.remove(0);
        let known = plugins::stamp(&plugin);
        let file = File { plugin, known, seen: known };
        let watched = Watched(Mutex::new(BTreeMap::from([("x".to_owned(), file)])));
        // Once two looks agree, and then no more.
        let looks = || [(); 3].map(|()| watched.replaced().len());
        assert_eq!(looks(), [0, 0, 0]);
        for text in ["{}", "{\"type\": \"object\"}"] {
            fs::write(&schema, text).unwrap();
            assert_eq!(looks(), [0, 1, 0], "{text}");
        }
        fs::remove_file(&schema).unwrap();
        assert_eq!(looks(), [0, 1, 0], "it need not be there");
        fs::remove_file(&script).unwrap();
        assert_eq!(looks(), [0, 0, 0], "it may be on its way");
    }
}
