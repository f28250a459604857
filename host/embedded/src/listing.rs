//! The connection table as it is shown, page by page.

use std::vec;

use weir_ipvs::{Connection, Endpoint, Protocol};

use crate::{embedded::Embedded, states::State};

/// Where in the connection table a walk has come to. It begins with the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    /// The segment that comes next.
    segment: u32,
}

/// Some entries of the connection table, as they were at one moment: those of one segment,
/// which takes tens of microseconds, for which traffic waits.
#[derive(Debug)]
pub struct Page(vec::IntoIter<Line>);

/// What is shown of an entry, in the room of a few words.
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
    /// The next entries of the connection table, at times none; `None` when the walk is over.
    /// What comes and goes during a walk may be on a page or on none.
    pub fn connections_page(&self, cursor: &mut Cursor) -> Option<Page> {
        let entries = self.connections.segment(cursor.segment)?;
        cursor.segment += 1;
        let lines = entries.map(|(slot, it)| {
            let ticks = self.connections.expires(slot).saturating_sub(self.clock.tick());
            Line {
                protocol: it.protocol,
                client: it.client,
                virtual_address: it.virtual_address,
                server: it.server_address,
                state: it.state,
                expires_in: self.clock.seconds(u32::try_from(ticks).unwrap_or(u32::MAX)),
            }
        });
        Some(Page(lines.collect::<Vec<_>>().into_iter()))
    }
}

impl Iterator for Page {
    type Item = Connection;

    fn next(&mut self) -> Option<Connection> {
        self.0.next().map(Line::show)
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

#[cfg(test)]
mod tests {
    use weir_ipvs::{Ipvs as _, Service};

    use super::*;
    use crate::{
        arena::SEGMENT,
        testing::{key, packet, server},
    };

    fn dns() -> Embedded {
        let service = Service::new(key("udp 192.0.2.1:53"), "rr");
        Embedded::with(service, &[server("10.0.0.1:53", 1)])
    }

    fn ask(core: &mut Embedded, clients: std::ops::Range<u32>) {
        for client in clients {
            let source = format!("10.{}.{}.1:53", client >> 8, client & 255);
            core.receive(&packet(&source, "192.0.2.1:53", "datagram"));
        }
    }

    #[test]
    fn a_walk_of_many_pages_meets_every_entry_once() {
        let mut core = dns();
        assert_eq!(core.connections().unwrap().count(), 0);
        ask(&mut core, 0..3 * SEGMENT);
        let (mut cursor, mut found) = (Cursor::default(), Vec::new());
        while let Some(page) = core.connections_page(&mut cursor) {
            found.extend(page.map(|it| it.client));
            assert_eq!(found.len() % SEGMENT as usize, 0, "a page is a segment");
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 3 * SEGMENT as usize);
        assert_eq!(core.connections().unwrap().count(), found.len());
    }

    #[test]
    fn a_walk_goes_on_in_a_table_that_has_emptied() {
        let mut core = dns();
        ask(&mut core, 0..2 * SEGMENT);
        let mut cursor = Cursor::default();
        core.connections_page(&mut cursor).unwrap();
        core.wait(301);
        assert_eq!(core.connections_page(&mut cursor).unwrap().count(), 0);
        assert!(core.connections_page(&mut cursor).is_none());
    }
}
