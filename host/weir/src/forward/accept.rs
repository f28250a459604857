//! Taking clients in, for as long as there are descriptors for them and their real servers.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
};

use mio::net::TcpListener;
use weir_ipvs::Endpoint;

use super::{
    connections::{Connections, ENDS},
    means::Means,
};

/// Clients that one listener takes in before others have their turn.
const TURN_CLIENTS: usize = 64;

/// What may be left in a listener's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Empty,
    More,
    /// More, for which there are no descriptors.
    Paused,
}

/// Takes in clients that wait at `socket`, which listens at `endpoint`; `service_of` knows
/// which service it is that has the address a client came to.
pub(super) fn accept(
    socket: &TcpListener,
    endpoint: Endpoint,
    service_of: impl Fn(IpAddr) -> Endpoint,
    connections: &mut Connections,
    means: &mut Means,
) -> Queue {
    for _ in 0..TURN_CLIENTS {
        if !means.take_descriptors(ENDS) {
            return Queue::Paused;
        }
        let error = match socket.accept() {
            Ok((client, peer)) => {
                let local = || client.local_addr().map(|it| it.ip());
                let service = match endpoint.address {
                    it if it.is_unspecified() => local().map_or(endpoint, &service_of),
                    _ => endpoint,
                };
                connections.accept(client, SocketAddr::into(peer), service, means);
                continue;
            }
            Err(error) => error,
        };
        means.tools.descriptors.give(ENDS);
        match error.kind() {
            ErrorKind::WouldBlock => return Queue::Empty,
            // Of a client that is gone already.
            ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
            // Too few descriptors, or too little memory, in the process or in the machine.
            _ => {
                means.pause();
                return Queue::Paused;
            }
        }
    }
    Queue::More
}
