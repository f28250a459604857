//! Policies that are text: a file that a plugin's code runs, as the component `starlark`
//! does.
//!
//! The text reaches the plugin as a part of its settings, so that there is no door that
//! other plugins do not have.

use std::{io, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use weir_wasm::read_regular;

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
    let bytes = read_regular(path, SCRIPT_BYTES)?;
    if bytes.starts_with(BYTE_ORDER_MARK) {
        let remedy = "save it as UTF-8 without one";
        return Err(io::Error::other(format!("it begins with a byte order mark (BOM): {remedy}")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|it| **it == b'\n').count() + 1;
        io::Error::other(format!("line {line} is no text in UTF-8: save it as such"))
    })
}

/// What some editors begin UTF-8 with, and no parser wants.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn a_script_is_text() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.star");
        let refused = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            super::read(&file).map_err(|it| it.to_string()).err()
        };
        assert_eq!(refused("x = \"ä\"\n".as_bytes()), None);
        insta::assert_snapshot!(refused(b"\xef\xbb\xbfx = 1\n").unwrap(), @"it begins with a byte order mark (BOM): save it as UTF-8 without one");
        insta::assert_snapshot!(refused(b"x = 1\ny = \"\xe9\"\n").unwrap(), @"line 2 is no text in UTF-8: save it as such");
    }

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
