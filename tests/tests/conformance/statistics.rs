//! Statistics: what is counted, when it is shown, and what zeroing does.

use std::{iter, time::Duration};

use weir_embedded::{Packet, Sysctls};
use weir_ipvs::{Change, Family, Forwarding, RealServer, Service, ServiceKey, Stats, Traffic};

use super::{
    packets::{client, segment, server, server_at, tcp, vip},
    subject::{PATIENCE, Subject},
};

/// A service with that real server.
fn service(subject: &mut dyn Subject, server: RealServer) -> ServiceKey {
    let key = tcp(vip(1, 80));
    subject.make(&[Change::AddService(Service::new(key, "rr")), Change::AddServer(key, server)]);
    key
}

fn traffic(numbers: [u64; 5]) -> Traffic {
    let [connections, packets_in, packets_out, bytes_in, bytes_out] = numbers;
    Traffic { connections, packets_in, packets_out, bytes_in, bytes_out }
}

fn syn(n: u16) -> Packet {
    segment(client(n), vip(1, 80), "S")
}

/// Waits until the service, its real server and all together show these totals.
fn expect(subject: &mut dyn Subject, key: ServiceKey, numbers: [u64; 5]) {
    let mut seen = Vec::new();
    let expected = traffic(numbers);
    let start = subject.now();
    loop {
        let entry = subject.entry(key);
        let all = subject.ipvs().totals().unwrap();
        let found = [entry.service.stats, entry.servers[0].stats, all].map(|it| it.total);
        if found == [expected; 3] {
            return;
        }
        if seen.last() != Some(&found) {
            seen.push(found);
        }
        assert!(
            subject.now() - start < PATIENCE,
            "not {expected:?} but one after the other {seen:#?}"
        );
        subject.let_a_moment_pass();
    }
}

pub(crate) fn connections_packets_and_bytes_are_counted(subject: &mut dyn Subject) {
    let key = service(subject, server(1, 1));
    let reply = segment(server(1, 1).endpoint, client(1), "SA");
    let long = |packet: Packet, bytes| Packet { bytes, ..packet };
    subject.client_sends(&syn(1));
    subject.client_sends(&long(syn(2), 100));
    subject.server_sends(&long(reply, 1000));
    subject.client_sends(&long(segment(client(1), vip(1, 80), "A"), 500));
    // What is not forwarded counts nowhere.
    subject.client_sends(&segment(client(9), vip(1, 80), "A"));
    subject.client_sends(&segment(client(9), vip(1, 81), "S"));
    expect(subject, key, [2, 3, 1, 640, 1000]);
}

pub(crate) fn what_passes_by_is_not_counted(subject: &mut dyn Subject) {
    let direct = RealServer::new(server_at(Family::V4, 1, 80), Forwarding::Direct, 1);
    let key = service(subject, direct);
    subject.client_sends(&syn(1));
    subject.client_sends(&segment(client(1), vip(1, 80), "A"));
    expect(subject, key, [1, 2, 0, 80, 0]);
}

pub(crate) fn zeroing_begins_at_the_last_sample(subject: &mut dyn Subject) {
    let key = service(subject, server(1, 1));
    for n in 1..=3 {
        subject.client_sends(&syn(n));
    }
    expect(subject, key, [3, 3, 0, 120, 0]);
    // One at a time, so that there is no doubt which sample has what.
    subject.make(&[Change::Zero(None)]);
    expect(subject, key, [0; 5]);
    for n in 4..=5 {
        subject.client_sends(&syn(n));
    }
    subject.make(&[Change::Zero(Some(key)), Change::Zero(None)]);
    expect(subject, key, [2, 2, 0, 80, 0]);
    assert_eq!(subject.servers(key)[0].stats.total, traffic([2, 2, 0, 80, 0]));
    subject.make(&[Change::Zero(Some(key))]);
    let entry = subject.entry(key);
    assert_eq!((entry.service.stats, entry.servers[0].stats), Default::default());
    // The namespace was not asked.
    assert_eq!(subject.ipvs().totals().unwrap().total.connections, 2);
}

pub(crate) fn rates_follow_a_burst_and_fade(subject: &mut dyn Subject) {
    let key = service(subject, server(1, 1));
    for n in 1..=100 {
        subject.client_sends(&syn(n));
    }
    // A quarter of 50 a second, then three quarters of what was before.
    let mut seen = Vec::new();
    subject.wait(|subject| {
        let Stats { total, per_second } = subject.entry(key).service.stats;
        let pair = (total.connections, per_second.connections);
        if seen.last() != Some(&pair) {
            seen.push(pair);
        }
        pair.0 == 100 && pair.1 <= 5
    });
    const RATES: [u64; 9] = [12, 9, 7, 5, 4, 3, 2, 1, 0];
    let mut samples = iter::once((0, 0)).chain(RATES.map(|rate| (100, rate)));
    // In this order, though others may have had the kernel for as long as several take.
    assert!(seen.iter().all(|pair| samples.any(|it| it == *pair)), "{seen:?}");
}

pub(crate) fn without_estimation_counters_stand_still(subject: &mut dyn Subject) {
    let key = service(subject, server(1, 1));
    subject.client_sends(&syn(1));
    expect(subject, key, [1, 1, 0, 40, 0]);
    subject.set(&Sysctls { run_estimation: false, ..Sysctls::default() });
    subject.client_sends(&syn(2));
    let start = subject.now();
    subject.wait(|subject| {
        assert_eq!(subject.entry(key).service.stats.total.connections, 1);
        subject.now() - start > Duration::from_millis(4500)
    });
    subject.set(&Sysctls::default());
    expect(subject, key, [2, 2, 0, 80, 0]);
}

pub(crate) fn a_server_comes_back_with_its_counters_to_the_same_service(subject: &mut dyn Subject) {
    let key = service(subject, server(1, 1));
    subject.client_sends(&syn(1));
    expect(subject, key, [1, 1, 0, 40, 0]);
    let delete = Change::DeleteServer(weir_ipvs::RealServerKey {
        service: key,
        server: server(1, 1).endpoint,
    });
    subject.make(&[delete, Change::AddServer(key, server(1, 1))]);
    assert_eq!(subject.servers(key)[0].stats.total.connections, 1);
    subject.make(&[
        Change::DeleteService(key),
        Change::AddService(Service::new(key, "rr")),
        Change::AddServer(key, server(1, 1)),
    ]);
    let entry = subject.entry(key);
    assert_eq!((entry.service.stats.total, entry.servers[0].stats.total), Default::default());
    // Its connections have not forgotten it.
    subject.client_sends(&segment(client(1), vip(1, 80), "A"));
    let start = subject.now();
    subject.wait(|subject| {
        let found = subject.servers(key)[0].stats.total;
        assert!(subject.now() - start < PATIENCE, "{found:?}");
        found == traffic([0, 1, 0, 40, 0])
    });
}
