//! TCP connections, from accepted to closed.
//!
//! Every choice is the core's: it is told of each step as if it had seen the packets, and
//! says what becomes of them. Here are the sockets, the limit to how long real servers are
//! tried, and the care that each end learns what the other did.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io::{self, ErrorKind},
    time::Duration,
};

use mio::{event::Event, net::TcpStream};
use slab::Slab;
use socket2::SockRef;
use weir_embedded::{ConnectionId, Direction, Embedded, Verdict};
use weir_ipvs::Endpoint;

use super::{
    lane::{Admission, Arrival, Lane, Tools, Turn},
    means::{Means, Source},
    traffic,
};

/// Descriptors of a connection: one for its client, one for its real server.
pub(super) const ENDS: usize = 2;

/// How long real servers are tried before a client is let down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For one to accept; long enough for a SYN to be lost twice.
    pub(super) each: Duration,
    /// After this, no further one is tried.
    pub(super) total: Duration,
    /// How many are tried: more than are likely to be dead side by side.
    pub(super) attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { each: Duration::from_secs(4), total: Duration::from_secs(10), attempts: 8 }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// None = closed; the key is free when no event of this batch can name it any more.
    slots: Slab<Option<Connection>>,
    vacated: Vec<usize>,
    by_id: HashMap<ConnectionId, usize>,
    /// Attempts and when they are given up, in the order of time. Those that are over may
    /// be left in.
    attempts: VecDeque<(Duration, usize, ConnectionId)>,
    /// Those whose turn was cut short.
    yielded: BTreeSet<usize>,
    /// Those with something that the core holds back.
    held: BTreeSet<usize>,
    patience: Patience,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    client: TcpStream,
    server: TcpStream,
    /// The client's address.
    peer: Endpoint,
    service: Endpoint,
    /// None = a real server has accepted.
    search: Option<Search>,
    /// From the client to the real server.
    request: Lane,
    /// From the real server to the client.
    response: Lane,
}

/// The search for a real server that accepts.
#[derive(Debug, Clone, Copy)]
struct Search {
    since: Duration,
    attempts: u32,
    /// The one that is being tried.
    server: Endpoint,
}

/// One of a connection's two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

/// What a turn of its lanes made of a connection.
enum Fate {
    Open {
        /// There is more to do, after others had their turn.
        yields: bool,
        /// The core holds something back.
        is_held: bool,
    },
    /// Both ends have said their last.
    Close,
    /// This end was reset.
    Reset(End),
    /// The core knows the connection no more.
    Forget,
}

impl Connections {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.vacated.len()
    }

    /// Finds a real server for a client, whose descriptors are taken already.
    pub(super) fn accept(
        &mut self,
        mut client: TcpStream,
        peer: Endpoint,
        service: Endpoint,
        means: &mut Means,
    ) {
        let key = self.slots.vacant_key();
        let mut search = Search { since: means.now, attempts: 0, server: service };
        let Some((id, server)) = self.connect(key, peer, service, &mut search, means) else {
            reset(&client);
            return means.tools.descriptors.give(ENDS);
        };
        if let Err(error) = means.watch(&mut client, Source::Client(key)) {
            means.troubles.let_down(means.now, service, error);
            means.tell(id, Direction::In, traffic::RST, peer.family());
            reset(&client);
            return means.tools.descriptors.give(ENDS);
        }
        let (request, response) = (Lane::default(), Lane::default());
        let search = Some(search);
        self.slots.insert(Some(Connection {
            id,
            client,
            server,
            peer,
            service,
            search,
            request,
            response,
        }));
        self.follow(key, id, means);
    }

    /// Handles what happened to one end of the connection `key`.
    pub(super) fn handle(&mut self, key: usize, end: End, event: &Event, means: &mut Means) {
        let Some(Some(connection)) = self.slots.get_mut(key) else { return };
        if connection.search.is_some() && end == End::Server {
            return self.handle_answer(key, event, means);
        }
        let (from, to) = match end {
            End::Client => (&mut connection.request, &mut connection.response),
            End::Server => (&mut connection.response, &mut connection.request),
        };
        let ending = event.is_read_closed() || event.is_error();
        from.readable |= event.is_readable() || ending;
        from.ending |= ending;
        to.blocked &= !event.is_writable();
        // Where the end was read already, no read meets the reset behind it.
        if event.is_error() && (from.has_ended() || connection.search.is_some()) {
            return self.reset(key, end, means);
        }
        if connection.search.is_none() {
            self.proceed(key, means);
        }
    }

    /// Goes on with those whose turn was cut short.
    pub(super) fn resume(&mut self, means: &mut Means) {
        for key in std::mem::take(&mut self.yielded) {
            self.proceed(key, means);
        }
    }

    /// Whether [`Connections::resume`] has something to do.
    pub(super) fn has_yielded(&self) -> bool {
        !self.yielded.is_empty()
    }

    /// Shows the core again what it held back: the table has changed.
    pub(super) fn release(&mut self, means: &mut Means) {
        for key in std::mem::take(&mut self.held) {
            self.proceed(key, means);
        }
    }

    /// Gives up attempts that have taken too long.
    pub(super) fn expire_attempts(&mut self, means: &mut Means) {
        while self.next_deadline().is_some_and(|it| it <= means.now) {
            if let Some((_, key, _)) = self.attempts.pop_front() {
                self.try_another(key, &ErrorKind::TimedOut.into(), means);
            }
        }
    }

    /// When [`Connections::expire_attempts`] is due.
    pub(super) fn next_deadline(&mut self) -> Option<Duration> {
        while let Some(&(deadline, key, id)) = self.attempts.front() {
            let connection = self.slots.get(key).and_then(Option::as_ref);
            if connection.is_some_and(|it| it.search.is_some() && it.id == id) {
                return Some(deadline);
            }
            self.attempts.pop_front();
        }
        None
    }

    /// The core has forgotten a connection: so do its ends.
    pub(super) fn forget(&mut self, id: ConnectionId, means: &mut Means) {
        if let Some(&key) = self.by_id.get(&id) {
            self.discard(key, means);
        }
    }

    /// Resets every connection.
    pub(super) fn reset_all(&mut self, means: &mut Means) {
        let keys: Vec<usize> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.discard(key, means);
        }
    }

    /// Frees the keys of what was closed: the events that could name it are behind us.
    pub(super) fn sweep(&mut self) {
        for key in self.vacated.drain(..) {
            self.slots.remove(key);
        }
    }

    /// Has the core choose real servers until one can be dialled. None: nobody is left to
    /// choose, or patience has ended.
    fn connect(
        &self,
        key: usize,
        peer: Endpoint,
        service: Endpoint,
        search: &mut Search,
        means: &mut Means,
    ) -> Option<(ConnectionId, TcpStream)> {
        while search.attempts < self.patience.attempts
            && means.now.saturating_sub(search.since) < self.patience.total
        {
            let first = traffic::first(peer, service);
            let Verdict::Forward(route) = means.core.receive(&first) else {
                if search.attempts > 0 {
                    means.troubles.let_down(means.now, service, "no real server is left");
                }
                return None;
            };
            search.attempts += 1;
            search.server = route.server;
            let dialled = TcpStream::connect(route.server.into()).and_then(|mut server| {
                server.set_nodelay(true)?;
                means.watch(&mut server, Source::Server(key))?;
                Ok(server)
            });
            match dialled {
                Ok(server) => return Some((route.connection, server)),
                Err(error) => {
                    means.troubles.unreachable(means.now, service, route.server, error);
                    let (id, family) = (route.connection, peer.family());
                    means.tell(id, Direction::Out, traffic::RST, family);
                }
            }
        }
        means.troubles.let_down(means.now, service, "no real server accepts");
        None
    }

    /// Keeps the connection `key` under its new id, with a limit to the attempt it is in.
    fn follow(&mut self, key: usize, id: ConnectionId, means: &mut Means) {
        self.attempts.push_back((means.now + self.patience.each, key, id));
        // A client that uses its port again is the same connection to the core.
        if let Some(old) = self.by_id.insert(id, key).filter(|&old| old != key) {
            self.discard(old, means);
        }
    }

    /// Handles what the real server that is being tried says.
    fn handle_answer(&mut self, key: usize, event: &Event, means: &mut Means) {
        let Some(Some(connection)) = self.slots.get_mut(key) else { return };
        if event.is_error() || event.is_write_closed() {
            let error = connection.server.take_error().ok().flatten();
            let error = error.unwrap_or_else(|| ErrorKind::ConnectionRefused.into());
            if error.kind() != ErrorKind::ConnectionReset {
                return self.try_another(key, &error, means);
            }
            // It had accepted.
            let (id, family) = (connection.id, connection.peer.family());
            means.tell(id, Direction::Out, traffic::SYN_ACK, family);
            return self.reset(key, End::Server, means);
        }
        if !event.is_writable() {
            return;
        }
        connection.search = None;
        connection.response.readable = event.is_readable();
        connection.response.ending = event.is_read_closed();
        let (id, family) = (connection.id, connection.peer.family());
        means.tell(id, Direction::Out, traffic::SYN_ACK, family);
        means.tell(id, Direction::In, traffic::ACK, family);
        self.proceed(key, means);
    }

    /// The real server that was tried will not do: the core is told so, and chooses anew as
    /// for a client that tries again.
    fn try_another(&mut self, key: usize, error: &io::Error, means: &mut Means) {
        let Some(Some(connection)) = self.slots.get(key) else { return };
        let (peer, service, old) = (connection.peer, connection.service, connection.id);
        let Some(mut search) = connection.search else { return };
        means.troubles.unreachable(means.now, service, search.server, error);
        means.tell(old, Direction::Out, traffic::RST, peer.family());
        let next = self.connect(key, peer, service, &mut search, means);
        let Some(Some(connection)) = self.slots.get_mut(key) else { return };
        let Some((id, server)) = next else { return self.discard(key, means) };
        connection.id = id;
        connection.server = server;
        connection.search = Some(search);
        self.by_id.remove(&old);
        self.follow(key, id, means);
    }

    /// Moves what there is to move, and does what follows from it.
    fn proceed(&mut self, key: usize, means: &mut Means) {
        let Some(Some(connection)) = self.slots.get_mut(key) else { return };
        match connection.turn(&mut means.core, &mut means.tools) {
            Fate::Open { yields, is_held } => {
                if yields {
                    self.yielded.insert(key);
                }
                if is_held {
                    self.held.insert(key);
                }
            }
            Fate::Close => self.close(key, means),
            Fate::Reset(end) => self.reset(key, end, means),
            Fate::Forget => self.discard(key, means),
        }
    }

    /// One end was reset: the core is told, and the other end is reset too.
    fn reset(&mut self, key: usize, end: End, means: &mut Means) {
        let Some(Some(connection)) = self.slots.get(key) else { return };
        let (id, family) = (connection.id, connection.peer.family());
        means.tell(id, end.direction(), traffic::RST, family);
        self.discard(key, means);
    }

    /// Closes both ends so that they see a reset, not an end.
    fn discard(&mut self, key: usize, means: &mut Means) {
        if let Some(Some(connection)) = self.slots.get(key) {
            reset(&connection.client);
            reset(&connection.server);
        }
        self.close(key, means);
    }

    /// Closes both ends.
    fn close(&mut self, key: usize, means: &mut Means) {
        let Some(mut connection) = self.slots.get_mut(key).and_then(Option::take) else { return };
        connection.request.abandon(&mut means.tools);
        connection.response.abandon(&mut means.tools);
        if self.by_id.get(&connection.id) == Some(&key) {
            self.by_id.remove(&connection.id);
        }
        self.held.remove(&key);
        self.vacated.push(key);
        means.tools.descriptors.give(ENDS);
    }
}

impl Connection {
    /// Gives both lanes a turn.
    fn turn(&mut self, core: &mut Embedded, tools: &mut Tools) -> Fate {
        let (id, family) = (self.id, self.peer.family());
        let mut admit = |direction, arrival| {
            let (signal, volume) = match arrival {
                Arrival::Bytes(count) => (traffic::ACK, traffic::segments(family, count)),
                Arrival::End => (traffic::FIN, traffic::bare(family)),
            };
            match core.carry(id, direction, signal, volume.packets, volume.bytes) {
                Verdict::Forward(_) => Admission::Admit,
                Verdict::Drop => Admission::Hold,
                Verdict::Refuse | Verdict::Pass => Admission::Refuse,
            }
        };
        let is_last = self.response.is_closed();
        let asked = self
            .request
            .turn(&self.client, &self.server, is_last, tools, |it| admit(Direction::In, it));
        let is_last = self.request.is_closed();
        let answered = self
            .response
            .turn(&self.server, &self.client, is_last, tools, |it| admit(Direction::Out, it));
        match (asked, answered) {
            (Turn::SourceFailed, _) | (_, Turn::SinkFailed) => Fate::Reset(End::Client),
            (Turn::SinkFailed, _) | (_, Turn::SourceFailed) => Fate::Reset(End::Server),
            (Turn::Refused, _) | (_, Turn::Refused) => Fate::Forget,
            (Turn::Closed, Turn::Closed) => Fate::Close,
            turns => {
                let any = |turn| turns.0 == turn || turns.1 == turn;
                Fate::Open { yields: any(Turn::Yield), is_held: any(Turn::Held) }
            }
        }
    }
}

impl End {
    /// Of what this end sends.
    fn direction(self) -> Direction {
        match self {
            Self::Client => Direction::In,
            Self::Server => Direction::Out,
        }
    }
}

/// Lets the other side of `socket` see a reset when it is closed.
fn reset(socket: &TcpStream) {
    // Fails only on what is no socket any more.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
