//! The part of `weir plugin` that is for authors: from nothing to a plugin, and what an operator
//! wants to know of one.
//!
//! One file a command. None needs a daemon, and none runs what it is shown but `check`.

mod build;
mod check;
mod grant;
mod inspect;
mod manifest;
mod new;
mod trial;

use std::{
    io::{self, Cursor, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;
use weir_wasm::{COMPONENT_BYTES, open_regular};

use self::manifest::Manifest;
use crate::schema::Schema;

/// What `weir plugin` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a folder with a plugin that works: source, SDK, manifest and a test.
    New(new::Options),
    /// Build the plugin of this folder, by the compiler of its language.
    Build(build::Options),
    /// Say of a plugin whether weir would take it, a verdict a line.
    ///
    /// Besides its form this tries what it does, on tables of 10, 100 and 1,000 real servers and
    /// within the limits of a policy: it is told and asked what `weir run` tells and asks such a
    /// plugin, and its processor time is that of this machine.
    Check(check::Options),
    /// Show what a plugin can do, and why its author says it must.
    Inspect(File),
    /// Write what an operator would put into weir.toml, for editing; of a command, how it is run.
    Grant(File),
}

/// The one thing that some take.
#[derive(Debug, clap::Args)]
pub(crate) struct File {
    /// The plugin: a component, or a script of Starlark.
    file: PathBuf,
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    let status = match command {
        Command::New(options) => new::run(options, &mut out),
        Command::Build(options) => build::run(options, &mut out),
        Command::Check(options) => check::run(options, &mut out),
        Command::Inspect(it) => inspect::run(&it.file, &mut out),
        Command::Grant(it) => grant::run(&it.file, &mut out),
    };
    out.flush()?;
    status
}

/// A plugin as it lies in a file.
struct Component {
    bytes: Vec<u8>,
    surface: weir_build::Surface,
    /// What its author says of it, if anything.
    manifest: Option<Manifest>,
    /// What its settings are, if it says; or what is wrong with that.
    schema: Option<Result<Schema>>,
}

impl Component {
    fn read(file: &Path) -> Result<Self> {
        let mut bytes = Vec::new();
        let read = open_regular(file)
            .and_then(|it| it.take(COMPONENT_BYTES + 1).read_to_end(&mut bytes))
            .map_err(anyhow::Error::from);
        read.and_then(|_| {
            ensure!(
                bytes.len() as u64 <= COMPONENT_BYTES,
                "it is larger than {COMPONENT_BYTES} bytes, and no component that weir takes is"
            );
            Self::of(bytes)
        })
        .with_context(|| format!("failed to use {}", file.display()))
    }

    /// The one that these bytes are.
    fn of(bytes: Vec<u8>) -> Result<Self> {
        let surface = weir_build::surface(&bytes)?;
        let text = weir_build::manifest(Cursor::new(&bytes))?;
        let manifest = text.map(|it| Manifest::parse("plugin.toml", &it)).transpose();
        let manifest = manifest.context("its manifest is not as expected")?;
        let schema = weir_build::schema(Cursor::new(&bytes))?.map(|it| Schema::parse(&it));
        Ok(Self { bytes, surface, manifest, schema })
    }

    /// The worlds that its exports are of.
    fn worlds(&self) -> Vec<&'static str> {
        let has = |names: &[String], it: &str| names.iter().any(|name| is(name, it));
        let controls = CONTROLS.iter().any(|it| has(&self.surface.imports, it));
        let is_it = |it: &&World| {
            let reacts = it.export == REACTOR;
            has(&self.surface.exports, it.export)
                && (!reacts || controls == (it.name == CONTROLLER))
        };
        WORLDS.iter().filter(is_it).map(|it| it.name).collect()
    }

    /// Whether it is run by `weir exec`, and is no part of a configuration.
    fn is_command(&self) -> bool {
        self.worlds().contains(&COMMAND)
    }

    /// What it can do, if it is a command.
    fn command_powers(&self) -> impl Iterator<Item = CommandPower> {
        let imports = move |it: &CommandPower| {
            self.is_command() && self.surface.imports.iter().any(|name| is(name, it.interface))
        };
        COMMAND_POWERS.into_iter().filter(imports)
    }
}

/// A shape of plugins.
struct World {
    name: &'static str,
    export: &'static str,
}

const REACTOR: &str = "weir:plugin/reactor";

const CONTROLLER: &str = "controller";

const COMMAND: &str = "command";

/// What a controller imports, and no other policy.
const CONTROLS: [&str; 2] = ["weir:plugin/structure", "weir:host/http"];

const WORLDS: [World; 6] = [
    World { name: "policy", export: REACTOR },
    World { name: CONTROLLER, export: REACTOR },
    World { name: "weigher", export: "weir:plugin/weighing" },
    World { name: "guard", export: "weir:plugin/guarding" },
    World { name: "checker", export: "weir:plugin/checking" },
    World { name: COMMAND, export: "weir:plugin/cli" },
];

/// A power that a component has by importing an interface, or by exporting one, and that a
/// grant narrows.
struct Power {
    interface: &'static str,
    /// The interface by whose export it has it, too.
    exported: Option<&'static str>,
    /// Its name in a manifest's `[wants]`.
    want: &'static str,
    /// What it lets a plugin do.
    does: &'static str,
}

const POWERS: [Power; 6] = [
    Power {
        interface: "weir:ipvs/table",
        exported: None,
        want: "table",
        does: "sees services and real servers",
    },
    Power {
        interface: "weir:plugin/health",
        exported: None,
        want: "health",
        does: "sees what checks say",
    },
    Power {
        interface: "weir:plugin/intents",
        exported: Some("weir:plugin/weighing"),
        want: "weights",
        does: "changes weights",
    },
    Power {
        interface: "weir:host/state",
        exported: None,
        want: "state",
        does: "remembers for good",
    },
    Power {
        interface: "weir:plugin/structure",
        exported: None,
        want: "structure",
        does: "owns services",
    },
    Power {
        interface: "weir:host/http",
        exported: None,
        want: "http",
        does: "asks others by HTTP",
    },
];

impl Power {
    /// The interface by which a component has it.
    fn of(&self, surface: &weir_build::Surface) -> Option<&'static str> {
        let imported = surface.imports.iter().any(|it| is(it, self.interface));
        let exported = self.exported.filter(|it| surface.exports.iter().any(|name| is(name, it)));
        if imported { Some(self.interface) } else { exported }
    }
}

/// A power that a command has by importing an interface, and that whoever runs it grants.
struct CommandPower {
    interface: &'static str,
    /// Its name for `weir exec --grant`.
    grant: &'static str,
    /// What it lets a command do.
    does: &'static str,
}

const COMMAND_POWERS: [CommandPower; 4] = [
    CommandPower { interface: "weir:ipvs/live", grant: "live", does: "asks IPVS" },
    CommandPower { interface: "weir:ipvs/admin", grant: "admin", does: "changes IPVS" },
    CommandPower {
        interface: "weir:ipvs/connections",
        grant: "connections",
        does: "walks the connection table, which shows client addresses",
    },
    CommandPower {
        interface: "weir:host/names",
        grant: "names",
        does: "looks up names of hosts and ports",
    },
];

/// Whether `name` is this interface, in whatever version.
fn is(name: &str, interface: &str) -> bool {
    name.split('@').next() == Some(interface)
}

/// 15 kB, 1.2 MB.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

#[cfg(test)]
impl Component {
    /// One that exports this, imports these, and says nothing of itself.
    fn importing(export: &str, imports: &[&str]) -> Self {
        let imports = imports.iter().map(|it| (*it).to_owned()).collect();
        let surface = weir_build::Surface { exports: vec![export.to_owned()], imports };
        Self { bytes: Vec::new(), surface, manifest: None, schema: None }
    }
}
