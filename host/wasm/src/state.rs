//! What a guest's store holds: what host functions need, and what its limits watch.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use wasmtime::{ResourceLimiter, component::ResourceTable};
use weir_ipvs::{Ipvs, RealServerKey, ServiceKey};

use crate::{
    CommandGrant, Effect, HttpCall, Intent, IpvsOpener, Limits, Names, OwnedService, PolicyGrant,
    Reach, Refusal, Statement, Stdio, View,
    clock::{self, Clock},
    engine::Metering,
    error::Exceeded,
    log::Log,
    wasi::Wasi,
};

/// What the stores of both worlds have in common.
pub(crate) trait State: Send + 'static {
    /// Whether a call may wait for something outside.
    const MAY_WAIT: bool;

    fn common(&mut self) -> &mut Common;
}

/// What every guest has.
pub(crate) struct Common {
    /// Who it is, in reports and logs.
    pub(crate) plugin: String,
    pub(crate) limits: Limits,
    /// Snapshots, cursors and streams it holds.
    pub(crate) resources: ResourceTable,
    /// Shared with the streams of WASI.
    pub(crate) log: Arc<Log>,
    /// Shared with those of WASI.
    pub(crate) clock: Arc<Clock>,
    pub(crate) metering: Metering,
    pub(crate) wall_ns: u64,
    pub(crate) monotonic_ns: u64,
    /// Made for guests that import WASI, and for no other.
    pub(crate) wasi: Option<Wasi>,
    deadline: Deadline,
    memory_bytes: usize,
    table_elements: usize,
}

impl Common {
    pub(crate) fn new(plugin: String, limits: Limits, log: Arc<Log>, clock: Clock) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(limits.handles);
        Self {
            plugin,
            limits,
            resources,
            log,
            clock: Arc::new(clock),
            metering: Metering::default(),
            wall_ns: 0,
            monotonic_ns: 0,
            wasi: None,
            deadline: Deadline::default(),
            memory_bytes: 0,
            table_elements: 0,
        }
    }

    /// Starts to count the time of a call; or returns how many instructions it may take.
    pub(crate) fn arm(&mut self) -> Option<u64> {
        if self.metering == Metering::Instructions {
            return Some(clock::nanoseconds(self.limits.cpu));
        }
        self.deadline = Deadline {
            cpu: clock::thread_cpu().saturating_add(self.limits.cpu),
            wall: self.limits.wall.map(|wall| clock::monotonic().saturating_add(wall)),
        };
        None
    }

    /// Whether the call may go on.
    pub(crate) fn check_time(&self) -> Result<(), Exceeded> {
        if clock::thread_cpu() >= self.deadline.cpu {
            return Err(Exceeded::Cpu(self.limits.cpu));
        }
        match (self.deadline.wall, self.limits.wall) {
            (Some(end), Some(limit)) if clock::monotonic() >= end => Err(Exceeded::Wall(limit)),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Deadline {
    cpu: Duration,
    wall: Option<Duration>,
}

/// A memory that would grow too far traps its guest, where WebAssembly would let it see
/// that it cannot have more: few guests look, and then the reason would be lost.
impl ResourceLimiter for Common {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.limits.memory_bytes {
            return Err(Exceeded::Memory(self.limits.memory_bytes).into());
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_add(desired.saturating_sub(current));
        if total > self.limits.table_elements {
            return Err(Exceeded::Tables(self.limits.table_elements).into());
        }
        self.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.instances
    }

    fn memories(&self) -> usize {
        self.limits.instances
    }
}

/// The names of services that are taken, staged changes included, and how many services are the
/// plugin's own.
pub(crate) struct Taken {
    pub(crate) names: BTreeMap<String, ServiceKey>,
    pub(crate) own: usize,
}

/// The store of a policy.
pub(crate) struct PolicyState {
    pub(crate) common: Common,
    pub(crate) config_json: String,
    pub(crate) grant: PolicyGrant,
    /// Of the call under way.
    pub(crate) view: View,
    /// Whether that call is one of `handle`.
    pub(crate) handling: bool,
    /// Services within the grant, by their numbers in the table of `view`; none = all.
    /// Made when first asked for.
    pub(crate) visible: Option<Option<Arc<[u32]>>>,
    /// What the call under way says, by real server: the last word on each; none = it is taken
    /// back.
    pub(crate) staged: BTreeMap<RealServerKey, Option<Statement>>,
    /// What the call under way was refused, by real server.
    pub(crate) refused: BTreeMap<RealServerKey, Refusal>,
    /// What the call under way wants to be kept for good, or forgotten, by its name.
    pub(crate) noted: BTreeMap<String, Option<Vec<u8>>>,
    /// What it wants to own, or no more.
    pub(crate) owned: BTreeMap<ServiceKey, Option<OwnedService>>,
    /// The names that are taken, and how many services it owns; made when first asked for.
    pub(crate) taken: Option<Taken>,
    /// What it wants to ask by HTTP.
    pub(crate) calls: Vec<HttpCall>,
    /// The server under check, of a checker.
    pub(crate) reach: Option<Box<dyn Reach>>,
    /// What was asked of it.
    pub(crate) questions: usize,
    /// What `view.held` says, by real server; made when first asked for.
    pub(crate) held: Option<BTreeMap<RealServerKey, Intent>>,
}

impl PolicyState {
    /// Begins a call: another moment to look at, nothing staged.
    pub(crate) fn look_at(&mut self, view: View, handling: bool) {
        self.handling = handling;
        self.common.wall_ns = view.wall_ns;
        self.common.monotonic_ns = view.monotonic_ns;
        self.common.clock.set(view.wall_ns, view.monotonic_ns);
        self.view = view;
        self.visible = None;
        self.held = None;
        self.staged.clear();
        self.refused.clear();
        self.noted.clear();
        self.owned.clear();
        self.taken = None;
        self.calls.clear();
    }

    /// Ends a call: lets go of what it looked at, and returns what it wants.
    pub(crate) fn rest(&mut self) -> Vec<Effect> {
        self.view = View::default();
        let staged = std::mem::take(&mut self.staged).into_iter();
        let staged = staged.map(|(key, it)| it.map_or(Effect::Withdraw(key), Effect::Publish));
        let noted = std::mem::take(&mut self.noted).into_iter();
        let noted = noted.map(|(key, value)| Effect::Note(key, value));
        let owned = std::mem::take(&mut self.owned).into_iter();
        let owned = owned.map(|(key, it)| Effect::Own(key, it));
        let calls = std::mem::take(&mut self.calls).into_iter().map(Effect::Call);
        staged.chain(noted).chain(owned).chain(calls).collect()
    }

    /// What it was refused.
    pub(crate) fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refused).into_values().collect()
    }

    /// All it holds, staged statements included, in the order of their real servers.
    pub(crate) fn all_held(&self) -> BTreeMap<RealServerKey, &Statement> {
        let mut all: BTreeMap<_, _> =
            self.view.held.iter().map(|statement| (statement.key, statement)).collect();
        for (key, staged) in &self.staged {
            match staged {
                Some(statement) => all.insert(*key, statement),
                None => all.remove(key),
            };
        }
        all
    }
}

impl State for PolicyState {
    const MAY_WAIT: bool = false;

    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}

/// The store of a command.
pub(crate) struct CommandState {
    pub(crate) common: Common,
    pub(crate) grant: CommandGrant,
    pub(crate) backend: Backend,
    pub(crate) names: Box<dyn Names>,
    pub(crate) stdio: Arc<Stdio>,
}

impl State for CommandState {
    const MAY_WAIT: bool = true;

    fn common(&mut self) -> &mut Common {
        &mut self.common
    }
}

/// IPVS, opened when first needed.
pub(crate) enum Backend {
    Closed(IpvsOpener),
    Opened(Result<Box<dyn Ipvs>, weir_ipvs::Error>),
}

impl Backend {
    pub(crate) fn get(&mut self) -> Result<&mut (dyn Ipvs + 'static), weir_ipvs::Error> {
        if let Self::Closed(_) = self {
            let unreachable = Self::Opened(Err(weir_ipvs::Error::NoIpvs));
            if let Self::Closed(open) = std::mem::replace(self, unreachable) {
                *self = Self::Opened(open());
            }
        }
        match self {
            Self::Opened(Ok(ipvs)) => Ok(ipvs.as_mut()),
            Self::Opened(Err(error)) => Err(error.clone()),
            Self::Closed(_) => Err(weir_ipvs::Error::NoIpvs),
        }
    }
}
