//! Sockets of probes, on the way that a check is to go.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpSocket, UdpSocket};

use super::streams::Place;

/// A TCP socket, not connected yet. It ends with a reset when it is dropped.
pub(super) fn stream(place: Place) -> io::Result<TcpSocket> {
    let socket = if place.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_zero_linger()?;
    prepare(&SockRef::from(&socket), place)?;
    Ok(socket)
}

/// A UDP socket that hears of this place alone, and of what the network says of it.
pub(super) fn datagrams(place: Place) -> io::Result<UdpSocket> {
    packets(place, Type::DGRAM, Protocol::UDP)
}

/// The same of any kind; the protocol is one of the place's address family.
pub(super) fn packets(place: Place, kind: Type, protocol: Protocol) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(place.address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    prepare(&SockRef::from(&socket), place)?;
    socket.connect(&place.address.into())?;
    UdpSocket::from_std(socket.into())
}

fn prepare(socket: &SockRef<'_>, place: Place) -> io::Result<()> {
    if let Some(mark) = place.mark {
        socket.set_mark(mark)?;
    }
    if let Some(source) = place.source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    Ok(())
}
