//! What a checker asks, as the fake host has the server answer it: the types are those of the
//! bindings, but for the connection, and the functions here hide the bindings', which can only be
//! called within Wasm.

use std::cell::RefCell;

use super::{State, look, nanoseconds};
pub use crate::checker::weir::host::probe::{Error, Request, Response};

/// Questions in one check, at most.
const MOST: usize = 64;

/// Bytes of a body, or that are read at once, at most.
const LONGEST: usize = 64 << 10;

pub fn http(request: &Request) -> Result<Response, Error> {
    look(|state| {
        state.ask(format!("{} {}", request.method, request.path))?;
        if state.pages.is_empty() {
            return Err(Error::Refused);
        }
        let page = state.pages.iter().find(|it| it.path == request.path);
        Ok(page.map_or(Response { status: 404, headers: Vec::new(), body: Vec::new() }, |it| {
            let body = it.body.iter().copied().take(LONGEST).collect();
            Response { status: it.status, headers: it.headers.clone(), body }
        }))
    })
}

pub fn exchange(datagram: &[u8]) -> Result<Vec<u8>, Error> {
    look(|state| {
        state.ask(format!("exchange {}", datagram.escape_ascii()))?;
        if state.datagrams.is_empty() {
            return Err(Error::Refused);
        }
        let answer = state.datagrams.iter().find(|it| it.0 == datagram).map(|it| it.1.clone());
        answer.ok_or_else(|| state.time_out())
    })
}

/// A connection to the fake server.
#[derive(Debug)]
pub struct Connection(
    /// What it has said, and nobody has read.
    RefCell<Vec<u8>>,
);

impl Connection {
    pub fn connect() -> Result<Self, Error> {
        look(|state| {
            state.ask("connect".to_owned())?;
            if state.lines.is_empty() && state.pages.is_empty() {
                return Err(Error::Refused);
            }
            Ok(Self(RefCell::new(state.reply(b""))))
        })
    }

    pub fn write(&self, bytes: &[u8]) -> Result<(), Error> {
        look(|state| {
            state.wait(format!("write {}", bytes.escape_ascii()))?;
            self.0.borrow_mut().extend(state.reply(bytes));
            Ok(())
        })
    }

    pub fn read(&self, max: u32) -> Result<Vec<u8>, Error> {
        look(|state| {
            state.wait("read".to_owned())?;
            if max == 0 {
                return Err(Error::Invalid("a read of 0 bytes".to_owned()));
            }
            let mut heard = self.0.borrow_mut();
            if heard.is_empty() && !state.ends {
                return Err(state.time_out());
            }
            let count = heard.len().min(max as usize).min(LONGEST);
            Ok(heard.drain(..count).collect())
        })
    }
}

impl State {
    /// Counts a question, and lets it take its time.
    fn ask(&mut self, question: String) -> Result<(), Error> {
        self.questions += 1;
        if self.questions > MOST {
            return Err(Error::Invalid(format!("more than {MOST} questions in one check")));
        }
        self.wait(question)
    }

    fn wait(&mut self, question: String) -> Result<(), Error> {
        self.asked.push(question);
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let left = self.deadline() - self.monotonic;
        if nanoseconds(self.delay) > left {
            return Err(self.time_out());
        }
        self.pass(nanoseconds(self.delay));
        Ok(())
    }

    /// Nobody says anything until the time of the check is over.
    fn time_out(&mut self) -> Error {
        self.pass(self.deadline() - self.monotonic);
        Error::Timeout
    }

    fn deadline(&self) -> u64 {
        self.began + self.target.timeout * 1_000_000
    }

    fn pass(&mut self, time: u64) {
        self.wall += time;
        self.monotonic += time;
    }

    fn reply(&self, question: &[u8]) -> Vec<u8> {
        let found = self.lines.iter().find(|it| it.0 == question);
        found.map(|it| it.1.clone()).unwrap_or_default()
    }
}
