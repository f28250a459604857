//! The daemon's side of the socket: HTTP in, requests to the manager, JSON out.
//!
//! Runs beside the checks and holds no state. What is long goes out in chunks, made on a
//! thread that may wait, so that neither the manager nor a check waits for it; a reader that
//! leaves ends them.

use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, LengthLimitError, Limited};
use hyper::{
    Method, Response, StatusCode,
    body::{Body, Frame, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, sync::mpsc, time::timeout};
use weir_ipvs::{Change, Error};

use super::{
    protocol::{self, CHANGES_MAX, Problem, REQUEST_BYTES_MAX},
    request::{Declined, Order, Reply, Request},
};
use crate::{events::Events, manager::Event};

/// Bytes of a request's head, and its fields.
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 32;

/// How long a command may take to send the head of a request, idle time between two of them
/// included, and then its body.
const HEAD_WAIT: Duration = Duration::from_secs(10);
const BODY_WAIT: Duration = Duration::from_secs(30);

/// Bytes of a chunk, but for the end of its last line.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks made before the reader has taken the first: what one answer holds in memory.
const CHUNKS_WAITING: usize = 4;

/// Runs what may wait, on a thread where it may.
pub(crate) type Drain = fn(Box<dyn FnOnce() + Send>);

/// What connections need of the daemon.
pub(crate) struct Daemon {
    identity: protocol::Daemon,
    events: Events,
    orders: mpsc::Sender<Order>,
    drain: Drain,
}

/// Answers the requests of one connection until its end.
pub(crate) async fn converse(stream: UnixStream, daemon: &Daemon) {
    let answer = service_fn(|request| async { Ok::<_, Infallible>(daemon.answer(request).await) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    // Whoever left early, or speaks no HTTP, has been told what it can be told.
    drop(served);
}

impl Daemon {
    /// A daemon whose manager hears `events`, and where somebody carries out `orders`.
    pub(crate) fn new(events: Events, orders: mpsc::Sender<Order>, drain: Drain) -> Self {
        Self { identity: protocol::Daemon::this(), events, orders, drain }
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Answer {
        self.respond(request).await.unwrap_or_else(Refusal::into_answer)
    }

    async fn respond(&self, request: hyper::Request<Incoming>) -> Result<Answer, Refusal> {
        let path = request.uri().path().to_owned();
        check_method(&path, request.method())?;
        match path.as_str() {
            protocol::READ => self.read(body(request).await?).await,
            protocol::APPLY => self.apply(body(request).await?).await,
            protocol::RELOAD => self.reload(body(request).await?).await,
            protocol::PLAN => self.plan(body(request).await?).await,
            protocol::INFO => {
                let info = self.ask(Request::Info).await??;
                Ok(json(&protocol::Info::from(info)))
            }
            protocol::TOTALS => {
                let totals = self.ask(Request::Totals).await??;
                Ok(json(&protocol::Stats::from(totals)))
            }
            protocol::TIMEOUTS => {
                let timeouts = self.ask(Request::Timeouts).await??;
                Ok(json(&protocol::Timeouts::from(timeouts)))
            }
            protocol::DAEMONS => {
                let daemons = self.ask(Request::Daemons).await??;
                Ok(json(&Vec::from_iter(daemons.into_iter().map(protocol::SyncDaemon::from))))
            }
            protocol::SCHEDULERS => {
                let schedulers = self.ask(Request::Schedulers).await??;
                Ok(json(&Vec::from_iter(schedulers.into_iter().map(protocol::Scheduler::from))))
            }
            protocol::CONNECTIONS => {
                let walk = self.ask(Request::Connections).await??;
                Ok(self.lines(walk.map(|it| match it {
                    Ok(it) => protocol::ConnectionLine::Connection(it.into()),
                    Err(error) => protocol::ConnectionLine::Problem(error.into()),
                })))
            }
            _ => Ok(json(&self.identity)),
        }
    }

    async fn read(&self, read: protocol::Read) -> Result<Answer, Refusal> {
        let (scope, fields) = read.into();
        let snapshot = self.ask(|reply| Request::Read(scope, fields, reply)).await??;
        let entries = snapshot.entries.into_iter();
        Ok(self.lines(entries.map(move |it| protocol::Entry::new(it, fields))))
    }

    async fn apply(&self, apply: protocol::Apply) -> Result<Answer, Refusal> {
        if apply.changes.len() > CHANGES_MAX {
            let found = apply.changes.len();
            let message = format!("at most {CHANGES_MAX} changes go into one request, not {found}");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-changes", message));
        }
        let changes: Vec<Change> = apply.changes.into_iter().map(Into::into).collect();
        let on_failure = apply.on_failure.into();
        let failures = self.ask(|reply| Request::Apply(changes, on_failure, reply)).await?;
        let failures = failures.into_iter().map(Into::into).collect();
        Ok(json(&protocol::Applied { failures }))
    }

    async fn reload(&self, reload: protocol::Reload) -> Result<Answer, Refusal> {
        let differences = self.order(|reply| Order::Reload(reload.confirm, reply)).await??;
        let differences = differences.into_iter().map(Into::into).collect();
        Ok(json(&protocol::Reloaded { differences }))
    }

    async fn plan(&self, request: protocol::PlanRequest) -> Result<Answer, Refusal> {
        let rehearsal = self.order(|reply| Order::Plan(request.config, reply)).await??;
        Ok(json(&protocol::Plan::from(rehearsal)))
    }

    /// Has something done with a configuration.
    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Refusal> {
        let (reply, answer) = Reply::new();
        // Fails as the answer does: there is nobody left.
        let _ = self.orders.send(order(reply)).await;
        answer.await.map_err(|_| Refusal::stopping())
    }

    /// Asks the manager.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Refusal> {
        let (reply, answer) = Reply::new();
        self.events.send(Event::Request(request(reply))).await;
        answer.await.map_err(|_| Refusal::stopping())
    }

    /// An answer of a line for each of `items`, which may wait for the next.
    fn lines<T: Serialize>(&self, items: impl Iterator<Item = T> + Send + 'static) -> Answer {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        (self.drain)(Box::new(move || {
            let mut bytes = Vec::new();
            for item in items {
                put_json(&mut bytes, &item);
                bytes.push(b'\n');
                if bytes.len() < CHUNK_BYTES {
                    continue;
                }
                let chunk = Chunk { bytes: mem::take(&mut bytes), is_last: false };
                if sender.blocking_send(chunk).is_err() {
                    return;
                }
            }
            // Fails if the reader left, who then needs it no more.
            let _ = sender.blocking_send(Chunk { bytes, is_last: true });
        }));
        answer(StatusCode::OK, "application/jsonl", Either::Right(Chunks(Some(receiver))))
    }
}

fn check_method(path: &str, method: &Method) -> Result<(), Refusal> {
    let expected = match path {
        protocol::READ | protocol::APPLY | protocol::RELOAD | protocol::PLAN => Method::POST,
        protocol::DAEMON
        | protocol::INFO
        | protocol::TOTALS
        | protocol::TIMEOUTS
        | protocol::DAEMONS
        | protocol::SCHEDULERS
        | protocol::CONNECTIONS => Method::GET,
        _ => {
            let message = format!("this daemon, weir {VERSION}, has no {path}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no-such-path", message));
        }
    };
    if *method == expected {
        return Ok(());
    }
    let message = format!("{path} takes {expected}, not {method}");
    Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", message))
}

/// The body of a request.
async fn body<T: DeserializeOwned>(request: hyper::Request<Incoming>) -> Result<T, Refusal> {
    let limited = Limited::new(request.into_body(), REQUEST_BYTES_MAX);
    let collected = timeout(BODY_WAIT, limited.collect()).await.map_err(|_| {
        let message = format!("the request was not whole after {} s", BODY_WAIT.as_secs());
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "too-slow", message)
    })?;
    let bytes = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("a request has at most {REQUEST_BYTES_MAX} bytes");
            return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message);
        }
        Refusal::new(StatusCode::BAD_REQUEST, "bad-request", error)
    })?;
    serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "bad-request", error))
}

type Answer = Response<Either<Full<Bytes>, Chunks>>;

fn json(value: &impl Serialize) -> Answer {
    json_with(StatusCode::OK, value)
}

fn json_with(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut bytes = Vec::new();
    put_json(&mut bytes, value);
    bytes.push(b'\n');
    answer(status, "application/json", Either::Left(Full::new(bytes.into())))
}

fn put_json(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value).expect("the protocol's types have no keys but text");
}

fn answer(status: StatusCode, kind: &'static str, body: Either<Full<Bytes>, Chunks>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

/// No success, and why.
struct Refusal {
    status: StatusCode,
    problem: Problem,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        let (code, mistakes) = (code.to_owned(), Vec::new());
        Self { status, problem: Problem { code, message, errno: None, mistakes } }
    }

    fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the daemon is stopping")
    }

    fn into_answer(self) -> Answer {
        json_with(self.status, &self.problem)
    }
}

impl From<Declined> for Refusal {
    fn from(declined: Declined) -> Self {
        match declined {
            Declined::Mistakes(problems) => {
                let mistakes: Vec<_> = problems.into();
                let message = format!("{} mistakes in the configuration", mistakes.len());
                let refusal =
                    Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-configuration", message);
                Self { problem: Problem { mistakes, ..refusal.problem }, ..refusal }
            }
            Declined::Refused(refusal) if refusal.can_be_confirmed() => {
                Self::new(StatusCode::CONFLICT, protocol::TO_BE_CONFIRMED, refusal)
            }
            Declined::Refused(refusal) => Self::new(StatusCode::CONFLICT, "needs-a-start", refusal),
            Declined::Table(error) => error.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NoSuchService
            | Error::NoSuchServer
            | Error::NoSuchModule
            | Error::DaemonNotRunning => StatusCode::NOT_FOUND,
            Error::ServiceExists | Error::ServerExists | Error::DaemonRunning => {
                StatusCode::CONFLICT
            }
            Error::NotPermitted | Error::Rejected(_) => StatusCode::FORBIDDEN,
            Error::NoIpvs | Error::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
            Error::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            Error::Errno(_) | Error::NotTried => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, problem: error.into() }
    }
}

struct Chunk {
    bytes: Vec<u8>,
    is_last: bool,
}

/// A body as it is made; none = it is whole.
struct Chunks(Option<mpsc::Receiver<Chunk>>);

/// Whoever made the body ended before it was whole: the connection is broken off, so that
/// nobody takes a part for all of it.
#[derive(Debug)]
struct Cut;

impl Body for Chunks {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(receiver) = &mut self.0 else { return Poll::Ready(None) };
        let Some(chunk) = ready!(receiver.poll_recv(context)) else {
            return Poll::Ready(Some(Err(Cut)));
        };
        if chunk.is_last {
            self.0 = None;
        }
        Poll::Ready(Some(Ok(Frame::data(chunk.bytes.into()))))
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for Cut {}

const VERSION: &str = env!("CARGO_PKG_VERSION");
