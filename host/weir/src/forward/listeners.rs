//! Where clients come in: a socket for each service that can have one.
//!
//! Follows the table change by change. A service whose address cannot be had is told of
//! once and tried again and again; the others do not notice.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use mio::net::TcpListener;
use socket2::{Domain, Socket, Type};
use weir_ipvs::{Change, Endpoint, Protocol, ServiceKey};

use super::{
    datagrams::Datagrams,
    means::{Means, Source},
};
use crate::report::Line;

/// Clients that may wait to be accepted; the kernel allows `net.core.somaxconn` at most.
const BACKLOG: i32 = 65_535;

/// Between two attempts to have the addresses that could not be had.
const RETRY: Duration = Duration::from_secs(2);

/// The sockets, and the services that have none.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// By a key that none has twice.
    open: BTreeMap<usize, Listener>,
    next_key: usize,
    services: BTreeMap<ServiceKey, State>,
    /// Why addresses could not be had, and when they are tried again.
    failing: BTreeMap<ServiceKey, String>,
    retry_at: Duration,
}

/// Where clients of one service come in.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) protocol: Protocol,
    /// As the service has it: the address may be the unspecified one.
    pub(super) endpoint: Endpoint,
    pub(super) socket: Incoming,
}

/// A socket for clients.
#[derive(Debug)]
pub(super) enum Incoming {
    Tcp(TcpListener),
    Udp(Datagrams),
}

/// How a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// By its own socket.
    Open(usize),
    /// By the socket of the service that has the same port of every address.
    Covered,
    /// By none: not yet, or never.
    Closed,
}

impl Listeners {
    /// Does what follows from a change to the table.
    pub(super) fn follow(&mut self, change: &Change, means: &mut Means) {
        match change {
            Change::AddService(service) => self.add(service.key, means),
            Change::DeleteService(key) => self.remove(*key, means),
            Change::Flush => self.clear(),
            _ => {}
        }
    }

    /// The socket with this key.
    pub(super) fn get(&self, key: usize) -> Option<&Listener> {
        self.open.get(&key)
    }

    /// The service that a client means who came to the address `local` of this listener: the
    /// one that has it, before the one that has every address.
    pub(super) fn service_of(&self, listener: &Listener, local: IpAddr) -> Endpoint {
        let exact = Endpoint { address: local, ..listener.endpoint };
        let key = ServiceKey::from((listener.protocol, exact));
        if self.services.contains_key(&key) { exact } else { listener.endpoint }
    }

    /// Tries again to have the addresses that could not be had.
    pub(super) fn retry(&mut self, means: &mut Means) {
        if self.retry_at <= means.now {
            for key in self.failing.keys().copied().collect::<Vec<_>>() {
                self.add(key, means);
            }
        }
    }

    /// When [`Listeners::retry`] is due.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        (!self.failing.is_empty()).then_some(self.retry_at)
    }

    /// Closes all of them.
    pub(super) fn clear(&mut self) {
        *self = Self { next_key: self.next_key, ..Self::default() };
    }

    fn add(&mut self, key: ServiceKey, means: &mut Means) {
        let state = match key {
            ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Udp, endpoint }
                if endpoint.port == 0 =>
            {
                let line = Line::error("not-forwarded").with("service", key);
                let line = line.with("reason", "no socket has every port");
                (means.log)(&line.with("remedy", "add a service for each port that is used"));
                State::Closed
            }
            ServiceKey::Address {
                protocol: protocol @ (Protocol::Tcp | Protocol::Udp),
                endpoint,
            } => {
                if self.is_covered(protocol, endpoint) {
                    State::Covered
                } else {
                    self.open(protocol, endpoint, means)
                }
            }
            ServiceKey::Address { .. } => {
                let line = Line::warn("not-forwarded").with("service", key);
                (means.log)(&line.with("reason", "the embedded backend forwards TCP and UDP"));
                State::Closed
            }
            ServiceKey::Fwmark { .. } => {
                let line = Line::warn("not-forwarded").with("service", key);
                let reason = "connections have no firewall mark in the embedded backend";
                (means.log)(&line.with("reason", reason));
                State::Closed
            }
        };
        self.services.insert(key, state);
    }

    fn remove(&mut self, key: ServiceKey, means: &mut Means) {
        self.failing.remove(&key);
        let Some(State::Open(open)) = self.services.remove(&key) else { return };
        let closed = self.open.remove(&open);
        if closed.is_some_and(|it| it.endpoint.address.is_unspecified()) {
            let covered =
                |(key, state): (&ServiceKey, &State)| (*state == State::Covered).then_some(*key);
            for key in self.services.iter().filter_map(covered).collect::<Vec<_>>() {
                self.add(key, means);
            }
        }
    }

    /// Whether the same port of every address is open.
    fn is_covered(&self, protocol: Protocol, endpoint: Endpoint) -> bool {
        let every = Endpoint { address: endpoint.family().unspecified(), port: endpoint.port };
        let state = self.services.get(&ServiceKey::from((protocol, every)));
        endpoint != every && matches!(state, Some(State::Open(_)))
    }

    fn open(&mut self, protocol: Protocol, endpoint: Endpoint, means: &mut Means) -> State {
        let key = ServiceKey::from((protocol, endpoint));
        match self.listen(protocol, endpoint, means) {
            Ok(socket) => {
                if self.failing.remove(&key).is_some() {
                    (means.log)(&Line::info("listening").with("service", key));
                }
                let key = self.next_key;
                self.next_key += 1;
                self.open.insert(key, Listener { protocol, endpoint, socket });
                State::Open(key)
            }
            Err(error) => {
                self.retry_at = means.now + RETRY;
                let reason = error.to_string();
                if self.failing.insert(key, reason.clone()).as_ref() != Some(&reason) {
                    let line = Line::error("listen-failed").with("service", key);
                    let line = line.with("reason", reason).with("remedy", remedy(&error));
                    (means.log)(&line.with("then", "tried again until it works"));
                }
                State::Closed
            }
        }
    }

    fn listen(
        &self,
        protocol: Protocol,
        endpoint: Endpoint,
        means: &Means,
    ) -> io::Result<Incoming> {
        let source = Source::Listener(self.next_key);
        if protocol == Protocol::Udp {
            let mut socket = Datagrams::bind(endpoint)?;
            means.watch(socket.inner(), source)?;
            return Ok(Incoming::Udp(socket));
        }
        let socket = bind(endpoint, Type::STREAM)?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        means.watch(&mut listener, source)?;
        Ok(Incoming::Tcp(listener))
    }
}

/// A socket that is bound to `endpoint`, and to nothing but it.
pub(super) fn bind(endpoint: Endpoint, kind: Type) -> io::Result<Socket> {
    let address = SocketAddr::from(endpoint);
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        // Connections of an earlier run may still be about.
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit it.
        socket.set_tcp_nodelay(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What people can do about an address that cannot be had.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrNotAvailable => "give this machine the address, as `ip address add` does",
        ErrorKind::AddrInUse => "stop what has the port; `ss -lntup` names it",
        ErrorKind::PermissionDenied => {
            "run weir with CAP_NET_BIND_SERVICE, or lower net.ipv4.ip_unprivileged_port_start"
        }
        _ => "the reason names what is wrong",
    }
}
