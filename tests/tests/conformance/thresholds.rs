//! Thresholds: when a real server takes no new connections, and when it does again. Kernels
//! of two generations answer differently.

use weir_embedded::Generation;
use weir_ipvs::{Change, Endpoint, RealServer, Service, ServiceKey, Timeouts};

use super::{
    packets::{choices, client, datagram, opened, persistent, server, tcp, udp, vip},
    subject::Subject,
};

fn limited(upper_threshold: u32, lower_threshold: u32) -> RealServer {
    RealServer { upper_threshold, lower_threshold, ..server(1, 1) }
}

fn service(subject: &mut dyn Subject, key: ServiceKey, server: RealServer) {
    subject.make(&[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server)]);
}

/// Which of these clients get in.
fn sent(subject: &mut dyn Subject, clients: impl IntoIterator<Item = u16>) -> String {
    choices(subject, clients.into_iter().map(|n| datagram(client(n), vip(1, 53))))
}

/// How many seconds datagrams keep a connection from now on.
fn keep(seconds: u32) -> Change {
    Change::SetTimeouts(Timeouts { udp: seconds, ..Timeouts::default() })
}

pub(crate) fn a_full_server_takes_no_more(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    service(subject, key, limited(2, 0));
    subject.add_server(key, server(2, 1));
    assert_eq!(opened(subject, vip(1, 80), 1..=6), "bababb");
    // What it has goes on.
    assert_eq!(opened(subject, vip(1, 80), [2]), "a");
}

/// Four connections to one that takes four, of which one after the other expires; it
/// takes a new one when so many are left.
fn relief(subject: &mut dyn Subject, lower: u32, left: usize) {
    let key = udp(vip(1, 53));
    service(subject, key, limited(4, lower));
    let mut total = 4;
    subject.make(&[keep(1)]);
    sent(subject, [1]);
    subject.make(&[keep(300)]);
    assert_eq!(sent(subject, 2..=5), "aaa-");
    while total > left {
        let next = u16::try_from(6 - total).expect("it is small");
        subject.wait(|subject| subject.connections().len() == total - 1);
        total -= 1;
        if total > left {
            assert_eq!(sent(subject, [50]), "-", "with {total}");
            // The next one to expire.
            subject.make(&[keep(1)]);
            assert_eq!(sent(subject, [next]), "a");
        }
    }
    subject.make(&[keep(300)]);
    let room = "a".repeat(4 - left);
    assert_eq!(sent(subject, 60..65), format!("{room:-<5}"));
}

pub(crate) fn a_full_server_takes_new_ones_below_three_quarters(subject: &mut dyn Subject) {
    relief(subject, 0, 2);
}

pub(crate) fn a_full_server_takes_new_ones_below_its_lower_threshold(subject: &mut dyn Subject) {
    relief(subject, 4, 3);
}

pub(crate) fn an_edit_may_fill_a_server(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    service(subject, key, server(1, 1));
    assert_eq!(opened(subject, vip(1, 80), 1..=4), "aaaa");
    subject.make(&[Change::EditServer(key, limited(2, 0))]);
    let expected = match subject.generation() {
        // Not before one more has come.
        Generation::Older => "a-",
        Generation::Newer => "--",
    };
    assert_eq!(opened(subject, vip(1, 80), 5..=6), expected);
}

pub(crate) fn an_edit_may_make_room(subject: &mut dyn Subject) {
    let key = tcp(vip(1, 80));
    service(subject, key, limited(4, 0));
    assert_eq!(opened(subject, vip(1, 80), 1..=5), "aaaa-");
    // The same once more changes nothing.
    subject.make(&[Change::EditServer(key, limited(4, 0))]);
    assert_eq!(opened(subject, vip(1, 80), [6]), "-");
    let expected = match subject.generation() {
        Generation::Older => ["a-", "aa", "aa"],
        // 5 has a lower threshold of 4, 7 one of 6.
        Generation::Newer => ["--", "aa", "aa"],
    };
    for (upper, expected) in [5, 7, 0].into_iter().zip(expected) {
        subject.make(&[Change::EditServer(key, limited(upper, 0))]);
        let first = u16::try_from(10 * upper + 10).expect("it is small");
        assert_eq!(opened(subject, vip(1, 80), first..first + 2), expected, "{upper}");
    }
}

pub(crate) fn a_template_leads_to_a_full_server_too(subject: &mut dyn Subject) {
    let key = udp(vip(1, 53));
    subject.make(&[
        Change::AddService(persistent(key, "rr", 300)),
        Change::AddServer(key, limited(1, 0)),
    ]);
    let from = |port| datagram(Endpoint { port, ..client(1) }, vip(1, 53));
    assert_eq!(choices(subject, [from(1), from(2), from(3)]), "aaa");
    assert_eq!(sent(subject, [2]), "-");
    assert_eq!(subject.counts(key, 1), (0, 3, 1));
}
