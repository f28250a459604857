//! The gRPC check against servers of hyper.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{HeaderMap, Request, Response};

use super::bed::{Authority, Speaks, Web, check_of, probe, run};

type Answer = Response<BoxBody<Bytes, std::convert::Infallible>>;

/// An answer with a message, and a status in the trailers.
fn answer(message: &'static [u8], status: &'static str) -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    let body = Full::from(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::new(body.boxed())
}

/// An answer that is over with its headers.
fn refusal(status: &str, message: &str) -> Answer {
    let response = Response::builder().header("grpc-status", status);
    response.header("grpc-message", message).body(Full::default().boxed()).unwrap()
}

fn check(
    table: &str,
    tls: Option<(&Authority, &[&str])>,
    answer: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static,
    expected: &str,
) {
    let nobody = Authority::new();
    let (kind, files) = tls.map_or(("grpc", &nobody), |it| ("grpcs", it.0));
    let check = check_of(&format!("type = \"{kind}\", {table}"), files);
    let tls = tls.map(|(authority, alpn)| authority.server(&["127.0.0.1"], alpn, |_| {}));
    let seen = run(async {
        let address = Web { tls, speaks: Speaks::Two, answer }.serve().await;
        probe(&check, address).await
    });
    assert_eq!(seen.to_string(), expected, "{table}");
}

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

#[test]
fn a_server_that_says_it_serves_passes() {
    let asked = |request: &Request<Bytes>| {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.body()[..], *b"\0\0\0\0\x06\x0a\x04cart");
        answer(SERVING, "0")
    };
    check("service = \"cart\"", None, asked, "passed");
    let whole = |request: &Request<Bytes>| {
        assert_eq!(request.body()[..], *b"\0\0\0\0\0");
        answer(SERVING, "0")
    };
    check("host = \"shop.test\"", None, whole, "passed");
    let authority = Authority::new();
    let table = "service = \"cart\", ca = \"ca.pem\"";
    check(table, Some((&authority, &["h2"])), asked, "passed");
}

#[test]
fn whatever_else_it_says_fails_by_its_name() {
    let check = |answer: fn() -> Answer, expected: &str| {
        check("service = \"cart\"", None, move |_| answer(), expected);
    };
    check(|| answer(NOT_SERVING, "0"), "NOT_SERVING");
    check(|| answer(&[0, 0, 0, 0, 0], "0"), "UNKNOWN");
    check(|| refusal("5", "unknown service"), "gRPC: it knows no such service");
    check(|| refusal("12", ""), "gRPC: it has no health service (grpc.health.v1)");
    check(|| refusal("14", "going away"), "gRPC status 14 going away");
    check(|| answer(b"what", "0"), "gRPC: the answer is none of grpc.health.v1");
    check(|| Response::new(Full::default().boxed()), "not gRPC: there is no grpc-status");
    let not_found = || Response::builder().status(404).body(Full::default().boxed()).unwrap();
    check(not_found, "not gRPC: status 404");
}
