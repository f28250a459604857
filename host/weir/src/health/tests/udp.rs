//! The UDP check against sockets on loopback.

use std::time::Duration;

use tokio::net::UdpSocket;

use super::bed::{Authority, check_of, probe, run};

/// What a probe by `table` makes of a server that answers what it is sent with `answer`, or
/// not at all.
fn check(table: &str, sent: &[u8], answer: Option<&[u8]>, expected: &str) {
    let check = check_of(&format!("type = \"udp\", {table}"), &Authority::new());
    let seen = run(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let server = async {
            let mut buffer = [0; 2000];
            let (read, client) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..read], sent);
            if let Some(answer) = answer {
                socket.send_to(answer, client).await.unwrap();
            }
        };
        tokio::join!(probe(&check, address), server).0
    });
    assert_eq!(seen.to_string(), expected, "{table}");
}

#[test]
fn an_answer_passes_if_it_is_what_is_expected() {
    check("port = 1", b"", Some(b"what"), "passed");
    check("send = \"status\\n\", contains = \"ok\"", b"status\n", Some(b"it is ok"), "passed");
    let other = "answer without \"ok\", of 7 bytes";
    check("send = \"status\", contains = \"ok\"", b"status", Some(b"is down"), other);
    check(
        "send-hex = \"00 ff 0A\", matches = '^\\xff'",
        &[0, 255, 10],
        Some(&[255]),
        "answer without /^\\xff/, of 1 bytes",
    );
    check("send-hex = \"00ff\", matches = '(?-u)^\\xff'", &[0, 255], Some(&[255, 1]), "passed");
}

#[test]
fn silence_is_what_the_check_makes_of_it() {
    let timed = "timeout = \"50ms\"";
    check(timed, b"", None, "passed");
    let expected = "timeout waiting for the answer";
    check(&format!("{timed}, silence = \"fail\""), b"", None, expected);
    check(&format!("{timed}, contains = \"ok\""), b"", None, expected);
}

#[test]
fn silence_that_this_machine_slept_through_says_nothing() {
    let check = check_of("type = \"udp\", timeout = \"400ms\"", &Authority::new());
    let seen = run(async {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let stall = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            std::thread::sleep(Duration::from_millis(300));
        };
        tokio::join!(probe(&check, silent.local_addr().unwrap()), stall).0
    });
    assert_eq!(seen.to_string(), "silence, but this machine stalled meanwhile");
}

#[test]
fn a_port_at_which_nobody_listens_is_refused() {
    let check = check_of("type = \"udp\"", &Authority::new());
    let seen = run(async {
        let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        probe(&check, nobody).await
    });
    assert_eq!(seen.to_string(), "refused");
}
