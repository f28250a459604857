//! What the daemon refuses, in which words.

use super::{
    super::protocol::{CHANGES_MAX, REQUEST_BYTES_MAX},
    *,
};

/// Status and body of an answer to a request in the raw.
fn check(request: &str, expected: &str) {
    let bench = Bench::new(Scripted::default());
    let answer = converse_by_hand(&bench.path(), request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().trim_start_matches("HTTP/1.1 ");
    assert_eq!(format!("{status}: {}", body.trim_end()), expected);
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[test]
fn paths_and_methods() {
    check(&get("/v1/ipvs/info"), r#"200 OK: {"version":[1,2,1],"connection_table_size":4096}"#);
    check(
        &get("/v1/nothing"),
        &format!(
            r#"404 Not Found: {{"code":"no-such-path","message":"this daemon, weir {}, has no /v1/nothing"}}"#,
            env!("CARGO_PKG_VERSION")
        ),
    );
    check(
        &get("/v1/ipvs/apply"),
        r#"405 Method Not Allowed: {"code":"no-such-method","message":"/v1/ipvs/apply takes POST, not GET"}"#,
    );
    check(
        &post("/v1/ipvs/info", ""),
        r#"405 Method Not Allowed: {"code":"no-such-method","message":"/v1/ipvs/info takes GET, not POST"}"#,
    );
}

#[test]
fn bodies_that_are_not_understood() {
    check(
        &post("/v1/ipvs/read", "{"),
        r#"400 Bad Request: {"code":"bad-request","message":"EOF while parsing an object at line 1 column 1"}"#,
    );
    check(
        &post("/v1/ipvs/read", r#"{"serves":"tcp 10.0.0.1:80"}"#),
        r#"400 Bad Request: {"code":"bad-request","message":"unknown field `serves`, expected `service` or `fields` at line 1 column 9"}"#,
    );
    check(
        &post("/v1/ipvs/read", r#"{"service":"tcp 10.0.0.1"}"#),
        r#"400 Bad Request: {"code":"bad-request","message":"expected a service such as \"tcp 192.0.2.1:80\" or \"fwmark 7\", found \"tcp 10.0.0.1\" at line 1 column 25"}"#,
    );
}

#[test]
fn what_is_not_there() {
    check(
        &post("/v1/ipvs/read", r#"{"service":"fwmark 7"}"#),
        r#"404 Not Found: {"code":"no-such-service","message":"no such service"}"#,
    );
}

#[test]
fn requests_that_are_too_large() {
    let changes = vec![r#""flush""#; CHANGES_MAX + 1].join(",");
    check(
        &post("/v1/ipvs/apply", &format!(r#"{{"changes":[{changes}],"on_failure":"stop"}}"#)),
        r#"413 Payload Too Large: {"code":"too-many-changes","message":"at most 4096 changes go into one request, not 4097"}"#,
    );
    check(
        &post("/v1/ipvs/read", &" ".repeat(REQUEST_BYTES_MAX + 1)),
        r#"413 Payload Too Large: {"code":"too-large","message":"a request has at most 4194304 bytes"}"#,
    );
    let bench = Bench::new(Scripted::default());
    let request = format!("GET /v1/daemon HTTP/1.1\r\nhost: {}\r\n\r\n", "x".repeat(1 << 20));
    let answer = converse_by_hand(&bench.path(), &request);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}
