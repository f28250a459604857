//! What one probe saw.

use std::{borrow::Cow, fmt, io, mem::discriminant};

use super::checker::{Checker, shortened};

/// What one probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server did what it should.
    Pass,
    /// It did, and will not for ever: what people should know.
    Warned(String),
    /// It did, and should get less: so many hundredths of its weight, and why.
    Degraded(u32, String),
    /// It did not.
    Fail(Cause),
    /// It could not be asked, and why: says nothing of the server, and counts as nothing.
    Indeterminate(Hindrance),
}

/// Why a server could not be asked, or nothing is known of it though it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// This machine could not.
    Machine(String),
    /// A checker or a command cannot tell, and says why.
    Unclear(String),
    /// This checker failed; the report.
    Failed(Checker, String),
    /// The checker is in shadow, and would say this.
    Shadow(Box<Outcome>),
}

impl Hindrance {
    /// The checker that failed, if that is it, in shadow or not.
    pub(super) fn failure(&self) -> Option<(&Checker, &str)> {
        match self {
            Self::Failed(checker, report) => Some((checker, report)),
            Self::Shadow(would) => would.failure(),
            Self::Machine(_) | Self::Unclear(_) => None,
        }
    }

    /// Whether it is the same in kind, so that there is nothing new to tell. What others say in
    /// their own words may be different each time, and still be the same.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Machine(why), Self::Machine(other)) => why == other,
            (Self::Shadow(would), Self::Shadow(other)) => match (&**would, &**other) {
                (Outcome::Indeterminate(why), Outcome::Indeterminate(other)) => why.is_alike(other),
                (would, other) => discriminant(would) == discriminant(other),
            },
            _ => discriminant(self) == discriminant(other),
        }
    }
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its host answered, nobody listens.
    Refused,
    /// The network says there is no way to it.
    Unreachable,
    /// Nothing in time, and during what; empty for the connection itself.
    Timeout(&'static str),
    /// The connection broke.
    Broken,
    /// What it said is not of the protocol.
    Protocol(Cow<'static, str>),
    /// It answered, and with something else than was expected.
    Content(String),
    /// Its certificate does not do.
    Certificate(String),
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
    pub(crate) const TIMED_OUT: Self = Self::Fail(Cause::Timeout(""));

    /// This machine could not ask.
    pub(crate) fn unable(why: impl Into<String>) -> Self {
        Self::Indeterminate(Hindrance::Machine(why.into()))
    }

    /// An answer that does not do.
    pub(crate) fn content(what: impl Into<String>) -> Self {
        Self::Fail(Cause::Content(what.into()))
    }

    /// No answer of the protocol.
    pub(super) fn protocol(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Fail(Cause::Protocol(what.into()))
    }

    /// Whether the server did what it should.
    pub(super) fn is_pass(&self) -> bool {
        matches!(self, Self::Pass | Self::Warned(_) | Self::Degraded(..))
    }

    /// The checker that failed, if one did, and its report.
    pub(super) fn failure(&self) -> Option<(&Checker, &str)> {
        match self {
            Self::Indeterminate(why) => why.failure(),
            _ => None,
        }
    }

    /// What it leaves of the weight, in hundredths.
    pub(super) fn percent(&self) -> u32 {
        if let Self::Degraded(percent, _) = self { *percent } else { 100 }
    }

    /// What people should know though it passes.
    pub(super) fn warning(&self) -> Option<&str> {
        if let Self::Warned(warning) = self { Some(warning) } else { None }
    }

    /// What it says of the server.
    pub(super) fn evidence(&self) -> Evidence {
        match self {
            Self::Pass | Self::Warned(_) | Self::Degraded(..) | Self::Indeterminate(_) => {
                Evidence::None
            }
            Self::Fail(Cause::Refused | Cause::Unreachable) => Evidence::Hard,
            Self::Fail(_) => Evidence::Soft,
        }
    }

    /// What this errno of a socket says.
    fn of_errno(errno: i32) -> Self {
        match errno {
            libc::EMFILE
            | libc::ENFILE
            | libc::ENOBUFS
            | libc::ENOMEM
            | libc::EADDRNOTAVAIL
            | libc::EADDRINUSE
            | libc::EPERM
            | libc::EACCES => Self::unable(weir_ipvs::error::errno_text(errno)),
            libc::ECONNREFUSED => Self::Fail(Cause::Refused),
            libc::ETIMEDOUT => Self::TIMED_OUT,
            libc::EHOSTUNREACH | libc::ENETUNREACH => Self::Fail(Cause::Unreachable),
            libc::ECONNRESET | libc::ECONNABORTED | libc::EPIPE => Self::Fail(Cause::Broken),
            other => Self::Fail(Cause::Errno(other)),
        }
    }
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for Outcome {
    fn from(error: &io::Error) -> Self {
        if let Some(errno) = error.raw_os_error() {
            return Self::of_errno(errno);
        }
        if let Some(tls) = error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
            return super::tls::failure(tls);
        }
        match error.kind() {
            // Where a library found the end, or a broken connection, by itself.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset => Self::Fail(Cause::Broken),
            _ => Self::protocol(error.to_string()),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass | Self::Warned(_) => f.write_str("passed"),
            Self::Degraded(percent, why) => write!(f, "degraded to {percent}%: {why}"),
            Self::Indeterminate(why) => why.fmt(f),
            Self::Fail(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(why) | Self::Unclear(why) => f.write_str(why),
            Self::Failed(_, report) => f.write_str(&shortened(report)),
            Self::Shadow(would) => write!(f, "it is in shadow, and would say: {would}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Timeout("") => f.write_str("timeout"),
            Self::Timeout(during) => write!(f, "timeout {during}"),
            Self::Broken => f.write_str("connection broken"),
            Self::Protocol(what) => f.write_str(what),
            Self::Content(what) => f.write_str(what),
            Self::Certificate(what) => write!(f, "certificate {what}"),
            Self::Errno(errno) => f.write_str(&weir_ipvs::error::errno_text(*errno)),
        }
    }
}
