//! Standard streams of a command, as the file descriptors they are.
//!
//! Not Rust's `stdin` and `stdout`, which buffer, lock, and hide a closed stream. A pipe
//! that nobody reads ends the process by SIGPIPE if the program has set that signal back
//! to its default, as `weir` does: Rust programs start with it ignored.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use weir_ipvs::error::errno_text;

use crate::READ_BYTES;

/// The three streams.
#[derive(Debug)]
pub struct Stdio {
    input: Stream,
    output: Stream,
    error: Stream,
}

#[derive(Debug)]
enum Stream {
    Inherited(RawFd),
    Owned(OwnedFd),
}

impl Stream {
    fn fd(&self) -> RawFd {
        match self {
            Self::Inherited(fd) => *fd,
            Self::Owned(fd) => fd.as_raw_fd(),
        }
    }
}

impl Stdio {
    /// The process's own: 0, 1 and 2.
    pub fn inherit() -> Self {
        Self {
            input: Stream::Inherited(libc::STDIN_FILENO),
            output: Stream::Inherited(libc::STDOUT_FILENO),
            error: Stream::Inherited(libc::STDERR_FILENO),
        }
    }

    /// These in the place of 0, 1 and 2.
    pub fn new(input: OwnedFd, output: OwnedFd, error: OwnedFd) -> Self {
        Self {
            input: Stream::Owned(input),
            output: Stream::Owned(output),
            error: Stream::Owned(error),
        }
    }

    /// What is there, at most `max` bytes and at most [`READ_BYTES`]; waits for the first.
    /// Empty = the end.
    pub(crate) fn read(&self, max: u32) -> Result<Vec<u8>, String> {
        let size = usize::try_from(max).map_or(READ_BYTES, |max| max.min(READ_BYTES));
        let mut buffer = vec![0; size];
        let fd = self.input.fd();
        let count = retried(|| {
            // SAFETY: `buffer` is valid for writes of its length during the call.
            unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }
        })?;
        buffer.truncate(count);
        Ok(buffer)
    }

    /// All of `bytes` to standard output.
    pub(crate) fn write_output(&self, bytes: &[u8]) -> Result<(), String> {
        write_all(self.output.fd(), bytes)
    }

    /// All of `bytes` to standard error.
    pub(crate) fn write_error(&self, bytes: &[u8]) -> Result<(), String> {
        write_all(self.error.fd(), bytes)
    }
}

fn write_all(fd: RawFd, mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        let count = retried(|| {
            // SAFETY: `bytes` is valid for reads of its length during the call.
            unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }
        })?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Calls until no signal cuts in: the limits of time of a command are signals.
fn retried(mut call: impl FnMut() -> isize) -> Result<usize, String> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        match std::io::Error::last_os_error().raw_os_error().unwrap_or(0) {
            libc::EINTR => {}
            errno => return Err(errno_text(errno)),
        }
    }
}
