//! What tests of the core are written with: tables and packets in a few words.

use std::time::Duration;

use weir_ipvs::{
    Change, Endpoint, Error, Family, Fields, Forwarding, Ipvs, OnFailure, Protocol, RealServer,
    RealServerKey, RealServerStatus, Scope, Service, ServiceKey,
};

use crate::{ConnectionId, Direction, Embedded, Packet, Settings, Signal, TcpFlags, Verdict};

/// `tcp 192.0.2.1:80`, `udp [2001:db8::1]:53`, `fwmark 7`, `fwmark6 7`.
pub(crate) fn key(text: &str) -> ServiceKey {
    let (kind, rest) = text.split_once(' ').unwrap();
    let mark = |family| ServiceKey::Fwmark { mark: rest.parse().unwrap(), family };
    let protocol = match kind {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        "fwmark" => return mark(Family::V4),
        "fwmark6" => return mark(Family::V6),
        other => panic!("{other} is no kind of service"),
    };
    (protocol, endpoint(rest)).into()
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

/// Masqueraded, without thresholds.
pub(crate) fn server(text: &str, weight: u32) -> RealServer {
    RealServer::new(endpoint(text), Forwarding::Masquerade, weight)
}

/// `syn`, `syn+ack`, `fin+ack`; `datagram`.
pub(crate) fn signal(words: &str) -> Signal {
    let has = |flag| words.split('+').any(|it| it == flag);
    match words {
        "datagram" => Signal::Datagram,
        _ => Signal::Tcp(TcpFlags {
            syn: has("syn"),
            ack: has("ack"),
            fin: has("fin"),
            rst: has("rst"),
        }),
    }
}

/// A packet of 40 bytes, TCP unless a datagram, without a mark.
pub(crate) fn packet(source: &str, destination: &str, words: &str) -> Packet {
    let signal = signal(words);
    Packet {
        protocol: if signal == Signal::Datagram { Protocol::Udp } else { Protocol::Tcp },
        source: endpoint(source),
        destination: endpoint(destination),
        mark: 0,
        bytes: 40,
        signal,
    }
}

/// What a core does, in words.
impl Embedded {
    /// A core with this service and these real servers, the first of which is the newest.
    pub(crate) fn with(service: Service, servers: &[RealServer]) -> Self {
        Self::with_settings(Settings::default(), service, servers)
    }

    pub(crate) fn with_settings(
        settings: Settings,
        service: Service,
        servers: &[RealServer],
    ) -> Self {
        let mut core = Self::new(settings);
        let key = service.key;
        core.make(Change::AddService(service)).unwrap();
        for server in servers.iter().rev() {
            core.make(Change::AddServer(key, *server)).unwrap();
        }
        core
    }

    pub(crate) fn make(&mut self, change: Change) -> Result<(), Error> {
        let failures = self.apply(&[change], OnFailure::Stop);
        failures.into_iter().next().map_or(Ok(()), |failure| Err(failure.error))
    }

    pub(crate) fn delete(&mut self, service: ServiceKey, server: &str) {
        let key = RealServerKey { service, server: endpoint(server) };
        self.make(Change::DeleteServer(key)).unwrap();
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.advance(self.now() + Duration::from_secs(seconds));
    }

    pub(crate) fn status(&mut self, service: ServiceKey, server: &str) -> RealServerStatus {
        let snapshot = self.read(Scope::One(service), Fields::ALL).unwrap();
        let servers = &snapshot.entries[0].servers;
        *servers.iter().find(|it| it.config.endpoint == endpoint(server)).unwrap()
    }

    /// Active, inactive, persistent.
    pub(crate) fn counts(&mut self, service: ServiceKey, server: &str) -> (u32, u32, u32) {
        let status = self.status(service, server);
        (status.active, status.inactive, status.persistent)
    }

    /// Where a packet goes: the server, `pass`, `drop` or `refuse`.
    pub(crate) fn send(&mut self, packet: &Packet) -> String {
        words(self.receive(packet))
    }

    /// The connection that a packet begins.
    pub(crate) fn begun(&mut self, packet: &Packet) -> ConnectionId {
        match self.receive(packet) {
            Verdict::Forward(route) if route.is_new => route.connection,
            other => panic!("no connection began: {other:?}"),
        }
    }

    pub(crate) fn carry_one(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        signal: &str,
    ) -> String {
        words(self.carry(connection, direction, self::signal(signal), 1, 40))
    }

    /// The connection table, a line each: protocol, ends, state, seconds left.
    pub(crate) fn listed(&mut self) -> Vec<String> {
        let connections = self.connections().unwrap().map(Result::unwrap);
        let mut lines: Vec<_> = connections
            .map(|it| {
                format!(
                    "{} {} {} {} {} {}",
                    it.protocol, it.client, it.virtual_address, it.server, it.state, it.expires_in
                )
            })
            .collect();
        lines.sort();
        lines
    }
}

/// What becomes of a packet: the server, `pass`, `drop` or `refuse`.
pub(crate) fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Forward(route) => route.server.to_string(),
        Verdict::Refuse => "refuse".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Pass => "pass".to_owned(),
    }
}
