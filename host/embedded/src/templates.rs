//! Persistence: templates, which lead a group of clients to the same real server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_ipvs::{Endpoint, Protocol};

use crate::{
    connection::Connection,
    embedded::Embedded,
    packet::Packet,
    server::ServerId,
    service::{Service, ServiceId},
    states::State,
    traffic::Verdict,
};

/// Of a template that no longer leads anywhere; no packet is for it.
const INVALID_PORT: u16 = 0xffff;

/// What templates are found by.
#[derive(Debug, Clone, Copy)]
struct TemplateKey {
    protocol: Protocol,
    clients: Endpoint,
    virtual_address: Endpoint,
}

impl Embedded {
    /// Begins a connection by the client's template, which is made if there is none, or none
    /// that leads anywhere.
    pub(crate) fn schedule_persistent(&mut self, id: ServiceId, packet: &Packet) -> Verdict {
        let service = &self.services[id];
        if service.config.engine.is_some() {
            // It looks for something in the packet, and there is nothing.
            return Verdict::Drop;
        }
        let key = TemplateKey::of(service, packet);
        let TemplateKey { protocol, clients, virtual_address } = key;
        let found = self
            .connections
            .find_template(protocol, clients, virtual_address)
            .and_then(|slot| Some((slot, self.led_to(slot)?)));
        let (template, server) = match found {
            Some(found) => found,
            None => match self.choose(id, packet) {
                Some(server) => (self.template(id, packet, key, server), server),
                None => return self.refuse(id, packet),
            },
        };
        self.connect(id, packet, server, Some(template))
    }

    /// The real server of a template. One whose real server is gone, or quiesced if that
    /// ends persistence, is never found again and lives on until it expires.
    fn led_to(&mut self, slot: u32) -> Option<ServerId> {
        let ends = self.settings.sysctls.expire_quiescent_template;
        let template = &mut self.connections[slot];
        let valid = template.server.filter(|server| {
            let server = &self.servers[*server];
            server.available && !(ends && server.config.weight == 0)
        });
        if valid.is_none() {
            template.virtual_address.port = INVALID_PORT;
            template.server_address.port = INVALID_PORT;
        }
        valid
    }

    fn template(
        &mut self,
        id: ServiceId,
        packet: &Packet,
        key: TemplateKey,
        server: ServerId,
    ) -> u32 {
        let service = &self.services[id];
        let config = &self.servers[server].config;
        let own_port = packet.destination.port == service.port() && !service.is_ftp();
        let template = Connection {
            protocol: key.protocol,
            client: key.clients,
            virtual_address: key.virtual_address,
            server_address: Endpoint {
                port: if own_port { config.endpoint.port } else { 0 },
                ..config.endpoint
            },
            server: Some(server),
            forwarding: config.forwarding,
            state: State::Template { assured: false },
            timeout: service.persistence.unwrap_or_default(),
            answered: false,
            template: None,
            followers: 0,
        };
        self.bind(server, true);
        self.connections.insert(template, self.clock.tick())
    }
}

impl TemplateKey {
    fn of(service: &Service, packet: &Packet) -> Self {
        let own_port = packet.destination.port == service.port();
        let clients = group(packet.source.address, service.config.netmask);
        let (protocol, address) = match service.mark() {
            Some(mark) if !own_port => {
                (Protocol::Other(0), mark_address(mark, packet.destination.address))
            }
            _ => (packet.protocol, packet.destination.address),
        };
        let port = if own_port && !service.is_ftp() { packet.destination.port } else { 0 };
        Self {
            protocol,
            clients: Endpoint { address: clients, port: 0 },
            virtual_address: Endpoint { address, port },
        }
    }
}

/// The group of clients that a client belongs to.
fn group(client: IpAddr, netmask: u32) -> IpAddr {
    match client {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address) & netmask).into(),
        IpAddr::V6(address) => {
            let host_bits = 128u32.saturating_sub(netmask);
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & mask).into()
        }
    }
}

/// A mark in the place of an address: in the first four bytes.
fn mark_address(mark: u32, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(mark).into(),
        IpAddr::V6(_) => Ipv6Addr::from(u128::from(mark) << 96).into(),
    }
}

#[cfg(test)]
mod tests;
