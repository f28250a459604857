//! What a scenario says. Plain data: [`super::language`] makes it, the simulation does it.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use weir_ipvs::{Endpoint, Protocol, RealServerKey, ServiceKey};
use weir_wasm::HealthStatus;

use super::distribution::Distribution;
use crate::config::{Config, Files, Mode};

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// Its path, as it was given; relative paths in it start from its directory.
    pub(crate) path: PathBuf,
    /// What it is about: its first comment, or its name.
    pub(crate) title: String,
    /// Whence all that is random comes.
    pub(crate) seed: u64,
    /// When it ends; none = when all that has a time is over.
    pub(crate) duration: Option<Duration>,
    /// Between two samples of the timeline.
    pub(crate) sample: Duration,
    /// The configuration of weir; none = IPVS alone.
    pub(crate) config: Option<Config>,
    /// The table before weir starts: lines as `ipvsadm -S` writes them, with their numbers.
    pub(crate) table: Vec<(usize, String)>,
    /// Real servers that are described.
    pub(crate) servers: Vec<ServerModel>,
    /// Clients.
    pub(crate) clients: Vec<ClientsModel>,
    /// What happens and what is expected, in order.
    pub(crate) script: Vec<Step>,
    /// Names of services and real servers.
    pub(crate) names: Names,
}

/// What services and real servers are called in reports.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// Of services.
    pub(crate) services: BTreeMap<String, ServiceKey>,
    /// Of real servers.
    pub(crate) servers: BTreeMap<String, Endpoint>,
    /// What each service is called: the first of its names.
    called: BTreeMap<ServiceKey, String>,
}

impl Names {
    /// Gives a service a name.
    pub(crate) fn name_service(&mut self, name: &str, service: ServiceKey) {
        self.services.insert(name.to_owned(), service);
        self.called.entry(service).or_insert_with(|| name.to_owned());
    }

    /// A real server's name, or its address.
    pub(crate) fn server(&self, server: Endpoint) -> String {
        let named = self.servers.iter().find(|it| *it.1 == server);
        named.map_or_else(|| server.to_string(), |it| it.0.clone())
    }

    /// A service's name, or its key.
    pub(crate) fn service(&self, service: &ServiceKey) -> String {
        self.called.get(service).cloned().unwrap_or_else(|| service.to_string())
    }
}

/// A real server as it behaves while it is well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerModel {
    /// Its address.
    pub(crate) endpoint: Endpoint,
    /// How long it works on one request.
    pub(crate) service_time: Distribution,
    /// Requests it works on at one time; none = any number.
    pub(crate) workers: Option<u32>,
    /// Requests that wait for a worker; a connection beyond is not accepted.
    pub(crate) queue: u32,
}

impl ServerModel {
    /// Requests that wait, unless the scenario says: Linux's backlog of `listen`.
    pub(crate) const QUEUE: u32 = 4096;

    /// One that answers at once.
    pub(crate) fn immediate(endpoint: Endpoint) -> Self {
        let service_time = Distribution::Constant(Duration::ZERO);
        Self { endpoint, service_time, workers: None, queue: Self::QUEUE }
    }
}

/// Clients of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClientsModel {
    /// What they are called.
    pub(crate) name: String,
    /// Where they connect to.
    pub(crate) target: Target,
    /// When connections begin.
    pub(crate) arrival: Arrival,
    /// How long a connection stays open after its first answer.
    pub(crate) lasting: Distribution,
    /// Between an answer and the next request, while it is open; none = one request.
    pub(crate) requests_every: Option<Distribution>,
    /// How often a connection that failed is tried again.
    pub(crate) retries: u32,
    /// How long after it failed.
    pub(crate) retry_after: Distribution,
    /// How long they wait, for a connection as for an answer.
    pub(crate) timeout: Duration,
    /// Their addresses: any that begin with so many bits of this one.
    pub(crate) sources: (IpAddr, u32),
}

/// Where clients connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// TCP or UDP.
    pub(crate) protocol: Protocol,
    /// Address and port.
    pub(crate) destination: Endpoint,
    /// Firewall mark of their packets; 0 = none.
    pub(crate) mark: u32,
}

/// When connections begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Arrival {
    /// Never.
    Never,
    /// Evenly.
    Even(Rate),
    /// Each without regard to the others.
    Poisson(Rate),
    /// So many together, again and again.
    Bursts(u32, Duration),
    /// So many together, once.
    Once(u32),
}

/// Connections a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// At first.
    pub(crate) from: f64,
    /// In the end.
    pub(crate) to: f64,
    /// How long it changes from the one to the other.
    pub(crate) over: Duration,
}

impl Rate {
    /// The rate so long after it began.
    pub(crate) fn at(&self, elapsed: Duration) -> f64 {
        if elapsed >= self.over {
            return self.to;
        }
        self.from + (self.to - self.from) * (elapsed.as_secs_f64() / self.over.as_secs_f64())
    }
}

/// One line of the script.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Its line in the file.
    pub(crate) line: usize,
    /// It as it stands there, without the time before it.
    pub(crate) text: String,
    /// What it says.
    pub(crate) what: What,
}

/// What a line of the script says.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Go on at this time.
    At(Duration),
    /// Go on so long after where we are.
    After(Duration),
    /// Go on when this holds, at the latest so long after where we are; none = at any time.
    When(Fact, Option<Duration>),
    /// Something happens.
    Do(Action),
    /// Something is expected.
    Expect(Expectation),
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// To real servers.
    Servers(Vec<Endpoint>, Change),
    /// The agents of real servers say this from now on, or nothing.
    Agent(Vec<Endpoint>, Option<String>),
    /// A check says this of real servers, whatever it sees from now on.
    Verdict(Vec<Endpoint>, HealthStatus, String),
    /// To clients, by their number: connections begin so from now on.
    Arrive(usize, Arrival),
    /// weir is told to stop.
    Stop,
    /// weir is killed.
    Kill,
    /// weir is started, with another configuration if there is one.
    Start(Option<Box<Config>>),
    /// weir takes over another configuration, and whether that is confirmed. It may have
    /// mistakes.
    Reload(Files, bool),
    /// Changes of the table fail.
    Kernel(KernelFault),
    /// They succeed again.
    KernelRecovers,
    /// The next calls of a plugin trap, so many.
    Trap(String, u32),
    /// A plugin's file is replaced.
    Replace(String, PathBuf),
    /// An operator changes a plugin's mode.
    Mode(String, Mode),
    /// Someone calls ipvsadm.
    Ipvsadm(String),
    /// An operator takes real servers out of service, or puts them back.
    Order(Vec<RealServerKey>, Order),
    /// An operator freezes a service, or everything; or thaws it.
    Freeze(Option<ServiceKey>, bool),
    /// Others answer so when they are asked for this by HTTP.
    Outside(String, Outside),
    /// Real servers fail at random.
    Chaos(Chaos),
    /// A remark for the timeline.
    Note(String),
}

/// What others answer by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outside {
    /// A status and a body.
    Answers(u16, String),
    /// Nothing: why, for people.
    Fails(String),
}

/// What an operator orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// `weir drain`, with its options.
    Drain {
        /// `--deadline`.
        deadline: Option<Duration>,
        /// `--keep`.
        keep: bool,
        /// `--force`.
        force: bool,
    },
    /// `weir maintain`.
    Maintain {
        /// `--force`.
        force: bool,
    },
    /// `weir ready`.
    Ready,
}

/// What happens to a real server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// Something goes wrong.
    Fault(Fault),
    /// Everything is well again.
    Recover,
    /// It alternates between a fault and health, with the fault first.
    Flap {
        /// The fault.
        fault: Fault,
        /// How long it has it.
        down: Duration,
        /// How long it is well.
        up: Duration,
        /// For how long all together; none = to the end.
        lasting: Option<Duration>,
    },
}

/// What can be wrong with a real server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The process is gone: its host refuses connections, and those that were open break.
    Crash,
    /// Nothing reaches it, and nothing comes from it.
    Silence,
    /// Routers say that there is no way to it.
    Unreachable,
    /// Every request takes so many times as long.
    Slow(f64),
    /// Requests take this long.
    SlowTo(Distribution),
    /// This part of all requests is answered with an error.
    Errors(f64),
    /// The others are answered with this status.
    Answers(u16),
}

/// Changes of the table that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelFault {
    /// Which.
    pub(crate) calls: Calls,
    /// How.
    pub(crate) errno: i32,
    /// How often; none = until the kernel recovers.
    pub(crate) times: Option<u32>,
}

/// Calls of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Every change.
    Changes,
    /// Every look at the table.
    Reads,
    /// Adding a service.
    AddService,
    /// Editing a service.
    EditService,
    /// Deleting a service.
    DeleteService,
    /// Adding a real server.
    AddServer,
    /// Editing a real server.
    EditServer,
    /// Deleting a real server.
    DeleteServer,
}

/// Faults at random.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chaos {
    /// Who has them.
    pub(crate) servers: Vec<Endpoint>,
    /// Which.
    pub(crate) faults: Vec<Fault>,
    /// Between the starts of two.
    pub(crate) every: Distribution,
    /// How long each lasts.
    pub(crate) lasting: Distribution,
    /// How many servers have one at the same time.
    pub(crate) at_most: usize,
    /// For how long there are new ones; none = to the end.
    pub(crate) span: Option<Duration>,
}

/// Something that is expected.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    /// What.
    pub(crate) what: Expected,
    /// When.
    pub(crate) when: When,
}

/// What is expected.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// That something is so, or is not, while something else is so.
    Fact {
        /// What.
        fact: Fact,
        /// Whether it must be so.
        holds: bool,
        /// While this; none = always.
        guard: Option<Guard>,
    },
    /// A number that is counted over a time.
    Total(Total, Comparison),
    /// These writes one after the other, whatever comes between.
    Order(Vec<Write>),
    /// That each change of a weight by weir has a reason.
    Explained,
}

/// While what something is expected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Guard {
    /// While this is so of the same real server.
    Same(Claim),
    /// While this is so.
    Other(Fact),
}

/// When something is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Now.
    Now,
    /// At some moment from now on, until so much later.
    Within(Duration),
    /// From now on, for so long.
    For(Duration),
    /// From now on, to the end.
    UntilEnd,
}

/// Real servers. What is said of several is said of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Servers {
    /// Which; none = all that are in the table, one by one.
    pub(crate) which: Option<Vec<Endpoint>>,
    /// In which service; none = in every one that has them.
    pub(crate) service: Option<ServiceKey>,
}

/// Something that is so at a moment, or is not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    /// Of real servers.
    Servers(Servers, Claim),
    /// Of a service.
    Service(ServiceKey, ServiceNumber, Comparison),
}

/// Something said of a real server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Claim {
    /// A number it has.
    Number(ServerNumber, Comparison),
    /// What its checks say.
    Status(HealthStatus),
    /// Whether it is in the table.
    Present(bool),
    /// Its weight was last changed for a reason with this text in it.
    Reason(String),
}

impl Fact {
    /// Whether traffic alone can make it so, or not so.
    pub(crate) fn moves_with_traffic(&self) -> bool {
        matches!(self, Self::Servers(_, claim) if claim.moves_with_traffic())
    }
}

impl Claim {
    /// Whether traffic alone can make it so, or not so.
    pub(crate) fn moves_with_traffic(&self) -> bool {
        use ServerNumber as N;

        let Self::Number(number, _) = self else { return false };
        matches!(number, N::Active | N::Inactive | N::Connections | N::Waiting)
    }
}

/// Numbers of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerNumber {
    /// Its weight in the table; one that is not there has none.
    Weight,
    /// Active connections.
    Active,
    /// Inactive connections.
    Inactive,
    /// Both.
    Connections,
    /// Failed probes in a row.
    Failing,
    /// Requests that wait for a worker.
    Waiting,
}

/// Numbers of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceNumber {
    /// Real servers in the table.
    Servers,
    /// Those of a weight above 0.
    Eligible,
    /// Those whose checks pass.
    Up,
    /// All weights together.
    Weight,
}

/// Numbers that are counted over a time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Total {
    /// Changes that weir made to these, or to anything.
    Writes(Option<Written>),
    /// Lines of the log with this text in them.
    Log(String),
    /// New connections.
    New(Servers),
    /// The part of all new connections of its services.
    Share(Servers),
    /// Probes.
    Probes(Servers),
    /// How often weights that weir wrote began to fall after they rose, or to rise after
    /// they fell.
    Turns(Servers),
    /// Requests of clients, by their number, or of all.
    Requests(Option<usize>),
    /// Those that failed for good.
    Failures(Option<usize>),
    /// The time to an answer that so many of them stay at or below.
    Latency(Percentile, Option<usize>),
}

/// So many of all, in thousandths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Percentile(pub(crate) usize);

impl Percentile {
    /// All of them.
    pub(crate) const ALL: usize = 100_000;
}

/// To what writes are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// To real servers.
    Servers(Servers),
    /// To a service or any of its real servers.
    Service(ServiceKey),
}

/// One write of weir, for their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// A real server is added.
    Added(Endpoint),
    /// A real server is removed.
    Removed(Endpoint),
    /// A real server, new or not, gets this weight.
    Weight(Endpoint, u32),
}

/// What a number is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Comparison {
    /// `=`
    Is(f64),
    /// `!=`
    IsNot(f64),
    /// `<`
    Below(f64),
    /// `<=`
    AtMost(f64),
    /// `>`
    Above(f64),
    /// `>=`
    AtLeast(f64),
    /// `A..B`, both included.
    Between(f64, f64),
}

impl Comparison {
    /// Whether `value` compares so.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::Is(it) => value == it,
            Self::IsNot(it) => value != it,
            Self::Below(it) => value < it,
            Self::AtMost(it) => value <= it,
            Self::Above(it) => value > it,
            Self::AtLeast(it) => value >= it,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }

    /// Whether a number that only grows compares so never again, now that it is `value`.
    pub(crate) fn is_beyond(self, value: f64) -> bool {
        match self {
            Self::Is(it) | Self::AtMost(it) | Self::Between(_, it) => value > it,
            Self::Below(it) => value >= it,
            Self::IsNot(_) | Self::Above(_) | Self::AtLeast(_) => false,
        }
    }
}
