//! What the kernel's numbers mean, by what was asked: the one place that turns an errno
//! into an [`Error`].

use weir_ipvs::{Change, Error};

/// The refusal of `change` with this errno.
pub fn of_change(change: &Change, errno: i32) -> Error {
    use Change as C;

    match (change, errno) {
        (C::AddService(_), libc::EEXIST) => Error::ServiceExists,
        (C::AddService(_) | C::EditService(_), libc::ENOENT) => Error::NoSuchModule,
        (C::EditService(_) | C::DeleteService(_) | C::Zero(Some(_)), libc::ESRCH)
        | (C::AddServer(..) | C::EditServer(..) | C::DeleteServer(_), libc::ESRCH) => {
            Error::NoSuchService
        }
        (C::AddServer(..), libc::EEXIST) => Error::ServerExists,
        (C::EditServer(..) | C::DeleteServer(_), libc::ENOENT) => Error::NoSuchServer,
        (C::StartDaemon(_), libc::EEXIST) => Error::DaemonRunning,
        (C::StopDaemon(..), libc::ESRCH) => Error::DaemonNotRunning,
        _ => of_any(errno),
    }
}

/// The refusal of a read with this errno.
pub fn of_read(errno: i32) -> Error {
    match errno {
        libc::ESRCH => Error::NoSuchService,
        // The family has left since it was looked up: someone unloaded the module.
        libc::ENOENT => Error::NoIpvs,
        _ => of_any(errno),
    }
}

/// What means the same whatever was asked.
pub(crate) fn of_any(errno: i32) -> Error {
    match errno {
        libc::EPERM => Error::NotPermitted,
        libc::ENOPROTOOPT => Error::NoIpvs,
        _ => Error::Errno(errno),
    }
}

/// A failure to open or read a file: its errno, for to the caller a file is no request.
pub(crate) fn of_file(error: &std::io::Error) -> Error {
    Error::Errno(error.raw_os_error().unwrap_or(libc::EINVAL))
}

/// A failure of a system call. `EINVAL`, as of every failure without an errno, if it has
/// none.
pub(crate) fn of_io(error: &std::io::Error) -> Error {
    of_any(error.raw_os_error().unwrap_or(libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use weir_ipvs::{
        Endpoint, Forwarding, Protocol, RealServer, RealServerKey, Service, ServiceKey, SyncDaemon,
        SyncRole, Timeouts,
    };

    use super::*;

    fn check(change: &Change, expected: &[(i32, Error)]) {
        for (errno, error) in expected {
            assert_eq!(of_change(change, *errno), *error, "{change:?}");
            assert_eq!(error.errno(), *errno, "{error:?} must keep its number");
        }
    }

    #[test]
    fn an_errno_means_what_was_asked_makes_of_it() {
        let endpoint: Endpoint = "192.0.2.1:80".parse().unwrap();
        let key = ServiceKey::from((Protocol::Tcp, endpoint));
        let service = Service::new(key, "rr");
        let server = RealServer::new(endpoint, Forwarding::Masquerade, 1);
        let daemon = SyncDaemon {
            role: SyncRole::Master,
            interface: b"eth0".to_vec(),
            sync_id: 0,
            max_length: None,
            group: None,
            port: None,
            ttl: None,
        };

        check(
            &Change::AddService(service.clone()),
            &[(17, Error::ServiceExists), (2, Error::NoSuchModule), (22, Error::Errno(22))],
        );
        check(
            &Change::EditService(service),
            &[(3, Error::NoSuchService), (2, Error::NoSuchModule), (1, Error::NotPermitted)],
        );
        check(&Change::DeleteService(key), &[(3, Error::NoSuchService), (2, Error::Errno(2))]);
        check(&Change::Zero(Some(key)), &[(3, Error::NoSuchService)]);
        check(&Change::Zero(None), &[(3, Error::Errno(3))]);
        check(
            &Change::AddServer(key, server),
            &[(3, Error::NoSuchService), (17, Error::ServerExists), (34, Error::Errno(34))],
        );
        check(
            &Change::EditServer(key, server),
            &[(3, Error::NoSuchService), (2, Error::NoSuchServer), (17, Error::Errno(17))],
        );
        check(
            &Change::DeleteServer(RealServerKey { service: key, server: endpoint }),
            &[(3, Error::NoSuchService), (2, Error::NoSuchServer)],
        );
        check(&Change::StartDaemon(daemon), &[(17, Error::DaemonRunning), (19, Error::Errno(19))]);
        check(
            &Change::StopDaemon(SyncRole::Master, 0),
            &[(3, Error::DaemonNotRunning), (22, Error::Errno(22))],
        );
        check(&Change::Flush, &[(1, Error::NotPermitted), (92, Error::NoIpvs)]);
        check(&Change::SetTimeouts(Timeouts::default()), &[(22, Error::Errno(22))]);
    }
}
