//! What watches make of real servers on loopback.

mod bed;
mod http;

use std::{cell::RefCell, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
};
use weir_ipvs::{Protocol, ServiceKey};

use self::bed::{Authority, check_of, run};
use super::*;
use crate::config::CheckKind;

const QUICK: Check = Check {
    kind: CheckKind::Tcp,
    port: None,
    interval: Duration::from_millis(40),
    fast: Duration::from_millis(10),
    timeout: Duration::from_millis(30),
    rise: 2,
    fall: 3,
};

fn target(address: SocketAddr, check: Check) -> Target {
    let service = ServiceKey::from((Protocol::Tcp, "192.0.2.1:80".parse().unwrap()));
    Target { key: RealServerKey { service, server: address.into() }, watch: 1, address, check }
}

/// Watches `target` until `verdicts` were told.
async fn first(target: Target, verdicts: usize) -> Vec<(State, String)> {
    let told = RefCell::new(Vec::new());
    let enough = Notify::new();
    let tell = |verdict: Verdict| {
        told.borrow_mut().push((verdict.state, verdict.detail));
        if told.borrow().len() == verdicts {
            enough.notify_one();
        }
        std::future::ready(())
    };
    let gate = Semaphore::new(PROBES_IN_FLIGHT);
    tokio::select! {
        never = watch(target, Arc::new(gate), tell) => match never {},
        () = enough.notified() => {}
    }
    told.into_inner()
}

/// Answers every connection with `answer`, or with silence if it is empty.
async fn serve(listener: TcpListener, answer: &str) {
    let mut silent = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        if answer.is_empty() {
            silent.push(stream);
            continue;
        }
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

fn check_http(answer: &str, expected: &(State, &str)) {
    let http = check_of("type = \"http\", expect = [200]", &Authority::new()).kind;
    let check = Check { kind: http, ..QUICK };
    let told = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::select! {
            () = serve(listener, answer) => unreachable!("it serves for ever"),
            told = first(target(address, check), 1) => told,
        }
    });
    assert_eq!(told, [(expected.0, expected.1.to_owned())], "{answer}");
}

#[test]
fn a_listening_server_is_up_after_one_pass_and_down_after_three_refusals() {
    let told = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target(listener.local_addr().unwrap(), QUICK);
        let told = RefCell::new(Vec::new());
        let listener = RefCell::new(Some(listener));
        let enough = Notify::new();
        let tell = |verdict: Verdict| {
            listener.borrow_mut().take();
            if verdict.state == State::Down {
                enough.notify_one();
            }
            told.borrow_mut().push((verdict.state, verdict.detail));
            std::future::ready(())
        };
        let gate = Semaphore::new(1);
        tokio::select! {
            never = watch(target, Arc::new(gate), tell) => match never {},
            () = enough.notified() => {}
        }
        told.into_inner()
    });
    assert_eq!(
        told,
        [
            (State::Up, "passed, the first check".to_owned()),
            (State::Suspect, "refused, 1 of 3".to_owned()),
            (State::Down, "refused, 3 in a row".to_owned()),
        ]
    );
}

/// From the fault to the verdict, for a server that fails from `fault` on, with probes
/// that take `took` then.
fn detection(port: u16, check: &Check, fault: Duration, took: Duration) -> Duration {
    let address = SocketAddr::from(([10, 0, 0, 1], port));
    let mut checker = Checker::new(target(address, check.clone()));
    let mut start = checker.first();
    loop {
        let (outcome, took) = if start < fault {
            (Outcome::Pass, Duration::ZERO)
        } else {
            (Outcome::TIMED_OUT, took)
        };
        let (verdict, next) = checker.record(&outcome, took);
        if verdict.is_some_and(|it| it.state == State::Down) {
            return start + took - fault;
        }
        start += next;
    }
}

/// Scenarios 1 and 2.
#[test]
fn a_fault_is_detected_within_the_stated_bound_and_not_before_three_failures() {
    let ms = Duration::from_millis;
    let check = Check { interval: ms(5000), fast: ms(1000), timeout: ms(2000), ..QUICK };
    let (mut refused, mut silent) = (Vec::new(), Vec::new());
    for port in 1..500 {
        let fault = ms(20_000 + u64::from(port) * 17);
        refused.push(detection(port, &check, fault, Duration::ZERO));
        silent.push(detection(port, &check, fault, check.timeout));
    }
    let range = |it: Vec<Duration>| (it.iter().min().copied(), it.iter().max().copied());
    let (least, most) = range(refused);
    assert!(least >= Some(ms(2000)) && most <= Some(ms(7500)), "{least:?} {most:?}");
    let (least, most) = range(silent);
    assert!(least >= Some(ms(6000)) && most <= Some(ms(11_500)), "{least:?} {most:?}");
}

#[test]
fn an_http_answer_counts_by_its_status() {
    let up = (State::Up, "passed, the first check");
    check_http("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", &up);
    check_http("HTTP/1.0 200 OK\r\n\r\n", &(State::Up, "passed, the first check"));
    check_http(
        "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        &(State::Down, "status 503, the first check"),
    );
    check_http("SSH-2.0-x\r\n", &(State::Down, "not HTTP, the first check"));
    check_http("", &(State::Down, "timeout waiting for the answer, the first check"));
}

#[test]
fn every_documented_example_is_a_configuration() {
    let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checks.md"));
    let examples = crate::config::tests::examples(manual);
    assert!(examples.len() >= 2);
    let files = Authority::new();
    for example in examples {
        files.parse(example);
    }
}
