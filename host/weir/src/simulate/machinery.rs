//! The WebAssembly of simulations: policies, which count instructions instead of time, and
//! ipvsadm. Made once, whatever the number of scenarios.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Seek as _, Write as _},
    mem,
    os::fd::OwnedFd,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};

use anyhow::Context as _;
use weir_wasm::{
    Birth, Command, CommandGrant, Effect, Envelope, Limits, LogSink, NoNames, Plugin, PolicyGrant,
    Runtime, Stdio, Subscription, Terminals, View,
};

use super::kernel::Kernel;
use crate::{
    builtin,
    config::{Config, Source},
    manager::{Guest, Starter},
    problems::Problems,
    run::{plugins, pulse::Pulse},
};

/// See the module.
pub(crate) struct Machinery {
    policies: Arc<Runtime>,
    /// No time passes for policies.
    still: Arc<Pulse>,
    /// Nobody makes time pass for it: ipvsadm is ours, and ends.
    commands: Runtime,
    ipvsadm: Plugin,
}

/// How many of a plugin's next calls trap, and files that were replaced; by the plugins'
/// names.
#[derive(Debug, Default)]
pub(crate) struct Traps {
    calls: BTreeMap<String, Rc<Cell<u32>>>,
    replaced: BTreeMap<String, PathBuf>,
    /// Plugins whose file weir has not looked at since it was replaced.
    unseen: BTreeSet<String>,
}

impl Traps {
    /// The next calls of this plugin trap, so many.
    pub(crate) fn trap(&mut self, plugin: &str, times: u32) {
        self.calls.entry(plugin.to_owned()).or_default().set(times);
    }

    /// weir finds this file in the place of the plugin's when it starts.
    pub(crate) fn replace(&mut self, plugin: &str, file: PathBuf) {
        self.replaced.insert(plugin.to_owned(), file);
        self.unseen.insert(plugin.to_owned());
    }

    /// Plugins whose file is another than when weir last looked.
    pub(crate) fn look(&mut self) -> BTreeSet<String> {
        mem::take(&mut self.unseen)
    }
}

/// What a run of ipvsadm left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) status: u8,
    /// What it printed.
    pub(crate) output: String,
    /// What it complained of.
    pub(crate) error: String,
}

impl Machinery {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let commands = Runtime::for_command(false)?;
        let ipvsadm = commands.builtin(&builtin::TOOLS[0].plugin, None)?;
        let policies = Arc::new(Runtime::for_simulation()?);
        Ok(Self { policies, still: Arc::default(), commands, ipvsadm })
    }

    /// What makes instances of the plugins of `config`, loaded as weir does when it starts.
    pub(crate) fn starters(
        &self,
        config: &Config,
        traps: &mut Traps,
        log: &LogSink,
    ) -> Result<Vec<Starter>, Problems> {
        let mut config = config.clone();
        for plugin in &mut config.plugins {
            if let Some(file) = traps.replaced.get(&plugin.name) {
                plugin.source = Source::File(file.clone());
            }
        }
        // A cache that cannot be written costs time, which nobody counts here.
        let loaded = plugins::load(&self.policies, &config, |_| {})?;
        let starters = config.plugins.iter().zip(loaded).map(|(plugin, loaded)| {
            let traps = traps.calls.entry(plugin.name.clone()).or_default();
            let start = plugins::starter(loaded, &self.policies, &self.still, Arc::clone(log));
            trapping(start, Rc::clone(traps))
        });
        Ok(starters.collect())
    }

    /// Runs ipvsadm on `kernel` with these arguments and this input.
    pub(crate) fn ipvsadm(
        &self,
        kernel: &mut Kernel,
        arguments: &[&str],
        input: &str,
    ) -> anyhow::Result<Ran> {
        let file = || tempfile::tempfile().context("failed to make a temporary file");
        let (mut stdin, mut stdout, mut stderr) = (file()?, file()?, file()?);
        stdin.write_all(input.as_bytes())?;
        stdin.rewind()?;
        let stream = |it: &std::fs::File| it.try_clone().map(OwnedFd::from);
        let stdio = Stdio::new(stream(&stdin)?, stream(&stdout)?, stream(&stderr)?);
        let arguments = ["ipvsadm"].iter().chain(arguments).map(|it| it.as_bytes().to_vec());
        let grant = CommandGrant { live: true, admin: true, connections: true, names: false };
        let run = |ipvs| {
            let command = Command {
                arguments: arguments.collect(),
                environment: Vec::new(),
                terminals: Terminals::default(),
                grant,
                limits: Limits::for_command(),
                ipvs: Box::new(move || Ok(Box::new(ipvs))),
                names: Box::new(NoNames),
                stdio,
                log: Arc::new(|_| {}),
            };
            self.commands.run_command(&self.ipvsadm, command)
        };
        let status = kernel.lend(run).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let read = |it: &mut std::fs::File| {
            let mut bytes = Vec::new();
            it.rewind()?;
            it.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Ran { status, output: read(&mut stdout)?, error: read(&mut stderr)? })
    }
}

/// As `start`, but the next calls trap, as many as `traps` says: after the plugin did what
/// it does, so that all it asked for must come to nothing.
fn trapping(mut start: Starter, traps: Rc<Cell<u32>>) -> Starter {
    Box::new(move |grant: PolicyGrant, birth: Birth, view: View| {
        let (guest, subscription): (Box<dyn Guest>, Subscription) = start(grant, birth, view)?;
        let traps = Rc::clone(&traps);
        Ok((Box::new(Trapping { guest, traps }) as Box<dyn Guest>, subscription))
    })
}

struct Trapping {
    guest: Box<dyn Guest>,
    traps: Rc<Cell<u32>>,
}

impl Guest for Trapping {
    fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, String> {
        let effects = self.guest.handle(view, batch)?;
        match self.traps.get() {
            0 => Ok(effects),
            left => {
                self.traps.set(left - 1);
                Err(format!("trapped by the scenario, with {} effects staged", effects.len()))
            }
        }
    }
}
