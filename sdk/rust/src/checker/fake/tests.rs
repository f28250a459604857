//! The fake server answers what the test says, and the host keeps what it promises.

use super::*;
use crate::checker::{Connection, Degradation, Response, clock, degraded, get, probe, settings};

fn pass(_: Response) -> Outcome {
    Outcome::Pass
}

#[test]
fn pages_are_answered() {
    let host = Host::new().with_page("/up", 200, "yes").with_header("x-load", "7");
    let outcome = host.check(|target| {
        assert_eq!((target.server.port, target.timeout), (80, 2_000));
        let Response { status, headers, body } = get("/up")?;
        assert_eq!((status, &*body), (200, b"yes".as_slice()));
        assert_eq!(headers, [("x-load".to_owned(), b"7".to_vec())]);
        assert_eq!(get("/gone")?.status, 404);
        Ok(degraded(50, "half"))
    });
    let half = Degradation { percent: 50, reason: "half".to_owned() };
    assert_eq!(outcome, Outcome::Degraded(half));
    assert_eq!(host.asked(), ["GET /up", "GET /gone"]);
}

#[test]
fn what_is_not_answered_is_refused() {
    let unreached = Outcome::Unreached(Error::Refused);
    assert_eq!(Host::new().check(|_| get("/").map(pass)), unreached);
    assert_eq!(Host::new().check(|_| Connection::connect().map(|_| Outcome::Pass)), unreached);
    let exchange = |_: &Target| probe::exchange(b"ping").map(|_| Outcome::Pass);
    assert_eq!(Host::new().check(exchange), unreached);
    let broken = Host::new().with_page("/", 200, "").with_error(Error::Broken);
    assert_eq!(broken.check(|_| get("/").map(pass)), Outcome::Unreached(Error::Broken));
}

#[test]
fn lines_are_heard_in_parts() {
    let host = Host::new().with_line(b"", b"hello\r\n").with_line(b"PING\r\n", b"+PONG\r\n");
    let talk = |_: &Target| {
        let connection = Connection::connect()?;
        assert_eq!(connection.read(5)?, b"hello");
        assert_eq!(connection.read(64)?, b"\r\n");
        connection.write(b"PING\r\n")?;
        assert_eq!(connection.read(64)?, b"+PONG\r\n");
        assert_eq!(connection.read(0), Err(Error::Invalid("a read of 0 bytes".to_owned())));
        Ok(Outcome::Fail(connection.read(64)?.escape_ascii().to_string()))
    };
    assert_eq!(host.check(talk), Outcome::Unreached(Error::Timeout));
    assert_eq!(host.asked()[..4], ["connect", "read", "read", "write PING\\r\\n"]);
    assert_eq!(host.with_end().check(talk), Outcome::Fail(String::new()));
}

#[test]
fn datagrams_are_answered_or_lost() {
    let host = Host::new().with_datagram(b"ping", b"pong");
    let outcome = host.check(|_| {
        assert_eq!(probe::exchange(b"ping")?, b"pong");
        probe::exchange(b"other").map(|_| Outcome::Pass)
    });
    assert_eq!(outcome, Outcome::Unreached(Error::Timeout));
}

#[test]
fn time_goes_by_until_it_is_over() {
    let host = Host::new().with_page("/", 200, "").with_delay(Duration::from_millis(900));
    let outcome = host.check(|_| {
        let began = clock::monotonic();
        get("/")?;
        assert_eq!(clock::monotonic() - began, 900_000_000);
        get("/")?;
        assert_eq!(get("/"), Err(Error::Timeout));
        assert_eq!(clock::monotonic() - began, 2_000_000_000);
        log::write(log::Level::Info, "late", &[]);
        Ok(Outcome::Inconclusive("late".to_owned()))
    });
    assert_eq!(outcome, Outcome::Inconclusive("late".to_owned()));
    assert_eq!(host.logged(), ["info: late"]);
    assert_eq!(host.check(|_| get("/").map(pass)), Outcome::Pass);
}

#[test]
fn as_much_is_asked_as_the_real_host_allows() {
    let host = Host::new().with_page("/", 200, "").with_settings("[1]");
    let ask_on = |target: &Target| {
        assert_eq!(settings::<[u32; 1]>(target), Ok([1]));
        loop {
            get("/")?;
        }
    };
    let most = Error::Invalid("more than 64 questions in one check".to_owned());
    assert_eq!(host.check(ask_on), Outcome::Unreached(most));
    assert_eq!(host.asked().len(), 64);
}

#[test]
#[should_panic(expected = "no host: make a weir_sdk::checker::fake::Host first")]
fn without_a_host_that_is_said() {
    drop(Host::new());
    let _ = get("/");
}

/// A checker that compiles natively compiles for Wasm, too: both of each have one type.
#[test]
fn functions_are_called_as_the_bindings_are() {
    use crate::checker::weir::host;

    let _ = [clock::wall, host::clock::wall, clock::monotonic, host::clock::monotonic];
    let _ = [clock::utc_offset, host::clock::utc_offset];
    let _ = [log::write, host::log::write];
    let _ = [probe::http, host::probe::http];
    let _ = [probe::exchange, host::probe::exchange];
}
