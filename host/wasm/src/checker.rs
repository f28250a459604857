//! Checkers: what they are asked, what they reach, and what they find.
//!
//! Plain data, the handle of a plugin, and the traits behind which whoever runs it does the
//! asking. When a server is checked, and what becomes of the outcome, is the caller's matter.

use std::{net::SocketAddr, time::Duration};

use crate::{
    Failure, View,
    call::guarded,
    clock::{self, nanoseconds},
    maker::Maker,
    release::{Checks, Start},
    state::PolicyState,
};

/// How much longer than its check's time a checker may take on the clock: so that one whose last
/// question ran out of time still has some to say what it makes of it.
const GRACE: Duration = Duration::from_secs(1);

/// The server under check, for a checker to ask. Every function waits, until the time of the check
/// is over at most.
pub trait Reach: Send {
    /// Connects by TCP.
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError>;

    /// Asks by HTTP/1.1, over a connection of its own.
    fn http(&mut self, request: HttpRequest) -> Result<HttpResponse, ProbeError>;

    /// Sends a datagram by UDP, and waits for one.
    fn exchange(&mut self, datagram: Vec<u8>) -> Result<Vec<u8>, ProbeError>;
}

/// A connection to the server under check; dropped, it is over.
pub trait Conversation: Send {
    /// Sends all of it.
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), ProbeError>;

    /// What is there, or comes, at most `max` bytes, of which there must be one; empty = the end.
    fn read(&mut self, max: usize) -> Result<Vec<u8>, ProbeError>;
}

/// A request by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`.
    pub method: String,
    /// With the query, if any.
    pub path: String,
    /// Names and values, as the guest has them.
    pub headers: Vec<(String, String)>,
    /// Empty = none.
    pub body: Vec<u8>,
}

/// An answer by HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// 100 to 999.
    pub status: u16,
    /// Names, in small letters, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// At most [`crate::PROBE_BYTES`] of it.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeError {
    /// Its host answered, nobody listens.
    Refused,
    /// The network says there is no way to it.
    Unreachable,
    /// The time is over.
    Timeout,
    /// The connection broke.
    Broken,
    /// What it said is not of the protocol.
    Protocol(String),
    /// This machine cannot ask, and why.
    Local(String),
    /// What was to be asked cannot be, and why.
    Invalid(String),
}

/// A server to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checking {
    /// Where it is asked.
    pub server: SocketAddr,
    /// JSON text of an object.
    pub settings: String,
    /// How long the check may take, all of it.
    pub timeout: Duration,
    /// Nanoseconds since the Unix epoch; none = as this machine has it.
    pub at_ns: Option<u64>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The server does what it should.
    Pass,
    /// It does, and should get so many hundredths of its weight, 1 to 99, and why.
    Degraded(u32, String),
    /// It does not; why.
    Fail(String),
    /// It could not be asked.
    Unreached(ProbeError),
    /// The checker cannot tell; why.
    Inconclusive(String),
}

/// A checker: a function, called in a fresh instance each time. Several threads may call it.
pub struct Checker {
    start: Start<PolicyState, dyn Checks>,
    maker: Maker,
}

impl Checker {
    pub(crate) fn new(start: Start<PolicyState, dyn Checks>, maker: Maker) -> Self {
        Self { start, maker }
    }

    /// Checks a server by way of `reach`. Takes a second more than its time on the clock at most.
    ///
    /// Fails if the guest traps, and if it degrades the server to what is no part of a weight.
    pub fn check(&self, checking: Checking, reach: Box<dyn Reach>) -> Result<Checked, Failure> {
        let now = |clock: fn() -> Duration| checking.at_ns.unwrap_or_else(|| nanoseconds(clock()));
        let (wall_ns, monotonic_ns) = (now(clock::wall), now(clock::monotonic));
        let mut store = self.maker.store(View { wall_ns, monotonic_ns, ..View::default() });
        let state = store.data_mut();
        state.common.limits.wall = Some(checking.timeout.saturating_add(GRACE));
        let guest = guarded(&mut store, "start", |store| (self.start)(store))?;
        store.data_mut().reach = Some(reach);
        match guarded(&mut store, "check", |store| guest.check(store, checking))? {
            Checked::Degraded(percent, _) if !(1..=99).contains(&percent) => {
                Err(Failure::Refused {
                    plugin: self.maker.settings().instance.clone(),
                    call: "check",
                    message: format!("it degrades to {percent}%: expected 1 to 99"),
                    retryable: true,
                })
            }
            checked => Ok(checked),
        }
    }
}
