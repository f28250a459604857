//! What controllers own, and what they may: plain data. Making the table so is the host's.

use weir_ipvs::{Forwarding, PlannedService, Prefix, Protocol, ServiceKey};

/// A service that a controller has the host make and keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedService {
    /// For logs and grants; unique.
    pub name: String,
    /// As it should be, with all its real servers and their base weights.
    pub planned: PlannedService,
}

/// `grant.structure`: what a controller may own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StructureGrant {
    /// Virtual addresses; none, if empty.
    pub addresses: Vec<Prefix>,
    /// Their protocol; any, if none.
    pub protocol: Option<Protocol>,
    /// Their ports; any, if empty.
    pub ports: Vec<u16>,
    /// Addresses of real servers; any, if empty.
    pub real_servers: Vec<Prefix>,
    /// How many services.
    pub services_max: usize,
    /// How many real servers in each.
    pub servers_max: usize,
}

/// Weights of the kernel are signed, of 32 bits.
const WEIGHT_MAX: u32 = i32::MAX.unsigned_abs();

/// Bytes of the kernel's name of a scheduler, and of a persistence engine.
const MODULE_BYTES: usize = 15;

impl StructureGrant {
    /// Whether a service with this key may be owned.
    pub fn reaches(&self, key: &ServiceKey) -> bool {
        let ServiceKey::Address { protocol, endpoint } = key else { return false };
        let ports = &self.ports;
        self.protocol.is_none_or(|it| it == *protocol)
            && self.addresses.iter().any(|it| it.contains(endpoint.address))
            && (ports.is_empty() || ports.contains(&endpoint.port))
    }

    /// Whether all of `owned` may be so. Fails with a stable word, and with what is wrong, for
    /// people.
    pub fn check(&self, owned: &OwnedService) -> Result<(), (&'static str, String)> {
        let OwnedService { name, planned: PlannedService { service, servers } } = owned;
        let is_legal = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
        if !(1..=64).contains(&name.len()) || !name.chars().all(is_legal) {
            let message = "a name is 1 to 64 letters, digits, `.`, `_` or `-`";
            return Err(("invalid-name", format!("{message}: {name:?} is none")));
        }
        let key = &service.key;
        if !self.reaches(key) {
            let message = format!("service {key} is outside the plugin's grant.structure");
            return Err(("service-outside-grant", message));
        }
        let invalid = |message: String| ("invalid-service", format!("service {key}: {message}"));
        let is_module = |it: &str| {
            (1..=MODULE_BYTES).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_graphic())
        };
        if !is_module(&service.scheduler)
            || service.engine.as_deref().is_some_and(|it| !is_module(it))
        {
            let message = "expected 1 to 15 letters for a scheduler or an engine, such as wrr";
            return Err(invalid(message.to_owned()));
        }
        if let ServiceKey::Address { endpoint, .. } = key
            && endpoint.port == 0
            && service.persistence.is_none()
        {
            return Err(invalid("port 0, every port, needs persistence".to_owned()));
        }
        if servers.len() > self.servers_max {
            let (found, most) = (servers.len(), self.servers_max);
            let message = format!("{found} real servers, and grant.structure.servers is {most}");
            return Err(("too-many-servers", message));
        }
        for (endpoint, server) in servers {
            let invalid = |message: &str| invalid(format!("real server {endpoint}: {message}"));
            let allowed = &self.real_servers;
            if !allowed.is_empty() && !allowed.iter().any(|it| it.contains(endpoint.address)) {
                let message =
                    format!("real server {endpoint} is outside the plugin's grant.structure");
                return Err(("server-outside-grant", message));
            }
            if server.weight > WEIGHT_MAX {
                return Err(invalid("its weight is above 2147483647"));
            }
            if server.lower_threshold > server.upper_threshold {
                return Err(invalid("its lower threshold is above the upper one"));
            }
            let is_tunnel = server.forwarding == Forwarding::Tunnel;
            if !is_tunnel && endpoint.family() != key.family() {
                return Err(invalid("only tunnels cross address families"));
            }
            if let ServiceKey::Address { endpoint: virtual_endpoint, .. } = key
                && server.forwarding != Forwarding::Masquerade
                && endpoint.port != virtual_endpoint.port
            {
                return Err(invalid("only masquerading changes ports"));
            }
        }
        Ok(())
    }
}
