//! `weir plugin check`: whether weir would take a plugin, a verdict a line.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;
use weir_wasm::{Checked, Limits, Plugin, ProbeError, Runtime, World, printable};

use super::{Component, POWERS, size, trial};
use crate::{builtin, cli::Exit, commands, run::plugins, schema::Schema, script};

/// Processor time of one call that a policy gets in a second trial, when the usual limit was
/// too low: what an operator may grant without a thought.
const MORE_CPU: Duration = Duration::from_secs(1);

/// What `weir plugin check` takes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The plugin: a component, or a script of Starlark.
    file: PathBuf,
    /// Its settings, as JSON.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
}

pub(super) fn run(options: &Options, out: &mut dyn Write) -> Result<ExitCode> {
    let mut verdicts = Verdicts { out, failed: 0 };
    let file = &options.file;
    if file.extension().is_some_and(|it| it == "star") {
        check_script(file, &options.config, &mut verdicts)?;
    } else {
        check_component(file, &options.config, &mut verdicts)?;
    }
    Ok(if verdicts.failed == 0 { ExitCode::SUCCESS } else { Exit::Failure.into() })
}

/// Where verdicts go.
struct Verdicts<'a> {
    out: &'a mut dyn Write,
    failed: usize,
}

impl Verdicts<'_> {
    /// One line; what was found, if it is good.
    fn say<T>(&mut self, what: &str, result: Result<(T, String)>) -> Result<Option<T>> {
        match result {
            Ok((value, text)) => {
                writeln!(self.out, "pass  {what:<14} {text}")?;
                Ok(Some(value))
            }
            Err(error) => {
                self.failed += 1;
                let text = shown(&format!("{error:#}"));
                writeln!(self.out, "FAIL  {what:<14} {text}")?;
                Ok(None)
            }
        }
    }

    fn warn(&mut self, what: &str, text: &str) -> Result<()> {
        Ok(writeln!(self.out, "warn  {what:<14} {}", shown(text))?)
    }
}

/// What a plugin said may be in it, and is no more than text: no order to the terminal.
fn shown(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n                     ")
}

fn check_script(file: &Path, config: &str, verdicts: &mut Verdicts<'_>) -> Result<()> {
    let settings =
        script::settings(file, config).map(|it| (it, format!("{} of Starlark", file.display())));
    let Some(settings) = verdicts.say("script", settings)? else { return Ok(()) };
    if let Some(schema) = Schema::beside(file).transpose() {
        check_settings(&schema, config, verdicts)?;
    }
    let runtime = trial::runtime()?;
    let builtin = builtin::POLICIES.iter().find(|it| it.name() == "starlark");
    let builtin = builtin.context("this weir carries no starlark")?;
    let plugin = runtime.builtin(builtin, commands::cache().as_ref())?;
    try_roles(&runtime, &plugin, &settings, verdicts)
}

fn check_component(file: &Path, config: &str, verdicts: &mut Verdicts<'_>) -> Result<()> {
    let read = Component::read(file).map(|it| {
        let text = size(it.bytes.len());
        (it, text)
    });
    let Some(component) = verdicts.say("component", read)? else { return Ok(()) };
    let runtime = trial::runtime()?;
    // World, imports and types are checked as `weir run` checks them.
    let loaded = trial::load(&runtime, file).map(|it| {
        let text = format!("{}: all that it imports is offered", World::list(it.worlds()));
        (it, text)
    });
    let plugin = verdicts.say("world", loaded)?;
    check_wants(&component, verdicts)?;
    match &component.schema {
        _ if component.is_command() => {}
        Some(schema) => check_settings(schema, config, verdicts)?,
        None => {
            let text = "it has no schema: what is wrong with them, it says itself when it runs";
            verdicts.warn("settings", text)?;
        }
    }
    match plugin {
        Some(plugin) if !plugin.is(World::Command) => {
            try_roles(&runtime, &plugin, config, verdicts)
        }
        _ => Ok(()),
    }
}

/// Whether the author says why it needs what it can do.
fn check_wants(component: &Component, verdicts: &mut Verdicts<'_>) -> Result<()> {
    let Some(manifest) = &component.manifest else {
        let text = "it has none: `weir plugin build` puts plugin.toml into it";
        return verdicts.warn("manifest", text);
    };
    for power in POWERS {
        match (power.of(&component.surface), manifest.reason(power.want)) {
            (Some(interface), None) => {
                let error = anyhow!(
                    "it has {interface}, and plugin.toml does not say why: add [wants.{}] with a \
                     reason",
                    power.want
                );
                verdicts.say::<()>("wants", Err(error))?;
            }
            (None, Some(_)) => {
                let text = format!("[wants.{}] is never used", power.want);
                verdicts.warn("wants", &text)?;
            }
            (Some(_), Some(reason)) => {
                let text = format!("{}: \"{reason}\"", power.does);
                verdicts.say("wants", Ok(((), text)))?;
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// Whether its schema is one, and takes `config`.
fn check_settings(
    schema: &Result<Schema>,
    config: &str,
    verdicts: &mut Verdicts<'_>,
) -> Result<()> {
    let verdict = match schema {
        Ok(schema) => schema.check(config).map_err(|it| anyhow!("{it}")),
        Err(error) => Err(anyhow!("{error:#}")),
    };
    let count = schema.as_ref().map_or(0, |it| it.settings().len());
    let text = format!("as its schema says, which has {count}");
    verdicts.say("settings", verdict.map(|()| ((), text)))?;
    Ok(())
}

/// Calls it as weir would, in each role that it plays, on tables of several sizes.
fn try_roles(
    runtime: &Runtime,
    plugin: &Plugin,
    config: &str,
    verdicts: &mut Verdicts<'_>,
) -> Result<()> {
    ensure!(
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(config).is_ok(),
        "--config is no JSON object"
    );
    let usual = Limits::for_policy();
    let roles = plugins::roles(runtime, plugin, plugin.name(), config, usual);
    let roles = roles.map(|it| {
        let text = World::list(&it);
        (it, text)
    });
    let Some(roles) = verdicts.say("roles", roles)? else { return Ok(()) };
    if roles.contains(&World::Checker) {
        check_outcomes(runtime, plugin, config, verdicts)?;
    }
    for count in trial::SIZES {
        let what = format!("{count} servers");
        let took = trial::all(runtime, plugin, &roles, config, count, &usual);
        if took.is_err() {
            // Languages that are interpreted may need more than policies have by default.
            let limits = Limits { cpu: MORE_CPU, ..usual };
            if let Ok(it) = trial::all(runtime, plugin, &roles, config, count, &limits) {
                verdicts.warn(&what, &format!("{it}; needs `limits = {{ cpu = \"1s\" }}`"))?;
                continue;
            }
        }
        let took = took.map(|it| ((), it.to_string()));
        if verdicts.say(&what, took)?.is_none() {
            break;
        }
    }
    Ok(())
}

/// Whether a checker tells a server that answers from one at which nobody listens.
fn check_outcomes(
    runtime: &Runtime,
    plugin: &Plugin,
    config: &str,
    verdicts: &mut Verdicts<'_>,
) -> Result<()> {
    let limits = Limits { cpu: MORE_CPU, ..Limits::for_policy() };
    // One that fails does so in each of the trials that follow, and there it is said.
    let Ok([answering, silent]) = trial::found(runtime, plugin, config, &limits) else {
        return Ok(());
    };
    let text = format!(
        "{} where a server answers, {} where nobody listens",
        outcome(&answering),
        outcome(&silent)
    );
    if is_unclear(&answering) && is_unclear(&silent) {
        let error = anyhow!(
            "it concludes nothing, so that a check by it changes nothing: {text}; where it misses \
             settings, give them by --config"
        );
        verdicts.say::<()>("outcomes", Err(error))?;
    } else if matches!(silent, Checked::Pass) {
        verdicts.warn("outcomes", &format!("it passes what cannot be reached: {text}"))?;
    } else {
        verdicts.say("outcomes", Ok(((), text)))?;
    }
    Ok(())
}

/// Whether it counts as nothing.
fn is_unclear(checked: &Checked) -> bool {
    use ProbeError::{Invalid, Local};
    matches!(checked, Checked::Inconclusive(_) | Checked::Unreached(Local(_) | Invalid(_)))
}

/// In the words of `weir:plugin/checking`.
fn outcome(checked: &Checked) -> String {
    let text = match checked {
        Checked::Pass => "pass".to_owned(),
        Checked::Degraded(percent, why) => format!("degraded to {percent}% ({why})"),
        Checked::Fail(why) => format!("fail ({why})"),
        Checked::Unreached(ProbeError::Local(why) | ProbeError::Invalid(why)) => {
            format!("unreached ({why})")
        }
        Checked::Unreached(_) => "unreached".to_owned(),
        Checked::Inconclusive(why) => format!("inconclusive ({why})"),
    };
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_gives_the_terminal_no_orders() {
        assert_eq!(
            shown("a\u{1b}[31m\u{202e}b\nit said: c"),
            "a\\u{1b}[31m\\u{202e}b\n                     it said: c"
        );
    }
}
