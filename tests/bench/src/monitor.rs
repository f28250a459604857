//! What is asked of IPVS, as it passes: how much a program writes, whichever program it is.
//!
//! The kernel shows a namespace's netlink messages at a device for that, to which a packet
//! socket listens.

use std::{
    io::{self, Read as _},
    os::fd::AsRawFd as _,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

const DEVICE: &str = "monitor";

/// What waits to be counted: the messages of some minutes.
const WAITING_BYTES: libc::c_int = 64 << 20;

/// No message that is sent to IPVS is longer.
const MESSAGE_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Writes {
    /// Services and real servers that were added, edited or deleted.
    pub(crate) changes: usize,
    /// Messages that these came in.
    pub(crate) messages: usize,
}

pub(crate) struct Monitor {
    socket: Socket,
}

impl Monitor {
    /// Looks at this thread's network namespace from now on.
    pub(crate) fn start() -> Result<Self> {
        for arguments in [
            ["link", "add", DEVICE, "type", "nlmon"].as_slice(),
            ["link", "set", DEVICE, "up"].as_slice(),
        ] {
            let status = Command::new("ip").args(arguments).status();
            let status = status.context("cannot run ip, which is part of iproute2")?;
            ensure!(status.success(), "ip {}: {status}; is there nlmon?", arguments.join(" "));
        }
        let everything = Protocol::from(i32::from(0x0003_u16.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(everything))?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&requests_only())?;
        let waiting = WAITING_BYTES;
        // SAFETY: the value is an integer, as this option's is, and outlives the call.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const waiting).cast(),
                libc::socklen_t::try_from(size_of_val(&waiting))?,
            )
        };
        ensure!(result == 0, "a long queue: {}", io::Error::last_os_error());
        Ok(Self { socket })
    }

    /// What was written since the last call.
    pub(crate) fn writes(&self) -> Result<Writes> {
        let mut writes = Writes::default();
        let mut message = vec![0; MESSAGE_BYTES];
        loop {
            let length = match (&self.socket).read(&mut message) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(writes),
                Err(error) => return Err(error).context("messages were lost"),
            };
            let changes = changes(&message[..length]);
            writes.changes += changes;
            writes.messages += usize::from(changes > 0);
        }
    }
}

/// What lets a packet socket pass over answers: those to a dump are many and long.
fn requests_only() -> [SockFilter; 4] {
    /// The first byte of a header's flags, and what requests have in it.
    const FLAGS: u32 = 6;
    const REQUEST: u32 = 1;

    let step = |code, jf, k| SockFilter::new(code, 0, jf, k);
    // Load the byte; go on if it has the bit, or skip one; take all of it; take nothing.
    [step(0x30, 0, FLAGS), step(0x45, 1, REQUEST), step(0x06, 0, u32::MAX), step(0x06, 0, 0)]
}

/// How many changes of services and real servers one message holds.
///
/// Whatever family beyond the controller it is sent to: nobody else speaks to another in
/// the namespaces that are measured.
fn changes(mut message: &[u8]) -> usize {
    const CONTROLLER: u16 = 0x10;
    const REQUEST: u16 = 1;
    /// Of `include/uapi/linux/ip_vs.h`: new, set and delete, of services and destinations.
    const CHANGES: [u8; 6] = [1, 2, 3, 5, 6, 7];

    let mut count = 0;
    while let Some((header, rest)) = message.split_first_chunk::<16>() {
        let short = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        let command = rest.first().is_some_and(|it| CHANGES.contains(it));
        count += usize::from(short(4) > CONTROLLER && short(6) & REQUEST != 0 && command);
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(16).next_multiple_of(4);
        message = message.get(length..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of 20 bytes.
    fn message(kind: u16, flags: u16, command: u8) -> Vec<u8> {
        let mut bytes = 20_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([command, 1, 0, 0]);
        bytes
    }

    #[test]
    fn changes_are_counted_and_nothing_else() {
        assert_eq!(changes(&[]), 0);
        assert_eq!(changes(&message(0x20, 1, 6)), 1);
        assert_eq!(changes(&[message(0x20, 1, 6), message(0x20, 5, 7)].concat()), 2);
        assert_eq!(changes(&message(0x20, 0x301, 8)), 0, "a dump");
        assert_eq!(changes(&message(0x20, 2, 5)), 0, "part of an answer");
        assert_eq!(changes(&message(0x10, 5, 3)), 0, "asked of the controller");
        assert_eq!(changes(&message(2, 0, 0)), 0, "an acknowledgement");
    }
}
