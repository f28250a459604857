//! The HTTP check: a request over a connection of its own, in the clear or by TLS, and what
//! of its answer passes.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    header::{self, HeaderMap},
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    agent::Reply,
    exchange,
    outcome::Outcome,
    streams::{Place, Seen},
    tcp::{self, Deadline},
    tls,
};
use crate::config::{HttpCheck, HttpVersion};

/// One request, made once and sent with every probe. There are as many of them as real servers, so
/// the check is shared, and what is never spoken is not made.
pub(super) struct HttpProbe {
    check: Arc<HttpCheck>,
    /// By HTTP/1.1.
    plain: Option<Request<Empty<Bytes>>>,
    /// By HTTP/2, which names scheme and host within the address.
    absolute: Option<Request<Empty<Bytes>>>,
}

impl HttpProbe {
    /// The request that `check` describes, to `address`.
    pub(super) fn new(check: &Arc<HttpCheck>, address: SocketAddr) -> Self {
        let is_tls = check.tls.is_some();
        let scheme = if is_tls { "https" } else { "http" };
        let host = check.host.clone().unwrap_or_else(|| host(address, is_tls));
        let request = |uri: &str| {
            let mut request = Request::builder().method(check.method.as_str()).uri(uri);
            let agent = (header::USER_AGENT.as_str(), concat!("weir/", env!("CARGO_PKG_VERSION")));
            let is_own =
                |name: &str| check.headers.iter().any(|it| it.0.eq_ignore_ascii_case(name));
            for (name, value) in [agent].into_iter().filter(|(name, _)| !is_own(name)) {
                request = request.header(name, value);
            }
            check.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
        };
        let valid = "the configuration has checked method, path, host and headers";
        let plain = || {
            let request = request(&check.path).header(header::HOST, &host);
            request.header(header::CONNECTION, "close").body(Empty::new()).expect(valid)
        };
        let absolute = || {
            let uri = format!("{scheme}://{host}{}", check.path);
            request(&uri).body(Empty::new()).expect(valid)
        };
        Self {
            plain: (check.version != HttpVersion::Two).then(plain),
            absolute: (check.version != HttpVersion::One).then(absolute),
            check: Arc::clone(check),
        }
    }

    /// Sends the request over a connection of its own.
    pub(super) async fn run(&self, place: Place, deadline: Deadline) -> Seen {
        let has_agent = self.check.agent_header.is_some();
        self.connect(place, deadline).await.unwrap_or_else(|outcome| {
            let asked = !matches!(outcome, Outcome::Indeterminate(_));
            Seen { outcome: Some(outcome), agent: (has_agent && asked).then_some(None) }
        })
    }

    async fn connect(&self, place: Place, deadline: Deadline) -> Result<Seen, Outcome> {
        let Some(tls) = &self.check.tls else {
            let stream = tcp::connect(place, deadline).await?;
            return self.ask(stream, self.check.version == HttpVersion::Two, deadline).await;
        };
        let stream = tls::connect(place, tls, self.check.host.as_deref(), deadline).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.check.version == HttpVersion::Two && !is_h2 {
            return Err(Outcome::protocol("it does not offer HTTP/2 (ALPN)"));
        }
        match tls::expiring(&stream, tls) {
            Some(failed @ Outcome::Fail(_)) => Err(failed),
            expiring => {
                let mut seen = self.ask(stream, is_h2, deadline).await?;
                if seen.outcome == Some(Outcome::Pass) {
                    seen.outcome = expiring.or(seen.outcome);
                }
                Ok(seen)
            }
        }
    }

    async fn ask<S>(&self, stream: S, is_h2: bool, deadline: Deadline) -> Result<Seen, Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let judge = |response| self.judge(response, is_h2);
        let during = "waiting for the answer";
        let request = if is_h2 { &self.absolute } else { &self.plain };
        let request = request.clone().expect("what may be spoken was made");
        // What hyper needs is large, and not for those who only connect to carry.
        if is_h2 {
            let asked = Box::pin(exchange::http2(stream, request, judge));
            deadline.bound(during, asked).await
        } else {
            let asked = Box::pin(exchange::http1(stream, request, judge));
            deadline.bound(during, asked).await
        }
    }

    async fn judge(&self, response: Response<Incoming>, is_h2: bool) -> Result<Seen, Outcome> {
        let agent = self.check.agent_header.as_ref().map(|name| {
            let line = response.headers().get(name)?.to_str().ok()?;
            Reply::parse(line)
        });
        let outcome = self.outcome(response, is_h2).await.unwrap_or_else(|it| it);
        Ok(Seen { outcome: Some(outcome), agent })
    }

    async fn outcome(&self, response: Response<Incoming>, is_h2: bool) -> Result<Outcome, Outcome> {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let degraded = self.check.degraded.as_ref();
        let is_degraded = degraded.is_some_and(|it| it.statuses.contains(&status));
        if !self.check.expect.contains(&status) && !is_degraded {
            return Err(Outcome::content(format!("status {status}")));
        }
        for wanted in &self.check.expect_headers {
            has_header(&head.headers, wanted)?;
        }
        let body = self.body(body, is_h2).await?;
        match &self.check.body {
            Some(pattern) if !pattern.is_in(&body) => {
                let length = body.len();
                Err(Outcome::content(format!("body without {pattern}, of {length} bytes")))
            }
            _ => Ok(self.degraded(status, &head.headers).unwrap_or(Outcome::Pass)),
        }
    }

    /// What passes, but not as well as others.
    fn degraded(&self, status: u16, headers: &HeaderMap) -> Option<Outcome> {
        let degraded = self.check.degraded.as_ref()?;
        if degraded.statuses.contains(&status) {
            return Some(Outcome::Degraded(degraded.percent, format!("status {status}")));
        }
        let wanted = degraded.header.as_ref()?;
        has_header(headers, wanted).ok()?;
        Some(Outcome::Degraded(degraded.percent, format!("header {}", wanted.0)))
    }

    /// What is read of the body: so much, so that a server that is not done sending sees no
    /// reset. What is beyond is not worth the traffic.
    async fn body(&self, mut body: Incoming, is_h2: bool) -> Result<Vec<u8>, Outcome> {
        let mut read = Vec::new();
        while read.len() < self.check.body_max && !body.is_end_stream() {
            let Some(frame) = body.frame().await else { break };
            let protocol = if is_h2 { "HTTP/2" } else { "HTTP" };
            let frame = frame.map_err(|it| exchange::failure(&it, protocol))?;
            read.extend_from_slice(frame.data_ref().map_or(&[], |it| it));
        }
        read.truncate(self.check.body_max);
        Ok(read)
    }
}

/// What a server is called by that has no other name.
pub(super) fn host(address: SocketAddr, is_tls: bool) -> String {
    let port = if is_tls { 443 } else { 80 };
    match address {
        SocketAddr::V4(it) if it.port() == port => it.ip().to_string(),
        SocketAddr::V6(it) if it.port() == port => format!("[{}]", it.ip()),
        _ => address.to_string(),
    }
}

/// Whether a header is there, with this value if there is one.
fn has_header(
    headers: &HeaderMap,
    (name, wanted): &(String, Option<String>),
) -> Result<(), Outcome> {
    let mut found = headers.get_all(name).iter().peekable();
    if found.peek().is_none() {
        return Err(Outcome::content(format!("no header {name}")));
    }
    match wanted {
        Some(wanted) if found.all(|it| it.as_bytes() != wanted.as_bytes()) => {
            Err(Outcome::content(format!("header {name} has another value")))
        }
        _ => Ok(()),
    }
}
