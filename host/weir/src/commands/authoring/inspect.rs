//! `weir plugin inspect`: what a plugin can do, read off it without running it.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Result;

use super::{Component, POWERS, size};

pub(super) fn run(file: &Path, out: &mut dyn Write) -> Result<ExitCode> {
    let component = Component::read(file)?;
    if let Some(manifest) = &component.manifest {
        let about = &manifest.plugin;
        writeln!(out, "{} {}", about.name, about.version)?;
        if !about.summary.is_empty() {
            writeln!(out, "{}", about.summary)?;
        }
    }
    let worlds = component.worlds();
    let worlds = if worlds.is_empty() { "none of weir's".to_owned() } else { worlds.join(", ") };
    writeln!(out, "world    {worlds}")?;
    writeln!(out, "size     {}", size(component.bytes.len()))?;
    for power in POWERS {
        if power.of(&component.surface).is_none() {
            continue;
        }
        let said = component.manifest.as_ref().and_then(|it| it.reason(power.want));
        let reason = said.map_or_else(|| "no reason given".to_owned(), |it| format!("\"{it}\""));
        writeln!(out, "power    {}: {reason}", power.does)?;
    }
    match &component.schema {
        Some(Ok(schema)) => {
            for it in schema.settings() {
                writeln!(out, "setting  {it}")?;
            }
        }
        Some(Err(error)) => writeln!(out, "setting  its schema cannot be used: {error:#}")?,
        None => {}
    }
    for import in &component.surface.imports {
        writeln!(out, "import   {import}")?;
    }
    for export in &component.surface.exports {
        writeln!(out, "export   {export}")?;
    }
    Ok(ExitCode::SUCCESS)
}
