//! The ICMP check: an echo (RFC 792, RFC 4443).
//!
//! By a datagram socket, which Linux gives without privileges to the groups of
//! `net.ipv4.ping_group_range` (icmp(7)), or by a raw one, which needs CAP_NET_RAW.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io,
};

use socket2::{Protocol, Type};
use tokio::net::UdpSocket;

use super::{outcome::Outcome, socket, streams::Place, tcp::Deadline};

const HEADER_BYTES: usize = 8;

/// Longest header of IPv4, which raw sockets show, before ours and what we sent.
const PACKET_BYTES: usize = 60 + HEADER_BYTES + size_of::<Token>();

/// By which an echo is known to be ours.
type Token = [u8; 8];

/// An echo that comes back passes.
pub(super) async fn probe(place: Place, deadline: Deadline) -> Result<Outcome, Outcome> {
    // Ports mean nothing here.
    let place = Place { address: (place.address.ip(), 0).into(), ..place };
    let socket = open(place)?;
    let token = RandomState::new().build_hasher().finish().to_be_bytes();
    let is_v4 = place.address.is_ipv4();
    let echo = async {
        socket.send(&request(is_v4, token)).await?;
        let mut packet = [0; PACKET_BYTES];
        loop {
            let read = socket.recv(&mut packet).await?;
            if is_reply(is_v4, &packet[..read], token) {
                return Ok::<_, io::Error>(());
            }
        }
    };
    deadline.bound("waiting for the echo", echo).await?;
    Ok(Outcome::Pass)
}

fn open(place: Place) -> Result<UdpSocket, Outcome> {
    let protocol = if place.address.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let is_refused = |error: &io::Error| {
        matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EPROTONOSUPPORT))
    };
    match socket::packets(place, Type::DGRAM, protocol) {
        Err(error) if is_refused(&error) => {}
        opened => return Ok(opened?),
    }
    socket::packets(place, Type::RAW, protocol).map_err(|error| match is_refused(&error) {
        true => Outcome::unable(
            "ICMP is not permitted: add the group of weir to net.ipv4.ping_group_range, or give \
             it CAP_NET_RAW",
        ),
        false => error.into(),
    })
}

/// Datagram sockets put their own identifier in, and raw ones of IPv6 the checksum.
fn request(is_v4: bool, token: Token) -> Vec<u8> {
    let kind = if is_v4 { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0, token[0], token[1], 0, 1];
    packet.extend_from_slice(&token);
    if is_v4 {
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    packet
}

/// RFC 1071; the length is even.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks_exact(2).map(|it| u64::from(u16::from_be_bytes([it[0], it[1]])));
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Raw sockets of IPv4 show its header, and every ICMP message that the host sends.
fn is_reply(is_v4: bool, packet: &[u8], token: Token) -> bool {
    let is_raw = is_v4 && packet.first().is_some_and(|it| it >> 4 == 4);
    let header = if is_raw { usize::from(packet[0] & 0xf) * 4 } else { 0 };
    let Some(message) = packet.get(header..) else { return false };
    let kind = if is_v4 { 0 } else { 129 };
    message.first() == Some(&kind) && message.get(HEADER_BYTES..) == Some(&token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = *b"abcdefgh";

    #[test]
    fn a_request_has_a_checksum_that_sums_up_to_nothing() {
        assert_eq!(checksum(&request(true, TOKEN)), 0);
        assert_eq!(request(false, TOKEN)[..4], [128, 0, 0, 0]);
    }

    #[test]
    fn a_reply_is_ours_by_what_we_sent() {
        let reply = |kind: u8, before: &[u8], token: Token| {
            let mut packet = before.to_vec();
            packet.extend_from_slice(&[kind, 0, 1, 2, 3, 4, 0, 1]);
            packet.extend_from_slice(&token);
            packet
        };
        let header = [[0x45].as_slice(), &[0; 19]].concat();
        assert!(is_reply(true, &reply(0, &[], TOKEN), TOKEN));
        assert!(is_reply(true, &reply(0, &header, TOKEN), TOKEN));
        assert!(is_reply(false, &reply(129, &[], TOKEN), TOKEN));
        assert!(!is_reply(true, &reply(8, &header, TOKEN), TOKEN), "our own request");
        assert!(!is_reply(true, &reply(0, &[], *b"another!"), TOKEN));
        assert!(!is_reply(true, &[0x4f, 0], TOKEN));
        assert!(!is_reply(true, &[], TOKEN));
    }
}
