//! From a packet that is of no connection to a connection, or to none.

use weir_ipvs::{Endpoint, Forwarding, Protocol};

use crate::{
    connection::Connection,
    connections::ConnectionId,
    embedded::Embedded,
    packet::{Chunk, Direction, Packet, Signal},
    sched::Pick,
    server::ServerId,
    service::{FTP_DATA, ServiceId},
    states::{INITIAL_SECONDS, State},
    traffic::{Route, Verdict},
};

impl Embedded {
    /// Begins a connection with this packet, if it may.
    pub(crate) fn schedule(&mut self, packet: &Packet) -> Verdict {
        if !self.may_begin(packet) {
            return Verdict::Pass;
        }
        let found = self.services.of_packet(packet.protocol, packet.destination, packet.mark);
        match found {
            // Data connections of FTP come from this port, and their clients are servers.
            Some(_) if packet.source.port == FTP_DATA => Verdict::Pass,
            Some(id) if self.services[id].persistence.is_some() => {
                self.schedule_persistent(id, packet)
            }
            Some(id) => self.schedule_alone(id, packet),
            None => Verdict::Pass,
        }
    }

    fn may_begin(&self, packet: &Packet) -> bool {
        let sysctls = &self.settings.sysctls;
        match (packet.protocol, packet.signal) {
            (Protocol::Tcp, Signal::Tcp(flags)) => !flags.rst && (flags.syn || sysctls.sloppy_tcp),
            (Protocol::Sctp, Signal::Sctp(chunk)) => chunk == Chunk::Init || sysctls.sloppy_sctp,
            (Protocol::Udp, _) => true,
            _ => false,
        }
    }

    fn schedule_alone(&mut self, id: ServiceId, packet: &Packet) -> Verdict {
        let service = &self.services[id];
        let other_port = service.mark().is_none() && service.port() != packet.destination.port;
        let chosen = if other_port { None } else { self.choose(id, packet) };
        match chosen {
            Some(server) => self.connect(id, packet, server, None),
            None => self.refuse(id, packet),
        }
    }

    /// Asks the scheduler.
    pub(crate) fn choose(&mut self, id: ServiceId, packet: &Packet) -> Option<ServerId> {
        let random = self.random.next();
        let service = &mut self.services[id];
        service.scheduler.pick(&Pick {
            servers: self.servers.list(service.config.key.family(), &service.servers),
            generation: self.settings.generation,
            flags: service.config.flags,
            source: packet.source,
            destination: packet.destination,
            now: self.clock.now(),
            sysctls: &self.settings.sysctls,
            random,
        })
    }

    /// Begins a connection to this real server, by this template if any.
    pub(crate) fn connect(
        &mut self,
        id: ServiceId,
        packet: &Packet,
        server: ServerId,
        template: Option<u32>,
    ) -> Verdict {
        let service = &self.services[id];
        let one_packet = service.is_one_packet(packet.protocol);
        // Behind a template only the service's own port leads to the real server's.
        let own_port = template.is_none() || packet.destination.port == service.port();
        let to = self.servers[server].config.endpoint;
        let port = if own_port && to.port != 0 { to.port } else { packet.destination.port };
        let connection = self.connection(packet, Some(server), Endpoint { port, ..to }, template);

        self.bind(server, false);
        self.count(server, |counters| counters.count_connection());
        self.count(server, |counters| counters.count_in(1, packet.bytes.into()));
        if let Some(template) = template {
            self.connections.rearm(template, self.clock.tick());
        }
        if one_packet {
            self.unbind(server, &connection);
            return Verdict::Forward(one_packet_route(&connection));
        }
        if let Some(template) = template {
            self.connections[template].followers += 1;
        }
        self.begin(packet, connection)
    }

    /// There is nobody to connect to.
    pub(crate) fn refuse(&mut self, id: ServiceId, packet: &Packet) -> Verdict {
        let service = &self.services[id];
        let elsewhere = self.machine.is_unicast_elsewhere(packet.destination.address);
        if self.settings.sysctls.cache_bypass && service.mark().is_some() && elsewhere {
            let one_packet = service.is_one_packet(packet.protocol);
            return self.bypass(packet, one_packet);
        }
        // Whoever has the other ports of this address, they are not refused for FTP's sake.
        if service.is_ftp() && packet.destination.port != service.port() {
            return Verdict::Pass;
        }
        Verdict::Refuse
    }

    /// Begins a connection to where the packet goes anyway.
    fn bypass(&mut self, packet: &Packet, one_packet: bool) -> Verdict {
        let nowhere = Endpoint { address: packet.destination.family().unspecified(), port: 0 };
        let connection = self.connection(packet, None, nowhere, None);
        if one_packet {
            return Verdict::Forward(one_packet_route(&connection));
        }
        self.begin(packet, connection)
    }

    fn connection(
        &self,
        packet: &Packet,
        server: Option<ServerId>,
        server_address: Endpoint,
        template: Option<u32>,
    ) -> Connection {
        let forwarding =
            server.map_or(Forwarding::Bypass, |server| self.servers[server].config.forwarding);
        Connection {
            protocol: packet.protocol,
            client: packet.source,
            virtual_address: packet.destination,
            server_address,
            server,
            forwarding,
            state: State::new(packet.protocol),
            timeout: self.clock.ticks(INITIAL_SECONDS),
            answered: server.is_none() || forwarding == Forwarding::Masquerade,
            template,
            followers: 0,
        }
    }

    fn begin(&mut self, packet: &Packet, connection: Connection) -> Verdict {
        let slot = self.connections.insert(connection, self.clock.tick());
        self.pass(slot, Direction::In, packet.signal);
        Verdict::Forward(self.route(slot, true))
    }

    /// A connection or template leads to a real server from now on.
    pub(crate) fn bind(&mut self, server: ServerId, template: bool) {
        let server = &mut self.servers[server];
        *(if template { &mut server.persistent } else { &mut server.inactive }) += 1;
        self.settings.generation.bound(server, template);
    }

    /// This connection or template leads to the real server no more.
    pub(crate) fn unbind(&mut self, server: ServerId, connection: &Connection) {
        let server = &mut self.servers[server];
        *(match connection.state {
            State::Template { .. } => &mut server.persistent,
            state if state.is_active() => &mut server.active,
            _ => &mut server.inactive,
        }) -= 1;
        self.settings.generation.unbound(server, connection.is_template());
    }
}

/// The way of a packet whose connection has ended with it.
fn one_packet_route(connection: &Connection) -> Route {
    Route {
        connection: ConnectionId::GONE,
        server: connection.destination(),
        forwarding: connection.forwarding,
        is_new: true,
    }
}
