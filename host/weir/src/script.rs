//! Policies that are text: a file that a plugin's code runs, as the component `starlark`
//! does.
//!
//! The text reaches the plugin as a part of its settings, so that there is no door that
//! other plugins do not have.

use std::{
    io::{self, Read as _},
    path::Path,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use weir_wasm::open_regular;

/// Bytes of a script, at most: a policy has a few lines.
const SCRIPT_BYTES: u64 = 1 << 20;

/// The settings of a plugin that runs the text in the file at `path`: JSON,
/// `{"script": {"name": .., "text": ..}, "config": {..}}`, with `config_json`, which is an
/// object, as the last.
pub(crate) fn settings(path: &Path, config_json: &str) -> anyhow::Result<String> {
    let text = read(path).with_context(|| format!("read the script {}", path.display()))?;
    let config: Value = serde_json::from_str(config_json).context("the settings are no JSON")?;
    let name = path.display().to_string();
    Ok(json!({ "script": { "name": name, "text": text }, "config": config }).to_string())
}

/// The settings `base` of a plugin with those of `over` in their place, key by key; both are JSON
/// text of objects, and what `is_script` keeps its own under `config`.
pub(crate) fn over(base: &str, over: &str, is_script: bool) -> String {
    let parse = |text| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!({}));
    let (mut settings, over) = (parse(base), parse(over));
    let own = if is_script { &mut settings["config"] } else { &mut settings };
    if let (Value::Object(own), Value::Object(over)) = (own, over) {
        own.extend(over);
    }
    settings.to_string()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_regular(path)?.take(SCRIPT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SCRIPT_BYTES {
        return Err(io::Error::other(format!("it is larger than {SCRIPT_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn settings_go_over_others_key_by_key() {
        let over = |base, is_script| super::over(base, r#"{"b":3}"#, is_script);
        assert_eq!(over(r#"{"a":1,"b":2}"#, false), r#"{"a":1,"b":3}"#);
        assert_eq!(
            over(r#"{"script":"x","config":{"a":1,"b":2}}"#, true),
            r#"{"config":{"a":1,"b":3},"script":"x"}"#
        );
    }
}
