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
    let component = Component::read(file)?;
    let worlds = component.worlds();
    let manifest = component.manifest;
    let name = manifest.as_ref().map_or(&stem, |it| &it.plugin.name);
    if let Some(manifest) = manifest.as_ref().filter(|it| !it.plugin.summary.is_empty()) {
        writeln!(out, "# {}", manifest.plugin.summary)?;
    }
    writeln!(out, "[plugin.{name}]\nsource = {source:?}")?;
    if let Some(Ok(schema)) = &component.schema {
        for it in schema.settings() {
            writeln!(out, "{}", it.to_be_edited())?;
        }
    }
    writeln!(out)?;
    let wants = manifest.as_ref().map(|it| it.wants.clone()).unwrap_or_default();
    write_grant(out, name, &wants, worlds.iter().any(|it| !["guard", "checker"].contains(it)))?;
    Ok(ExitCode::SUCCESS)
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
