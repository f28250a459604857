//! Connections of clients, from the first packet to the last: through the core to a real
//! server, and back.

use std::time::Duration;

use weir_embedded::{ConnectionId, Direction, Packet, Route, Signal, TcpFlags, Verdict};
use weir_ipvs::{Endpoint, Forwarding, Protocol, RealServerKey, ServiceKey};

use super::{
    board::Counts,
    clients::{Arrival, Attempt, Clients},
    scenario::{self, Scenario, Target},
    server::Reception,
    stage::{Event, Request, Stage},
};
use crate::random::Random;

/// A connection, for as long as it is open; the second number tells it from earlier ones
/// in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionKey {
    slot: usize,
    life: u32,
}

/// Bytes of packets, IP header included: of one without content, of a request with the
/// packet before it, and of an answer in [`ANSWER_PACKETS`].
const EMPTY_BYTES: u32 = 60;
const REQUEST_BYTES: u64 = 620;
const ANSWER_BYTES: u64 = 5200;
const ANSWER_PACKETS: u64 = 4;

/// When a client that hears nothing says again that it wants a connection, for the first
/// time; then it waits twice as long each time (RFC 6298, section 2.1).
const SYN_AGAIN: Duration = Duration::from_secs(1);

const SYN: TcpFlags = TcpFlags { syn: true, ack: false, fin: false, rst: false };
const SYN_ACK: TcpFlags = TcpFlags { ack: true, ..SYN };
const ACK: TcpFlags = TcpFlags { syn: false, ..SYN_ACK };
const FIN: TcpFlags = TcpFlags { fin: true, ..ACK };
const RST: TcpFlags = TcpFlags { rst: true, ..ACK };

/// See the module.
pub(crate) struct Traffic {
    clients: Vec<Clients>,
    /// By slot: how many were there, and the one that is.
    connections: Vec<(u32, Option<Connection>)>,
    free: Vec<usize>,
}

/// A connection as its client sees it.
#[derive(Debug, Clone, Copy)]
struct Connection {
    attempt: Attempt,
    source: Endpoint,
    /// Its way through the core, once it has one.
    path: Option<Path>,
    /// Whether there is an answer to wait for.
    is_waiting: bool,
    /// When the request was sent; of the first one, when it was first tried.
    asked: Duration,
    /// When the client gives up.
    deadline: Duration,
    /// When the client closes; known from its first answer on.
    closes: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Path {
    connection: ConnectionId,
    server: Endpoint,
    /// Whether replies come by way of IPVS.
    is_masqueraded: bool,
    /// Whether the server accepted it.
    is_accepted: bool,
}

impl Traffic {
    /// The clients of a scenario.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let clients = scenario.clients.iter().enumerate().map(|(number, model)| {
            let random = Random::named(&format!("{} clients {}", scenario.seed, model.name));
            Clients::new(number, model.clone(), random)
        });
        Self { clients: clients.collect(), connections: Vec::new(), free: Vec::new() }
    }

    /// Connections begin to come.
    pub(crate) fn begin(&mut self, stage: &mut Stage) {
        stage.board.clients = vec![Counts::default(); self.clients.len()];
        for number in 0..self.clients.len() {
            self.plan(stage, number);
        }
    }

    /// From now on they come so.
    pub(crate) fn change(&mut self, stage: &mut Stage, number: usize, arrival: scenario::Arrival) {
        self.clients[number].change(arrival, stage.now());
        self.plan(stage, number);
    }

    /// [`Event::Arrive`].
    pub(crate) fn arrive(&mut self, stage: &mut Stage, arrival: Arrival) {
        let clients = arrival.clients;
        if !self.clients[clients].expects(&arrival) {
            return;
        }
        for _ in 0..arrival.many {
            self.attempt(stage, Attempt { clients, tries: 0, began: stage.now() });
        }
        self.plan(stage, clients);
    }

    /// A client tries: [`Event::Retry`], and for the first time.
    pub(crate) fn attempt(&mut self, stage: &mut Stage, attempt: Attempt) {
        let clients = &mut self.clients[attempt.clients];
        let source = clients.source();
        let deadline = stage.now().saturating_add(clients.model.timeout);
        let asked = attempt.began;
        let key = self.open(Connection {
            attempt,
            source,
            path: None,
            is_waiting: true,
            asked,
            deadline,
            closes: None,
        });
        stage.agenda.put(deadline, Event::GiveUp(key));
        self.knock(stage, key, 0);
    }

    /// [`Event::Syn`]: a client asks for a connection, for the first time or again.
    pub(crate) fn knock(&mut self, stage: &mut Stage, key: ConnectionKey, again: u32) {
        let Some(connection) = self.get(key) else { return };
        let (attempt, source) = (connection.attempt, connection.source);
        if connection.path.is_some_and(|it| it.is_accepted) {
            return;
        }
        let Target { protocol, destination, mark } = self.clients[attempt.clients].model.target;
        let signal = first_signal(protocol);
        let bytes = EMPTY_BYTES;
        let packet = Packet { protocol, source, destination, mark, bytes, signal };
        stage.changed.traffic = true;
        let reception = match stage.kernel.core.receive(&packet) {
            Verdict::Forward(route) => self.forwarded(stage, key, route),
            Verdict::Refuse | Verdict::Pass => Reception::Refused,
            Verdict::Drop => Reception::Ignored,
        };
        match reception {
            Reception::Accepted if protocol == Protocol::Tcp => self.send_request(stage, key),
            // A datagram is its own request.
            Reception::Accepted => self.hand_over(stage, key),
            Reception::Refused | Reception::Unreachable => self.fail(stage, key),
            Reception::Ignored => {
                let delay = SYN_AGAIN.saturating_mul(1 << again.min(16));
                stage.after(delay, Event::Syn(key, again + 1));
            }
        }
    }

    /// [`Event::Request`]: a client sends one more request.
    pub(crate) fn ask(&mut self, stage: &mut Stage, key: ConnectionKey) {
        let Some(connection) = self.get(key) else { return };
        connection.is_waiting = true;
        connection.asked = stage.now();
        let number = connection.attempt.clients;
        let deadline = stage.now().saturating_add(self.clients[number].model.timeout);
        if let Some(connection) = self.get(key) {
            connection.deadline = deadline;
        }
        stage.agenda.put(deadline, Event::GiveUp(key));
        self.send_request(stage, key);
    }

    /// A server has answered.
    pub(crate) fn answered(&mut self, stage: &mut Stage, key: ConnectionKey, is_error: bool) {
        stage.changed.traffic = true;
        let now = stage.now();
        let Some(connection) = self.get(key) else { return };
        connection.is_waiting = false;
        let (clients, asked, closes) =
            (connection.attempt.clients, connection.asked, connection.closes);
        self.carry_out(stage, key, ACK, ANSWER_PACKETS, ANSWER_BYTES);
        if is_error {
            return self.fail(stage, key);
        }
        stage.board.clients[clients].latencies.push(now.saturating_sub(asked));
        let clients = &mut self.clients[clients];
        let closes = closes
            .unwrap_or_else(|| now.saturating_add(clients.model.lasting.draw(&mut clients.random)));
        let between = clients.model.requests_every;
        let next = between.map(|it| now.saturating_add(it.draw(&mut clients.random)));
        if let Some(connection) = self.get(key) {
            connection.closes = Some(closes);
        }
        match next.filter(|it| *it < closes) {
            Some(next) => stage.agenda.put(next, Event::Request(key)),
            None if closes <= now => self.close(stage, key),
            None => stage.agenda.put(closes, Event::Close(key)),
        }
    }

    /// [`Event::Close`]: a client is done.
    pub(crate) fn close(&mut self, stage: &mut Stage, key: ConnectionKey) {
        stage.changed.traffic = true;
        self.carry_in(stage, key, FIN, 1, EMPTY_BYTES.into());
        self.carry_out(stage, key, FIN, 1, EMPTY_BYTES.into());
        self.carry_in(stage, key, ACK, 1, EMPTY_BYTES.into());
        self.remove(key);
    }

    /// [`Event::GiveUp`].
    pub(crate) fn give_up(&mut self, stage: &mut Stage, key: ConnectionKey) {
        let now = stage.now();
        let is_over = |it: &mut Connection| it.is_waiting && it.deadline <= now;
        if self.get(key).is_some_and(is_over) {
            stage.changed.traffic = true;
            self.carry_in(stage, key, FIN, 1, EMPTY_BYTES.into());
            self.fail(stage, key);
        }
    }

    /// The process on `server` is gone, and its host resets its connections.
    pub(crate) fn reset(&mut self, stage: &mut Stage, server: Endpoint) {
        stage.changed.traffic = true;
        let keys: Vec<ConnectionKey> = (0..)
            .zip(&self.connections)
            .filter(|(_, (_, it))| {
                let path = it.as_ref().and_then(|it| it.path);
                path.is_some_and(|it| it.server == server && it.is_accepted)
            })
            .map(|(slot, (life, _))| ConnectionKey { slot, life: *life })
            .collect();
        for key in keys {
            self.carry_out(stage, key, RST, 1, EMPTY_BYTES.into());
            match self.get(key) {
                Some(it) if it.is_waiting => self.fail(stage, key),
                _ => self.remove(key),
            }
        }
    }

    /// The core chose a server for a connection.
    fn forwarded(&mut self, stage: &mut Stage, key: ConnectionKey, route: Route) -> Reception {
        let reception = stage.servers.at(route.server).receive();
        let is_masqueraded = route.forwarding == Forwarding::Masquerade;
        let Some(connection) = self.get(key) else { return reception };
        connection.path = Some(Path {
            connection: route.connection,
            server: route.server,
            is_masqueraded,
            is_accepted: reception == Reception::Accepted,
        });
        let clients = connection.attempt.clients;
        if route.is_new {
            let target = self.clients[clients].model.target;
            if let Some(service) = service_of(stage, target) {
                let key = RealServerKey { service, server: route.server };
                *stage.board.new.entry(key).or_default() += 1;
            }
        }
        match reception {
            Reception::Accepted => self.carry_out(stage, key, SYN_ACK, 1, EMPTY_BYTES.into()),
            Reception::Refused => self.carry_out(stage, key, RST, 1, EMPTY_BYTES.into()),
            _ => {}
        }
        reception
    }

    fn send_request(&mut self, stage: &mut Stage, key: ConnectionKey) {
        if self.carry_in(stage, key, ACK, 2, REQUEST_BYTES) == Carried::Through {
            self.hand_over(stage, key);
        }
    }

    fn hand_over(&mut self, stage: &mut Stage, key: ConnectionKey) {
        let Some(path) = self.get(key).and_then(|it| it.path) else { return };
        if stage.servers.at(path.server).is_connected() {
            stage.take(path.server, Request::Client(key));
        }
    }

    /// A try failed: there is another one, or that was the last.
    fn fail(&mut self, stage: &mut Stage, key: ConnectionKey) {
        let Some(attempt) = self.get(key).map(|it| it.attempt) else { return };
        self.remove(key);
        match self.clients[attempt.clients].retry(attempt) {
            Some((delay, attempt)) => stage.after(delay, Event::Retry(attempt)),
            None => stage.board.clients[attempt.clients].failures += 1,
        }
    }

    fn plan(&mut self, stage: &mut Stage, number: usize) {
        if let Some((at, arrival)) = self.clients[number].next(stage.now()) {
            stage.agenda.put(at, Event::Arrive(arrival));
        }
    }
}

/// Packets.
impl Traffic {
    /// Packets of a client pass the core.
    fn carry_in(
        &mut self,
        stage: &mut Stage,
        key: ConnectionKey,
        flags: TcpFlags,
        packets: u64,
        bytes: u64,
    ) -> Carried {
        let Some(connection) = self.get(key) else { return Carried::Lost };
        let (path, clients) = (connection.path, connection.attempt.clients);
        let Some(path) = path else { return Carried::Lost };
        let signal = self.signal(clients, flags);
        let Some(signal) = signal else { return Carried::Through };
        match stage.kernel.core.carry(path.connection, Direction::In, signal, packets, bytes) {
            Verdict::Forward(_) => Carried::Through,
            Verdict::Drop | Verdict::Refuse | Verdict::Pass => Carried::Lost,
        }
    }

    /// Packets of a server pass the core, if they come that way.
    fn carry_out(
        &mut self,
        stage: &mut Stage,
        key: ConnectionKey,
        flags: TcpFlags,
        packets: u64,
        bytes: u64,
    ) {
        let Some(connection) = self.get(key) else { return };
        let (path, clients) = (connection.path, connection.attempt.clients);
        if let Some(path) = path
            && path.is_masqueraded
            && let Some(signal) = self.signal(clients, flags)
            && stage.servers.at(path.server).is_connected()
        {
            stage.kernel.core.carry(path.connection, Direction::Out, signal, packets, bytes);
        }
    }

    /// What the core is told of a packet; none = the protocol has no such packet.
    fn signal(&self, clients: usize, flags: TcpFlags) -> Option<Signal> {
        match self.clients[clients].model.target.protocol {
            Protocol::Tcp => Some(Signal::Tcp(flags)),
            _ => (flags == ACK).then_some(Signal::Datagram),
        }
    }
}

/// What became of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    Through,
    /// The real server never sees them.
    Lost,
}

/// The places of connections.
impl Traffic {
    fn open(&mut self, connection: Connection) -> ConnectionKey {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.connections.push((0, None));
            self.connections.len() - 1
        });
        let place = &mut self.connections[slot];
        place.0 += 1;
        place.1 = Some(connection);
        ConnectionKey { slot, life: place.0 }
    }

    fn get(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        let place = self.connections.get_mut(key.slot)?;
        if place.0 == key.life { place.1.as_mut() } else { None }
    }

    fn remove(&mut self, key: ConnectionKey) {
        if self.get(key).is_some() {
            self.connections[key.slot].1 = None;
            self.free.push(key.slot);
        }
    }
}

fn first_signal(protocol: Protocol) -> Signal {
    if protocol == Protocol::Tcp { Signal::Tcp(SYN) } else { Signal::Datagram }
}

/// The service that a new connection belongs to, in the kernel's order: by mark, by address
/// and port, by address alone.
fn service_of(stage: &Stage, target: Target) -> Option<ServiceKey> {
    let Target { protocol, destination, mark } = target;
    let every_port = Endpoint { port: 0, ..destination };
    let by_mark = ServiceKey::Fwmark { mark, family: destination.family() };
    let keys = [
        by_mark,
        ServiceKey::from((protocol, destination)),
        ServiceKey::from((protocol, every_port)),
    ];
    keys.into_iter().find(|it| stage.board.table.contains_key(it))
}
