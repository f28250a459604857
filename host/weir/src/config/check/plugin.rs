//! A check that a plugin makes.

use super::{
    Section, Tls,
    keys::{
        By, Flag, Key, Name, Table,
        Without::{Is, Means},
    },
    value::{self, Wrong},
};

/// Which plugin is called, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginCheck {
    /// Its name in the configuration.
    pub(crate) plugin: String,
    /// JSON text of an object: what is over its own settings.
    pub(crate) config_json: String,
    /// How servers are asked within TLS; none = in the clear.
    pub(crate) tls: Option<Tls>,
}

pub(super) static TABLE: Table = Table::new("checker", &[&[&PLUGIN, &CONFIG, &TLS]]);

static PLUGIN: Key<Name> = Key::new(
    "plugin",
    Name,
    Means("required"),
    "the `[plugin.NAME]` that checks: a [checker](plugins.md#a-checker)",
);

static CONFIG: Key<By<String, Wrong>> = Key::new(
    "config",
    By { read: value::object, types: &["object"] },
    Means("`{}`"),
    "a table that goes over the plugin's own `config`, key by key",
);

static TLS: Key<Flag> =
    Key::new("tls", Flag, Is(false), "whether what it asks is asked within TLS, as those keys say");

/// The keys of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct PluginKeys {
    plugin: Option<String>,
    config_json: Option<String>,
    tls: Option<bool>,
}

impl PluginKeys {
    /// Reads those of `section` over these.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        Self {
            plugin: section.key(&PLUGIN).or(self.plugin),
            config_json: section.key(&CONFIG).or(self.config_json),
            tls: section.key(&TLS).or(self.tls),
        }
    }

    /// `is_told_of_tls`: whether the section has keys of TLS.
    pub(super) fn note_contradictions(&self, tls_key: Option<&str>, section: &Section<'_>) {
        match &self.plugin {
            None if !section.has(PLUGIN.name) => {
                section.note_here("`plugin` is missing: add plugin = \"NAME\" of a [plugin.NAME]");
            }
            Some(plugin) if !section.notes.has_plugin(plugin) => {
                section.note_at(
                    PLUGIN.name,
                    format!("there is no [plugin.{plugin}], or it is off: add it"),
                );
            }
            _ => {}
        }
        if let Some(key) = tls_key.filter(|_| !self.is_tls()) {
            section.note_at(key, "nothing is asked within TLS: add tls = true, or remove this");
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.unwrap_or(TLS.usual())
    }

    pub(super) fn finish(&self, tls: Option<Tls>) -> PluginCheck {
        PluginCheck {
            // Where it is missing, that is a mistake, and nothing is called.
            plugin: self.plugin.clone().unwrap_or_default(),
            config_json: self.config_json.clone().unwrap_or_else(|| "{}".to_owned()),
            tls,
        }
    }
}
