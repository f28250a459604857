//! What becomes of a packet.
//!
//! Three ways in: packets of clients and of real servers as a machine in the middle sees
//! them, and packets of a connection whose name the driver kept. In the kernel's order
//! (`net/netfilter/ipvs/ip_vs_core.c`); what is not of a connection yet goes to
//! [`crate::schedule`].

use weir_ipvs::{Endpoint, Forwarding, Protocol};

use crate::{
    connections::ConnectionId,
    embedded::Embedded,
    packet::{Chunk, Direction, Packet, Signal, TcpFlags},
    server::ServerId,
    states::{Side, State, Tcp},
    stats::Counters,
};

/// The port of both ends of a key exchange, whose packets AH and ESP follow.
const ISAKMP: u16 = 500;
const ESP: u16 = 50;
const AH: u16 = 51;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to a real server, or to the client.
    Forward(Route),
    /// It is dropped, and the client told that the port is unreachable.
    Refuse,
    /// It is dropped, and nobody told.
    Drop,
    /// It is not for IPVS: no service has it, or it is of no connection and may not begin
    /// one. Without any service of its family, no packet is, not even of a connection. To
    /// [`Embedded::carry`] it says that the connection is no more: a packet from the client
    /// is to be given to [`Embedded::receive`] instead.
    Pass,
}

/// The way of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The connection; one of one-packet scheduling is gone already.
    pub connection: ConnectionId,
    /// The real server's address and port.
    pub server: Endpoint,
    /// How it gets there.
    pub forwarding: Forwarding,
    /// Whether the connection began with this packet.
    pub is_new: bool,
}

impl Embedded {
    /// A packet comes from a client, or from wherever else.
    pub fn receive(&mut self, packet: &Packet) -> Verdict {
        if !self.services.has_any(packet.destination.family()) {
            return Verdict::Pass;
        }
        let (packets, bytes) = (1, packet.bytes.into());
        self.connection_of(packet)
            .and_then(|slot| self.forward(slot, packet.signal, packets, bytes))
            .unwrap_or_else(|| self.schedule(packet))
    }

    /// A packet comes from a real server, or from this machine: [`Verdict::Forward`] if it is
    /// the reply of a masqueraded connection, to be sent on to its client, else
    /// [`Verdict::Pass`]. Replies of other connections go their own way; of those that come by
    /// here, a reset by this machine for one, IPVS takes note and lets them pass.
    pub fn reply(&mut self, packet: &Packet) -> Verdict {
        if !self.services.has_any(packet.destination.family()) {
            return Verdict::Pass;
        }
        let found = self.connections.find_reply(packet.protocol, packet.source, packet.destination);
        let Some(slot) = found else { return Verdict::Pass };
        let answered = self.answer(slot, packet.signal, 1, packet.bytes.into());
        match self.connections[slot].forwarding {
            Forwarding::Masquerade => answered,
            _ => Verdict::Pass,
        }
    }

    /// Packets of a connection pass, of which the last, or the only one that means anything,
    /// is `signal`: the quick way for a driver that keeps the connection's name and sees
    /// both directions, whatever the forwarding method. What comes from clients is judged
    /// as by [`Embedded::receive`].
    pub fn carry(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        signal: Signal,
        packets: u64,
        bytes: u64,
    ) -> Verdict {
        let Some(slot) = self.connections.slot(connection) else { return Verdict::Pass };
        if !self.services.has_any(self.connections[slot].client.family()) {
            return Verdict::Pass;
        }
        match direction {
            Direction::In => self.forward(slot, signal, packets, bytes).unwrap_or(Verdict::Pass),
            Direction::Out => self.answer(slot, signal, packets, bytes),
        }
    }

    /// The connection of a packet from a client.
    fn connection_of(&self, packet: &Packet) -> Option<u32> {
        let Packet { protocol, source, destination, .. } = *packet;
        let at = |port, endpoint: Endpoint| Endpoint { port, ..endpoint };
        match protocol {
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp => {
                self.connections.find(protocol, source, destination)
            }
            Protocol::Other(AH | ESP) => {
                self.connections.find(Protocol::Udp, at(ISAKMP, source), at(ISAKMP, destination))
            }
            Protocol::Other(_) => None,
        }
    }

    /// Packets of a connection go to its real server; none = they are to be treated as if
    /// there were no such connection, for it gives way or its real server is gone.
    fn forward(&mut self, slot: u32, signal: Signal, packets: u64, bytes: u64) -> Option<Verdict> {
        if self.gives_way(slot, signal) {
            self.connections.expire_soon(slot);
            return None;
        }
        if let Some(server) = self.connections[slot].server {
            if !self.servers[server].available {
                if !self.settings.sysctls.expire_nodest_conn {
                    return Some(Verdict::Drop);
                }
                self.connections.expire_soon(slot);
                return None;
            }
            self.count(server, |counters| counters.count_in(packets, bytes));
        }
        self.pass(slot, Direction::In, signal);
        Some(Verdict::Forward(self.route(slot, false)))
    }

    /// Packets of a connection go back to its client, even if its real server is gone.
    fn answer(&mut self, slot: u32, signal: Signal, packets: u64, bytes: u64) -> Verdict {
        if let Some(server) = self.connections[slot].server
            && self.servers[server].available
        {
            self.count(server, |counters| counters.count_out(packets, bytes));
        }
        self.pass(slot, Direction::Out, signal);
        Verdict::Forward(self.route(slot, false))
    }

    /// Whether a packet that begins a connection does so in the place of this one.
    fn gives_way(&self, slot: u32, signal: Signal) -> bool {
        let begins =
            matches!(signal, Signal::Tcp(TcpFlags { syn: true, .. }) | Signal::Sctp(Chunk::Init));
        if !begins {
            return false;
        }
        let (connection, sysctls) = (&self.connections[slot], &self.settings.sysctls);
        let quiesced = |server: ServerId| self.servers[server].config.weight == 0;
        if sysctls.expire_nodest_conn && connection.server.is_some_and(quiesced) {
            return true;
        }
        let unanswered = connection.state == State::Tcp(Tcp::FinWait) && !connection.answered;
        connection.template.is_none()
            && ((sysctls.conn_reuse_mode != 0 && connection.state.is_over())
                || (sysctls.conn_reuse_mode & 2 != 0 && unanswered))
    }

    /// A packet moves the state of its connection, and the timer begins again.
    pub(crate) fn pass(&mut self, slot: u32, direction: Direction, signal: Signal) {
        let connection = &mut self.connections[slot];
        let side = match direction {
            Direction::In => connection.side_in(),
            Direction::Out => Side::Out,
        };
        connection.answered |= direction == Direction::Out;
        let before = connection.state;
        let after = before.after(side, signal, self.settings.sysctls.secure_tcp);
        connection.state = after;
        if let Some(seconds) = after.seconds(&self.timeouts) {
            connection.timeout = self.clock.ticks(seconds);
        }
        if let Some(server) = connection.server {
            self.servers[server].move_connection(before.is_active(), after.is_active());
        }
        if let Some(template) = connection.template
            && after.assures(before, direction)
        {
            self.connections[template].state = State::Template { assured: true };
        }
        self.connections.rearm(slot, self.clock.tick());
    }

    /// Counts for the real server, its service, and all.
    pub(crate) fn count(&mut self, server: ServerId, count: impl Fn(&mut Counters)) {
        let server = &mut self.servers[server];
        count(&mut server.counters);
        if let Some(service) = self.services.get_mut(server.service) {
            count(&mut service.counters);
        }
        count(&mut self.totals);
        self.sampler.wake(&self.clock);
    }

    pub(crate) fn route(&self, slot: u32, is_new: bool) -> Route {
        let connection = &self.connections[slot];
        Route {
            connection: self.connections.id(slot),
            server: connection.destination(),
            forwarding: connection.forwarding,
            is_new,
        }
    }
}

#[cfg(test)]
mod tests;
