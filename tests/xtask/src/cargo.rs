//! What cargo builds, and where it puts it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Returns what cargo says it has built.
pub(crate) fn executable(cargo: &mut Command) -> Result<PathBuf> {
    cargo.arg("--message-format=json-render-diagnostics");
    let output =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build: {}", output.status);
    }
    built(&String::from_utf8_lossy(&output.stdout)).context("cargo built no program to run")
}

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

fn built(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|it| serde_json::from_str::<Message>(it).ok())
        .filter_map(|it| it.executable)
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_executable_is_the_one_asked_for() {
        let messages = r#"{"reason":"compiler-artifact","executable":"/t/build-script"}
{"reason":"compiler-artifact","executable":null}
not a message
{"reason":"compiler-artifact","executable":"/t/main-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(built(messages), Some(PathBuf::from("/t/main-1")));
    }
}
