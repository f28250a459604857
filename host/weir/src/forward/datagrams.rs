//! A UDP socket of a service, which answers from the address that was asked.
//!
//! One that is bound to every address has to be told with each datagram which one that is
//! (`IP_PKTINFO` of ip(7), `IPV6_PKTINFO` of ipv6(7)).

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::AsRawFd as _,
};

use mio::net::UdpSocket;
use nix::{
    cmsg_space,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
        setsockopt, sockopt,
    },
};
use socket2::Type;
use weir_ipvs::Endpoint;

use super::listeners::bind;

/// A socket for the clients of a UDP service.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    endpoint: Endpoint,
}

/// Where a datagram came from and went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) bytes: usize,
    pub(super) client: SocketAddr,
    pub(super) local: IpAddr,
}

impl Datagrams {
    pub(super) fn bind(endpoint: Endpoint) -> io::Result<Self> {
        let socket = bind(endpoint, Type::DGRAM)?;
        if endpoint.address.is_unspecified() {
            match endpoint.address {
                IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
                IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
            }
        }
        Ok(Self { socket: UdpSocket::from_std(socket.into()), endpoint })
    }

    /// For the poller.
    pub(super) fn inner(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Receives one datagram into `buffer`.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Envelope> {
        if !self.endpoint.address.is_unspecified() {
            let (bytes, client) = self.socket.recv_from(buffer)?;
            return Ok(Envelope { bytes, client, local: self.endpoint.address });
        }
        let mut parts = [IoSliceMut::new(buffer)];
        let mut control = cmsg_space!(libc::in6_pktinfo);
        let received = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let client = received.address.and_then(socket_addr).ok_or(ErrorKind::InvalidData)?;
        let local = received.cmsgs()?.find_map(|it| match it {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into())
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
            }
            _ => None,
        });
        Ok(Envelope {
            bytes: received.bytes,
            client,
            local: local.unwrap_or(self.endpoint.address),
        })
    }

    /// Sends one datagram to a client, from the address `local`.
    pub(super) fn send(&self, bytes: &[u8], client: SocketAddr, local: IpAddr) -> io::Result<()> {
        if !self.endpoint.address.is_unspecified() {
            return self.socket.send_to(bytes, client).map(drop);
        }
        let (four, six);
        let control = match local {
            IpAddr::V4(local) => {
                four = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(local).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                ControlMessage::Ipv4PacketInfo(&four)
            }
            IpAddr::V6(local) => {
                six = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: local.octets() },
                    ipi6_ifindex: 0,
                };
                ControlMessage::Ipv6PacketInfo(&six)
            }
        };
        let client = SockaddrStorage::from(client);
        let (socket, parts) = (self.socket.as_raw_fd(), [IoSlice::new(bytes)]);
        sendmsg(socket, &parts, &[control], MsgFlags::empty(), Some(&client))?;
        Ok(())
    }
}

fn socket_addr(address: SockaddrStorage) -> Option<SocketAddr> {
    let four = address.as_sockaddr_in().map(|it| SocketAddrV4::from(*it).into());
    four.or_else(|| address.as_sockaddr_in6().map(|it| SocketAddrV6::from(*it).into()))
}
