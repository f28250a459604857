//! Policies: what they are told, what they are given to look at, and what they stage.
//!
//! Plain data, and the handle of a running instance. Merging what policies want, and what
//! becomes of one that failed, is the manager's.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wasmtime::Store;
use weir_ipvs::{Endpoint, RealServerKey, ServiceKey};

use crate::{
    Failure, HttpAnswer, HttpCall, HttpRule, Limits, LogSink, OwnedService, Report, StructureGrant,
    Table, call::guarded, clock::nanoseconds, release::Reacts, state::PolicyState,
};

/// After rise and fall counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// Not checked, or not yet.
    #[default]
    Unknown,
    /// Passes its checks.
    Up,
    /// Fails its checks.
    Down,
}

/// A real server changed health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChange {
    /// Which.
    pub server: RealServerKey,
    /// What the check saw, for people.
    pub detail: String,
    /// What it was.
    pub before: HealthStatus,
    /// What it is.
    pub after: HealthStatus,
    /// How long it had been in `before`.
    pub lasted: Duration,
}

/// One real server's health now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// All checks together.
    pub status: HealthStatus,
    /// When that began, on the clock of [`View::monotonic_ns`].
    pub since: Duration,
    /// What the newest probe took.
    pub latency: Latency,
}

/// What the newest probe of a real server took, if there was one, and it passed. Shared by
/// all copies: a check sets it, and whoever wants to know looks.
#[derive(Debug, Clone)]
pub struct Latency(Arc<AtomicU64>);

impl Latency {
    /// Nanoseconds that no probe takes.
    const NONE: u64 = u64::MAX;

    /// Takes note of a probe; none = it failed.
    pub fn set(&self, took: Option<Duration>) {
        let took = took.map_or(Self::NONE, |it| nanoseconds(it).min(Self::NONE - 1));
        self.0.store(took, Ordering::Relaxed);
    }

    /// What it took.
    pub fn get(&self) -> Option<Duration> {
        let took = self.0.load(Ordering::Relaxed);
        (took != Self::NONE).then(|| Duration::from_nanos(took))
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(Self::NONE)))
    }
}

impl PartialEq for Latency {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Eq for Latency {}

/// What happened, as told to policies. A hint: the truth is in the [`View`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// First event of an instance.
    Started,
    /// The queue ran over: this many events are lost.
    Overflow(u64),
    /// A real server changed health.
    Health(HealthChange),
    /// Connections and stats of what it may see were read; the time since they were before.
    Stats(Duration),
    /// What became of a request by HTTP.
    Answered(HttpAnswer),
    /// The instance will be stopped in this time.
    Stopping(Duration),
}

/// An event with its number and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Without gaps within one instance.
    pub sequence: u64,
    /// Nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// What happened.
    pub event: Event,
}

/// How a statement enters the merge; evaluated in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intent {
    /// Instead of the base weight.
    Base(u32),
    /// Multiply the base weight, in thousandths; 1 or more.
    Scale(u32),
    /// At least this.
    Floor(u32),
    /// At most this; 1 or more.
    Cap(u32),
    /// 0, whatever others say.
    Drain,
}

/// One plugin's word on one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The real server.
    pub key: RealServerKey,
    /// What is wanted, within the grant.
    pub intent: Intent,
    /// How long it outlives the plugin, should that stop running.
    pub lease: Duration,
    /// For people and the log; at most [`crate::REASON_BYTES`].
    pub reason: String,
}

/// What a handler that returned ok wants done. At most one for each real server, for each
/// service, and for each entry of what it remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put this in the place of what the plugin held on that real server.
    Publish(Statement),
    /// Take back what it held.
    Withdraw(RealServerKey),
    /// Keep this value under this name for good; none = forget what is there.
    Note(String, Option<Vec<u8>>),
    /// Own this service, so; none = give it up.
    Own(ServiceKey, Option<OwnedService>),
    /// Ask this.
    Call(HttpCall),
}

/// What a policy remembers for good: values by their names.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// A statement that the grant did not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The real server.
    pub key: RealServerKey,
    /// What was wanted.
    pub intent: Intent,
    /// The statement's own, for people.
    pub reason: String,
    /// Why it was refused; names the key of the grant that would allow it.
    pub why: String,
}

/// What an instance wants to hear beside what always comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subscription {
    /// [`Event::Health`].
    pub health: bool,
    /// [`Event::Stats`], this often.
    pub stats_every: Option<Duration>,
    /// Kinds newer than the guest's interface. weir sends none yet.
    pub other: bool,
}

/// Which services a policy sees, and may say something about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Services {
    /// None.
    #[default]
    None,
    /// These.
    Named(BTreeSet<ServiceKey>),
    /// Every service.
    All,
}

impl Services {
    /// Whether `service` is among them.
    pub fn contains(&self, service: &ServiceKey) -> bool {
        match self {
            Self::None => false,
            Self::Named(keys) => keys.contains(service),
            Self::All => true,
        }
    }
}

/// What the operator lets a policy do; nothing, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyGrant {
    /// `grant.services`: which it sees.
    pub services: Services,
    /// `grant.weights.base`: whether it may set base weights, and which. What is outside is
    /// clamped.
    pub base: Option<RangeInclusive<u32>>,
    /// `grant.weights.scale`: whether it may scale, and how far, in thousandths. What is
    /// outside is clamped.
    pub scale: Option<RangeInclusive<u32>>,
    /// `grant.weights.floor`: whether it may set floors, and the highest. What is above is
    /// clamped.
    pub floor: Option<u32>,
    /// `grant.weights.cap`: whether it may set caps.
    pub cap: bool,
    /// `grant.weights.drain`: whether it may drain.
    pub drain: bool,
    /// `grant.state`: bytes that it may have kept for good.
    pub state_bytes: usize,
    /// `grant.structure`: which services it may own.
    pub structure: Option<StructureGrant>,
    /// `grant.http`: what it may ask of others.
    pub http: Vec<HttpRule>,
    /// `grant.secrets`: the files that hold them, by their names.
    pub secrets: BTreeMap<String, PathBuf>,
    /// `grant.lease`: of statements that name none, and the longest that may be named.
    pub lease: Duration,
}

impl PolicyGrant {
    /// What it leaves of a scale of `asked` thousandths; none = it allows no scale.
    pub fn scaled(&self, asked: u32) -> Option<u32> {
        let range = self.scale.as_ref()?;
        Some(asked.min(*range.end()).max(*range.start()).max(1))
    }
}

/// What an instance is made with: of a policy, a weigher or a guard.
#[derive(Clone)]
pub struct Settings {
    /// Its name in the configuration.
    pub instance: String,
    /// JSON text of an object; `{}` if there is none.
    pub config_json: String,
    /// What it may do.
    pub grant: PolicyGrant,
    /// What it may use.
    pub limits: Limits,
    /// Where its log goes.
    pub log: LogSink,
}

/// Why an instance is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Birth {
    /// First time.
    Fresh,
    /// The instance before was thrown away: why.
    Recovery(String),
}

/// Names and values that the configuration gives a service or a real server.
pub type Labels = BTreeMap<String, String>;

/// The labels of one service and of its real servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Its own.
    pub service: Labels,
    /// Those of the real servers that have any.
    pub servers: BTreeMap<Endpoint, Labels>,
}

/// What a policy can look at during one call: one moment, whatever happens meanwhile.
///
/// It is given back when the call ends: whoever made it can then change what it shares
/// without a copy.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The host's copy of the table.
    pub table: Arc<Table>,
    /// Health of the real servers that are checked.
    pub health: Arc<BTreeMap<RealServerKey, HealthReport>>,
    /// What has labels, by the service that it is or belongs to.
    pub labels: Arc<BTreeMap<ServiceKey, Labelled>>,
    /// What this instance holds.
    pub held: Vec<Statement>,
    /// What it remembers.
    pub state: Arc<Entries>,
    /// What it owns.
    pub owned: Arc<BTreeMap<ServiceKey, OwnedService>>,
    /// Its requests by HTTP that are not answered yet.
    pub calls_under_way: usize,
    /// `grant.changes`: how many statements of this call may say something new; none = any
    /// number.
    pub changes_left: Option<u32>,
    /// Nanoseconds since the Unix epoch.
    pub wall_ns: u64,
    /// Nanoseconds since an arbitrary moment.
    pub monotonic_ns: u64,
}

/// A running instance of a policy.
pub struct Policy {
    name: String,
    /// None once it failed: whatever it held is gone with it.
    running: Option<Running>,
    /// What the last call was refused.
    refusals: Vec<Refusal>,
}

pub(crate) struct Running {
    pub(crate) store: Store<PolicyState>,
    pub(crate) guest: Box<dyn Reacts>,
}

impl Policy {
    pub(crate) fn new(name: String, running: Running) -> Self {
        Self { name, running: Some(running), refusals: Vec::new() }
    }

    /// Hands over events, oldest first, with what there is to look at; what the guest
    /// wants, if it returns ok.
    ///
    /// After [`Failure::Trapped`] the instance is gone, and every further call fails. After
    /// [`Failure::Refused`] it goes on; nothing of that call takes effect.
    pub fn handle(&mut self, view: View, batch: &[Envelope]) -> Result<Vec<Effect>, Failure> {
        let Some(running) = &mut self.running else { return Err(self.gone()) };
        running.store.data_mut().look_at(view, true);
        let answer =
            guarded(&mut running.store, "handle", |store| running.guest.handle(store, batch));
        self.refusals = running.store.data_mut().take_refusals();
        let staged = running.store.data_mut().rest();
        match answer {
            Ok(Ok(())) => Ok(staged),
            Ok(Err(failure)) => Err(Failure::Refused {
                plugin: self.name.clone(),
                call: "handle",
                message: failure.message,
                retryable: failure.retryable,
            }),
            Err(failure) => {
                self.running = None;
                Err(failure)
            }
        }
    }

    /// What the last call wanted and its grant did not allow, whether or not it succeeded; the
    /// last of it on each real server.
    pub fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals)
    }

    fn gone(&self) -> Failure {
        Failure::Trapped(Box::new(Report {
            plugin: self.name.clone(),
            call: "handle",
            reason: "the instance failed before, and was thrown away".to_owned(),
            frames: Vec::new(),
            last_words: Vec::new(),
        }))
    }
}
