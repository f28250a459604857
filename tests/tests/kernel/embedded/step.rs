//! One operation, on whatever IPVS it is tried.

use std::fmt;

use weir_embedded::{Packet, Sysctls};
use weir_ipvs::{Change, Error, Failure, OnFailure};
use weir_tests::director::Seen;

use crate::conformance::subject::Subject;

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Change(Change),
    /// A packet of a client's.
    Client(Packet),
    /// A packet of a real server's to its client.
    Server(Packet),
    Set(Sysctls),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Change(Result<(), Error>),
    Packet(Seen),
}

impl Step {
    pub(crate) fn take(&self, subject: &mut dyn Subject) -> Outcome {
        match self {
            Self::Change(change) => {
                let failures =
                    subject.ipvs().apply(std::slice::from_ref(change), OnFailure::Proceed);
                Outcome::Change(match failures.into_iter().next() {
                    Some(Failure { error, .. }) => Err(error),
                    None => Ok(()),
                })
            }
            Self::Client(packet) => Outcome::Packet(subject.client_sends(packet)),
            Self::Server(packet) => Outcome::Packet(subject.server_sends(packet)),
            Self::Set(sysctls) => {
                subject.set(sysctls);
                Outcome::Change(Ok(()))
            }
        }
    }
}

impl Outcome {
    /// Whether it did something: a change that succeeded, a packet that arrived.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self, Self::Change(Ok(())) | Self::Packet(Seen::Server(..) | Seen::Client(_)))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => write!(f, "{change:?}"),
            Self::Client(packet) => write!(f, "client {}", Shown(packet)),
            Self::Server(packet) => write!(f, "server {}", Shown(packet)),
            Self::Set(sysctls) => write!(f, "{sysctls:?}"),
        }
    }
}

struct Shown<'a>(&'a Packet);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packet { protocol, source, destination, mark, signal, bytes } = self.0;
        write!(f, "{protocol} {source} -> {destination} mark {mark} {bytes} bytes {signal:?}")
    }
}
