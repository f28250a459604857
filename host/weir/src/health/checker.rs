//! The check that a plugin makes: its guest runs on a thread of its own, and has what it asks
//! asked by the task of the probe.
//!
//! So no call of a guest is ever given up half way, sockets are where all others are, and when the
//! probe's time is over every question is answered by that, at once: the guest still says what it
//! makes of it, and is stopped by its own limits if it does not.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response,
    body::{Body as _, Bytes, Incoming},
    header::{self, HeaderName},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::{mpsc, oneshot},
    task::spawn_blocking,
};
use weir_wasm::{
    Checked, Checking, Conversation, HttpRequest, HttpResponse, PROBE_BYTES, ProbeError, Reach,
    printable,
};

use super::{
    exchange, http,
    outcome::{Cause, Hindrance, Outcome},
    streams::Place,
    tcp::{self, Deadline},
    tls, udp,
};
use crate::config::PluginCheck;

/// The most of a reason that is told, in characters.
const REASON_CHARACTERS: usize = 200;

/// Connections that a checker may have at one time: all checks together stay within what a director
/// has of descriptors.
const CONNECTIONS: usize = 4;

/// The largest datagram that may be sent: what IPv4 has room for beside its headers and UDP's.
const DATAGRAM_BYTES: usize = 65_507;

/// Headers that are the connection's own.
const RESERVED: [HeaderName; 4] =
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];

/// What weir says when it does not run any more.
const STOPPING: &str = "weir stops";

/// A plugin that checks.
#[derive(Clone)]
pub(crate) struct Checker {
    check: Arc<Check>,
    /// What it says counts as nothing, and is told.
    is_in_shadow: bool,
}

type Check = dyn Fn(Checking, Box<dyn Reach>) -> Result<Checked, String> + Send + Sync;

impl Checker {
    /// One that does this; an error is a report for people.
    pub(crate) fn new(
        check: impl Fn(Checking, Box<dyn Reach>) -> Result<Checked, String> + Send + Sync + 'static,
    ) -> Self {
        Self { check: Arc::new(check), is_in_shadow: false }
    }

    /// One that does the same, and fails where `then` does, once it has checked.
    pub(crate) fn then(
        self,
        then: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |checking, reach| {
            let checked = (self.check)(checking, reach)?;
            then().map(|()| checked)
        })
    }

    /// The same, in shadow or not.
    pub(crate) fn shadowed(&self, is_in_shadow: bool) -> Self {
        Self { check: Arc::clone(&self.check), is_in_shadow }
    }

    /// Checks a server by way of `reach`, and waits for it. What comes of it is still to be
    /// [counted](Self::counted).
    pub(crate) fn check(&self, checking: Checking, reach: Box<dyn Reach>) -> Outcome {
        match (self.check)(checking, reach) {
            Ok(checked) => judged(checked),
            Err(report) => Outcome::Indeterminate(Hindrance::Failed(self.clone(), report)),
        }
    }

    /// As what such an outcome counts.
    pub(crate) fn counted(&self, outcome: Outcome) -> Outcome {
        match self.is_in_shadow {
            true => Outcome::Indeterminate(Hindrance::Shadow(Box::new(outcome))),
            false => outcome,
        }
    }

    /// Whether it is the same code, in shadow or not.
    pub(crate) fn is_code_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.check, &other.check)
    }
}

/// Whether it is the very same.
impl PartialEq for Checker {
    fn eq(&self, other: &Self) -> bool {
        self.is_code_of(other) && self.is_in_shadow == other.is_in_shadow
    }
}

impl Eq for Checker {}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker")
    }
}

/// Has the plugin check.
pub(super) async fn probe(
    check: &PluginCheck,
    checker: Option<Checker>,
    place: Place,
    deadline: Deadline,
) -> Result<Outcome, Outcome> {
    let Some(checker) = checker else {
        return Err(Outcome::unable(format!("plugin {} does not run", check.plugin)));
    };
    let (questions, mut asked) = mpsc::channel(1);
    let checking = Checking {
        server: place.address,
        settings: check.config_json.clone(),
        timeout: deadline.left(),
        at_ns: None,
    };
    let reach = Box::new(Asking { questions });
    let called = checker.clone();
    let mut work = spawn_blocking(move || called.check(checking, reach));
    let way = Way { check, place, deadline, expiring: OnceLock::new() };
    let mut server = Server { way, connections: BTreeMap::new(), next: 0 };
    loop {
        tokio::select! {
            biased;
            Some(question) = asked.recv() => server.answer(question).await,
            done = &mut work => {
                let outcome = done.map_err(|_| Outcome::unable("its checker failed"))?;
                let outcome = tls::or_expiring(outcome, server.way.expiring.into_inner());
                return Ok(checker.counted(outcome));
            }
        }
    }
}

/// What comes of what a checker found.
fn judged(checked: Checked) -> Outcome {
    let unclear = |why: &str| Outcome::Indeterminate(Hindrance::Unclear(shortened(why)));
    match checked {
        Checked::Pass => Outcome::Pass,
        Checked::Degraded(percent, why) => Outcome::Degraded(percent, shortened(&why)),
        Checked::Fail(why) => Outcome::content(shortened(&why)),
        Checked::Inconclusive(why) => unclear(&why),
        Checked::Unreached(error) => match error {
            ProbeError::Refused => Outcome::Fail(Cause::Refused),
            ProbeError::Unreachable => Outcome::Fail(Cause::Unreachable),
            ProbeError::Timeout => Outcome::TIMED_OUT,
            ProbeError::Broken => Outcome::Fail(Cause::Broken),
            ProbeError::Protocol(what) => Outcome::protocol(shortened(&what)),
            ProbeError::Local(why) | ProbeError::Invalid(why) => unclear(&why),
        },
    }
}

/// The first line, as far as it is told.
pub(super) fn shortened(text: &str) -> String {
    let line = printable(text.lines().next().unwrap_or_default());
    line.chars().take(REASON_CHARACTERS).collect()
}

type Answer<T> = oneshot::Sender<Result<T, ProbeError>>;

/// What a guest wants to know.
enum Question {
    Connect(Answer<u64>),
    Write(u64, Vec<u8>, Answer<()>),
    Read(u64, usize, Answer<Vec<u8>>),
    Close(u64),
    Http(HttpRequest, Answer<HttpResponse>),
    Exchange(Vec<u8>, Answer<Vec<u8>>),
}

/// The server, as the guest's thread has it.
struct Asking {
    questions: mpsc::Sender<Question>,
}

impl Asking {
    fn ask<T>(&self, question: impl FnOnce(Answer<T>) -> Question) -> Result<T, ProbeError> {
        let (answer, answered) = oneshot::channel();
        let gone = || ProbeError::Local(STOPPING.to_owned());
        self.questions.blocking_send(question(answer)).map_err(|_| gone())?;
        answered.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl Reach for Asking {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        let number = self.ask(Question::Connect)?;
        Ok(Box::new(Talk { asking: Self { questions: self.questions.clone() }, number }))
    }

    fn http(&mut self, request: HttpRequest) -> Result<HttpResponse, ProbeError> {
        self.ask(|answer| Question::Http(request, answer))
    }

    fn exchange(&mut self, datagram: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        self.ask(|answer| Question::Exchange(datagram, answer))
    }
}

struct Talk {
    asking: Asking,
    number: u64,
}

impl Conversation for Talk {
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), ProbeError> {
        self.asking.ask(|answer| Question::Write(self.number, bytes, answer))
    }

    fn read(&mut self, max: usize) -> Result<Vec<u8>, ProbeError> {
        self.asking.ask(|answer| Question::Read(self.number, max, answer))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Once the probe is over, so are its connections.
        let _ = self.asking.questions.blocking_send(Question::Close(self.number));
    }
}

/// The server, as the probe's task has it.
struct Server<'a> {
    way: Way<'a>,
    connections: BTreeMap<u64, Box<dyn Stream>>,
    next: u64,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Server<'_> {
    async fn answer(&mut self, question: Question) {
        // What can be answered at once would succeed though the time is over.
        if self.way.deadline.left().is_zero() {
            return self.refuse(question, ProbeError::Timeout);
        }
        // Nobody waits for an answer whose guest has trapped meanwhile.
        match question {
            Question::Connect(_) if self.connections.len() >= CONNECTIONS => {
                let why = format!("more than {CONNECTIONS} connections at a time");
                self.refuse(question, ProbeError::Invalid(why));
            }
            Question::Connect(answer) => {
                let connected = self.way.connect(None).await.map(|stream| {
                    self.next += 1;
                    self.connections.insert(self.next, stream);
                    self.next
                });
                let _ = answer.send(connected.map_err(error_of));
            }
            Question::Write(number, bytes, answer) => {
                let _ = answer.send(self.write(number, &bytes).await.map_err(error_of));
            }
            // No bytes would look like the end.
            Question::Read(_, 0, _) => {
                let why = "expected to read 1 byte or more, found 0".to_owned();
                self.refuse(question, ProbeError::Invalid(why));
            }
            Question::Read(number, max, answer) => {
                let _ = answer.send(self.read(number, max).await.map_err(error_of));
            }
            Question::Close(number) => drop(self.connections.remove(&number)),
            Question::Http(request, answer) => {
                let _ = answer.send(self.way.http(request).await);
            }
            Question::Exchange(ref datagram, _) if datagram.len() > DATAGRAM_BYTES => {
                let length = datagram.len();
                let why = format!("expected {DATAGRAM_BYTES} bytes at most, found {length}");
                self.refuse(question, ProbeError::Invalid(why));
            }
            Question::Exchange(datagram, answer) => {
                let exchanged = udp::exchange(&datagram, self.way.place, self.way.deadline).await;
                let _ = answer.send(exchanged.map_err(error_of));
            }
        }
    }

    /// Asks nobody.
    fn refuse(&mut self, question: Question, error: ProbeError) {
        match question {
            Question::Connect(answer) => drop(answer.send(Err(error))),
            Question::Write(_, _, answer) => drop(answer.send(Err(error))),
            Question::Read(_, _, answer) | Question::Exchange(_, answer) => {
                drop(answer.send(Err(error)));
            }
            Question::Close(number) => drop(self.connections.remove(&number)),
            Question::Http(_, answer) => drop(answer.send(Err(error))),
        }
    }

    async fn write(&mut self, number: u64, bytes: &[u8]) -> Result<(), Outcome> {
        let deadline = self.way.deadline;
        let stream = self.connections.get_mut(&number).ok_or(Outcome::Fail(Cause::Broken))?;
        let written = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        deadline.bound("sending", written).await
    }

    async fn read(&mut self, number: u64, max: usize) -> Result<Vec<u8>, Outcome> {
        let deadline = self.way.deadline;
        let stream = self.connections.get_mut(&number).ok_or(Outcome::Fail(Cause::Broken))?;
        let mut bytes = vec![0; max];
        let read = deadline.bound("waiting for the answer", stream.read(&mut bytes)).await?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

/// How the server is asked.
struct Way<'a> {
    check: &'a PluginCheck,
    place: Place,
    deadline: Deadline,
    /// What a certificate that was seen and expires soon makes of the server.
    expiring: OnceLock<Outcome>,
}

impl Way<'_> {
    async fn connect(&self, host: Option<&str>) -> Result<Box<dyn Stream>, Outcome> {
        Ok(match &self.check.tls {
            None => Box::new(tcp::connect(self.place, self.deadline).await?),
            Some(tls) => {
                let stream = tls::connect(self.place, tls, host, self.deadline).await?;
                if let Some(expiring) = tls::expiring(&stream, tls) {
                    // The first that was seen counts: one server hardly shows two.
                    let _ = self.expiring.set(expiring);
                }
                Box::new(stream)
            }
        })
    }

    async fn http(&self, request: HttpRequest) -> Result<HttpResponse, ProbeError> {
        let host = http::host(self.place.address, self.check.tls.is_some());
        let (request, host) = http_request(request, host)?;
        let asked = async {
            let stream = self.connect(Some(&host)).await?;
            let during = "waiting for the answer";
            let asked = Box::pin(exchange::http1(stream, request, response));
            self.deadline.bound(during, asked).await
        };
        asked.await.map_err(error_of)
    }
}

/// What is sent where a checker asks this, and the name by which the server is called: `host`, if
/// the request has no other. Fails with what no request can have.
pub(crate) fn http_request(
    request: HttpRequest,
    mut host: String,
) -> Result<(Request<Full<Bytes>>, String), ProbeError> {
    let invalid = |why| Err(ProbeError::Invalid(why));
    let HttpRequest { method, path, headers, body } = request;
    let legal = path.starts_with('/') && path.bytes().all(|it| it.is_ascii_graphic());
    if !legal {
        return invalid(format!(
            "expected a path such as \"/health\", percent-encoded, found {path:?}"
        ));
    }
    let Ok(method) = Method::from_bytes(method.as_bytes()) else {
        return invalid(format!("expected a method such as \"GET\", found {method:?}"));
    };
    let mut built = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        let Ok(name) = name.parse::<HeaderName>() else {
            return invalid(format!("{name:?} is no name of a header"));
        };
        if RESERVED.contains(&name) {
            return invalid(format!("the header {name} is the connection's own"));
        }
        match name {
            header::HOST => host = value,
            name => built = built.header(name, value),
        }
    }
    let built = built.header(header::HOST, &host).header(header::CONNECTION, "close");
    let built = built.body(Full::new(Bytes::from(body)));
    built.map(|it| (it, host)).or_else(|it| invalid(it.to_string()))
}

async fn response(response: Response<Incoming>) -> Result<HttpResponse, Outcome> {
    let (head, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while body.len() < PROBE_BYTES && !incoming.is_end_stream() {
        let Some(frame) = incoming.frame().await else { break };
        let frame = frame.map_err(|it| exchange::failure(&it, "HTTP"))?;
        body.extend_from_slice(frame.data_ref().map_or(&[], |it| it));
    }
    body.truncate(PROBE_BYTES);
    let header = |(name, value): (&HeaderName, &header::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let headers = head.headers.iter().map(header).collect();
    Ok(HttpResponse { status: head.status.as_u16(), headers, body })
}

/// What a guest is told of a question that came to this.
fn error_of(outcome: Outcome) -> ProbeError {
    match outcome {
        Outcome::Fail(Cause::Refused) => ProbeError::Refused,
        Outcome::Fail(Cause::Unreachable) => ProbeError::Unreachable,
        Outcome::Fail(Cause::Timeout(_)) => ProbeError::Timeout,
        Outcome::Fail(Cause::Broken) => ProbeError::Broken,
        Outcome::Indeterminate(why) => ProbeError::Local(why.to_string()),
        outcome @ Outcome::Fail(Cause::Errno(_)) => ProbeError::Local(outcome.to_string()),
        other => ProbeError::Protocol(other.to_string()),
    }
}
