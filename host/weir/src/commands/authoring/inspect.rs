//! `weir plugin inspect`: what a plugin can do, read off it without running it.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Result, ensure};
use weir_wasm::printable;

use super::{Component, POWERS, size};

pub(super) fn run(file: &Path, out: &mut dyn Write) -> Result<ExitCode> {
    ensure!(
        file.extension().is_none_or(|it| it != "star"),
        "{0} is a script: `weir plugin check {0}` says what it is, and `weir plugin grant {0}` what \
         to write into weir.toml",
        file.display()
    );
    show(&Component::read(file)?, out)?;
    Ok(ExitCode::SUCCESS)
}

fn show(component: &Component, out: &mut dyn Write) -> Result<()> {
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
    for power in component.command_powers() {
        writeln!(out, "power    {}: `weir exec --grant {}`", power.does, power.grant)?;
    }
    match &component.schema {
        Some(Ok(schema)) => {
            for it in schema.settings() {
                writeln!(out, "setting  {}", printable(&it.to_string()))?;
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_can_do_is_shown() {
        let mut out = Vec::new();
        let imports = ["weir:ipvs/live@0.1.0", "weir:ipvs/admin@0.1.0", "weir:host/log@0.1.0"];
        let command = Component::importing("weir:plugin/cli@0.1.0", &imports);
        show(&command, &mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        world    command
        size     0 kB
        power    asks IPVS: `weir exec --grant live`
        power    changes IPVS: `weir exec --grant admin`
        import   weir:ipvs/live@0.1.0
        import   weir:ipvs/admin@0.1.0
        import   weir:host/log@0.1.0
        export   weir:plugin/cli@0.1.0
        ");
    }
}
