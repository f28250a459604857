//! The HTTP check: an answer with an expected status passes.

use std::{collections::BTreeSet, net::SocketAddr, pin::pin};

use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response,
    body::{Body as _, Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;

use super::{
    outcome::{Cause, Outcome},
    tcp,
};
use crate::config::HttpCheck;

/// Bytes of an answer's body that are read, so that a server that is not done sending sees
/// no reset. What is beyond is not worth the traffic.
const BODY_BYTES: usize = 64 << 10;

/// hyper's smallest read buffer: answers to checks are short.
const BUFFER_BYTES: usize = 8 << 10;

/// One request, made once and sent with every probe.
pub(super) struct HttpProbe {
    request: Request<Empty<Bytes>>,
    expect: BTreeSet<u16>,
}

impl HttpProbe {
    /// The request that `check` describes, to `address`.
    pub(super) fn new(check: &HttpCheck, address: SocketAddr) -> Self {
        let host = check.host.clone().unwrap_or_else(|| match address.port() {
            80 if address.is_ipv4() => address.ip().to_string(),
            _ => address.to_string(),
        });
        let request = Request::get(&check.path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .expect("the configuration has checked path and host");
        Self { request, expect: check.expect.clone() }
    }

    /// Sends the request over a connection of its own.
    pub(super) async fn run(&self, address: SocketAddr) -> Outcome {
        match tcp::connect(address).await {
            Ok(stream) => match self.exchange(TokioIo::new(stream)).await {
                Ok(outcome) => outcome,
                Err(error) => failure(&error),
            },
            Err(error) => Outcome::from(&error),
        }
    }

    async fn exchange(&self, io: TokioIo<tokio::net::TcpStream>) -> hyper::Result<Outcome> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER_BYTES);
        let (mut sender, connection) = builder.handshake(io).await?;
        let mut answer = pin!(async {
            let response = sender.send_request(self.request.clone()).await?;
            self.judge(response).await
        });
        tokio::select! {
            biased;
            outcome = &mut answer => outcome,
            // It ends when the server hung up; what it had read is still to be judged.
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(error),
            }
        }
    }

    async fn judge(&self, response: Response<Incoming>) -> hyper::Result<Outcome> {
        let status = response.status().as_u16();
        if !self.expect.contains(&status) {
            return Ok(Outcome::Fail(Cause::Status(status)));
        }
        let mut body = response.into_body();
        let mut read = 0;
        while read <= BODY_BYTES && !body.is_end_stream() {
            match body.frame().await {
                Some(frame) => read += frame?.data_ref().map_or(0, Bytes::len),
                None => break,
            }
        }
        Ok(Outcome::Pass)
    }
}

fn failure(error: &hyper::Error) -> Outcome {
    if error.is_parse() {
        return Outcome::Fail(Cause::NotHttp);
    }
    let source = std::error::Error::source(error);
    match source.and_then(|it| it.downcast_ref::<std::io::Error>()) {
        Some(error) => Outcome::from(error),
        None => Outcome::Fail(Cause::Broken),
    }
}
