//! The TLS check, and certificates that expire soon.

use std::{sync::Arc, time::SystemTime};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{
    super::tls::wall,
    bed::{Authority, check_of, probe, run},
};

/// What a probe by `table` makes of a server whose certificate lasts so many days and an hour.
fn check(days: u64, table: &str, expected: &str) {
    let authority = Authority::new();
    let tls = authority.server(&["127.0.0.1"], &[], |it| {
        let left = std::time::Duration::from_secs(days * 86_400 + 3600);
        it.not_after = (SystemTime::UNIX_EPOCH + wall() + left).into();
    });
    let check = check_of(&format!("type = \"tls\", ca = \"ca.pem\", {table}"), &authority);
    let seen = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            // The client may go away before it is over.
            drop(acceptor.accept(stream).await);
        };
        tokio::join!(probe(&check, address), server).0
    });
    let warning = seen.warning().map(|it| format!(", {it}")).unwrap_or_default();
    assert_eq!(format!("{seen}{warning}"), expected, "{days} {table}");
}

#[test]
fn a_certificate_that_expires_soon_is_what_the_check_makes_of_it() {
    check(20, "expires-within = \"14d\"", "passed");
    check(13, "port = 1", "passed");
    check(13, "expires-within = \"14d\"", "passed, certificate expires in 13 days");
    check(1, "expires-within = \"14d\"", "passed, certificate expires in 1 day");
    let degrade = "expires-within = \"14d\", expiring = \"30%\"";
    check(13, degrade, "degraded to 30%: certificate expires in 13 days");
    let fail = "expires-within = \"14d\", expiring = \"fail\"";
    check(13, fail, "certificate expires in 13 days");
    check(13, "sni = \"other.test\"", "certificate not for other.test, but for 127.0.0.1");
}
