//! UDP flows: a client's datagrams to the real server that the core chose, and back.
//!
//! A flow is a connection of the core's and ends with it. A datagram that was scheduled by
//! itself has none to end with: its answer is awaited for some time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use mio::net::UdpSocket;
use slab::Slab;
use socket2::{Domain, Socket, Type};
use weir_embedded::{ConnectionId, Direction, Route, Signal, Verdict};
use weir_ipvs::Endpoint;

use super::{
    datagrams::Envelope,
    listeners::{Incoming, Listeners},
    means::{Means, Source},
    traffic,
};

/// Datagrams that one socket moves before others have their turn.
const TURN_DATAGRAMS: usize = 64;

/// How long the answer to a datagram that was scheduled by itself may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_535;

/// All of them.
#[derive(Debug)]
pub(super) struct Flows {
    /// None = closed; the key is free when no event of this batch can name it any more.
    slots: Slab<Option<Flow>>,
    vacated: Vec<usize>,
    by_id: HashMap<ConnectionId, usize>,
    by_pair: HashMap<Pair, usize>,
    /// When flows of pairs end, in the order of time.
    answers: VecDeque<(Duration, Pair)>,
    /// Those whose turn was cut short.
    yielded: BTreeSet<usize>,
    buffer: Box<[u8]>,
}

/// A socket that is connected to a real server, for one client.
#[derive(Debug)]
struct Flow {
    socket: UdpSocket,
    pair: Pair,
    /// None for a datagram that was scheduled by itself.
    id: Option<ConnectionId>,
    service: Endpoint,
    /// Since it was last looked at; only of those without an id.
    is_used: bool,
}

/// Who sends to whom, and through which socket of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pair {
    listener: usize,
    local: IpAddr,
    client: SocketAddr,
    server: Endpoint,
}

impl Default for Flows {
    fn default() -> Self {
        Self {
            slots: Slab::new(),
            vacated: Vec::new(),
            by_id: HashMap::new(),
            by_pair: HashMap::new(),
            answers: VecDeque::new(),
            yielded: BTreeSet::new(),
            buffer: vec![0; DATAGRAM_BYTES].into(),
        }
    }
}

impl Flows {
    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.vacated.len()
    }

    /// Forwards what clients have sent to the listener `key`. Whether there may be more.
    pub(super) fn receive(&mut self, key: usize, listeners: &Listeners, means: &mut Means) -> bool {
        let Some(listener) = listeners.get(key) else { return false };
        let Incoming::Udp(socket) = &listener.socket else { return false };
        for _ in 0..TURN_DATAGRAMS {
            match socket.receive(&mut self.buffer) {
                Ok(envelope) => {
                    let service = listeners.service_of(listener, envelope.local);
                    self.forward(key, service, envelope, means);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                // Of one datagram; the next one may be a good one.
                Err(_) => {}
            }
        }
        true
    }

    /// Gives clients what the real server of the flow `key` has sent.
    pub(super) fn answer(&mut self, key: usize, listeners: &Listeners, means: &mut Means) {
        let Some(Some(flow)) = self.slots.get(key) else { return };
        let Some(Incoming::Udp(clients)) = listeners.get(flow.pair.listener).map(|it| &it.socket)
        else {
            return self.close(key, means);
        };
        for _ in 0..TURN_DATAGRAMS {
            let bytes = match flow.socket.recv(&mut self.buffer) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    means.troubles.unreachable(means.now, flow.service, flow.pair.server, error);
                    continue;
                }
            };
            let volume = traffic::reply(flow.service.family(), bytes);
            let goes_on = flow.id.is_none_or(|id| {
                let (packets, bytes) = (volume.packets, volume.bytes);
                let carried =
                    means.core.carry(id, Direction::Out, Signal::Datagram, packets, bytes);
                matches!(carried, Verdict::Forward(_))
            });
            if goes_on {
                // What the network has no room for is lost, as datagrams are.
                let _ = clients.send(&self.buffer[..bytes], flow.pair.client, flow.pair.local);
            }
        }
        self.yielded.insert(key);
    }

    /// Goes on with those whose turn was cut short.
    pub(super) fn resume(&mut self, listeners: &Listeners, means: &mut Means) {
        for key in std::mem::take(&mut self.yielded) {
            self.answer(key, listeners, means);
        }
    }

    /// Whether [`Flows::resume`] has something to do.
    pub(super) fn has_yielded(&self) -> bool {
        !self.yielded.is_empty()
    }

    /// The core has forgotten a connection.
    pub(super) fn forget(&mut self, id: ConnectionId, means: &mut Means) {
        if let Some(&key) = self.by_id.get(&id) {
            self.close(key, means);
        }
    }

    /// Waits no longer for answers that are overdue.
    pub(super) fn expire_answers(&mut self, means: &mut Means) {
        while let Some((_, pair)) = self.answers.pop_front_if(|(end, _)| *end <= means.now) {
            let Some(&key) = self.by_pair.get(&pair) else { continue };
            let Some(Some(flow)) = self.slots.get_mut(key) else { continue };
            if std::mem::take(&mut flow.is_used) {
                self.answers.push_back((means.now + ANSWER, pair));
            } else {
                self.close(key, means);
            }
        }
    }

    /// When [`Flows::expire_answers`] is due.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.answers.front().map(|(end, _)| *end)
    }

    /// Closes every flow.
    pub(super) fn clear(&mut self, means: &mut Means) {
        let keys: Vec<usize> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.close(key, means);
        }
    }

    /// Frees the keys of what was closed: the events that could name it are behind us.
    pub(super) fn sweep(&mut self) {
        for key in self.vacated.drain(..) {
            self.slots.remove(key);
        }
    }

    /// Forwards the datagram in the buffer.
    fn forward(
        &mut self,
        listener: usize,
        service: Endpoint,
        envelope: Envelope,
        means: &mut Means,
    ) {
        let packet = traffic::datagram(envelope.client.into(), service, envelope.bytes);
        // A client of a service that has nobody for it hears nothing: only the kernel can
        // tell it that the port is unreachable.
        let Verdict::Forward(route) = means.core.receive(&packet) else { return };
        let Envelope { client, local, bytes } = envelope;
        let pair = Pair { listener, local, client, server: route.server };
        let Some(key) = self.flow_of(&route, pair, service, means) else { return };
        let Some(Some(flow)) = self.slots.get(key) else { return };
        let datagram = &self.buffer[..bytes];
        if let Err(error) = flow.socket.send(datagram)
            && error.kind() != ErrorKind::WouldBlock
        {
            // The refusal of an earlier one, which is now told of: this one has not left.
            means.troubles.unreachable(means.now, service, route.server, error);
            let _ = flow.socket.send(datagram);
        }
    }

    /// The flow by which a datagram goes on, opened if there is none yet.
    fn flow_of(
        &mut self,
        route: &Route,
        pair: Pair,
        service: Endpoint,
        means: &mut Means,
    ) -> Option<usize> {
        let id = Some(route.connection).filter(|it| !it.is_gone());
        let open = match id {
            Some(id) => self.by_id.get(&id),
            None => self.by_pair.get(&pair),
        };
        if let Some(&key) = open
            && let Some(Some(flow)) = self.slots.get_mut(key)
        {
            if flow.pair == pair {
                flow.is_used = true;
                return Some(key);
            }
            // The service has been away and come back, with another socket.
            self.close(key, means);
        }
        self.open(id, pair, service, means)
    }

    fn open(
        &mut self,
        id: Option<ConnectionId>,
        pair: Pair,
        service: Endpoint,
        means: &mut Means,
    ) -> Option<usize> {
        if !means.take_descriptors(1) {
            return None;
        }
        let key = self.slots.vacant_key();
        let connected = connect(pair.server).and_then(|mut socket| {
            means.watch(&mut socket, Source::Flow(key))?;
            Ok(socket)
        });
        let socket = match connected {
            Ok(socket) => socket,
            Err(error) => {
                means.troubles.unreachable(means.now, service, pair.server, error);
                means.tools.descriptors.give(1);
                return None;
            }
        };
        match id {
            Some(id) => {
                self.by_id.insert(id, key);
            }
            None => {
                self.by_pair.insert(pair, key);
                self.answers.push_back((means.now + ANSWER, pair));
            }
        }
        self.slots.insert(Some(Flow { socket, pair, id, service, is_used: false }));
        Some(key)
    }

    fn close(&mut self, key: usize, means: &mut Means) {
        let Some(flow) = self.slots.get_mut(key).and_then(Option::take) else { return };
        match flow.id {
            Some(id) => self.by_id.remove(&id),
            None => self.by_pair.remove(&flow.pair),
        };
        self.vacated.push(key);
        means.tools.descriptors.give(1);
    }
}

fn connect(server: Endpoint) -> io::Result<UdpSocket> {
    let address = SocketAddr::from(server);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), None)?;
    socket.connect(&address.into()).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => {
            io::Error::other("no local port is left: widen net.ipv4.ip_local_port_range")
        }
        _ => error,
    })?;
    Ok(UdpSocket::from_std(socket.into()))
}
