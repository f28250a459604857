//! What all parts of a simulation act on, and the events by which they call each other.

use std::{collections::BTreeMap, time::Duration};

use weir_ipvs::{Endpoint, Fields, Ipvs as _, Scope};

use super::{
    agenda::Agenda,
    board::Board,
    clients::{Arrival, Attempt},
    judge::Changed,
    kernel::Kernel,
    scenario::{Outside, Scenario, ServerModel},
    server::{Server, Work},
    timeline::{Record, Timeline},
    traffic::ConnectionKey,
};
use crate::{health::StreamId, random::Random, store::Records};

/// Something that happens at its time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// Connections of clients begin.
    Arrive(Arrival),
    /// A connection that failed is tried again.
    Retry(Attempt),
    /// The client says again that it wants a connection; so many times it has already.
    Syn(ConnectionKey, u32),
    /// The client sends the next request.
    Request(ConnectionKey),
    /// The client closes.
    Close(ConnectionKey),
    /// The client has waited long enough, unless something came meanwhile.
    GiveUp(ConnectionKey),
    /// A server ends its work on a request.
    Finish(Endpoint, Work<Request>),
    /// A probe is due.
    Probe(Stream),
    /// What a controller asked is answered, by its number.
    Answer(u32, usize),
    /// A probe has waited long enough.
    ProbeTimeout(Stream, u32),
    /// A flapping server changes; the second number tells an order that was replaced.
    Flap(Endpoint, u32),
    /// Chaos strikes.
    Chaos(usize),
    /// What chaos did to a server ends.
    ChaosEnds(usize, Endpoint),
    /// A sample of the timeline is due.
    Sample,
}

/// A stream of probes of one run of weir.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    /// Which start of weir.
    pub(crate) run: u32,
    /// Of that run.
    pub(crate) id: StreamId,
}

/// What a server works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// A client's.
    Client(ConnectionKey),
    /// A probe of this check, by its number.
    Probe(Stream, u32),
}

/// See the module.
pub(crate) struct Stage {
    /// What is to happen.
    pub(crate) agenda: Agenda<Event>,
    /// The table.
    pub(crate) kernel: Kernel,
    /// What weir keeps on its disk.
    pub(crate) kept: Records,
    /// What others answer by HTTP, by what they are asked; nobody else is there.
    pub(crate) outside: BTreeMap<String, Outside>,
    /// The real servers.
    pub(crate) servers: Servers,
    /// What can be seen.
    pub(crate) board: Board,
    /// What changed since it was last looked at.
    pub(crate) changed: Changed,
    /// What happened.
    pub(crate) timeline: Timeline,
}

impl Stage {
    /// The time.
    pub(crate) fn now(&self) -> Duration {
        self.agenda.now()
    }

    /// Puts an event down, so much later.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.agenda.put(self.now().saturating_add(delay), event);
    }

    /// Adds what happens now to the timeline.
    pub(crate) fn note(&mut self, what: Record) {
        self.timeline.add(self.agenda.now(), what);
    }

    /// Gives a server a request to work on.
    pub(crate) fn take(&mut self, server: Endpoint, request: Request) {
        let work = self.servers.at(server).take(request);
        self.begin(server, work);
    }

    /// A server works on something.
    pub(crate) fn begin(&mut self, server: Endpoint, work: Option<Work<Request>>) {
        self.changed.traffic = true;
        if let Some(work) = work {
            self.after(work.takes, Event::Finish(server, work));
        }
    }

    /// Reads the table into the board.
    pub(crate) fn refresh(&mut self) {
        // Not through the faults of the kernel: this is what the table is, not what
        // someone is told.
        if let Ok(snapshot) = self.kernel.core.read(Scope::All, Fields::ALL) {
            self.board.read(&snapshot);
        }
        for (endpoint, server) in &self.servers.by_address {
            let waiting = u32::try_from(server.waiting()).unwrap_or(u32::MAX);
            self.board.waiting.insert(*endpoint, waiting);
        }
    }
}

/// The real servers, those that the scenario does not describe included: they answer at
/// once.
pub(crate) struct Servers {
    seed: u64,
    by_address: BTreeMap<Endpoint, Server<Request>>,
}

impl Servers {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut servers = Self { seed: scenario.seed, by_address: BTreeMap::new() };
        for model in &scenario.servers {
            servers.add(model.clone());
        }
        servers
    }

    /// The server at this address.
    pub(crate) fn at(&mut self, endpoint: Endpoint) -> &mut Server<Request> {
        if !self.by_address.contains_key(&endpoint) {
            self.add(ServerModel::immediate(endpoint));
        }
        self.by_address.get_mut(&endpoint).expect("it was added")
    }

    /// The server of which a check at this address is one: checks may have a port of their
    /// own, and what is wrong with a host is wrong with all its ports.
    pub(crate) fn checked_at(&self, address: Endpoint) -> Endpoint {
        let same_host = || {
            let mut ports = self.by_address.range(Endpoint { port: 0, ..address }..);
            ports.next().map(|it| *it.0).filter(|it| it.address == address.address)
        };
        if self.by_address.contains_key(&address) {
            return address;
        }
        same_host().unwrap_or(address)
    }

    fn add(&mut self, model: ServerModel) {
        let endpoint = model.endpoint;
        let random = Random::named(&format!("{} server {endpoint}", self.seed));
        self.by_address.insert(endpoint, Server::new(model, random));
    }
}
