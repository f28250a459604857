//! Why something did not happen.

/// A refusal by IPVS, or a failure to reach it. The kernel uses one errno for several
/// meanings; the backend tells them apart, once, by the operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// `ESRCH`.
    #[error("no such service")]
    NoSuchService,
    /// `EEXIST`.
    #[error("service already exists")]
    ServiceExists,
    /// `ENOENT` on a real server.
    #[error("no such real server")]
    NoSuchServer,
    /// `EEXIST` on a real server.
    #[error("real server already exists")]
    ServerExists,
    /// `ENOENT` on adding or editing a service: the scheduler or the persistence engine;
    /// the kernel does not say which.
    #[error("no such scheduler or persistence engine")]
    NoSuchModule,
    /// `EEXIST` on starting a sync daemon.
    #[error("sync daemon already runs")]
    DaemonRunning,
    /// `ESRCH` on stopping a sync daemon.
    #[error("sync daemon does not run")]
    DaemonNotRunning,
    /// `EPERM`: needs `CAP_NET_ADMIN` in the initial user namespace.
    #[error("not permitted: needs CAP_NET_ADMIN in the initial user namespace")]
    NotPermitted,
    /// `ENOPROTOOPT`: IPVS is not in this kernel, nor loadable.
    #[error("this kernel has no IPVS (module ip_vs), nor could it be loaded")]
    NoIpvs,
    /// Any other refusal, by its Linux errno.
    #[error("{text}", text = errno_text(*.0))]
    Errno(i32),
    /// No answer within the backend's deadline, and a re-read could not settle whether the
    /// change took place.
    #[error("no answer from the kernel")]
    NoAnswer,
    /// The operation was not tried, because an earlier one of the list failed.
    #[error("not tried, because an earlier change failed")]
    NotTried,
    /// A guard of weir's said no; says which, and why.
    #[error("{0}")]
    Rejected(String),
    /// IPVS is elsewhere, and the way there broke; says how.
    #[error("{0}")]
    Unreachable(String),
    /// What was asked cannot be said to this backend; says what.
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// The Linux errno of this error, positive. What carries none counts as `EINVAL` (22).
    pub fn errno(&self) -> i32 {
        match self {
            Self::NotPermitted | Self::Rejected(_) => 1,
            Self::NoSuchServer | Self::NoSuchModule => 2,
            Self::NoSuchService | Self::DaemonNotRunning => 3,
            Self::ServiceExists | Self::ServerExists | Self::DaemonRunning => 17,
            Self::NoIpvs => 92,
            Self::Errno(errno) => *errno,
            Self::NoAnswer | Self::NotTried | Self::Unreachable(_) | Self::Unsupported(_) => 22,
        }
    }
}

/// glibc's English words for `errno`, which other C libraries and Rust word differently.
/// Numbers that IPVS and netlink never give are `Unknown error N`, as glibc says it.
pub fn errno_text(errno: i32) -> String {
    let text = match errno {
        1 => "Operation not permitted",
        2 => "No such file or directory",
        3 => "No such process",
        4 => "Interrupted system call",
        5 => "Input/output error",
        6 => "No such device or address",
        7 => "Argument list too long",
        9 => "Bad file descriptor",
        11 => "Resource temporarily unavailable",
        12 => "Cannot allocate memory",
        13 => "Permission denied",
        14 => "Bad address",
        16 => "Device or resource busy",
        17 => "File exists",
        19 => "No such device",
        20 => "Not a directory",
        21 => "Is a directory",
        22 => "Invalid argument",
        23 => "Too many open files in system",
        24 => "Too many open files",
        26 => "Text file busy",
        27 => "File too large",
        28 => "No space left on device",
        29 => "Illegal seek",
        30 => "Read-only file system",
        32 => "Broken pipe",
        34 => "Numerical result out of range",
        38 => "Function not implemented",
        71 => "Protocol error",
        75 => "Value too large for defined data type",
        88 => "Socket operation on non-socket",
        90 => "Message too long",
        92 => "Protocol not available",
        93 => "Protocol not supported",
        95 => "Operation not supported",
        97 => "Address family not supported by protocol",
        98 => "Address already in use",
        99 => "Cannot assign requested address",
        100 => "Network is down",
        101 => "Network is unreachable",
        105 => "No buffer space available",
        110 => "Connection timed out",
        111 => "Connection refused",
        113 => "No route to host",
        _ => return format!("Unknown error {errno}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_the_number_of_the_kernel() {
        let check = |error: Error, errno: i32| assert_eq!(error.errno(), errno, "{error}");
        check(Error::NoSuchService, 3);
        check(Error::DaemonNotRunning, 3);
        check(Error::NoSuchServer, 2);
        check(Error::NoSuchModule, 2);
        check(Error::ServiceExists, 17);
        check(Error::NotPermitted, 1);
        check(Error::NoIpvs, 92);
        check(Error::Errno(34), 34);
        check(Error::NoAnswer, 22);
    }

    #[test]
    fn numbers_are_worded_as_glibc_does() {
        assert_eq!(Error::Errno(34).to_string(), "Numerical result out of range");
        assert_eq!(Error::Errno(101).to_string(), "Network is unreachable");
        assert_eq!(errno_text(4000), "Unknown error 4000");
        assert_eq!(errno_text(-1), "Unknown error -1");
    }
}
