//! Checks by plugins: what these reach of real servers on loopback, and what comes of it.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};
use weir_wasm::{Checked, Checking, HttpRequest, PROBE_BYTES, ProbeError, Reach};

use super::{
    bed::{Authority, Speaks, Web, run, see_by},
    *,
};

const TABLE: &str = "type = \"plugin\", plugin = \"p\"";

/// The configuration of a check by the plugin `p` with these keys beside.
fn check(keys: &str, files: &Authority) -> Check {
    let config = files.parse(&format!(
        "[plugin.p]\nsource = \"p.wasm\"\n[[service]]\nname = \"web\"\n\
         address = \"192.0.2.1:80\"\ncheck = {{ {TABLE}{keys} }}\n"
    ));
    Check::clone(&config.services[0].check.as_ref().unwrap().list[0])
}

/// What comes of a check by a plugin that does this.
async fn by(
    check: &Check,
    address: SocketAddr,
    plugin: impl Fn(Checking, Box<dyn Reach>) -> Result<Checked, String> + Send + Sync + 'static,
) -> String {
    let seen = see_by(check, address, Some(Checker::new(plugin))).await;
    seen.outcome.unwrap().to_string()
}

fn get(path: &str, headers: &[(&str, &str)]) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        path: path.to_owned(),
        headers: headers.iter().map(|(name, it)| ((*name).into(), (*it).into())).collect(),
        body: b"body".to_vec(),
    }
}

/// Asks by HTTP, and fails with what it hears.
fn ask_http(
    headers: &'static [(&str, &str)],
) -> impl Fn(Checking, Box<dyn Reach>) -> Result<Checked, String> {
    move |_, mut reach| {
        Ok(match reach.http(get("/ready?x=1", headers)) {
            Ok(it) => {
                let said = it.headers.iter().find(|it| it.0 == "x-said").map(|it| it.1.clone());
                let said = String::from_utf8(said.unwrap_or_default()).unwrap();
                Checked::Fail(format!("{} {said} {}", it.status, it.body.len()))
            }
            Err(error) => Checked::Unreached(error),
        })
    }
}

fn answer(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    let header = |name| request.headers().get(name).map_or("", |it| it.to_str().unwrap());
    let body = String::from_utf8_lossy(request.body());
    let said = format!("{} {} {} {body}", request.method(), request.uri(), header("x-probe"));
    let host = if header("host") == "www.test" { said } else { header("host").to_owned() };
    let long = Bytes::from(vec![b'x'; PROBE_BYTES + 1]);
    Response::builder().status(202).header("x-said", host).body(Full::from(long)).unwrap()
}

#[test]
fn a_checker_asks_by_http() {
    let check = check("", &Authority::new());
    run(async {
        let address = Web { tls: None, speaks: Speaks::One, answer }.serve().await;
        let named = by(&check, address, ask_http(&[("Host", "www.test"), ("X-Probe", "p")])).await;
        assert_eq!(named, format!("202 POST /ready?x=1 p body {PROBE_BYTES}"));
        let unnamed = by(&check, address, ask_http(&[])).await;
        assert_eq!(unnamed, format!("202 {address} {PROBE_BYTES}"));
        for (headers, why) in [
            (
                &[("content-length", "9")] as &[_],
                "the header content-length is the connection's own",
            ),
            (&[("a b", "9")], "\"a b\" is no name of a header"),
            (&[("x", "\n")], "failed to parse header value"),
        ] {
            assert_eq!(by(&check, address, ask_http(headers)).await, why);
        }
        let bad = |_, mut reach: Box<dyn Reach>| {
            Ok(Checked::Unreached(reach.http(get("ready", &[])).unwrap_err()))
        };
        let why = "expected a path such as \"/health\", percent-encoded, found \"ready\"";
        assert_eq!(by(&check, address, bad).await, why);
    });
}

#[test]
fn what_it_asks_is_within_tls_where_the_check_says_so() {
    let authority = Authority::new();
    let own = check(", tls = true, ca = \"ca.pem\", sni = \"a.test\"", &authority);
    let anyones = check(", tls = true, verify = false", &authority);
    let strict = check(", tls = true, ca = \"ca.pem\", sni = \"b.test\"", &authority);
    run(async {
        let tls = authority.server(&["a.test"], &[], |_| {});
        let address = Web { tls: Some(tls), speaks: Speaks::One, answer }.serve().await;
        let expected = format!("202 {address} {PROBE_BYTES}");
        assert_eq!(by(&own, address, ask_http(&[])).await, expected);
        assert_eq!(by(&anyones, address, ask_http(&[])).await, expected);
        let refused = by(&strict, address, ask_http(&[])).await;
        assert_eq!(refused, "certificate not for b.test, but for a.test");
    });
}

/// As of any other check that speaks TLS.
#[test]
fn a_certificate_that_expires_soon_counts_where_a_checker_is_content() {
    let authority = Authority::new();
    let soon = |keys: &str| {
        let keys = format!(", tls = true, ca = \"ca.pem\", expires-within = \"14d\"{keys}");
        check(&keys, &authority)
    };
    let says = |found: Checked| {
        move |_: Checking, mut reach: Box<dyn Reach>| {
            drop(reach.connect().unwrap());
            Ok(found.clone())
        }
    };
    let busy = || Checked::Degraded(40, "busy".to_owned());
    run(async {
        let tls = authority.server(&["127.0.0.1"], &[], |it| {
            let left = Duration::from_secs(13 * 86_400 + 3600);
            it.not_after =
                (std::time::SystemTime::UNIX_EPOCH + super::super::tls::wall() + left).into();
        });
        let address = Web { tls: Some(tls), speaks: Speaks::One, answer }.serve().await;
        let warned = see_by(&soon(""), address, Some(Checker::new(says(Checked::Pass)))).await;
        assert_eq!(warned.outcome.unwrap().warning(), Some("certificate expires in 13 days"));
        let half = soon(", expiring = \"50%\"");
        let expected = "degraded to 50%: certificate expires in 13 days";
        assert_eq!(by(&half, address, says(Checked::Pass)).await, expected);
        assert_eq!(by(&half, address, says(busy())).await, "degraded to 40%: busy");
        let fail = soon(", expiring = \"fail\"");
        let expected = "certificate expires in 13 days";
        assert_eq!(by(&fail, address, says(Checked::Pass)).await, expected);
        assert_eq!(by(&fail, address, says(busy())).await, expected);
        assert_eq!(by(&fail, address, says(Checked::Fail("cold".to_owned()))).await, "cold");
    });
}

#[test]
fn a_checker_talks_over_connections_and_by_datagrams() {
    let check = check("", &Authority::new());
    let talk = |checking: Checking, mut reach: Box<dyn Reach>| {
        assert!(checking.server.ip().is_loopback() && checking.settings == "{}");
        let mut connections = [reach.connect().unwrap(), reach.connect().unwrap()];
        for connection in &mut connections {
            connection.write(b"hello ".to_vec()).unwrap();
        }
        let mut heard = Vec::new();
        for connection in &mut connections {
            loop {
                let read = connection.read(4).unwrap();
                assert!(read.len() <= 4);
                if read.is_empty() {
                    break;
                }
                heard.extend(read);
            }
        }
        Ok(Checked::Degraded(40, String::from_utf8(heard).unwrap()))
    };
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut heard = [0; 6];
                stream.read_exact(&mut heard).await.unwrap();
                stream.write_all(&heard).await.unwrap();
            }
        });
        assert_eq!(by(&check, address, talk).await, "degraded to 40%: hello hello ");
        let nothing = |_, mut reach: Box<dyn Reach>| {
            Ok(Checked::Unreached(reach.connect().unwrap().read(0).unwrap_err()))
        };
        let why = "expected to read 1 byte or more, found 0";
        assert_eq!(by(&check, address, nothing).await, why);

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut heard = [0; 9];
            let (length, from) = socket.recv_from(&mut heard).await.unwrap();
            socket.send_to(&heard[..length], from).await.unwrap();
        });
        let exchange = |_, mut reach: Box<dyn Reach>| {
            let is_same = reach.exchange(b"ping".to_vec()).unwrap() == b"ping";
            Ok(if is_same { Checked::Pass } else { Checked::Fail("another".into()) })
        };
        assert_eq!(by(&check, address, exchange).await, "passed");
        let too_large = |_, mut reach: Box<dyn Reach>| {
            Ok(Checked::Unreached(reach.exchange(vec![0; 65_508]).unwrap_err()))
        };
        let why = "expected 65507 bytes at most, found 65508";
        assert_eq!(by(&check, address, too_large).await, why);
    });
}

/// A question without an answer is what any check would make of it.
#[test]
fn what_is_asked_in_vain_is_evidence() {
    let check = check(", timeout = \"50ms\", interval = \"1s\"", &Authority::new());
    let connect = |_, mut reach: Box<dyn Reach>| {
        Ok(reach.connect().map_or_else(Checked::Unreached, |_| Checked::Pass))
    };
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // It is accepted by the kernel, and never answered.
        let read = |_, mut reach: Box<dyn Reach>| {
            let error = reach.connect().unwrap().read(1).unwrap_err();
            assert_eq!(error, ProbeError::Timeout);
            // Every further question is over at once.
            assert_eq!(reach.http(get("/", &[])), Err(ProbeError::Timeout));
            Ok(Checked::Unreached(error))
        };
        assert_eq!(by(&check, address, read).await, "timeout");
        // So are those that could be answered at once.
        let late = |_, mut reach: Box<dyn Reach>| {
            let mut connection = reach.connect().unwrap();
            assert_eq!(connection.read(1), Err(ProbeError::Timeout));
            assert_eq!(connection.write(b"late".to_vec()), Err(ProbeError::Timeout));
            assert_eq!(connection.read(0), Err(ProbeError::Timeout));
            Ok(Checked::Unreached(reach.exchange(vec![0; 65_508]).unwrap_err()))
        };
        assert_eq!(by(&check, address, late).await, "timeout");
        drop(listener);
        let seen = see_by(&check, address, Some(Checker::new(connect))).await.outcome.unwrap();
        assert_eq!((seen.to_string().as_str(), seen.evidence()), ("refused", Evidence::Hard));
    });
}

#[test]
fn nothing_is_concluded_from_a_checker_that_is_broken() {
    let check = check("", &Authority::new());
    let nowhere = "127.0.0.1:1".parse().unwrap();
    run(async {
        for (found, expected) in [
            (Err("p: check failed: it panicked".to_owned()), "p: check failed: it panicked"),
            (Ok(Checked::Inconclusive("no idea\nat all".to_owned())), "no idea"),
            (Ok(Checked::Unreached(ProbeError::Local("no room".to_owned()))), "no room"),
            (Ok(Checked::Unreached(ProbeError::Invalid("odd".to_owned()))), "odd"),
        ] {
            let checker = Checker::new(move |_, _| found.clone());
            let seen = see_by(&check, nowhere, Some(checker)).await.outcome.unwrap();
            assert_eq!(seen.to_string(), expected);
            assert!(matches!(seen, Outcome::Indeterminate(_)));
        }
        let seen = see_by(&check, nowhere, None).await.outcome.unwrap();
        assert_eq!(seen, Outcome::unable("plugin p does not run"));
        let checker = Checker::new(|_, _| panic!("a bug of weir's"));
        let seen = see_by(&check, nowhere, Some(checker)).await.outcome.unwrap();
        assert_eq!(seen, Outcome::unable("its checker failed"));
        let checker = Checker::new(|_, _| Ok(Checked::Fail("cold".to_owned()))).shadowed(true);
        let seen = see_by(&check, nowhere, Some(checker)).await.outcome.unwrap();
        assert!(matches!(seen, Outcome::Indeterminate(_)));
        assert_eq!(seen.to_string(), "it is in shadow, and would say: cold");
    });
}
