//! Schedulers: the first choices of each, and how changes under way move them.
//!
//! Choices of all kinds, thousands of them, are compared one by one elsewhere: by the
//! recorded vectors of the core, and by `kernel::embedded`.

use weir_ipvs::{Change, RealServer, RealServerKey, Service, ServiceKey};

use super::{
    packets::{choices, client, opened, segment, server, tcp, vip},
    subject::Subject,
};

/// A service with real servers 1, 2 and 3 of these weights.
fn service(subject: &mut dyn Subject, service: Service, weights: [u32; 3]) -> ServiceKey {
    let key = service.key;
    subject.make(&[Change::AddService(service)]);
    for (number, weight) in (1..).zip(weights) {
        subject.add_server(key, server(number, weight));
    }
    key
}

/// What the scheduler chooses first.
#[track_caller]
fn check(subject: &mut dyn Subject, scheduler: &str, weights: [u32; 3], expected: &str) {
    service(subject, Service::new(tcp(vip(1, 80)), scheduler), weights);
    let clients = 1..=u16::try_from(expected.len()).expect("it is short");
    assert_eq!(opened(subject, vip(1, 80), clients), expected, "{scheduler} {weights:?}");
}

pub(crate) fn rr_goes_round(subject: &mut dyn Subject) {
    check(subject, "rr", [1, 5, 2], "cbacbacba");
}

pub(crate) fn rr_skips_weight_0(subject: &mut dyn Subject) {
    check(subject, "rr", [1, 0, 2], "cacacaca");
}

pub(crate) fn wrr_gives_shares_in_turn(subject: &mut dyn Subject) {
    check(subject, "wrr", [4, 3, 2], "cbaabacbacbaabacba");
}

pub(crate) fn lc_takes_the_least_busy(subject: &mut dyn Subject) {
    check(subject, "lc", [1, 9, 1], "cbacbacba");
}

pub(crate) fn wlc_weighs_connections(subject: &mut dyn Subject) {
    check(subject, "wlc", [1, 2, 3], "cbacbccbacbc");
}

pub(crate) fn sed_looks_one_connection_ahead(subject: &mut dyn Subject) {
    check(subject, "sed", [1, 2, 3], "cbccbacbccba");
}

pub(crate) fn nq_lets_nobody_idle(subject: &mut dyn Subject) {
    check(subject, "nq", [1, 2, 3], "cbaccbcbccba");
}

pub(crate) fn fo_takes_the_heaviest(subject: &mut dyn Subject) {
    check(subject, "fo", [1, 3, 2], "bbbbbbbb");
}

pub(crate) fn ovf_fills_the_heaviest_first(subject: &mut dyn Subject) {
    check(subject, "ovf", [1, 3, 2], "bbbbcccaa---");
}

pub(crate) fn lblc_keeps_an_address_where_it_is(subject: &mut dyn Subject) {
    check(subject, "lblc", [1, 2, 2], "cccbbbaaaaaa");
}

pub(crate) fn lblcr_lets_an_address_spread(subject: &mut dyn Subject) {
    check(subject, "lblcr", [1, 2, 2], "cccbbbaabcab");
}

pub(crate) fn dh_goes_by_the_destination(subject: &mut dyn Subject) {
    check(subject, "dh", [1, 2, 3], "cccccccccccc");
}

pub(crate) fn sh_goes_by_the_source(subject: &mut dyn Subject) {
    check(subject, "sh", [1, 2, 3], "cccbcbcbacbc");
}

pub(crate) fn mh_goes_by_the_source(subject: &mut dyn Subject) {
    check(subject, "mh", [1, 2, 3], "ccabacaccccc");
}

pub(crate) fn none_takes_nobody(subject: &mut dyn Subject) {
    check(subject, "none", [1, 1, 1], "---");
}

pub(crate) fn nobody_takes_anything_at_weight_0(subject: &mut dyn Subject) {
    const ALL: [&str; 13] =
        ["rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh"];
    for (scheduler, n) in ALL.into_iter().zip(1..) {
        service(subject, Service::new(tcp(vip(n, 80)), scheduler), [0, 0, 0]);
        assert_eq!(opened(subject, vip(n, 80), 1..=3), "---", "{scheduler}");
    }
}

pub(crate) fn a_server_that_joins_stands_in_front(subject: &mut dyn Subject) {
    let key = service(subject, Service::new(tcp(vip(1, 80)), "rr"), [1, 1, 1]);
    assert_eq!(opened(subject, vip(1, 80), 1..=2), "cb");
    subject.add_server(key, server(4, 1));
    assert_eq!(opened(subject, vip(1, 80), 3..=7), "adcba");
}

pub(crate) fn rr_goes_back_a_step_when_the_last_choice_leaves(subject: &mut dyn Subject) {
    let key = service(subject, Service::new(tcp(vip(1, 80)), "rr"), [1, 1, 1]);
    assert_eq!(opened(subject, vip(1, 80), 1..=2), "cb");
    let delete = |number| {
        Change::DeleteServer(RealServerKey { service: key, server: server(number, 1).endpoint })
    };
    subject.make(&[delete(2)]);
    assert_eq!(opened(subject, vip(1, 80), 3..=5), "aca");
}

pub(crate) fn an_edited_server_keeps_its_turn(subject: &mut dyn Subject) {
    let key = service(subject, Service::new(tcp(vip(1, 80)), "rr"), [1, 1, 1]);
    assert_eq!(opened(subject, vip(1, 80), 1..=1), "c");
    subject.make(&[Change::EditServer(key, RealServer { upper_threshold: 9, ..server(3, 7) })]);
    assert_eq!(opened(subject, vip(1, 80), 2..=4), "bac");
}

pub(crate) fn another_scheduler_begins_afresh(subject: &mut dyn Subject) {
    let key = service(subject, Service::new(tcp(vip(1, 80)), "rr"), [1, 1, 1]);
    assert_eq!(opened(subject, vip(1, 80), 1..=1), "c");
    // The same keeps its place.
    subject.make(&[Change::EditService(Service::new(key, "rr"))]);
    assert_eq!(opened(subject, vip(1, 80), 2..=2), "b");
    subject.make(&[Change::EditService(Service::new(key, "wrr"))]);
    assert_eq!(opened(subject, vip(1, 80), 3..=3), "c");
    subject.make(&[
        Change::EditService(Service::new(key, "none")),
        Change::EditService(Service::new(key, "rr")),
    ]);
    assert_eq!(opened(subject, vip(1, 80), 4..=4), "c");
    // A scheduler that hashes knows those that were there before it.
    subject.make(&[Change::EditService(Service::new(key, "dh"))]);
    let packets = (5..=7).map(|n| segment(client(n), vip(1, 80), "S"));
    let chosen = choices(subject, packets);
    assert!(!chosen.contains('-'), "{chosen}");
}
