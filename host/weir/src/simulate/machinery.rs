//! The WebAssembly of simulations: plugins, which count instructions instead of time, and
//! ipvsadm. Made once, whatever the number of scenarios.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Seek as _, Write as _},
    mem,
    os::fd::OwnedFd,
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::Context as _;
use weir_wasm::{
    Birth, Command, CommandGrant, Effect, Envelope, Limits, LogSink, NoNames, Plugin, PolicyGrant,
    Refusal, Review, Runtime, Stdio, Terminals, View, Weighing,
};

use super::kernel::Kernel;
use crate::{
    builtin,
    config::{self, Config, Source},
    manager::{Code, Guest, Judge, Starter, Weigh},
    problems::Problems,
    report::Line,
    run::{
        plugins::{self, Loaded},
        pulse::Pulse,
    },
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
    calls: BTreeMap<String, Arc<AtomicU32>>,
    replaced: BTreeMap<String, PathBuf>,
    /// Plugins whose file weir has not looked at since it was replaced.
    unseen: BTreeSet<String>,
}

impl Traps {
    /// The next calls of this plugin trap, so many.
    pub(crate) fn trap(&mut self, plugin: &str, times: u32) {
        self.calls.entry(plugin.to_owned()).or_default().store(times, Ordering::Relaxed);
    }

    /// weir finds this file in the place of the plugin's.
    pub(crate) fn replace(&mut self, plugin: &str, file: PathBuf) {
        self.replaced.insert(plugin.to_owned(), file);
        self.unseen.insert(plugin.to_owned());
    }

    /// Has a plugin come from the file that took the place of its own.
    fn point(&self, plugin: &mut config::Plugin) {
        if let Some(file) = self.replaced.get(&plugin.name) {
            plugin.source = Source::File(file.clone());
        }
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

    /// The code of the plugins of `config`, loaded as weir does when it starts.
    pub(crate) fn codes(
        &self,
        config: &Config,
        traps: &mut Traps,
        log: &LogSink,
    ) -> Result<Vec<Code>, Problems> {
        let mut config = config.clone();
        config.plugins.iter_mut().for_each(|it| traps.point(it));
        // A cache that cannot be written costs time, which nobody counts here.
        let loaded = plugins::load(&self.policies, &config, |_| {})?;
        Ok(loaded.into_iter().map(|it| self.made(it, traps, log)).collect())
    }

    /// The code of one plugin, whose file was replaced.
    pub(crate) fn code(
        &self,
        config: &Config,
        plugin: &str,
        traps: &mut Traps,
        log: &LogSink,
    ) -> anyhow::Result<Code> {
        let found = config.plugins.iter().find(|it| it.name == plugin);
        let mut plugin = found.context("there is no such plugin")?.clone();
        traps.point(&mut plugin);
        let loaded = plugins::load_one(&self.policies, &plugin, &|_: &Line| {})?;
        Ok(self.made(loaded, traps, log))
    }

    fn made(&self, loaded: Loaded, traps: &mut Traps, log: &LogSink) -> Code {
        let left = Arc::clone(traps.calls.entry(loaded.name().to_owned()).or_default());
        trapping(plugins::code(loaded, &self.policies, &self.still, log), left)
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

/// As `code`, but the next calls trap, as many as `traps` says: after the plugin did what
/// it does, so that all it asked for must come to nothing.
fn trapping(code: Code, traps: Arc<AtomicU32>) -> Code {
    let policy = code.policy.map(|mut start| {
        let traps = Arc::clone(&traps);
        Box::new(move |grant: PolicyGrant, birth: Birth, view: View| {
            let (guest, subscription) = start(grant, birth, view)?;
            let traps = Arc::clone(&traps);
            Ok((Box::new(Trapping { guest, traps }) as Box<dyn Guest>, subscription))
        }) as Starter
    });
    let weigher = code.weigher.map(|weigh| {
        let traps = Arc::clone(&traps);
        Box::new(move |weighing: &Weighing| {
            let weighed = weigh(weighing)?;
            trap(&traps, weighed.scales.len()).map(|()| weighed)
        }) as Weigh
    });
    let checker = code.checker.map(|checker| {
        let traps = Arc::clone(&traps);
        checker.then(move || trap(&traps, 0))
    });
    let guard = code.guard.map(|judge| {
        Rc::new(move |grant: PolicyGrant, review: Review, view: View| {
            let judgement = judge(grant, review, view)?;
            trap(&traps, 0).map(|()| judgement)
        }) as Judge
    });
    Code { policy, weigher, guard, checker, ..code }
}

fn trap(traps: &AtomicU32, effects: usize) -> Result<(), String> {
    let one_less = |left: u32| left.checked_sub(1);
    match traps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) {
        Err(_) => Ok(()),
        Ok(_) => Err(format!("trapped by the scenario, with {effects} effects staged")),
    }
}

struct Trapping {
    guest: Box<dyn Guest>,
    traps: Arc<AtomicU32>,
}

impl Guest for Trapping {
    fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, String> {
        let effects = self.guest.handle(view, batch)?;
        trap(&self.traps, effects.len()).map(|()| effects)
    }

    fn take_refusals(&mut self) -> Vec<Refusal> {
        self.guest.take_refusals()
    }
}
