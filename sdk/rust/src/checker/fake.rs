//! A server under check, and the host between, for unit tests of checkers, which run natively: what
//! `cargo test` builds.
//!
//! The server refuses everything but what the test says it answers. As with the real host, 64
//! questions may be asked.
//!
//! ```no_run
//! use weir_sdk::checker::{fake::Host, prelude::*};
//!
//! fn check(_: &Target) -> Result<Outcome, Error> {
//!     match get("/ready")?.status {
//!         200 => Ok(Outcome::Pass),
//!         status => Ok(Outcome::Fail(format!("status {status}"))),
//!     }
//! }
//!
//! let host = Host::new().with_page("/ready", 503, "too busy");
//! assert_eq!(host.check(check), Outcome::Fail("status 503".to_owned()));
//! assert_eq!(Host::new().check(check), Outcome::Unreached(Error::Refused));
//! ```

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    time::Duration,
};

use super::{
    Error, Outcome, Target,
    addresses::{Endpoint, IpAddress},
};

#[path = "../fake/clock.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub mod clock;
#[path = "../fake/log.rs"]
#[expect(clippy::duplicate_mod, reason = "each world has a host of its own")]
pub mod log;
pub mod probe;

#[cfg(test)]
mod tests;

thread_local! {
    /// What the interfaces look at, for a checker calls them without naming a host.
    static CURRENT: RefCell<Weak<RefCell<State>>> = const { RefCell::new(Weak::new()) };
}

/// A host, and the server that it has checked. A thread has one, the newest: each test makes its
/// own.
pub struct Host(Rc<RefCell<State>>);

struct State {
    target: Target,
    /// Why it answers nothing at all.
    error: Option<Error>,
    pages: Vec<Page>,
    /// What it says by TCP, to what.
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether it ends a connection when it has said all.
    ends: bool,
    /// What it says by UDP, to what.
    datagrams: Vec<(Vec<u8>, Vec<u8>)>,
    /// How long each question takes.
    delay: Duration,
    /// When the check began, on the monotonic clock.
    began: u64,
    questions: usize,
    asked: Vec<String>,
    log: Vec<String>,
    /// Nanoseconds since the Unix epoch, and since the host was made.
    wall: u64,
    monotonic: u64,
    utc_offset: i32,
}

struct Page {
    path: String,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Host {
    /// A server at 10.0.0.1:80 that refuses everything; a check of it may take 2 s. The time is the
    /// beginning of 2026, UTC.
    #[expect(clippy::new_without_default, reason = "it becomes the host of its thread")]
    pub fn new() -> Self {
        let server = Endpoint { address: IpAddress::Ipv4((10, 0, 0, 1)), port: 80 };
        let state = State {
            target: Target { server, settings: "{}".to_owned(), timeout: 2_000 },
            error: None,
            pages: Vec::new(),
            lines: Vec::new(),
            ends: false,
            datagrams: Vec::new(),
            delay: Duration::ZERO,
            began: 0,
            questions: 0,
            asked: Vec::new(),
            log: Vec::new(),
            wall: 1_767_225_600_000_000_000,
            monotonic: 0,
            utc_offset: 0,
        };
        let state = Rc::new(RefCell::new(state));
        CURRENT.set(Rc::downgrade(&state));
        Self(state)
    }

    /// The settings of the plugin and the check, as JSON.
    pub fn with_settings(self, settings: &str) -> Self {
        settings.clone_into(&mut self.0.borrow_mut().target.settings);
        self
    }

    /// What the server answers by HTTP, whatever the method. The status of another page is 404.
    pub fn with_page(self, path: &str, status: u16, body: &str) -> Self {
        let (path, headers) = (path.to_owned(), Vec::new());
        self.0.borrow_mut().pages.push(Page { path, status, headers, body: body.into() });
        self
    }

    /// A header, its name in small letters, of the page that was given last. Panics if there is
    /// none.
    pub fn with_header(self, name: &str, value: &str) -> Self {
        let mut state = self.0.borrow_mut();
        let page = state.pages.last_mut().expect("say with_page before with_header");
        page.headers.push((name.to_owned(), value.into()));
        drop(state);
        self
    }

    /// What the server says by TCP when it has been sent `question`, whole and by itself; to an
    /// empty one, when somebody connects.
    pub fn with_line(self, question: &[u8], answer: &[u8]) -> Self {
        self.0.borrow_mut().lines.push((question.to_vec(), answer.to_vec()));
        self
    }

    /// The server ends a connection when all that it said is read. Without this it stays silent.
    pub fn with_end(self) -> Self {
        self.0.borrow_mut().ends = true;
        self
    }

    /// What the server says by UDP to the datagram `question`; to another one it says nothing.
    pub fn with_datagram(self, question: &[u8], answer: &[u8]) -> Self {
        self.0.borrow_mut().datagrams.push((question.to_vec(), answer.to_vec()));
        self
    }

    /// Why there is no answer to anything.
    pub fn with_error(self, error: Error) -> Self {
        self.0.borrow_mut().error = Some(error);
        self
    }

    /// How long the server takes to answer anything. Past the end of the check there is no
    /// answer any more: a time-out.
    pub fn with_delay(self, delay: Duration) -> Self {
        self.0.borrow_mut().delay = delay;
        self
    }

    /// Seconds that local time is ahead of UTC.
    pub fn with_utc_offset(self, seconds: i32) -> Self {
        self.0.borrow_mut().utc_offset = seconds;
        self
    }

    /// Checks the server once.
    pub fn check(&self, check: impl FnOnce(&Target) -> Result<Outcome, Error>) -> Outcome {
        CURRENT.set(Rc::downgrade(&self.0));
        let mut state = self.0.borrow_mut();
        state.asked.clear();
        (state.began, state.questions) = (state.monotonic, 0);
        let target = state.target.clone();
        drop(state);
        check(&target).unwrap_or_else(Outcome::Unreached)
    }

    /// What was asked in the last check: `GET /ready`, `connect`, `write PING\r\n`, `read`,
    /// `exchange ping`.
    pub fn asked(&self) -> Vec<String> {
        self.0.borrow().asked.clone()
    }

    /// The lines of the log: `warn: odd answer`.
    pub fn logged(&self) -> Vec<String> {
        self.0.borrow().log.clone()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn look<T>(look: impl FnOnce(&mut State) -> T) -> T {
    let state = CURRENT.with_borrow(Weak::upgrade);
    let state = state.expect("no host: make a weir_sdk::checker::fake::Host first, and keep it");
    look(&mut state.borrow_mut())
}
