//! The daemon's side of the socket: HTTP in, requests to the manager, JSON out.
//!
//! Runs beside the checks and holds no state. What is long goes out in chunks, made on a
//! thread that may wait, so that neither the manager nor a check waits for it; a reader that
//! leaves ends them.

use std::{
    convert::Infallible,
    fmt, io, mem,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
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
    protocol::{self, CHANGES_MAX, DECISIONS_MAX, Problem, REQUEST_BYTES_MAX},
    request::{ConfigurationOrder, Declined, Order, PluginOrder, Reply, Request},
    show::Show,
    steer::{Expiry, Ordered, Refused, Steer},
};
use crate::{
    decisions,
    events::Events,
    journal::{Journal, Told},
    manager::Event,
};

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

/// Decisions that are looked up, unless more are asked for.
const DECISIONS: usize = 100;

/// Runs what may wait, on a thread where it may.
pub(crate) type Drain = fn(Box<dyn FnOnce() + Send>);

/// What connections need of the daemon.
pub(crate) struct Daemon {
    identity: protocol::Daemon,
    events: Events,
    orders: mpsc::Sender<Order>,
    journal: &'static Journal,
    /// Where the decision log is.
    decisions: Option<PathBuf>,
    drain: Drain,
}

/// Answers the requests of one connection until its end.
pub(crate) async fn converse(stream: UnixStream, daemon: &Daemon) {
    let by = stream.peer_cred().map_or_else(|_| "someone".to_owned(), |it| name_of(it.uid()));
    let answer =
        service_fn(|request| async { Ok::<_, Infallible>(daemon.answer(&by, request).await) });
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
    /// A daemon whose manager hears `events`, where somebody carries out `orders`, and whose
    /// lines are in `journal`.
    pub(crate) fn new(
        events: Events,
        orders: mpsc::Sender<Order>,
        journal: &'static Journal,
        decisions: Option<PathBuf>,
        drain: Drain,
    ) -> Self {
        Self { identity: protocol::Daemon::this(), events, orders, journal, decisions, drain }
    }

    async fn answer(&self, by: &str, request: hyper::Request<Incoming>) -> Answer {
        self.respond(by, request).await.unwrap_or_else(Refusal::into_answer)
    }

    async fn respond(
        &self,
        by: &str,
        request: hyper::Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        let path = request.uri().path().to_owned();
        check_method(&path, request.method())?;
        match path.as_str() {
            protocol::READ => self.read(body(request).await?).await,
            protocol::APPLY => self.apply(body(request).await?).await,
            protocol::RELOAD => self.reload(body(request).await?).await,
            protocol::PLAN => self.plan(body(request).await?).await,
            protocol::PLUGINS => {
                let list = |reply| Order::Plugin(PluginOrder::List(reply));
                let plugins = self.order(list).await?;
                Ok(json(&Vec::from_iter(plugins.into_iter().map(protocol::PluginLine::from))))
            }
            protocol::PLUGIN_MODE => {
                let protocol::PluginMode { name, mode } = body(request).await?;
                let mode = mode.parse().map_err(Declined::Plugin)?;
                let turn = |reply| Order::Plugin(PluginOrder::Mode(name, mode, reply));
                Ok(json(&protocol::PluginLine::from(self.order(turn).await??)))
            }
            protocol::PLUGIN_RELOAD => {
                let protocol::PluginReload { name } = body(request).await?;
                let load = |reply| Order::Plugin(PluginOrder::Load(name, reply));
                Ok(json(&protocol::PluginLine::from(self.order(load).await??)))
            }
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
            protocol::EVENTS => {
                let recent = self.journal.recent().concat();
                Ok(answer(StatusCode::OK, JSON_LINES, whole(recent.into())))
            }
            protocol::FOLLOW => {
                let follower = Follower(self.journal.follow());
                Ok(answer(StatusCode::OK, JSON_LINES, UnsyncBoxBody::new(follower)))
            }
            protocol::DECISIONS => self.decisions(body(request).await?).await,
            protocol::STATUS => self.status(body(request).await?).await,
            protocol::EXPLAIN => {
                let protocol::Why { service, server } = body(request).await?;
                let explain = |reply| Event::Show(Show::Explain(service, server, reply));
                Ok(json(&self.tell(explain).await??))
            }
            protocol::DRAIN => self.steer(by, body::<protocol::Drain>(request).await?).await,
            protocol::MAINTAIN => self.steer(by, body::<protocol::Maintain>(request).await?).await,
            protocol::READY => self.steer(by, body::<protocol::Ready>(request).await?).await,
            protocol::FREEZE => self.steer(by, body::<protocol::Freeze>(request).await?).await,
            protocol::THAW => self.steer(by, body::<protocol::Thaw>(request).await?).await,
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
        let differences = self
            .order(|reply| Order::Configuration(ConfigurationOrder::Reload(reload.confirm, reply)))
            .await??;
        let differences = differences.into_iter().map(Into::into).collect();
        Ok(json(&protocol::Reloaded { differences }))
    }

    async fn plan(&self, request: protocol::PlanRequest) -> Result<Answer, Refusal> {
        let rehearsal = self
            .order(|reply| Order::Configuration(ConfigurationOrder::Plan(request.config, reply)))
            .await??;
        Ok(json(&protocol::Plan::from(rehearsal)))
    }

    /// Has something done with a configuration.
    async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, Refusal> {
        let (reply, answer) = Reply::new();
        // Fails as the answer does: there is nobody left.
        let _ = self.orders.send(order(reply)).await;
        answer.await.map_err(|_| Refusal::stopping())
    }

    /// Looks decisions up, on a thread that may wait for the disk.
    async fn decisions(&self, asked: protocol::Decisions) -> Result<Answer, Refusal> {
        let Some(path) = self.decisions.clone() else {
            let message = "there is no decision log: [log] decisions is false";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "no-decision-log", message));
        };
        let (reply, answer) = Reply::new();
        (self.drain)(Box::new(move || reply.send(look_up(&path, &asked))));
        let found = answer.await.map_err(|_| Refusal::stopping())?;
        let events = found.map_err(|error| {
            let message = format!("failed to read the decision log: {error}");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", message)
        })?;
        Ok(self.lines(events.into_iter()))
    }

    async fn status(&self, which: protocol::Which) -> Result<Answer, Refusal> {
        let status = |reply| Event::Show(Show::Status(which.service, reply));
        let (head, services) = self.tell(status).await??;
        let head = std::iter::once(protocol::StatusLine::Head(head));
        Ok(self.lines(head.chain(services.into_iter().map(protocol::StatusLine::Service))))
    }

    /// Passes an operator's order on.
    async fn steer(
        &self,
        by: &str,
        order: impl TryInto<Ordered, Error = Refused>,
    ) -> Result<Answer, Refusal> {
        let Ordered { wish, reason } = order.try_into()?;
        let (by, expiry) = (by.to_owned(), Expiry::read());
        let event = |reply| Event::Steer(Steer { by, reason, expiry, wish, reply });
        Ok(json(&self.tell(event).await??))
    }

    /// Asks whoever owns the table.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Refusal> {
        self.tell(|reply| Event::Request(request(reply))).await
    }

    /// Tells the manager, and waits for its answer.
    async fn tell<T>(&self, event: impl FnOnce(Reply<T>) -> Event) -> Result<T, Refusal> {
        let (reply, answer) = Reply::new();
        self.events.send(event(reply)).await;
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
        answer(StatusCode::OK, JSON_LINES, UnsyncBoxBody::new(Chunks(Some(receiver))))
    }
}

/// Decisions in the log at `path`, oldest first.
fn look_up(path: &Path, asked: &protocol::Decisions) -> io::Result<Vec<protocol::Event>> {
    let fields = [("service", &asked.service), ("server", &asked.server)];
    let wanted = |event: &protocol::Event| {
        let is_kind = asked.event.as_ref().is_none_or(|it| *it == event.event);
        let mut asked = fields.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?)));
        is_kind && asked.all(|(key, value)| event.fields.get(key) == Some(value))
    };
    let words = fields.into_iter().filter_map(|it| it.1.clone());
    let limit = asked.limit.unwrap_or(DECISIONS).min(DECISIONS_MAX);
    decisions::search(path, &words.collect::<Vec<_>>(), wanted, limit)
}

/// Who has this user id, for people.
fn name_of(user: u32) -> String {
    if user == 0 { "root".to_owned() } else { format!("uid {user}") }
}

fn check_method(path: &str, method: &Method) -> Result<(), Refusal> {
    let expected = match path {
        protocol::READ
        | protocol::APPLY
        | protocol::RELOAD
        | protocol::PLAN
        | protocol::DECISIONS
        | protocol::STATUS
        | protocol::EXPLAIN
        | protocol::DRAIN
        | protocol::MAINTAIN
        | protocol::READY
        | protocol::FREEZE
        | protocol::THAW
        | protocol::PLUGIN_MODE
        | protocol::PLUGIN_RELOAD => Method::POST,
        protocol::DAEMON
        | protocol::PLUGINS
        | protocol::EVENTS
        | protocol::FOLLOW
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

type Answer = Response<UnsyncBoxBody<Bytes, Cut>>;

const JSON_LINES: &str = "application/jsonl";

fn json(value: &impl Serialize) -> Answer {
    json_with(StatusCode::OK, value)
}

fn json_with(status: StatusCode, value: &impl Serialize) -> Answer {
    let mut bytes = Vec::new();
    put_json(&mut bytes, value);
    bytes.push(b'\n');
    answer(status, "application/json", whole(bytes.into()))
}

fn whole(bytes: Bytes) -> UnsyncBoxBody<Bytes, Cut> {
    UnsyncBoxBody::new(Full::new(bytes).map_err(|never| match never {}))
}

fn put_json(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value).expect("the protocol's types have no keys but text");
}

fn answer(status: StatusCode, kind: &'static str, body: UnsyncBoxBody<Bytes, Cut>) -> Answer {
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
        Self { status, problem: Problem { message, ..Problem::new(code) } }
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
            Declined::Plugin(why) => Self::new(StatusCode::CONFLICT, "plugin", why),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused.code {
            "unknown-name" => StatusCode::NOT_FOUND,
            "bad-request" => StatusCode::BAD_REQUEST,
            _ => StatusCode::CONFLICT,
        };
        let candidates = refused.candidates;
        let refusal = Self::new(status, refused.code, refused.message);
        Self { problem: Problem { candidates, ..refusal.problem }, ..refusal }
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

/// Events as they happen. Without end: whoever follows leaves.
struct Follower(mpsc::Receiver<Told>);

impl Body for Follower {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let told = ready!(self.0.poll_recv(context));
        Poll::Ready(told.map(|it| Ok(Frame::data(Bytes::copy_from_slice(it.as_bytes())))))
    }
}

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
