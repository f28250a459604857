//! One netlink socket and what is said over it: sends, datagrams, sequence numbers.
//!
//! Knows messages by their netlink header alone. Every call is done when it returns: the
//! kernel works a request off inside the send, so its answers wait already.

use std::{io, os::fd::AsRawFd, time::Duration};

use neli::{
    consts::{
        nl::{NlmF, Nlmsg},
        socket::{Msg, NlFamily},
    },
    socket::NlSocket,
    utils::Groups,
};
use weir_ipvs::Error;

use crate::errno;

/// Length, type, flags, sequence number, port id.
const HEADER_BYTES: usize = 16;

/// Room for one datagram. Dumps come in chunks of at most 32 KiB, and what does not fit
/// is lost; twice that, for kernels to come.
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

/// What the kernel may queue for us. An acknowledgement counts as 900 bytes there; one of
/// each message in the largest batch has to fit, see [`Socket::answers_max`].
const RECEIVE_QUEUE_BYTES: libc::c_int = 2 * 1024 * 1024;

/// What may be sent at once; the kernel doubles it.
const SEND_QUEUE_BYTES: libc::c_int = 512 * 1024;

/// What an answer may cost of the receive queue: more than twice what was measured on
/// 6.1 and 6.12, for machines whose memory comes in larger pieces.
const ANSWER_BYTES: usize = 2048;

/// How long an answer may be waited for. It is ready when the send returns, so this only
/// ends the wait for one that never comes.
const DEADLINE: Duration = Duration::from_secs(5);

/// The socket.
pub(crate) struct Socket {
    socket: NlSocket,
    port_id: u32,
    sequence: u32,
    datagram: Box<[u8]>,
    send_max: usize,
    answers_max: usize,
}

/// Whether to wait for a datagram that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until the deadline.
    Deadline,
    /// Not at all.
    No,
}

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Of the request that it belongs to.
    pub(crate) sequence: u32,
    /// What it is.
    pub(crate) kind: Kind<'a>,
    /// The dump was disturbed by a change (`NLM_F_DUMP_INTR`).
    pub(crate) interrupted: bool,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A refusal, or 0: an acknowledgement.
    Answer(i32),
    /// The end of a dump, with the errno that ended it early, or 0.
    Done(i32),
    /// A reply, with everything behind the netlink header.
    Reply(&'a [u8]),
}

impl Socket {
    /// Opens it in the network namespace of this thread.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = NlSocket::connect(NlFamily::Generic, None, Groups::empty())?;
        hear_only_the_kernel(&socket)?;
        // Without this option every refusal carries the whole request back.
        set(&socket, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1)?;
        let receive_max =
            grow(&socket, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, RECEIVE_QUEUE_BYTES)?;
        let send_max = grow(&socket, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, SEND_QUEUE_BYTES)?;
        set_deadline(&socket)?;
        Ok(Self {
            port_id: socket.pid()?,
            socket,
            sequence: 0,
            datagram: vec![0; DATAGRAM_BYTES_MAX].into(),
            // The kernel keeps 32 bytes of the limit for itself.
            send_max: send_max.saturating_sub(64),
            answers_max: receive_max / ANSWER_BYTES,
        })
    }

    /// How many bytes may be sent at once.
    pub(crate) fn send_max(&self) -> usize {
        self.send_max
    }

    /// How many messages may be answered before the first answer is received, so that
    /// none is lost.
    pub(crate) fn answers_max(&self) -> usize {
        self.answers_max
    }

    /// Takes `count` sequence numbers in a row and returns the first.
    pub(crate) fn sequences(&mut self, count: u32) -> u32 {
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(count);
        first
    }

    /// Sends messages; the kernel has worked them off when this returns.
    pub(crate) fn send(&self, messages: &[u8]) -> Result<(), Error> {
        loop {
            match self.socket.send(messages, Msg::empty()) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(errno::of_io(&error)),
            }
        }
    }

    /// Receives one datagram.
    ///
    /// Fails with [`Error::NoAnswer`] if none came, and with `ENOBUFS`, once, if the
    /// kernel had to drop some.
    pub(crate) fn receive(&mut self, wait: Wait) -> Result<Messages<'_>, Error> {
        let flags = match wait {
            Wait::Deadline => Msg::TRUNC,
            Wait::No => Msg::TRUNC | Msg::DONTWAIT,
        };
        let length = loop {
            match self.socket.recv(&mut self.datagram, flags) {
                Ok((length, _)) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Error::NoAnswer);
                }
                Err(error) => return Err(errno::of_io(&error)),
            }
        };
        // With MSG_TRUNC the length is that of the datagram, not of what fitted.
        let Some(bytes) = self.datagram.get(..length) else {
            return Err(Error::Errno(libc::EMSGSIZE));
        };
        Ok(Messages { bytes, port_id: self.port_id })
    }

    /// Throws away what earlier requests have left in the queue, and so ends a dump that
    /// nobody reads.
    pub(crate) fn drain(&mut self) {
        while matches!(self.receive(Wait::No), Ok(_) | Err(Error::Errno(libc::ENOBUFS))) {}
    }
}

/// Appends a message; `body` writes what follows the netlink header.
pub(crate) fn put_message<E>(
    out: &mut Vec<u8>,
    kind: u16,
    flags: NlmF,
    sequence: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.bits().to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out)?;
    let length = u32::try_from(out.len() - start).expect("requests are short");
    out[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    Ok(())
}

/// The messages of one datagram that are for us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Messages<'a> {
    bytes: &'a [u8],
    port_id: u32,
}

impl<'a> Messages<'a> {
    #[cfg(test)]
    pub(crate) fn new(bytes: &'a [u8], port_id: u32) -> Self {
        Self { bytes, port_id }
    }

    /// The first message, whoever it is for, and how many bytes it takes.
    fn first(&self) -> Option<(u32, Option<Message<'a>>, usize)> {
        let (header, rest) = self.bytes.split_first_chunk::<HEADER_BYTES>()?;
        let word = |at: usize| {
            u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let length = usize::try_from(word(0)).ok()?;
        let payload = rest.get(..length.checked_sub(HEADER_BYTES)?)?;
        // An errno is the negative of its number; a missing one is no refusal.
        let errno = payload.first_chunk().map_or(0, |it| i32::from_ne_bytes(*it).wrapping_neg());
        let kind = match half(4) {
            kind if kind == u16::from(Nlmsg::Error) => Some(Kind::Answer(errno)),
            kind if kind == u16::from(Nlmsg::Done) => Some(Kind::Done(errno)),
            kind if kind == u16::from(Nlmsg::Noop) || kind == u16::from(Nlmsg::Overrun) => None,
            _ => Some(Kind::Reply(payload)),
        };
        let interrupted = NlmF::from_bits_truncate(half(6)).contains(NlmF::DUMP_INTR);
        let message = kind.map(|kind| Message { sequence: word(8), kind, interrupted });
        Some((word(12), message, length.next_multiple_of(4)))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (port_id, message, taken) = self.first()?;
            self.bytes = self.bytes.get(taken..).unwrap_or_default();
            if port_id == self.port_id
                && let Some(message) = message
            {
                return Some(message);
            }
        }
    }
}

/// Has the kernel refuse what other processes send to this socket: anybody may send to a
/// generic netlink socket, but not to one that is connected to port 0, the kernel.
fn hear_only_the_kernel(socket: &NlSocket) -> io::Result<()> {
    // SAFETY: sockaddr_nl is plain integers, for which zeros are valid: port 0, no group.
    let mut kernel: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    kernel.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).expect("AF_NETLINK is 16");
    let length = length_of::<libc::sockaddr_nl>();
    // SAFETY: the address is a sockaddr_nl of this length, and lives until the call returns.
    let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const kernel).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets a buffer's size past the system's limit, or up to it without the right to that,
/// and returns what it has become.
fn grow(
    socket: &NlSocket,
    force: libc::c_int,
    plain: libc::c_int,
    bytes: libc::c_int,
) -> io::Result<usize> {
    if set(socket, libc::SOL_SOCKET, force, bytes).is_err() {
        set(socket, libc::SOL_SOCKET, plain, bytes)?;
    }
    let mut size: libc::c_int = 0;
    let mut length = length_of::<libc::c_int>();
    // SAFETY: the option is an int, and length says how much room there is for it.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            plain,
            (&raw mut size).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(size).unwrap_or(0))
}

fn set_deadline(socket: &NlSocket) -> io::Result<()> {
    let deadline = libc::timeval {
        tv_sec: libc::time_t::try_from(DEADLINE.as_secs()).expect("a few seconds"),
        tv_usec: 0,
    };
    set(socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, deadline)
}

/// Sets an option; `T` must be the plain type that it takes.
fn set<T: Copy>(
    socket: &NlSocket,
    level: libc::c_int,
    option: libc::c_int,
    value: T,
) -> io::Result<()> {
    let length = length_of::<T>();
    // SAFETY: value is `length` bytes that live until the call returns; the kernel reads
    // no more of them.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("options and addresses are small")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(messages: &[(u16, u32, u32, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, sequence, port_id, payload) in messages {
            let start = out.len();
            put_message::<()>(&mut out, *kind, NlmF::empty(), *sequence, |out| {
                out.extend_from_slice(payload);
                Ok(())
            })
            .unwrap();
            out[start + 12..start + 16].copy_from_slice(&port_id.to_ne_bytes());
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    #[test]
    fn messages_for_others_and_control_messages_are_passed_over() {
        let refusal = (-libc::ESRCH).to_ne_bytes();
        let bytes = datagram(&[
            (2, 1, 7, &refusal),
            (2, 2, 8, &refusal),
            (1, 3, 7, &[]),
            (30, 4, 7, b"abcde"),
            (3, 4, 7, &[0; 4]),
        ]);
        let kinds: Vec<_> = Messages::new(&bytes, 7).map(|it| (it.sequence, it.kind)).collect();
        assert_eq!(
            kinds,
            [(1, Kind::Answer(libc::ESRCH)), (4, Kind::Reply(b"abcde")), (4, Kind::Done(0)),]
        );
    }

    #[test]
    fn a_cut_message_ends_the_datagram() {
        let bytes = datagram(&[(30, 1, 7, b"whole"), (30, 2, 7, b"cut off")]);
        for length in 0..bytes.len() - 1 {
            let count = Messages::new(&bytes[..length], 7).count();
            assert_eq!(count, usize::from(length >= 21), "{length} bytes");
        }
    }

    /// Sends acknowledged messages that do nothing, and receives until all are answered.
    fn answers(socket: &mut Socket, count: usize) -> Result<usize, Error> {
        let first = socket.sequences(u32::try_from(count).unwrap());
        let mut requests = Vec::new();
        for sequence in (first..).take(count) {
            let flags = NlmF::REQUEST | NlmF::ACK;
            put_message::<()>(&mut requests, 1, flags, sequence, |_| Ok(())).unwrap();
        }
        socket.send(&requests)?;
        let mut answered = 0;
        while answered < count {
            for message in socket.receive(Wait::No)? {
                assert_eq!(message.kind, Kind::Answer(0));
                assert_eq!(message.sequence, first + u32::try_from(answered).unwrap());
                answered += 1;
            }
        }
        Ok(answered)
    }

    #[test]
    fn as_many_answers_as_promised_are_kept() {
        let mut socket = Socket::open().unwrap();
        let most = socket.answers_max();
        assert!(most > 100, "{most}");
        assert_eq!(answers(&mut socket, most), Ok(most));
    }

    #[test]
    fn lost_answers_are_reported_once_and_what_is_left_can_be_drained() {
        let mut socket = Socket::open().unwrap();
        let most = socket.answers_max();
        assert_eq!(answers(&mut socket, most * 8), Err(Error::Errno(libc::ENOBUFS)));
        socket.drain();
        assert_eq!(answers(&mut socket, 3), Ok(3));
    }

    #[test]
    fn other_processes_are_not_heard() {
        let mut ours = Socket::open().unwrap();
        let theirs = NlSocket::connect(NlFamily::Generic, None, Groups::empty()).unwrap();
        let forged = datagram(&[(2, 0, ours.port_id, &[0; 4])]);
        // SAFETY: sockaddr_nl is plain integers, for which zeros are valid.
        let mut target: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        target.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap();
        target.nl_pid = ours.port_id;
        // SAFETY: both pointers are valid for the lengths given, until the call returns.
        let sent = unsafe {
            libc::sendto(
                theirs.as_raw_fd(),
                forged.as_ptr().cast(),
                forged.len(),
                0,
                (&raw const target).cast(),
                length_of::<libc::sockaddr_nl>(),
            )
        };
        assert_eq!(sent, -1, "the kernel should refuse it");
        assert_eq!(ours.receive(Wait::No).err(), Some(Error::NoAnswer));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let port_id = bytes.get(12..16).map_or(0, |it| u32::from_ne_bytes(it.try_into().unwrap()));
            prop_assert!(Messages::new(&bytes, port_id).count() <= bytes.len() / 16);
        }
    }
}
