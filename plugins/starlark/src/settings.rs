//! What the host hands over: the script and the operator's settings for it.

use serde::Deserialize;

/// The settings of this plugin: `{"script": {"name": .., "text": ..}, "config": {..}}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) script: Source,
    /// What the script finds as `config`.
    #[serde(default)]
    pub(crate) config: serde_json::Map<String, serde_json::Value>,
}

/// The text of a script.
#[derive(Debug, Deserialize)]
pub(crate) struct Source {
    /// What to call it in messages: its file.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Settings {
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        if json.trim() == "{}" {
            return Err("there is no script: add script = \"policy.star\"".to_owned());
        }
        serde_json::from_str(json)
            .map_err(|error| format!("the settings are not as expected: {error}"))
    }
}
