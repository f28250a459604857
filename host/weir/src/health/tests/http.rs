//! The HTTP check against servers of hyper, in the clear and by TLS.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::bed::{Authority, Speaks, Web, check_of, probe, run, see};

type Answer = Response<Full<Bytes>>;

fn ok(body: &'static str) -> Answer {
    Response::new(Full::from(body))
}

/// What a probe by `table` makes of a server that answers so.
fn check_answer(
    table: &str,
    speaks: Speaks,
    answer: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static,
    expected: &str,
) {
    let check = check_of(table, &Authority::new());
    let seen = run(async {
        let address = Web { tls: None, speaks, answer }.serve().await;
        probe(&check, address).await
    });
    assert_eq!(seen.to_string(), expected, "{table} {speaks:?}");
}

fn check_both(
    table: &str,
    answer: impl Fn(&Request<Bytes>) -> Answer + Clone + Send + Sync + 'static,
    expected: &str,
) {
    check_answer(&format!("type = \"http\", {table}"), Speaks::One, answer.clone(), expected);
    let table = format!("type = \"http\", http-version = \"2\", {table}");
    check_answer(&table, Speaks::Two, answer, expected);
}

/// What a probe by `table` makes of a server with this TLS; the name it was called by, in
/// the `Host` of its requests, is its answer.
fn check_tls(authority: &Authority, tls: ServerConfig, table: &str, expected: &str) {
    let check = check_of(&format!("type = \"https\", {table}"), authority);
    let answer = |request: &Request<Bytes>| {
        let body = format!("{:?} {}", request.version(), request.uri());
        Response::new(Full::from(body))
    };
    let seen = run(async {
        let address = Web { tls: Some(tls), speaks: Speaks::One, answer }.serve().await;
        probe(&check, address).await
    });
    assert_eq!(seen.to_string(), expected, "{table}");
}

#[test]
fn the_request_is_what_the_check_says() {
    let answer = |request: &Request<Bytes>| {
        let header = |name| request.headers().get(name).map(|it| it.to_str().unwrap());
        let host = request.uri().authority().map(|it| it.as_str()).or(header("host"));
        let asked = (request.method().as_str(), request.uri().path_and_query().unwrap().as_str());
        let is_right = asked == ("OPTIONS", "/health?deep=1")
            && host == Some("www.example.com")
            && header("x-probe") == Some("weir")
            && header("user-agent") == Some("mine");
        if is_right { ok("") } else { panic!("{request:?}") }
    };
    let table = "method = \"OPTIONS\", path = \"/health?deep=1\", host = \"www.example.com\", \
                 headers = { x-probe = \"weir\", User-Agent = \"mine\" }";
    check_both(table, answer, "passed");
}

#[test]
fn an_answer_counts_by_its_status() {
    let status = |status: u16| {
        move |_: &Request<Bytes>| Response::builder().status(status).body(Full::default()).unwrap()
    };
    check_both("expect = \"200-204, 301\"", status(204), "passed");
    check_both("expect = \"200-204,301\"", status(301), "passed");
    check_both("expect = \"200-204,301\"", status(302), "status 302");
    check_both("expect = [503]", status(503), "passed");
    check_both("method = \"GET\"", status(503), "status 503");
}

#[test]
fn an_answer_counts_by_its_headers() {
    let answer = |_: &Request<Bytes>| {
        let response = Response::builder().header("x-ready", "no").header("x-ready", "yes");
        response.body(Full::default()).unwrap()
    };
    check_both("expect-header = \"X-Ready\"", answer, "passed");
    check_both("expect-header = \"x-ready: yes\"", answer, "passed");
    check_both("expect-header = \"x-ready: maybe\"", answer, "header x-ready has another value");
    check_both("expect-header = [\"x-ready\", \"x-well\"]", answer, "no header x-well");
}

#[test]
fn an_answer_counts_by_what_is_read_of_its_body() {
    let answer = |_: &Request<Bytes>| ok("state: ready (3)\n");
    check_both("contains = \"(3)\"", answer, "passed");
    check_both("contains = \"(4)\"", answer, "body without \"(4)\", of 17 bytes");
    check_both("matches = 'ready \\(\\d\\)\\s*$'", answer, "passed");
    check_both("matches = '^ready'", answer, "body without /^ready/, of 17 bytes");
    let long = |_: &Request<Bytes>| Response::new(Full::from("x".repeat(3000) + "end"));
    check_both("contains = \"end\"", long, "passed");
    check_both(
        "contains = \"end\", body-max = \"1KiB\"",
        long,
        "body without \"end\", of 1024 bytes",
    );
}

#[test]
fn an_answer_may_say_that_its_server_should_get_less() {
    let status = |status: u16| {
        move |_: &Request<Bytes>| {
            let response = Response::builder().status(status).header("x-load", "high");
            response.body(Full::default()).unwrap()
        }
    };
    check_both("degraded = \"429\"", status(429), "degraded to 50%: status 429");
    check_both("degraded = 429, degraded-weight = \"20%\"", status(200), "passed");
    let header = "degraded-header = \"x-load: high\", degraded-weight = \"20%\"";
    check_both(header, status(200), "degraded to 20%: header x-load");
    check_both(header, status(500), "status 500");
}

#[test]
fn a_header_may_bring_what_the_agent_says() {
    let authority = Authority::new();
    let heard = |answer: Answer| {
        let check = check_of("type = \"http\", agent-header = \"X-Agent\"", &authority);
        let answer = std::sync::Mutex::new(answer);
        let answer = move |_: &Request<Bytes>| answer.lock().unwrap().clone();
        let seen = run(async {
            let address = Web { tls: None, speaks: Speaks::One, answer }.serve().await;
            see(&check, address).await
        });
        (seen.outcome.unwrap().to_string(), seen.agent.unwrap())
    };
    let answer = |line: &str, status: u16| {
        let response = Response::builder().status(status).header("x-agent", line);
        response.body(Full::default()).unwrap()
    };
    let said = |line| super::Reply::parse(line);
    assert_eq!(heard(answer("50% drain", 200)), ("passed".to_owned(), said("50% drain")));
    assert_eq!(heard(answer("down#disk", 500)), ("status 500".to_owned(), said("down#disk")));
    assert_eq!(heard(ok("")), ("passed".to_owned(), None));
}

#[test]
fn who_speaks_something_else_fails_with_its_name() {
    let answer = |_: &Request<Bytes>| ok("");
    let table = "type = \"http\", http-version = \"2\"";
    check_answer(table, Speaks::One, answer, "connection broken");
    let authority = Authority::new();
    let tls = || authority.server(&["127.0.0.1"], &["http/1.1"], |_| {});
    let ca = "ca = \"ca.pem\"";
    let refused = "TLS: it speaks no HTTP version that it was offered (ALPN)";
    check_tls(&authority, tls(), &format!("{ca}, http-version = \"2\""), refused);
    let mute = authority.server(&["127.0.0.1"], &[], |_| {});
    let table = format!("{ca}, http-version = \"2\"");
    check_tls(&authority, mute, &table, "it does not offer HTTP/2 (ALPN)");
    let check = check_of("type = \"https\", verify = false", &authority);
    let seen = run(async {
        let address = Web { tls: None, speaks: Speaks::One, answer }.serve().await;
        probe(&check, address).await
    });
    assert_eq!(seen.to_string(), "not TLS");
}

#[test]
fn within_tls_the_server_chooses_the_version_unless_one_is_written() {
    let authority = Authority::new();
    let both = || authority.server(&["127.0.0.1"], &["h2", "http/1.1"], |_| {});
    let ca = "ca = \"ca.pem\"";
    let check = |tls, table: &str| check_tls(&authority, tls, &format!("{ca}, {table}"), "passed");
    check(both(), "contains = \"HTTP/2.0 https://127.0.0.1:\"");
    check(both(), "http-version = \"1.1\", contains = \"HTTP/1.1 /\"");
    check(both(), "http-version = \"2\", contains = \"HTTP/2.0 \"");
    check(authority.server(&["127.0.0.1"], &[], |_| {}), "contains = \"HTTP/1.1 /\"");
}

#[test]
fn certificates_are_verified_by_the_ca_and_for_the_name() {
    let authority = Authority::new();
    let tls = |names: &[&str]| authority.server(names, &[], |_| {});
    let check = |tls, table: &str, expected: &str| check_tls(&authority, tls, table, expected);
    check(tls(&["127.0.0.1"]), "ca = \"ca.pem\"", "passed");
    check(tls(&["weir.test"]), "ca = \"ca.pem\", sni = \"weir.test\"", "passed");
    check(tls(&["weir.test"]), "ca = \"ca.pem\", host = \"weir.test:8443\"", "passed");
    check(
        tls(&["weir.test"]),
        "ca = \"ca.pem\", sni = \"other.test\"",
        "certificate not for other.test, but for weir.test",
    );
    let unknown = "certificate of an unknown issuer: name its CA by ca, or do not verify";
    check(tls(&["weir.test"]), "sni = \"weir.test\"", unknown);
    check(tls(&["weir.test"]), "verify = false", "passed");
    let expired = authority.server(&["127.0.0.1"], &[], |it| {
        it.not_before = rcgen::date_time_ymd(2019, 1, 1);
        it.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    check(expired, "ca = \"ca.pem\"", "certificate expired");
}

#[test]
fn a_client_certificate_is_shown_where_one_is_wanted() {
    let authority = Authority::new();
    let tls = || authority.exclusive_server(&["127.0.0.1"]);
    let ca = "ca = \"ca.pem\"";
    let check = |table: &str, expected: &str| {
        check_tls(&authority, tls(), &format!("{ca}{table}"), expected);
    };
    check(", client-certificate = \"client.pem\", client-key = \"client.key\"", "passed");
    check(", client-certificate = \"both.pem\"", "passed");
    check("", "TLS: it wants a client certificate: add client-certificate to the check");
    let stranger = Authority::named("a stranger");
    let (certificate, key) = stranger.issue(&["stranger.test"], |_| {});
    authority.write("stranger.pem", &(certificate + &key));
    check(
        ", client-certificate = \"stranger.pem\"",
        "TLS: it refuses the client certificate (UnknownCA)",
    );
}

#[test]
fn silence_is_named_by_what_was_waited_for() {
    let check = |table: &str, expected: &str| {
        let check = check_of(table, &Authority::new());
        let seen = run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            probe(&check, listener.local_addr().unwrap()).await
        });
        assert_eq!(seen.to_string(), expected);
    };
    check("type = \"http\", timeout = \"50ms\"", "timeout waiting for the answer");
    check("type = \"https\", verify = false, timeout = \"50ms\"", "timeout in the TLS handshake");
}
