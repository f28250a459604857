//! `weir plugin grant`: what an operator would write into weir.toml, for editing.

use std::{fs, io::Write, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use super::{
    Component,
    manifest::{Http, State, Structure, Wants},
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
    if let Some(State { bytes: Some(bytes), reason }) = &wants.state {
        writeln!(out, "# \"{reason}\"")?;
        writeln!(out, "state = {bytes:?}")?;
    }
    if let Some(Structure { addresses, reason }) = &wants.structure {
        writeln!(out, "# \"{reason}\"")?;
        let addresses = addresses.clone().unwrap_or_default();
        writeln!(out, "structure = {{ addresses = {addresses:?} }}   # those it may own")?;
    }
    if let Some(Http { rules, secrets, reason }) = &wants.http {
        writeln!(out, "# \"{reason}\"")?;
        writeln!(out, "http = {:?}", rules.clone().unwrap_or_default())?;
        for secret in secrets {
            writeln!(out, "secrets.{secret}.file = \"/run/credentials/weir/{secret}\"")?;
        }
    }
    // Who says nothing of them may import the words for it all the same.
    let Some(weights) = wants.weights.as_ref().filter(|it| !it.intents.is_empty()) else {
        if speaks {
            writeln!(out, "# weights = {{ intents = [\"drain\"] }}   # what it may say of them")?;
        }
        return Ok(());
    };
    let mut parts = vec![format!("intents = {:?}", weights.intents)];
    parts.extend(weights.scale.map(|[least, most]| format!("scale = [{least}, {most}]")));
    parts.extend(weights.floor.map(|it| format!("floor = {it}")));
    writeln!(out, "# \"{}\"", weights.reason)?;
    writeln!(out, "weights = {{ {} }}", parts.join(", "))?;
    Ok(())
}
