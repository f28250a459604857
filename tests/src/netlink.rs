//! As much netlink as the tests need, byte by byte.

use std::{
    io,
    mem::size_of,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

pub const REQUEST: u16 = 0x1;
pub const ACK: u16 = 0x4;
pub const DUMP: u16 = 0x300;
pub const NESTED: u16 = 0x8000;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Attributes in order: kind without flags, and payload.
pub type Attributes = Vec<(u16, Vec<u8>)>;

/// A socket in the network namespace of the thread that opened it.
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    pub fn open(protocol: i32) -> io::Result<Self> {
        // SAFETY: socket takes no pointers.
        let fd = unsafe {
            libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just opened, and nobody else owns it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Sends one request and returns the payloads that answer it, up to the end of the
    /// dump or the acknowledgement.
    pub fn request(&self, kind: u16, flags: u16, payload: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let flags = REQUEST | flags | if flags & DUMP == 0 { ACK } else { 0 };
        let mut message = Vec::with_capacity(HEADER + payload.len());
        let length = u32::try_from(HEADER + payload.len()).expect("requests are short");
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(payload);
        // SAFETY: the buffer is valid for the length given.
        let sent =
            unsafe { libc::send(self.fd.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        self.answers()
    }

    fn answers(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut answers = Vec::new();
        let mut buffer = vec![0_u8; 64 << 10];
        loop {
            // SAFETY: the buffer is valid for the length given.
            let got = unsafe {
                libc::recv(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0)
            };
            let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
            let mut rest = &buffer[..got];
            while rest.len() >= HEADER {
                let length = number(rest) as usize;
                let payload = &rest[HEADER..length];
                match u16::from_ne_bytes([rest[4], rest[5]]) {
                    DONE => return Ok(answers),
                    ERROR => {
                        return match number(payload).cast_signed() {
                            0 => Ok(answers),
                            code => Err(io::Error::from_raw_os_error(-code)),
                        };
                    }
                    _ => answers.push(payload.to_vec()),
                }
                rest = &rest[aligned(length).min(rest.len())..];
            }
        }
    }
}

/// Appends an attribute.
pub fn put(message: &mut Vec<u8>, kind: u16, payload: &[u8]) {
    let length = u16::try_from(4 + payload.len()).expect("attributes are short");
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(payload);
    message.resize(aligned(message.len()), 0);
}

/// Splits a payload into its attributes, up to what is none.
pub fn attributes(mut payload: &[u8]) -> Attributes {
    const HEADER: usize = 2 * size_of::<u16>();
    let mut attributes = Vec::new();
    while payload.len() >= HEADER {
        let length = u16::from_ne_bytes([payload[0], payload[1]]).into();
        if !(HEADER..=payload.len()).contains(&length) {
            break;
        }
        let kind = u16::from_ne_bytes([payload[2], payload[3]]) & 0x3fff;
        attributes.push((kind, payload[4..length].to_vec()));
        payload = &payload[aligned(length).min(payload.len())..];
    }
    attributes
}

/// The first four bytes as a number of this machine.
pub fn number(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes[..4].try_into().expect("four bytes"))
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}
