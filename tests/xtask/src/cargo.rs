//! What cargo builds, and where it puts it.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// One executable of a build: what cargo calls a target, of a package.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) package: &'static str,
    /// "bin", "test".
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
}

impl Wanted {
    /// The program of that name.
    pub(crate) fn program(package: &'static str, name: &'static str) -> Self {
        Self { package, kind: "bin", name }
    }
}

/// Builds, and returns where cargo says it put the executable that is wanted.
pub(crate) fn executable(cargo: &mut Command, wanted: Wanted) -> Result<PathBuf> {
    cargo.arg("--message-format=json-render-diagnostics");
    let output =
        cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build: {}", output.status);
    }
    built(&String::from_utf8_lossy(&output.stdout), wanted)
        .with_context(|| format!("cargo built no {} of {}", wanted.name, wanted.package))
}

#[derive(Deserialize)]
struct Message {
    package_id: String,
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

impl Message {
    /// A package is named at the end of its id, `path+file:///..#NAME@VERSION`, or is the
    /// last directory of it, `path+file:///../NAME#VERSION`.
    fn is(&self, wanted: Wanted) -> bool {
        let (place, version) = self.package_id.rsplit_once('#').unwrap_or((&self.package_id, ""));
        let package = match version.split_once('@') {
            Some((name, _)) => name,
            None => place.rsplit('/').next().unwrap_or(place),
        };
        package == wanted.package
            && self.target.name == wanted.name
            && self.target.kind.iter().any(|kind| kind == wanted.kind)
    }
}

fn built(messages: &str, wanted: Wanted) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|it| serde_json::from_str::<Message>(it).ok());
    messages.filter(|it| it.is(wanted)).find_map(|it| it.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_one_asked_for() {
        let messages = r#"{"package_id":"path+file:///x/weir#0.1.0","target":{"kind":["bin"],"name":"weir"},"executable":"/t/weir"}
{"package_id":"path+file:///x/tests#weir-tests@0.1.0","target":{"kind":["bin"],"name":"main"},"executable":"/t/main"}
not a message
{"package_id":"path+file:///x/wasm#weir-wasm@0.1.0","target":{"kind":["test"],"name":"main"},"executable":"/t/main-1"}
{"package_id":"path+file:///x/tests#weir-tests@0.1.0","target":{"kind":["test"],"name":"main"},"executable":"/t/main-2"}
{"reason":"build-finished","success":true}"#;
        let tests = Wanted { package: "weir-tests", kind: "test", name: "main" };
        assert_eq!(built(messages, tests), Some(PathBuf::from("/t/main-2")));
        let program = Wanted::program("weir", "weir");
        assert_eq!(built(messages, program), Some(PathBuf::from("/t/weir")));
        assert_eq!(built(messages, Wanted::program("weir", "main")), None);
    }
}
