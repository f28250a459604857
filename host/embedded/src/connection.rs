//! One entry of the connection table: a connection, or a template that others follow.

use weir_ipvs::{Endpoint, Forwarding, Protocol};

use crate::{
    server::ServerId,
    states::{Side, State},
};

/// A connection or a persistence template (`struct ip_vs_conn`).
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Transport; 0 of the templates of marks.
    pub(crate) protocol: Protocol,
    /// Of a template the address is that of a group of clients, and the port 0.
    pub(crate) client: Endpoint,
    /// Where the client connects to. Of the templates of marks the address is the mark.
    pub(crate) virtual_address: Endpoint,
    /// Where it goes; 0.0.0.0:0 if around the real servers.
    pub(crate) server_address: Endpoint,
    /// None if it goes around the real servers.
    pub(crate) server: Option<ServerId>,
    /// As the real server had it when the connection began.
    pub(crate) forwarding: Forwarding,
    pub(crate) state: State,
    /// Ticks from the last packet until it expires.
    pub(crate) timeout: u32,
    /// Whether packets of the real server are seen: with masquerading, or once one was.
    pub(crate) answered: bool,
    /// The slot of the template that it follows.
    pub(crate) template: Option<u32>,
    /// How many follow it, if it is a template.
    pub(crate) followers: u32,
}

impl Connection {
    pub(crate) fn is_template(&self) -> bool {
        matches!(self.state, State::Template { .. })
    }

    /// Whether packets with these ends are of this connection. Not of a template: its
    /// client has no port, and packets without one are of no connection.
    pub(crate) fn carries(
        &self,
        protocol: Protocol,
        client: Endpoint,
        virtual_address: Endpoint,
    ) -> bool {
        self.client == client
            && self.virtual_address == virtual_address
            && self.protocol == protocol
            && client.port != 0
    }

    /// Whether replies with these ends are of this connection.
    pub(crate) fn answers(&self, protocol: Protocol, server: Endpoint, client: Endpoint) -> bool {
        let from = match self.forwarding {
            Forwarding::Masquerade => self.server_address,
            _ => self.virtual_address,
        };
        self.client == client && from == server && self.protocol == protocol
    }

    /// Where its packets go.
    pub(crate) fn destination(&self) -> Endpoint {
        if self.server.is_some() { self.server_address } else { self.virtual_address }
    }

    /// The side of a packet from the client.
    pub(crate) fn side_in(&self) -> Side {
        if self.answered { Side::In } else { Side::InOnly }
    }
}
