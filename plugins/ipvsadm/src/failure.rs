//! Why a line was not carried out: a message and what becomes of the run.

use crate::{host::Error, options::Command};

/// Exit status of what ipvsadm itself refuses.
pub(crate) const REJECTED: u8 = 2;
/// Exit status of what the kernel refuses, and of options that are not understood.
pub(crate) const REFUSED: u8 = 255;
/// Exit status of a listing that failed.
pub(crate) const UNLISTED: u8 = 1;

/// A failure to report.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For stderr, without the last end of line; empty = say nothing.
    pub(crate) message: Vec<u8>,
    pub(crate) status: u8,
    /// Whether a stream of commands ends here.
    pub(crate) ends_stream: bool,
}

impl Failure {
    /// A wrong value or combination.
    pub(crate) fn rejected(message: &str) -> Self {
        Self::rejected_value(&[message.as_bytes()])
    }

    /// The same, quoting what was wrong.
    #[cold]
    #[inline(never)]
    pub(crate) fn rejected_value(parts: &[&[u8]]) -> Self {
        Self { message: parts.concat(), status: REJECTED, ends_stream: true }
    }

    /// No command where there should be one.
    #[cold]
    #[inline(never)]
    pub(crate) fn usage(program: &[u8]) -> Self {
        let parts: [&[u8]; 5] =
            [b"Try `", program, b" -h' or '", program, b" --help' for more information."];
        Self { message: parts.concat(), status: REFUSED, ends_stream: true }
    }

    /// An option that is not understood; a stream goes on with its next line.
    #[cold]
    #[inline(never)]
    pub(crate) fn bad_option(token: &[u8], problem: &str) -> Self {
        Self {
            message: [token, b": ", problem.as_bytes()].concat(),
            status: REFUSED,
            ends_stream: false,
        }
    }

    /// A listing that failed; the message may be empty.
    pub(crate) fn unlisted(message: &[u8]) -> Self {
        Self { message: message.to_vec(), status: UNLISTED, ends_stream: true }
    }
}

/// What ipvsadm says to an error of `command`.
pub(crate) fn explain(command: Command, error: &Error) -> &str {
    match error {
        Error::NoSuchService => match command {
            Command::AddServer | Command::EditServer | Command::DeleteServer => {
                "Service not defined"
            }
            _ => "No such service",
        },
        Error::ServiceExists => "Service already exists",
        Error::NoSuchServer => "No such destination",
        Error::ServerExists => "Destination already exists",
        Error::NoSuchModule => "Scheduler or persistence engine not found",
        Error::DaemonRunning => "Daemon has already run",
        Error::DaemonNotRunning => "No daemon is running",
        Error::NotPermitted => "Permission denied (you must be root)",
        Error::NoIpvs => "Protocol not available",
        Error::Refused(refusal) => explain_errno(refusal.errno).unwrap_or(&refusal.text),
        Error::NoAnswer => "The kernel did not answer",
        Error::Denied(denial) | Error::Rejected(denial) => &denial.message,
        Error::Other(text) => text,
    }
}

/// The numbers that ipvsadm has its own words for, whatever the command.
fn explain_errno(errno: u32) -> Option<&'static str> {
    Some(match errno {
        1 => "Permission denied (you must be root)",
        12 => "Memory allocation problem",
        22 => "Invalid operation.  Possibly wrong module version, address not unicast, ...",
        90 => "Module is wrong version",
        92 => "Protocol not available",
        95 => "Operation not supported with IPv6",
        97 => "Operation not supported with specified address family",
        _ => return None,
    })
}
