//! Loading plugins and starting them.

use std::{
    fs::File,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    ptr::NonNull,
    sync::Arc,
    time::Duration,
};

use wasmtime::{Engine, component::Component};
use wasmtime_wasi::I32Exit;

use crate::{
    Birth, Builtin, COMPONENT_BYTES, Cache, Checker, Command, Error, Failure, Guard, Plugin,
    Policy, Settings, Subscription, View, Weigher, World,
    cache::Entry,
    call::{guarded, store},
    clock::{self, Clock},
    code::runs_in_place,
    command::Invocation,
    engine::{Metering, Purpose, engine},
    log::Log,
    maker::Maker,
    plugin::{self, Linked},
    policy::Running,
    regular::open_regular,
    release::RELEASES,
    state::{Backend, CommandState, Common},
    wasi::Wasi,
};

/// An engine and what it offers to guests.
pub struct Runtime {
    pub(crate) engine: Engine,
    compiles: bool,
    metering: Metering,
}

/// Makes the engine look at the time: see [`Ticker::tick`].
#[derive(Clone)]
pub struct Ticker(Engine);

impl Ticker {
    /// Has every guest that runs compare its time with its limits, soon. Wants calling
    /// every few milliseconds while a call is under way, and may be called by a signal
    /// handler: it adds one to an atomic number.
    pub fn tick(&self) {
        self.0.increment_epoch();
    }
}

impl Runtime {
    /// For the daemon, which compiles the components it is given.
    pub fn for_daemon() -> Result<Self, Error> {
        Self::new(Purpose::Compile, Metering::Time)
    }

    /// For policies in virtual time. What they see and do, their limits included, is the
    /// same at every run: instructions are counted instead of time, the clocks are those of
    /// the [`View`], and random numbers always the same.
    pub fn for_simulation() -> Result<Self, Error> {
        Self::new(Purpose::Compile, Metering::Instructions)
    }

    /// For one command. Without a compiler it starts in a tenth of the time, and can use
    /// built-in plugins only.
    pub fn for_command(needs_compiler: bool) -> Result<Self, Error> {
        let purpose = if needs_compiler { Purpose::Compile } else { Purpose::Run };
        Self::new(purpose, Metering::Time)
    }

    fn new(purpose: Purpose, metering: Metering) -> Result<Self, Error> {
        let compiles = purpose == Purpose::Compile;
        Ok(Self { engine: engine(purpose, metering)?, compiles, metering })
    }

    /// What enforces limits of time, if someone calls it.
    pub fn ticker(&self) -> Ticker {
        Ticker(self.engine.clone())
    }

    /// Whether [`Runtime::builtin`] has to compile this one, and has use for a cache.
    pub fn must_compile(&self, builtin: &Builtin) -> bool {
        self.code_of(builtin).is_none()
    }

    fn code_of(&self, builtin: &Builtin) -> Option<&'static [u8]> {
        match self.metering {
            Metering::Time => Some(builtin.code),
            Metering::Instructions => builtin.metered,
        }
    }

    /// A plugin that is part of this program. Where only its component is, it is compiled
    /// now or, if `cache` has it, before.
    pub fn builtin(&self, builtin: &Builtin, cache: Option<&Cache>) -> Result<Plugin, Error> {
        let failed = |reason| Error::Builtin { plugin: builtin.name.to_owned(), reason };
        let Some(code) = self.code_of(builtin) else {
            let component = builtin
                .component
                .ok_or_else(|| failed("it is not compiled for simulations".to_owned()))?;
            let entry = cache.map(|it| it.entry(&self.engine, component, None));
            return self.load_bytes(builtin.name.to_owned(), component, entry);
        };
        // SAFETY: whoever made the `Builtin` vouched that this is what `precompile`
        // returned, and nothing can write to it.
        let component = unsafe {
            if runs_in_place(code) {
                Component::deserialize_raw(&self.engine, NonNull::from(code))
            } else {
                Component::deserialize(&self.engine, code)
            }
        };
        let component = component.map_err(|error| failed(format!("{error:#}")))?;
        let name = builtin.name.to_owned();
        Plugin::link(&self.engine, name, &RELEASES[0], builtin.worlds, &component)
    }

    /// The component in the file at `path`, compiled now or, if `cache` has it, before.
    ///
    /// Takes WebAssembly only, never compiled code. Memory and time go with its size, see
    /// [`COMPONENT_BYTES`], unless `cache` knows the file, which has not changed.
    pub fn load(&self, path: &Path, cache: Option<&Cache>) -> Result<Plugin, Error> {
        self.load_at(clock::wall(), path, cache)
    }

    /// The same, at this time since the Unix epoch.
    pub(crate) fn load_at(
        &self,
        now: Duration,
        path: &Path,
        cache: Option<&Cache>,
    ) -> Result<Plugin, Error> {
        let mut file =
            open_regular(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let name = path
            .file_stem()
            .map_or_else(|| path.display().to_string(), |stem| stem.to_string_lossy().into_owned());
        if !self.compiles {
            let reason = "this engine was started without a compiler".to_owned();
            return Err(Error::Compile { plugin: name, reason });
        }
        let note = cache.and_then(|it| it.note(&self.engine, path, &file, now));
        if let Some(component) = note.as_ref().and_then(|it| it.recall(&self.engine)) {
            return self.link(name, &component);
        }
        let bytes = read(path, &mut file)?;
        self.load_bytes(name, &bytes, cache.map(|it| it.entry(&self.engine, &bytes, note)))
    }

    fn load_bytes(
        &self,
        name: String,
        bytes: &[u8],
        entry: Option<Entry<'_>>,
    ) -> Result<Plugin, Error> {
        let (component, cache_error) = self.component(&name, bytes, entry)?;
        Ok(Plugin { cache_error, ..self.link(name, &component)? })
    }

    fn component(
        &self,
        name: &str,
        bytes: &[u8],
        entry: Option<Entry<'_>>,
    ) -> Result<(Component, Option<Error>), Error> {
        let Some(entry) = entry else { return Ok((compile(&self.engine, name, bytes)?, None)) };
        if let Some(component) = entry.load(&self.engine) {
            return Ok((component, None));
        }
        let component = compile(&self.engine, name, bytes)?;
        let kept = match component.serialize() {
            Ok(code) => entry.keep(&code),
            Err(error) => Err(entry.failed(format!("{error:#}"))),
        };
        Ok((component, kept.err()))
    }

    fn link(&self, name: String, component: &Component) -> Result<Plugin, Error> {
        let (release, worlds) = plugin::worlds(&self.engine, &name, component)?;
        Plugin::link(&self.engine, name, release, &worlds, component)
    }

    /// The roles that a plugin plays with these settings: some of its worlds, at least one.
    ///
    /// Fails with [`Failure::Refused`] if the guest says no.
    pub fn roles(&self, plugin: &Plugin, settings: Settings) -> Result<Vec<World>, Failure> {
        let Some(chooser) = plugin.roles().and_then(|it| it.chooser.as_ref()) else {
            return Ok(plugin.worlds().to_vec());
        };
        let instance = settings.instance.clone();
        let refused = |message| Failure::Refused {
            plugin: instance.clone(),
            call: "choose",
            message,
            retryable: false,
        };
        let mut store = self.maker(plugin, settings).store(View::default());
        let guest = guarded(&mut store, "start", |store| chooser(store))?;
        let chosen = guarded(&mut store, "choose", |store| guest.choose(store))?;
        let chosen = chosen.map_err(refused)?;
        match chosen.iter().find(|it| !plugin.is(**it)) {
            Some(missing) => Err(plugin.is_not(*missing).into()),
            None if chosen.is_empty() => Err(refused("it chose no role".to_owned())),
            None => Ok(chosen),
        }
    }

    /// Makes an instance of a policy and asks it what it wants to hear. What it looks at
    /// meanwhile is `view`.
    ///
    /// Fails with [`Failure::Refused`] if the guest says no; a retryable one may be tried
    /// again.
    pub fn start_policy(
        &self,
        plugin: &Plugin,
        settings: Settings,
        birth: Birth,
        view: View,
    ) -> Result<(Policy, Subscription), Failure> {
        let start = plugin.roles().and_then(|it| it.policy.as_ref());
        let start = start.ok_or_else(|| plugin.is_not(World::Policy))?;
        let instance = settings.instance.clone();
        let mut store = self.maker(plugin, settings).store(view);
        let guest = guarded(&mut store, "start", |store| start(store))?;
        let answer = guarded(&mut store, "init", |store| guest.init(store, birth))?;
        store.data_mut().rest();
        let subscription = answer.map_err(|failure| Failure::Refused {
            plugin: instance.clone(),
            call: "init",
            message: failure.message,
            retryable: failure.retryable,
        })?;
        let policy = Policy::new(instance, Running { store, guest });
        Ok((policy, subscription))
    }

    /// What weighs services by `plugin`.
    pub fn weigher(&self, plugin: &Plugin, settings: Settings) -> Result<Weigher, Failure> {
        let start = plugin.roles().and_then(|it| it.weigher.clone());
        let start = start.ok_or_else(|| plugin.is_not(World::Weigher))?;
        Ok(Weigher::new(start, self.maker(plugin, settings)))
    }

    /// What judges changes by `plugin`.
    pub fn guard(&self, plugin: &Plugin, settings: Settings) -> Result<Guard, Failure> {
        let start = plugin.roles().and_then(|it| it.guard.clone());
        let start = start.ok_or_else(|| plugin.is_not(World::Guard))?;
        Ok(Guard::new(start, self.maker(plugin, settings)))
    }

    /// What checks servers by `plugin`.
    pub fn checker(&self, plugin: &Plugin, settings: Settings) -> Result<Checker, Failure> {
        let start = plugin.roles().and_then(|it| it.checker.clone());
        let start = start.ok_or_else(|| plugin.is_not(World::Checker))?;
        Ok(Checker::new(start, self.maker(plugin, settings)))
    }

    fn maker(&self, plugin: &Plugin, settings: Settings) -> Maker {
        Maker::new(self.engine.clone(), self.metering, plugin.uses_wasi, settings)
    }

    /// Runs a command to its end; its exit status.
    pub fn run_command(&self, plugin: &Plugin, command: Command) -> Result<u8, Failure> {
        let Linked::Command(start) = &plugin.linked else {
            return Err(plugin.is_not(World::Command).into());
        };
        let log = Log::new(plugin.name(), &command.limits, command.log);
        let mut common =
            Common::new(plugin.name().to_owned(), command.limits, Arc::new(log), Clock::machine());
        let stdio = Arc::new(command.stdio);
        common.wasi = plugin.uses_wasi.then(|| Wasi::printing(&stdio));
        common.wall_ns = clock::nanoseconds(clock::wall());
        common.monotonic_ns = clock::nanoseconds(clock::monotonic());
        let mut store = store(
            &self.engine,
            self.metering,
            CommandState {
                common,
                grant: command.grant,
                backend: Backend::Closed(command.ipvs),
                names: command.names,
                stdio,
            },
        );
        let invocation = Invocation {
            arguments: command.arguments,
            environment: command.environment,
            terminals: command.terminals,
        };
        let guest = guarded(&mut store, "start", |store| start(store))?;
        guarded(&mut store, "run", |store| {
            let status = guest.run(store, invocation);
            status.or_else(|error| match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(status)) => Ok(u8::try_from(status & 0xff).unwrap_or(u8::MAX)),
                None => Err(error),
            })
        })
    }
}

/// The bytes of a component; refuses what cannot be one.
fn read(path: &Path, file: &mut File) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(COMPONENT_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > COMPONENT_BYTES {
        return Err(Error::TooLarge { path: path.to_owned(), limit: COMPONENT_BYTES });
    }
    if Engine::detect_precompiled(&bytes).is_some() {
        return Err(Error::Precompiled { path: path.to_owned() });
    }
    let reason = match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => return Ok(bytes),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
            "it is a core module; make a component of it with `weir-build` or wit-component"
        }
        Some([0, b'a', b's', b'm', ..]) => "it is WebAssembly of a version that is not known here",
        _ => "it is not WebAssembly",
    };
    Err(Error::NotAComponent { path: path.to_owned(), reason: reason.to_owned() })
}

/// Compiles; what panics in the compiler condemns this component alone.
fn compile(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Component, Error> {
    let outcome = catch_unwind(AssertUnwindSafe(|| Component::new(engine, bytes)));
    let reason = match outcome {
        Ok(Ok(component)) => return Ok(component),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "the compiler has a bug that this component meets".to_owned(),
    };
    Err(Error::Compile { plugin: name.to_owned(), reason })
}
