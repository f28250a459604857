//! Requests over the socket, one after the other, for callers that wait.
//!
//! Each request has a connection of its own, so that none can have gone stale in between. It
//! is driven by hyper on a runtime without threads, which only commands that speak to a
//! daemon start; hyper is in the program for the daemon and its checks anyway, and knows the
//! protocol better than a hundred lines of ours would.

use std::{
    fmt, fs,
    future::poll_fn,
    io,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::UnixStream,
    runtime::{Builder, Runtime},
    time::timeout,
};
use weir_ipvs::Error;

use crate::control::{
    place,
    protocol::{LINE_BYTES_MAX, Problem},
};

/// How long the daemon may be silent before it counts as hung. Longer than its plugins may
/// keep its manager from answering.
const SILENCE: Duration = Duration::from_secs(60);

/// The daemon at a socket.
#[derive(Clone)]
pub(crate) struct Http {
    socket: Arc<PathBuf>,
    runtime: Arc<Runtime>,
}

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug)]
pub(crate) enum Unasked {
    /// The daemon will not, and says why.
    Refused(Problem),
    /// The way to it is broken.
    Broken(Error),
}

impl From<Error> for Unasked {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// Why there is nobody to speak to.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// The socket cannot be connected to.
    Socket(io::Error),
    /// What is there is no socket.
    NotASocket,
    /// It is served by this user, who is neither root nor whoever asks.
    Foreign(u32),
}

impl Http {
    /// The daemon at `socket`, where somebody trustworthy answers.
    pub(crate) fn open(socket: &Path) -> Result<Self, Unreached> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let http = Self { socket: Arc::new(socket.to_owned()), runtime: Arc::new(runtime) };
        http.connect()?;
        Ok(http)
    }

    /// Sends a `GET`.
    pub(crate) fn get(&self, path: &'static str) -> Result<Answer, Error> {
        self.send(Method::GET, path, Bytes::new())
    }

    /// Sends a `POST` of `body` as JSON for one value, and keeps what a refusal says.
    pub(crate) fn order<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Unasked> {
        self.ask(path, body)?.whole().map_err(Unasked::Broken)
    }

    /// Sends a `POST` of `body` as JSON for an answer of lines, and keeps what a refusal says.
    pub(crate) fn ask(&self, path: &str, body: &impl Serialize) -> Result<Answer, Unasked> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.tell(Method::POST, path, body.into())
    }

    /// Sends a `GET` for an answer without end, during which the daemon may be silent.
    pub(crate) fn follow(&self, path: &'static str) -> Result<Answer, Error> {
        Ok(Answer { is_patient: true, ..self.get(path)? })
    }

    /// Sends a `POST` of `body` as JSON.
    pub(crate) fn post(&self, path: &'static str, body: &impl Serialize) -> Result<Answer, Error> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.send(Method::POST, path, body.into())
    }

    /// The answer, begun; what is no success is the error that it tells of.
    fn send(&self, method: Method, path: &'static str, body: Bytes) -> Result<Answer, Error> {
        self.tell(method, path, body).map_err(|unasked| match unasked {
            Unasked::Refused(problem) => problem.into(),
            Unasked::Broken(error) => error,
        })
    }

    fn tell(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, Unasked> {
        let stream = self.connect().map_err(|error| self.broken(error))?;
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "weir")
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        let exchange = async {
            // A vectored write to a daemon that left could raise SIGPIPE.
            let mut builder = http1::Builder::new();
            let (mut sender, connection) =
                builder.writev(false).handshake(TokioIo::new(stream)).await?;
            let mut connection = Connection(Some(Box::pin(connection)));
            let response = connection.during(sender.send_request(request)).await?;
            Ok::<_, hyper::Error>((connection, response))
        };
        let (connection, response) = self.wait(exchange)?.map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = response.into_body();
        let http = self.clone();
        let (bytes, used) = (Vec::new(), 0);
        let answer = Answer { http, connection, body, bytes, used, is_patient: false };
        if status == StatusCode::OK {
            return Ok(answer);
        }
        Err(Unasked::Refused(answer.whole()?))
    }

    /// Connects to a socket at which root, or whoever asks, listens.
    fn connect(&self) -> Result<UnixStream, Unreached> {
        let socket = self.socket.as_path();
        let stream = self.runtime.block_on(UnixStream::connect(socket)).map_err(|error| {
            let is_other = fs::metadata(socket).is_ok_and(|it| !it.file_type().is_socket());
            if is_other { Unreached::NotASocket } else { error.into() }
        })?;
        let server = stream.peer_cred()?.uid();
        if server == 0 || server == place::user() {
            return Ok(stream);
        }
        Err(Unreached::Foreign(server))
    }

    /// Waits for the daemon, but not for ever.
    fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let waited = self.runtime.block_on(async { timeout(SILENCE, work).await });
        waited.map_err(|_| self.broken(format!("it is silent for {} s", SILENCE.as_secs())))
    }

    fn broken(&self, why: impl fmt::Display) -> Error {
        let socket = self.socket.display();
        Error::Unreachable(format!("the daemon at {socket} does not answer any more: {why}"))
    }

    fn strange(&self, why: impl fmt::Display) -> Error {
        let socket = self.socket.display();
        Error::Unreachable(format!(
            "the daemon at {socket} answers in other words than weir {}: {why}; \
             start it again if it is of another version",
            env!("CARGO_PKG_VERSION")
        ))
    }
}

/// An answer as it comes.
pub(crate) struct Answer {
    http: Http,
    connection: Connection,
    body: Incoming,
    /// What came last; up to `used` it has been looked at.
    bytes: Vec<u8>,
    used: usize,
    /// Whether it may take any time.
    is_patient: bool,
}

impl Answer {
    /// All of it, as one value.
    pub(crate) fn whole<T: DeserializeOwned>(mut self) -> Result<T, Error> {
        while self.receive()? {}
        serde_json::from_slice(&self.bytes).map_err(|error| self.http.strange(error))
    }

    /// The value of the next line; none = that was all.
    pub(crate) fn next_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let mut searched = self.used;
        let end = loop {
            let found = self.bytes[searched..].iter().position(|byte| *byte == b'\n');
            if let Some(length) = found {
                break searched + length;
            }
            searched = self.bytes.len() - self.used;
            if !self.receive()? {
                if self.bytes.is_empty() {
                    return Ok(None);
                }
                return Err(self.http.strange("the last line has no end"));
            }
        };
        let value = serde_json::from_slice(&self.bytes[self.used..end]);
        self.used = end + 1;
        value.map(Some).map_err(|error| self.http.strange(error))
    }

    /// Waits for more, and forgets what is used. False = there is no more.
    fn receive(&mut self) -> Result<bool, Error> {
        self.bytes.drain(..self.used);
        self.used = 0;
        let frame = self.connection.during(self.body.frame());
        let frame = match self.is_patient {
            true => self.http.runtime.block_on(frame),
            false => self.http.wait(frame)?,
        };
        let Some(frame) = frame else { return Ok(false) };
        let frame = frame.map_err(|error| self.http.broken(error))?;
        self.bytes.extend_from_slice(frame.data_ref().map_or(&[], |it| it));
        if self.bytes.len() > LINE_BYTES_MAX {
            return Err(self.http.strange(format!("{LINE_BYTES_MAX} bytes are no line")));
        }
        Ok(true)
    }
}

type Wire = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

/// A connection that moves while somebody waits for what comes over it; none = it ended.
struct Connection(Option<Pin<Box<Wire>>>);

impl Connection {
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Some(wire) = &mut self.0
                && wire.as_mut().poll(context).is_ready()
            {
                self.0 = None;
            }
            work.as_mut().poll(context)
        })
        .await
    }
}

impl From<io::Error> for Unreached {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => error.fmt(f),
            Self::NotASocket => f.write_str("it is no socket"),
            Self::Foreign(user) => write!(f, "it belongs to user {user}"),
        }
    }
}
