//! Policies that are text: a file that a plugin's code runs, as the component `starlark`
//! does.
//!
//! The text reaches the plugin as a part of its settings, so that there is no door that
//! other plugins do not have.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use weir_ipvs::Snapshot;
use weir_wasm::{Birth, Failure, Plugin, Runtime, Settings, Table, View};

use crate::config;

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

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SCRIPT_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SCRIPT_BYTES {
        return Err(io::Error::other(format!("it is larger than {SCRIPT_BYTES} bytes")));
    }
    Ok(text)
}

/// Makes an instance that hears of nothing, so that a script with a mistake is refused
/// before the table is touched. A failure that may pass is none here.
pub(crate) fn try_out(
    runtime: &Runtime,
    plugin: &Plugin,
    config: &config::Plugin,
) -> anyhow::Result<()> {
    let settings = Settings {
        instance: config.name.clone(),
        config_json: config.config_json.clone(),
        grant: config.grant.resolve(&BTreeMap::new()),
        limits: config.limits,
        log: Arc::new(|_| {}),
    };
    let view = View {
        table: Arc::new(Table::new(Snapshot::default(), 0)),
        health: Arc::default(),
        held: Vec::new(),
        wall_ns: 0,
        monotonic_ns: 0,
        changes_left: None,
    };
    match runtime.start_policy(plugin, settings, Birth::Fresh, view) {
        Ok(_) | Err(Failure::Refused { retryable: true, .. }) => Ok(()),
        Err(Failure::Refused { message, .. }) => Err(anyhow!(message)),
        Err(failure) => {
            let failure = failure.to_string();
            let named = format!("{}: ", config.name);
            Err(anyhow!(failure.strip_prefix(&named).unwrap_or(&failure).to_owned()))
        }
    }
}
