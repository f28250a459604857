//! `weir plugin grant`: what an operator would write into weir.toml, for editing.

use std::{fs, io::Write, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use super::{
    Component,
    manifest::{Wants, Wish as _},
};

pub(super) fn run(file: &Path, out: &mut dyn Write) -> Result<ExitCode> {
    let source =
        fs::canonicalize(file).with_context(|| format!("failed to find {}", file.display()))?;
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if file.extension().is_some_and(|it| it == "star") {
        writeln!(out, "[plugin.{stem}]\ncomponent = \"starlark\"\nscript = {source:?}\n")?;
        write_grant(out, &stem, &Wants::default(), true)?;
        return Ok(ExitCode::SUCCESS);
    }
    write_component(&Component::read(file)?, &source, &stem, out)?;
    Ok(ExitCode::SUCCESS)
}

/// `stem`: its name, where it has no other.
fn write_component(
    component: &Component,
    source: &Path,
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
        writeln!(out, "weir exec {grant}{source:?} ARGUMENTS")?;
        return Ok(());
    }
    let worlds = component.worlds();
    let manifest = component.manifest.as_ref();
    let name = manifest.map_or(stem, |it| it.plugin.name.as_str());
    if let Some(manifest) = manifest.filter(|it| !it.plugin.summary.is_empty()) {
        writeln!(out, "# {}", manifest.plugin.summary)?;
    }
    writeln!(out, "[plugin.{name}]\nsource = {source:?}")?;
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
    writeln!(out, "[plugin.{name}.grant]")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_no_part_of_a_configuration() {
        let written = |imports: &[&str]| {
            let mut out = Vec::new();
            let command = Component::importing("weir:plugin/cli@0.1.0", imports);
            write_component(&command, Path::new("/x.wasm"), "x", &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        insta::assert_snapshot!(written(&["weir:ipvs/live@0.1.0", "weir:host/names@0.1.0"]), @r#"
        # A command is granted nothing by weir.toml, but by whoever runs it:
        weir exec --grant live,names "/x.wasm" ARGUMENTS
        "#);
        assert!(written(&[]).contains("\nweir exec \"/x.wasm\" ARGUMENTS\n"));
    }
}
