//! `weir plugin grant`: what an operator would write into weir.toml, for editing.

use std::{fs, io::Write, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use super::{
    Component,
    manifest::{Wants, Wish as _},
};
use crate::quoting;

pub(super) fn run(file: &Path, out: &mut dyn Write) -> Result<ExitCode> {
    let source =
        fs::canonicalize(file).with_context(|| format!("failed to find {}", file.display()))?;
    let source = source.to_str().with_context(|| {
        format!("{} is no path in UTF-8, as weir.toml is: rename it", source.display())
    })?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if file.extension().is_some_and(|it| it == "star") {
        write_script(source, &stem, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    write_component(&Component::read(file)?, source, &stem, out)?;
    Ok(ExitCode::SUCCESS)
}

fn write_script(source: &str, stem: &str, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "[plugin.{}]\ncomponent = \"starlark\"", quoting::key(stem))?;
    writeln!(out, "script = {}\n", quoting::value(source))?;
    write_grant(out, stem, &Wants::default(), true)
}

/// `stem`: its name, where it has no other.
fn write_component(
    component: &Component,
    source: &str,
    stem: &str,
    out: &mut dyn Write,
) -> Result<()> {
    if component.is_command() {
        let grants: Vec<_> = component.command_powers().map(|it| it.grant).collect();
        let grant = match grants.is_empty() {
            true => String::new(),
            false => format!("--grant {} ", grants.join(",")),
        };
        writeln!(out, "# A command is granted nothing by weir.toml, but by whoever runs it:")?;
        writeln!(out, "weir exec {grant}{} ARGUMENTS", in_shell(source))?;
        return Ok(());
    }
    let worlds = component.worlds();
    let manifest = component.manifest.as_ref();
    let name = manifest.map_or(stem, |it| it.plugin.name.as_str());
    if let Some(manifest) = manifest.filter(|it| !it.plugin.summary.is_empty()) {
        writeln!(out, "# {}", manifest.plugin.summary)?;
    }
    writeln!(out, "[plugin.{}]\nsource = {}", quoting::key(name), quoting::value(source))?;
    if let Some(Ok(schema)) = &component.schema {
        for it in schema.settings() {
            writeln!(out, "{}", it.to_be_edited())?;
        }
    }
    writeln!(out)?;
    let wants = manifest.map(|it| it.wants.clone()).unwrap_or_default();
    write_grant(out, name, &wants, worlds.iter().any(|it| !["guard", "checker"].contains(it)))
}

/// `speaks`: whether it may have something to say of weights, for all that is known.
fn write_grant(out: &mut dyn Write, name: &str, wants: &Wants, speaks: bool) -> Result<()> {
    writeln!(out, "[plugin.{}.grant]", quoting::key(name))?;
    writeln!(
        out,
        "services = []            # names of services, or \"all\"; nothing is seen until then"
    )?;
    let told = [
        wants.state.as_ref().map(|it| (it.granted(), &it.reason)),
        wants.structure.as_ref().map(|it| (it.granted(), &it.reason)),
        wants.http.as_ref().map(|it| (it.granted(), &it.reason)),
        wants.weights.as_ref().map(|it| (it.granted(), &it.reason)),
    ];
    for (granted, reason) in told.into_iter().flatten().filter(|it| !it.0.is_empty()) {
        write!(out, "# \"{reason}\"\n{granted}")?;
    }
    // Who says nothing of them may import the words for it all the same.
    if speaks && wants.weights.as_ref().is_none_or(|it| it.granted().is_empty()) {
        writeln!(out, "# weights = {{ intents = [\"drain\"] }}   # what it may say of them")?;
    }
    Ok(())
}

/// As one word of a command line: within these quotes a shell takes nothing for more than it is.
fn in_shell(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_path_is_made_of_it_is_written_as_toml_has_it() {
        for path in ["/plain.wasm", "/it's.wasm", "/\"quoted\"\\.wasm", "/\u{7f}\n\u{1b}.wasm"] {
            let checker = Component::importing("weir:plugin/checking@0.1.0", &[]);
            let (mut component, mut script) = (Vec::new(), Vec::new());
            write_component(&checker, path, "a.b", &mut component).unwrap();
            write_script(path, "c d", &mut script).unwrap();
            let text = String::from_utf8([component, script].concat()).unwrap();
            let written: toml::Table = toml::from_str(&text).expect(&text);
            let plugins = &written["plugin"];
            assert_eq!(plugins["a.b"]["source"].as_str(), Some(path), "{text}");
            assert_eq!(plugins["c d"]["script"].as_str(), Some(path), "{text}");
            assert!(plugins["c d"].get("grant").is_some(), "{text}");
        }
    }

    #[test]
    fn a_command_is_no_part_of_a_configuration() {
        let written = |imports: &[&str]| {
            let mut out = Vec::new();
            let command = Component::importing("weir:plugin/cli@0.1.0", imports);
            write_component(&command, "/it's.wasm", "x", &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        insta::assert_snapshot!(written(&["weir:ipvs/live@0.1.0", "weir:host/names@0.1.0"]), @r"
        # A command is granted nothing by weir.toml, but by whoever runs it:
        weir exec --grant live,names '/it'\''s.wasm' ARGUMENTS
        ");
        assert!(written(&[]).contains("\nweir exec '/it'"));
    }
}
