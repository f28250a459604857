//! What goes through the pipe: a question or an answer, each behind its length.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Longest frame in bytes. Host names end at 255 bytes and hosts have few addresses; what
/// is longer is not ours.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// `gethostbyaddr`; the answer is a name, or empty.
    Host(IpAddr),
    /// `getservbyport`, with a protocol; the answer is a name, or empty.
    PortName(u16, Vec<u8>),
    /// `gethostbyname2` with `AF_INET`; the answer is 4 bytes an address.
    Ipv4Addresses(Vec<u8>),
    /// `gethostbyname2` with `AF_INET6`; the answer is 16 bytes an address.
    Ipv6Addresses(Vec<u8>),
    /// `getservbyname`, service and protocol; the answer is a port in network order, or
    /// empty.
    Port(Vec<u8>, Vec<u8>),
}

impl Question {
    /// As bytes: a letter, then the words, the first of two ended by a NUL, which no name
    /// holds.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Host(IpAddr::V4(address)) => [b"h", &address.octets()[..]].concat(),
            Self::Host(IpAddr::V6(address)) => [b"h", &address.octets()[..]].concat(),
            Self::PortName(port, protocol) => [b"n", &port.to_be_bytes()[..], protocol].concat(),
            Self::Ipv4Addresses(host) => [b"4", &host[..]].concat(),
            Self::Ipv6Addresses(host) => [b"6", &host[..]].concat(),
            Self::Port(service, protocol) => [b"p", &protocol[..], b"\0", service].concat(),
        }
    }

    /// The question in these bytes; none if they are no question.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (letter, rest) = bytes.split_first()?;
        match letter {
            b'h' => address(rest).map(Self::Host),
            b'n' => {
                let (port, protocol) = rest.split_first_chunk()?;
                Some(Self::PortName(u16::from_be_bytes(*port), protocol.to_vec()))
            }
            b'4' => Some(Self::Ipv4Addresses(rest.to_vec())),
            b'6' => Some(Self::Ipv6Addresses(rest.to_vec())),
            b'p' => {
                let end = rest.iter().position(|&byte| byte == 0)?;
                Some(Self::Port(rest[end + 1..].to_vec(), rest[..end].to_vec()))
            }
            _ => None,
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let ipv4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).into());
    let ipv6 = || <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).into());
    ipv4.or_else(|_| ipv6()).ok()
}

/// Writes one frame.
pub fn write_frame(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_le_bytes(), frame].concat())
}

/// Reads one frame; none at the end of the stream.
pub fn read_frame(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame)?;
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(question: Question) {
        assert_eq!(Question::decode(&question.encode()), Some(question));
    }

    #[test]
    fn questions_survive_the_pipe() {
        check(Question::Host("192.0.2.1".parse().unwrap()));
        check(Question::Host("2001:db8::1".parse().unwrap()));
        check(Question::PortName(80, b"tcp".to_vec()));
        check(Question::Ipv4Addresses(b"a\xff.test".to_vec()));
        check(Question::Ipv6Addresses(Vec::new()));
        check(Question::Port(b"http".to_vec(), b"udp".to_vec()));
    }

    #[test]
    fn what_is_no_question_is_none() {
        for bytes in [&b""[..], b"x", b"h123", b"n1", b"pnothing"] {
            assert_eq!(Question::decode(bytes), None);
        }
    }

    #[test]
    fn frames_come_back_whole_and_then_end() {
        let mut stream = Vec::new();
        write_frame(&mut stream, b"one").unwrap();
        write_frame(&mut stream, b"").unwrap();
        let mut reader = &stream[..];
        assert_eq!(read_frame(&mut reader).unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(read_frame(&mut reader).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read_frame(&mut reader).unwrap(), None);
    }

    #[test]
    fn a_frame_without_measure_is_refused() {
        assert!(read_frame(&mut &[0xff, 0xff, 0xff, 0xff, 0][..]).is_err());
    }
}
