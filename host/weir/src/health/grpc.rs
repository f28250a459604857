//! The gRPC check: `grpc.health.v1.Health/Check`, by HTTP/2 in the clear or within TLS.
//!
//! Of protocol buffers it needs one text and one number, which are written and read here.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    exchange,
    outcome::Outcome,
    streams::Place,
    tcp::{self, Deadline},
    tls,
};
use crate::config::GrpcCheck;

const METHOD: &str = "/grpc.health.v1.Health/Check";

/// Of an answer: two bytes suffice for what it should say.
const ANSWER_BYTES: usize = 1024;

/// `HealthCheckResponse.ServingStatus`.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;

/// One request, made once and sent with every probe.
pub(super) struct GrpcProbe {
    check: GrpcCheck,
    request: Request<Full<Bytes>>,
}

impl GrpcProbe {
    /// The request that `check` describes, to `address`.
    pub(super) fn new(check: &GrpcCheck, address: SocketAddr) -> Self {
        let scheme = if check.tls.is_some() { "https" } else { "http" };
        let host = check.host.clone().unwrap_or_else(|| address.to_string());
        let request = Request::post(format!("{scheme}://{host}{METHOD}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header(header::USER_AGENT, concat!("weir/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(message(&check.service)))
            .expect("the configuration has checked the host");
        Self { check: check.clone(), request }
    }

    /// Asks over a connection of its own.
    pub(super) async fn run(&self, place: Place, deadline: Deadline) -> Result<Outcome, Outcome> {
        let Some(tls) = &self.check.tls else {
            return self.ask(tcp::connect(place, deadline).await?, deadline).await;
        };
        let stream = tls::connect(place, tls, self.check.host.as_deref(), deadline).await?;
        let expiring = tls::expiring(&stream, tls);
        match self.ask(stream, deadline).await? {
            Outcome::Pass => Ok(expiring.unwrap_or(Outcome::Pass)),
            other => Ok(other),
        }
    }

    async fn ask<S>(&self, stream: S, deadline: Deadline) -> Result<Outcome, Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Box::pin(exchange::http2(stream, self.request.clone(), judge));
        deadline.bound("waiting for the answer", asked).await
    }
}

async fn judge(response: Response<Incoming>) -> Result<Outcome, Outcome> {
    if response.status() != StatusCode::OK {
        return Err(Outcome::protocol(format!("not gRPC: status {}", response.status().as_u16())));
    }
    let (head, mut body) = response.into_parts();
    let mut answer = Vec::new();
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|it| exchange::failure(&it, "HTTP/2"))?.into_data() {
            Ok(data) => answer.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
        if answer.len() > ANSWER_BYTES {
            return Err(Outcome::protocol("gRPC: an answer of more than 1 KiB"));
        }
    }
    // An answer without a message has its status among the headers.
    let text = |name| trailers.get(name).or(head.headers.get(name)).and_then(|it| it.to_str().ok());
    match text("grpc-status") {
        Some("0") => {}
        Some("5") => return Ok(Outcome::content("gRPC: it knows no such service")),
        Some("12") => {
            return Err(Outcome::protocol("gRPC: it has no health service (grpc.health.v1)"));
        }
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default();
            return Ok(Outcome::content(format!("gRPC status {code} {message}").trim_end()));
        }
        None => return Err(Outcome::protocol("not gRPC: there is no grpc-status")),
    }
    match serving(&answer) {
        Some(SERVING) => Ok(Outcome::Pass),
        Some(status) => {
            let name = usize::try_from(status).ok().and_then(|it| STATUSES.get(it));
            Ok(Outcome::content(name.copied().unwrap_or("a status of its own")))
        }
        None => Err(Outcome::protocol("gRPC: the answer is none of grpc.health.v1")),
    }
}

/// `HealthCheckRequest { service }` with its length before it. Names are at most 127 bytes, so
/// that their length is one.
fn message(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if let Ok(length) = u8::try_from(service.len())
        && length > 0
    {
        message.extend_from_slice(&[0x0a, length]);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.append(&mut message);
    framed
}

/// The number of field 1 of a message with its length before it; 0 where it is left out.
fn serving(answer: &[u8]) -> Option<u64> {
    let (&[0, a, b, c, d], message) = answer.split_first_chunk()? else { return None };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let mut message = message.get(..length)?;
    let mut status = 0;
    while !message.is_empty() {
        let tag = number(&mut message)?;
        match tag & 7 {
            0 => {
                let value = number(&mut message)?;
                status = if tag >> 3 == 1 { value } else { status };
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(number(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

/// Seven bits a byte, the lowest first, while the eighth is set.
fn number(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_name_with_lengths() {
        assert_eq!(message(""), [0, 0, 0, 0, 0]);
        assert_eq!(message("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn the_status_is_found_among_what_else_there_may_be() {
        let framed = |message: &[u8]| {
            let length = u8::try_from(message.len()).unwrap();
            [&[0, 0, 0, 0, length], message].concat()
        };
        assert_eq!(serving(&framed(&[])), Some(0));
        assert_eq!(serving(&framed(&[8, 1])), Some(1));
        assert_eq!(serving(&framed(&[0x12, 2, 8, 3, 8, 2])), Some(2));
        assert_eq!(serving(&framed(&[0x1d, 1, 2, 3, 4, 8, 1, 0x10, 0x80, 1])), Some(1));
        assert_eq!(serving(&framed(&[8])), None);
        assert_eq!(serving(&framed(&[8, 0x80])), None);
        assert_eq!(serving(&framed(&[0x0b])), None);
        assert_eq!(serving(&framed(&[8, 1])[..6]), None);
        assert_eq!(serving(&[1, 0, 0, 0, 0]), None, "compressed");
        assert_eq!(serving(&[]), None);
        let endless = [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(serving(&framed(&endless)), None);
    }
}
