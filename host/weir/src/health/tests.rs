//! What all checks together make of real servers on loopback.

mod agent;
mod bed;
mod checker;
mod command;
mod dns;
mod grpc;
mod http;
mod icmp;
mod tls;
mod udp;

use std::{cell::RefCell, net::SocketAddr, sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};
use weir_ipvs::{Protocol, RealServerKey, ServiceKey};
use weir_wasm::Latency;

use self::bed::{Authority, ask, check_of, run};
use super::*;
use crate::config::{Check, CheckKind, Via};

const QUICK: Check = Check {
    kind: CheckKind::Tcp,
    port: None,
    via: Via { address: None, source: None, mark: None },
    interval: Duration::from_millis(40),
    fast: Duration::from_millis(10),
    timeout: Duration::from_millis(30),
    rise: 2,
    fall: 3,
};

/// A real server of the service 192.0.2.1 with this port, watched under this number.
fn target(watch: u64, address: SocketAddr, checks: &[Check], needed: usize) -> Target {
    let service = ServiceKey::from((Protocol::Tcp, weir_ipvs::Endpoint::new([192, 0, 2, 1], 80)));
    let subject = Subject::Server(RealServerKey { service, server: address.into() });
    let asks = checks.iter().map(|it| ask(it, address)).collect();
    let (said, latency) = (AgentSays::default(), Latency::default());
    Target { subject, watch, asks, needed, said, latency }
}

/// Watches `target` until `enough` says that what was told is.
async fn told_until(target: Target, enough: impl Fn(&[Told]) -> bool) -> Vec<Told> {
    let (orders, received) = mpsc::channel(4);
    orders.send(Order::Watch(target)).await.unwrap();
    let told = RefCell::new(Vec::new());
    // Its end ends the checks.
    let orders = RefCell::new(Some(orders));
    let tell = |it: Vec<Told>| {
        told.borrow_mut().extend(it);
        if enough(&told.borrow()) {
            orders.borrow_mut().take();
        }
        Ok(())
    };
    probe_all(received, |probe| drop(tokio::spawn(probe)), tell).await;
    told.into_inner()
}

/// The states that were told, and why.
fn verdicts(told: &[Told]) -> Vec<(State, &str)> {
    let mut verdicts = Vec::new();
    for it in told {
        if let Told::Verdict(verdict) = it {
            verdicts.push((verdict.state, verdict.detail.as_str()));
        }
    }
    verdicts
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
        let target = target(1, listener.local_addr().unwrap(), &[check], 1);
        tokio::select! {
            () = serve(listener, answer) => unreachable!("it serves for ever"),
            told = told_until(target, |it| !verdicts(it).is_empty()) => told,
        }
    });
    assert_eq!(verdicts(&told), [*expected], "{answer}");
}

/// They wait for each other's turn, longer than between two probes.
#[test]
fn a_silent_server_is_found_down_however_many_ask_it() {
    let checks: Vec<Check> = (0..12)
        .map(|it| check_of(&format!("type = \"http\", path = \"/{it}\""), &Authority::new()).kind)
        .map(|kind| Check { kind, ..QUICK })
        .collect();
    let told = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target(1, listener.local_addr().unwrap(), &checks, 1);
        tokio::select! {
            () = serve(listener, "") => unreachable!("it serves for ever"),
            told = told_until(target, |it| !verdicts(it).is_empty()) => told,
        }
    });
    assert_eq!(verdicts(&told)[0].0, State::Down);
}

#[test]
fn a_listening_server_is_up_after_one_pass_and_down_after_three_refusals() {
    let told = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = target(1, listener.local_addr().unwrap(), &[QUICK], 1);
        let listener = RefCell::new(Some(listener));
        let enough = |told: &[Told]| {
            listener.borrow_mut().take();
            verdicts(told).last().is_some_and(|it| it.0 == State::Down)
        };
        told_until(target, enough).await
    });
    assert_eq!(
        verdicts(&told),
        [
            (State::Up, "passed, the first check"),
            (State::Suspect, "refused, 1 of 3"),
            (State::Down, "refused, 3 in a row"),
        ]
    );
}

#[test]
fn one_of_several_checks_takes_a_server_down_unless_any_is_enough() {
    let check = |needed, expected: &[(State, &str)]| {
        let told = run(async {
            let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            let mut target = target(1, open.local_addr().unwrap(), &[QUICK], needed);
            target.asks.push(ask(&QUICK, closed));
            // Both are asked again and again until both are known.
            let both = Mutex::new(target.clone());
            told_until(both.into_inner().unwrap(), |it| verdicts(it).len() == expected.len()).await
        });
        assert_eq!(verdicts(&told), expected);
    };
    check(1, &[(State::Up, "tcp: passed, the first check")]);
    check(2, &[(State::Down, "tcp: refused, the first check")]);
}

/// What the others see is as it was, and no reason for anything.
#[test]
fn of_checks_that_stand_alike_the_one_that_changed_is_named() {
    let told = |needed, changes: &[(usize, Outcome)]| {
        let addresses = [80, 81].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
        let mut both = target(1, addresses[0], &[QUICK], needed);
        both.asks.push(ask(&QUICK, addresses[1]));
        let mut streams = Streams::default();
        let begun = streams.watch(both).begun;
        let mut told = Vec::new();
        for (index, outcome) in changes {
            let seen = Seen::from(outcome.clone());
            told.extend(streams.record(begun[*index].0, &seen, Duration::ZERO).unwrap().0);
        }
        let (state, detail) = *verdicts(&told).last().unwrap();
        (state, detail.to_owned())
    };
    let refused = || Outcome::Fail(Cause::Refused);
    let back = [(0, refused()), (1, Outcome::Pass), (0, Outcome::Pass), (0, Outcome::Pass)];
    assert_eq!(told(2, &back), (State::Up, "tcp: passed, 2 in a row".to_owned()));
    let mut gone = vec![(0, refused()), (1, Outcome::Pass)];
    gone.extend([(1, refused()), (1, refused()), (1, refused())]);
    assert_eq!(told(1, &gone), (State::Down, "tcp: refused, 3 in a row".to_owned()));
}

/// Who serves several services is probed once for all of them.
#[test]
fn who_asks_the_same_shares_the_probes_and_hears_the_same() {
    let address = SocketAddr::from(([10, 0, 0, 1], 80));
    let mut streams = Streams::default();
    let begun = |changes: Changes| changes.begun.into_iter().map(|it| it.0).collect::<Vec<_>>();
    let first = begun(streams.watch(target(1, address, &[QUICK], 1)));
    assert_eq!(first.len(), 1);
    assert_eq!(begun(streams.watch(target(2, address, &[QUICK], 1))), []);
    let other = Check { interval: Duration::from_secs(9), ..QUICK };
    assert_eq!(begun(streams.watch(target(3, address, &[other], 1))).len(), 1);
    let elsewhere = SocketAddr::from(([10, 0, 0, 1], 81));
    assert_eq!(begun(streams.watch(target(4, elsewhere, &[QUICK], 1))).len(), 1);
    let seen = Seen::from(Outcome::Pass);
    let (told, _) = streams.record(first[0], &seen, Duration::ZERO).unwrap();
    let watches: Vec<u64> = told
        .iter()
        .filter_map(|it| if let Told::Verdict(it) = it { Some(it.watch) } else { None })
        .collect();
    assert_eq!(watches, [1, 2]);
    // Who comes later hears at once what is known.
    let late = streams.watch(target(5, address, &[QUICK], 1));
    assert_eq!(verdicts(&late.told), [(State::Up, "passed, the first check")]);
    assert_eq!(streams.unwatch(1).ended, []);
    assert_eq!(streams.unwatch(5).ended, []);
    assert_eq!(streams.unwatch(2).ended, first);
    assert_eq!(streams.record(first[0], &seen, Duration::ZERO), None);
}

fn one_stream() -> (Streams, StreamId) {
    let address = SocketAddr::from(([10, 0, 0, 1], 80));
    let mut streams = Streams::default();
    let id = streams.watch(target(1, address, &[QUICK], 1)).begun[0].0;
    (streams, id)
}

/// What there is to know about the check once a probe came to this.
fn news(streams: &mut Streams, id: StreamId, outcome: Outcome) -> Vec<(String, News)> {
    let (told, _) = streams.record(id, &outcome.into(), Duration::ZERO).unwrap();
    let news = told.into_iter().filter_map(|it| match it {
        Told::Notice(it) => Some((it.check, it.news)),
        _ => None,
    });
    news.collect()
}

/// Whoever runs plugins hears of it once for each check and each code.
#[test]
fn that_a_checker_failed_is_told_once() {
    let files = Authority::new();
    let config = "[plugin.p]\nsource = \"p.wasm\"\n[[service]]\nname = \"web\"\n\
                  address = \"192.0.2.1:80\"\ncheck = { type = \"plugin\", plugin = \"p\" }\n";
    let check = Check::clone(&files.parse(config).services[0].check.as_ref().unwrap().list[0]);
    let mut streams = Streams::default();
    let address = SocketAddr::from(([10, 0, 0, 1], 80));
    let id = streams.watch(target(1, address, &[check], 1)).begun[0].0;
    let mut failed = |outcome: Outcome| {
        let (told, _) = streams.record(id, &outcome.into(), Duration::ZERO).unwrap();
        let failures = told.into_iter().filter_map(|it| match it {
            Told::Failed(it) => Some((it.plugin, it.checker, it.report)),
            _ => None,
        });
        failures.collect::<Vec<_>>()
    };
    let checker = || Checker::new(|_, _| Err("unreachable".to_owned()));
    let (one, other) = (checker(), checker().shadowed(true));
    let by = |checker: &Checker| {
        let failed = Hindrance::Failed(checker.clone(), "unreachable".to_owned());
        checker.counted(Outcome::Indeterminate(failed))
    };
    let of = |it: &Checker| [("p".to_owned(), it.clone(), "unreachable".to_owned())];
    assert_eq!(failed(by(&one)), of(&one));
    assert_eq!(failed(by(&one)), []);
    assert_eq!(failed(by(&other)), of(&other), "other code, in shadow");
    assert_eq!(failed(Outcome::Pass), []);
    assert_eq!(failed(by(&one)), of(&one));
}

/// Whatever else it says of it.
#[test]
fn what_hinders_a_check_is_told_anew_only_where_it_is_another_in_kind() {
    let (mut streams, id) = one_stream();
    let mut news = |outcome: Outcome| -> Vec<String> {
        let news = news(&mut streams, id, outcome).into_iter().map(|it| it.1);
        news.map(
            |it| if let News::CannotAsk(why) = it { why.to_string() } else { format!("{it:?}") },
        )
        .collect()
    };
    let unclear = |why: &str| Outcome::Indeterminate(Hindrance::Unclear(why.to_owned()));
    let shadow = |would| Outcome::Indeterminate(Hindrance::Shadow(Box::new(would)));
    let none: [&str; 0] = [];
    assert_eq!(news(unclear("no lease for 1 s")), ["no lease for 1 s"]);
    assert_eq!(news(unclear("no lease for 2 s")), none);
    assert_eq!(news(Outcome::unable("Too many open files")), ["Too many open files"]);
    assert_eq!(news(Outcome::unable("Permission denied")), ["Permission denied"]);
    assert_eq!(news(unclear("no lease for 3 s")), ["no lease for 3 s"]);
    assert_eq!(news(Outcome::Pass), ["CanAskAgain"]);
    assert_eq!(news(unclear("no lease for 4 s")), ["no lease for 4 s"]);
    let would = "it is in shadow, and would say: ";
    assert_eq!(news(shadow(Outcome::Pass)), [format!("{would}passed")]);
    assert_eq!(news(shadow(Outcome::content("9 ms"))), [format!("{would}9 ms")]);
    assert_eq!(news(shadow(Outcome::content("8 ms"))), none);
    assert_eq!(news(shadow(unclear("late by 1"))), [format!("{would}late by 1")]);
    assert_eq!(news(shadow(unclear("late by 2"))), none);
}

#[test]
fn what_this_machine_cannot_ask_is_told_once_and_when_it_can_again() {
    let (mut streams, id) = one_stream();
    let mut news = |outcome: Outcome| news(&mut streams, id, outcome);
    let broken = || Outcome::unable("Too many open files");
    let cannot = News::CannotAsk(Hindrance::Machine("Too many open files".to_owned()));
    let what = || "tcp at 10.0.0.1:80".to_owned();
    assert_eq!(news(Outcome::Pass), []);
    assert_eq!(news(broken()), [(what(), cannot)]);
    assert_eq!(news(broken()), []);
    assert_eq!(news(Outcome::TIMED_OUT), [(what(), News::CanAskAgain)]);
    let warned = || Outcome::Warned("it ends soon".to_owned());
    assert_eq!(news(warned()), [(what(), News::Warning("it ends soon".to_owned()))]);
    assert_eq!(news(warned()), []);
}

/// So that nobody takes it for what hinders a check still.
#[test]
fn that_nobody_asks_any_more_is_told_of_what_could_not_be_asked() {
    for (outcome, expected) in
        [(Outcome::Pass, vec![]), (Outcome::unable("Too many open files"), vec![News::AsksNoMore])]
    {
        let (mut streams, id) = one_stream();
        news(&mut streams, id, outcome);
        let changes = streams.unwatch(1);
        assert_eq!(changes.ended, [id]);
        let told = changes.told.into_iter();
        let news =
            told.map(|it| if let Told::Notice(it) = it { it.news } else { panic!("{it:?}") });
        assert_eq!(news.collect::<Vec<_>>(), expected);
    }
}

/// From the fault to the verdict, for a server that fails from `fault` on, with probes
/// that take `took` then.
fn detection(port: u16, check: &Check, fault: Duration, took: Duration) -> Duration {
    let address = SocketAddr::from(([10, 0, 0, 1], port));
    let mut streams = Streams::default();
    let begun = streams.watch(target(1, address, std::slice::from_ref(check), 1)).begun;
    let (id, mut start) = begun[0];
    loop {
        let (outcome, took) = if start < fault {
            (Outcome::Pass, Duration::ZERO)
        } else {
            (Outcome::TIMED_OUT, took)
        };
        let (told, next) = streams.record(id, &outcome.into(), took).unwrap();
        if verdicts(&told).iter().any(|it| it.0 == State::Down) {
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
    assert!(examples.len() >= 8);
    let files = Authority::new();
    for example in examples {
        files.parse(example);
    }
}

/// Marks take CAP_NET_ADMIN; where it is missing, that is what is told.
#[test]
fn probes_come_from_where_they_are_told_to_and_with_their_mark() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let source = Some(std::net::IpAddr::from([127, 0, 0, 7]));
        let place = Place { address, source, mark: None };
        let stream = socket::stream(place).unwrap().connect(address).await.unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!((Some(from.ip()), from), (source, stream.local_addr().unwrap()));
        let marked = Place { mark: Some(7), ..place };
        match socket::stream(marked) {
            Ok(socket) => assert_eq!(socket2::SockRef::from(&socket).mark().unwrap(), 7),
            Err(error) => assert_eq!(error.raw_os_error(), Some(libc::EPERM)),
        }
        let nowhere = Place { source: Some([192, 0, 2, 77].into()), ..place };
        let error = socket::stream(nowhere).unwrap_err();
        assert!(
            matches!(Outcome::from(error), Outcome::Indeterminate(_)),
            "not the server's fault"
        );
    });
}
