//! A network card whose wire this process holds.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
};

/// The largest frame that is looked at.
const FRAME_BYTES_MAX: usize = 2048;

/// A card of the network namespace in which it was made; it goes when dropped.
pub struct Tap {
    wire: File,
}

impl Tap {
    /// Makes the card with that name, in this thread's network namespace.
    pub fn open(name: &str) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let wire =
            options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        // SAFETY: all zeros is a request without name and flags.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        assert!(name.len() < request.ifr_name.len(), "{name} is too long for a card");
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        let flags = libc::IFF_TAP | libc::IFF_NO_PI;
        request.ifr_ifru.ifru_flags = flags.try_into().expect("both are small");
        // SAFETY: the descriptor is open, and the request is what TUNSETIFF takes.
        let result = unsafe { libc::ioctl(wire.as_raw_fd(), libc::TUNSETIFF, &raw const request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Self { wire }) }
    }

    /// Lets the card receive a frame. What the kernel does with it, it does meanwhile.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        (&self.wire).write_all(frame)
    }

    /// The next frame that the card has sent, if there is one.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut frame = vec![0; FRAME_BYTES_MAX];
        match (&self.wire).read(&mut frame) {
            Ok(length) => {
                frame.truncate(length);
                Ok(Some(frame))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
