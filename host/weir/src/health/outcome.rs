//! What one probe saw.

use std::{fmt, io};

/// What one probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server did what it should.
    Pass,
    /// It did not.
    Fail(Cause),
    /// This machine could not ask (errno): says nothing of the server, and counts as
    /// nothing.
    Indeterminate(i32),
}

/// Why a probe failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its host answered, nobody listens.
    Refused,
    /// No answer in time.
    Timeout,
    /// The network says there is no way to it.
    Unreachable,
    /// The connection broke.
    Broken,
    /// The answer is no HTTP.
    NotHttp,
    /// The answer has a status that is not expected.
    Status(u16),
    /// Any other errno.
    Errno(i32),
}

/// How sure it is that a server takes no connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing says that it fails.
    #[default]
    None,
    /// Silence or a wrong answer: it may be overloaded, or the fault may be elsewhere.
    Soft,
    /// Refused or unreachable: clients get nothing from it either.
    Hard,
}

impl Outcome {
    pub(crate) const TIMED_OUT: Self = Self::Fail(Cause::Timeout);

    /// What it says of the server.
    pub(super) fn evidence(self) -> Evidence {
        match self {
            Self::Pass | Self::Indeterminate(_) => Evidence::None,
            Self::Fail(Cause::Refused | Cause::Unreachable) => Evidence::Hard,
            Self::Fail(_) => Evidence::Soft,
        }
    }
}

impl From<&io::Error> for Outcome {
    fn from(error: &io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        match errno {
            libc::EMFILE
            | libc::ENFILE
            | libc::ENOBUFS
            | libc::ENOMEM
            | libc::EADDRNOTAVAIL
            | libc::EPERM
            | libc::EACCES => Self::Indeterminate(errno),
            libc::ECONNREFUSED => Self::Fail(Cause::Refused),
            libc::ETIMEDOUT => Self::Fail(Cause::Timeout),
            libc::EHOSTUNREACH | libc::ENETUNREACH => Self::Fail(Cause::Unreachable),
            libc::ECONNRESET | libc::ECONNABORTED | libc::EPIPE => Self::Fail(Cause::Broken),
            other => Self::Fail(Cause::Errno(other)),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("passed"),
            Self::Indeterminate(errno) => f.write_str(&weir_ipvs::error::errno_text(*errno)),
            Self::Fail(cause) => match cause {
                Cause::Refused => f.write_str("refused"),
                Cause::Timeout => f.write_str("timeout"),
                Cause::Unreachable => f.write_str("unreachable"),
                Cause::Broken => f.write_str("connection broken"),
                Cause::NotHttp => f.write_str("not HTTP"),
                Cause::Status(status) => write!(f, "status {status}"),
                Cause::Errno(errno) => f.write_str(&weir_ipvs::error::errno_text(*errno)),
            },
        }
    }
}
