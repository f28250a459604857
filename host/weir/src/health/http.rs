//! The HTTP check: a request over a connection of its own, in the clear or by TLS, and what
//! of its answer passes.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    header,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    exchange,
    outcome::Outcome,
    tcp::{self, Deadline},
    tls,
};
use crate::config::{HttpCheck, HttpVersion};

/// One request, made once and sent with every probe.
pub(super) struct HttpProbe {
    check: HttpCheck,
    /// By HTTP/1.1.
    plain: Request<Empty<Bytes>>,
    /// By HTTP/2, which names scheme and host within the address.
    absolute: Request<Empty<Bytes>>,
}

impl HttpProbe {
    /// The request that `check` describes, to `address`.
    pub(super) fn new(check: &HttpCheck, address: SocketAddr) -> Self {
        let (scheme, port) = if check.tls.is_some() { ("https", 443) } else { ("http", 80) };
        let host = check.host.clone().unwrap_or_else(|| match address {
            SocketAddr::V4(it) if it.port() == port => it.ip().to_string(),
            SocketAddr::V6(it) if it.port() == port => format!("[{}]", it.ip()),
            _ => address.to_string(),
        });
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
        Self {
            plain: request(&check.path)
                .header(header::HOST, &host)
                .header(header::CONNECTION, "close")
                .body(Empty::new())
                .expect(valid),
            absolute: request(&format!("{scheme}://{host}{}", check.path))
                .body(Empty::new())
                .expect(valid),
            check: check.clone(),
        }
    }

    /// Sends the request over a connection of its own.
    pub(super) async fn run(
        &self,
        address: SocketAddr,
        deadline: Deadline,
    ) -> Result<Outcome, Outcome> {
        let Some(tls) = &self.check.tls else {
            let stream = tcp::connect(address, deadline).await?;
            return self.ask(stream, self.check.version == HttpVersion::Two, deadline).await;
        };
        let stream = tls::connect(address, tls, self.check.host.as_deref(), deadline).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.check.version == HttpVersion::Two && !is_h2 {
            return Err(Outcome::protocol("it does not offer HTTP/2 (ALPN)"));
        }
        self.ask(stream, is_h2, deadline).await
    }

    async fn ask<S>(&self, stream: S, is_h2: bool, deadline: Deadline) -> Result<Outcome, Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let judge = |response| self.judge(response, is_h2);
        let during = "waiting for the answer";
        // What hyper needs is large, and not for those who only connect to carry.
        match is_h2 {
            true => {
                let asked = Box::pin(exchange::http2(stream, self.absolute.clone(), judge));
                deadline.bound(during, asked).await
            }
            false => {
                let asked = Box::pin(exchange::http1(stream, self.plain.clone(), judge));
                deadline.bound(during, asked).await
            }
        }
    }

    async fn judge(&self, response: Response<Incoming>, is_h2: bool) -> Result<Outcome, Outcome> {
        let status = response.status().as_u16();
        if !self.check.expect.contains(&status) {
            return Ok(Outcome::content(format!("status {status}")));
        }
        for (name, wanted) in &self.check.expect_headers {
            let mut found = response.headers().get_all(name).iter().peekable();
            if found.peek().is_none() {
                return Ok(Outcome::content(format!("no header {name}")));
            }
            let wanted = wanted.as_ref();
            if wanted.is_some_and(|it| found.all(|found| found.as_bytes() != it.as_bytes())) {
                return Ok(Outcome::content(format!("header {name} has another value")));
            }
        }
        let body = self.body(response.into_body(), is_h2).await?;
        match &self.check.body {
            Some(pattern) if !pattern.is_in(&body) => {
                Ok(Outcome::content(format!("body without {pattern}, of {} bytes", body.len())))
            }
            _ => Ok(Outcome::Pass),
        }
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
