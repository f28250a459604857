//! The connection table as it is shown.

use weir_ipvs::{Connection, Connections, Endpoint, Protocol};

use crate::{embedded::Embedded, states::State};

/// What is shown of an entry, in the room of a few words: a walk keeps the table as it was
/// when it began.
#[derive(Debug, Clone, Copy)]
struct Line {
    protocol: Protocol,
    client: Endpoint,
    virtual_address: Endpoint,
    server: Endpoint,
    state: State,
    expires_in: u32,
}

impl Embedded {
    pub(crate) fn list_connections(&self) -> Connections {
        let mut lines = Vec::with_capacity(self.connections.len());
        for (slot, it) in self.connections.iter() {
            let ticks = self.connections.expires(slot).saturating_sub(self.clock.tick());
            lines.push(Line {
                protocol: it.protocol,
                client: it.client,
                virtual_address: it.virtual_address,
                server: it.server_address,
                state: it.state,
                expires_in: self.clock.seconds(u32::try_from(ticks).unwrap_or(u32::MAX)),
            });
        }
        Box::new(lines.into_iter().map(|line| Ok(line.show())))
    }
}

impl Line {
    fn show(self) -> Connection {
        Connection {
            protocol: protocol_name(self.protocol),
            client: self.client,
            virtual_address: self.virtual_address,
            server: self.server,
            state: self.state.name().to_owned(),
            expires_in: self.expires_in,
            engine: None,
        }
    }
}

/// The kernel's word (`ip_vs_proto_name`).
fn protocol_name(protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => "TCP".to_owned(),
        Protocol::Udp => "UDP".to_owned(),
        Protocol::Sctp => "SCTP".to_owned(),
        Protocol::Other(0) => "IP".to_owned(),
        Protocol::Other(number) => format!("IP_{number}"),
    }
}
