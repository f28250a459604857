//! Edits by others, where the configuration does not want them undone.

use weir_ipvs::{Change, RealServer, Service};

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, named, settled_as},
    *,
};
use crate::control::Wish;

fn with(drift: &str) -> String {
    CONFIG.replace("[check]", &format!("drift = {drift}\n[check]"))
}

fn settled_with(drift: &str) -> Bench {
    settled_as(&with(drift))
}

/// The configuration with this drift, where the server at this address has this more.
fn with_server(drift: &str, address: &str, more: &str) -> String {
    let server = |more: &str| format!("\"{address}\", weight = {more}");
    with(drift).replace(&server("100"), &server(more))
}

/// The configuration with this drift, without the first real server.
fn without_first(drift: &str) -> String {
    with(drift).replace("{ address = \"10.0.1.1:80\", weight = 100 },", "")
}

fn set_weight(bench: &mut Bench, weight: u32) {
    let change = Change::EditServer(service_key("10.0.0.1:80"), server("10.0.1.1:80", weight));
    bench.foreign(&change);
    bench.pass(10);
}

/// The weight of someone else that the status of the first real server has.
fn foreign(bench: &mut Bench) -> Option<u32> {
    let (reply, mut answer) = Reply::new();
    let asked = Show::Status(Some("web".into()), reply);
    bench.manager.handle(bench.at(), Event::Show(asked));
    bench.settle();
    let (_, services) = answer.try_recv().unwrap().unwrap();
    services[0].servers[0].foreign
}

/// Scenario 10, its last part.
#[test]
fn a_weight_that_the_operator_owns_is_the_base_from_then_on() {
    let mut bench = settled_with("{ weight = \"adopt\" }");
    set_weight(&mut bench, 30);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(
        bench.said("foreign-edit"),
        ["foreign-edit service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 \
          expected=\"weight 100, masquerade\" found=\"weight 30, masquerade\" \
          then=\"taken as its base weight\""]
    );
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.1:80=30"]);
    bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
    bench.pass(10);
    assert_eq!(bench.writes(), ["add 10.0.1.2:80=100"], "the rest is still restored");
}

#[test]
fn an_edit_that_is_only_told_stays_until_weir_has_something_to_write() {
    let mut bench = settled_with("\"alert\"");
    set_weight(&mut bench, 30);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    let said = bench.said("foreign-edit");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].ends_with("then=\"left until weir has something of its own to write\""));
    assert_eq!(foreign(&mut bench), Some(30));
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.1:80=100"]);
    assert_eq!(foreign(&mut bench), None);
}

#[test]
fn an_operator_who_wants_a_server_back_ends_what_was_left() {
    let mut bench = settled_with("\"alert\"");
    set_weight(&mut bench, 0);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "weir has nothing of its own to write");
    bench.order(Wish::Ready(named("web", "10.0.1.1:80"))).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    let reason = "plugin=weir reason=\"someone else changed it: found weight 0, masquerade\"";
    assert!(bench.said("weight")[0].ends_with(reason));
}

#[test]
fn a_server_that_was_taken_out_stays_out_where_what_is_down_leaves_the_table() {
    let mut bench = settled_with("\"alert\"\ndrain = { remove-down = \"60s\" }");
    set_weight(&mut bench, 0);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(61);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn an_operator_who_wants_a_server_back_that_someone_removed_gets_it() {
    let alone = Change::DeleteServer(key("10.0.1.1:80"));
    let with_its_service = Change::DeleteService(service_key("10.0.0.1:80"));
    for (removal, writes) in [
        (alone, &["add 10.0.1.1:80=100"][..]),
        (with_its_service, &["add tcp 10.0.0.1:80", "add 10.0.1.1:80=100"]),
    ] {
        for drift in ["\"adopt\"", "\"alert\""] {
            let mut bench = settled_with(drift);
            bench.foreign(&removal);
            bench.pass(60);
            assert_eq!(bench.writes(), NONE, "{drift}");
            bench.order(Wish::Ready(named("web", "10.0.1.1:80"))).unwrap();
            assert_eq!(bench.writes(), writes, "{drift}");
        }
    }
}

#[test]
fn a_server_that_was_taken_out_stays_out_whatever_else_its_weight_would_be() {
    let mut bench = settled_with("\"alert\"\nslow-start = {}");
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(24);
    bench.writes();
    set_weight(&mut bench, 0);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "the ramp is over, and nobody wants it back");
    let said = bench.said("foreign-edit");
    assert!(said[0].ends_with("then=\"left out until `weir ready`\""), "{said:?}");
    bench.order(Wish::Ready(named("web", "10.0.1.1:80"))).unwrap();
    bench.pass(70);
    let writes = bench.writes();
    assert_eq!(
        (writes[0].as_str(), writes.last().unwrap().as_str()),
        ("10.0.1.1:80=10", "10.0.1.1:80=100")
    );
}

#[test]
fn what_someone_removed_stays_away_where_that_is_taken_over() {
    let mut bench = settled_with("\"adopt\"");
    bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
    bench.foreign(&Change::EditService(Service::new(service_key("10.0.0.1:80"), "rr")));
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.2:80 down", "10.0.1.2:80 up", "10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.foreign(&Change::AddServer(service_key("10.0.0.1:80"), server("10.0.1.2:80", 7)));
    bench.pass(10);
    assert_eq!(bench.writes(), NONE);
    bench.foreign(&Change::DeleteService(service_key("10.0.0.1:80")));
    bench.pass(60);
    assert_eq!((bench.writes(), bench.ipvs.show().as_str()), (vec![], ""));
}

#[test]
fn another_configuration_counts_again() {
    let mut bench = settled_with("\"adopt\"");
    bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
    set_weight(&mut bench, 30);
    bench.reload(CONFIG);
    assert_eq!(bench.writes(), ["add 10.0.1.2:80=100", "10.0.1.1:80=100"]);
}

#[test]
fn what_was_taken_over_or_left_stands_where_another_configuration_says_the_same_there() {
    for drift in ["\"adopt\"", "\"alert\""] {
        let mut bench = settled_with(drift);
        let service = service_key("10.0.0.1:80");
        bench.foreign(&Change::EditService(Service::new(service, "lc")));
        bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
        let limited = RealServer { upper_threshold: 500, ..server("10.0.1.3:80", 100) };
        bench.foreign(&Change::EditServer(service, limited));
        set_weight(&mut bench, 30);
        bench.reload(&with_server(drift, "10.0.1.4:80", "200"));
        bench.pass(60);
        assert_eq!(bench.writes(), ["10.0.1.4:80=200"], "{drift}");
        bench.foreign(&Change::DeleteService(service));
        bench.pass(10);
        bench.reload(&with(drift));
        bench.pass(60);
        assert_eq!((bench.writes(), bench.ipvs.show().as_str()), (vec![], ""), "{drift}");
    }
}

#[test]
fn another_weight_in_the_configuration_counts_again() {
    for drift in ["\"adopt\"", "\"alert\""] {
        for weight in [30, 0] {
            let mut bench = settled_with(drift);
            set_weight(&mut bench, weight);
            bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
            bench.pass(10);
            bench.reload(&with_server(drift, "10.0.1.1:80", "150"));
            assert_eq!(bench.writes(), ["10.0.1.1:80=150"], "{drift}, {weight}");
            assert_eq!(foreign(&mut bench), None);
        }
    }
}

#[test]
fn what_else_the_configuration_states_anew_of_a_server_counts_again() {
    for drift in ["\"adopt\"", "\"alert\""] {
        let mut bench = settled_with(drift);
        let limited = RealServer { upper_threshold: 500, ..server("10.0.1.1:80", 30) };
        bench.foreign(&Change::EditServer(service_key("10.0.0.1:80"), limited));
        bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
        bench.pass(10);
        bench.reload(&with_server(drift, "10.0.1.1:80", "100, upper-threshold = 9"));
        assert_eq!(bench.writes(), ["10.0.1.1:80=30"], "its weight stays: {drift}");
        bench.reload(&with_server(drift, "10.0.1.2:80", "100, upper-threshold = 9"));
        let restated = ["add 10.0.1.2:80=100", "10.0.1.1:80=30"];
        assert_eq!(bench.writes(), restated, "{drift}");
    }
}

#[test]
fn another_scheduler_in_the_configuration_counts_again() {
    for drift in ["\"adopt\"", "\"alert\""] {
        let mut bench = settled_with(drift);
        let service = service_key("10.0.0.1:80");
        bench.foreign(&Change::EditService(Service::new(service, "lc")));
        bench.pass(10);
        bench.reload(&with(drift).replace("wrr", "rr"));
        assert_eq!(bench.writes(), ["edit tcp 10.0.0.1:80 rr"], "{drift}");
    }
}

#[test]
fn a_service_that_someone_removed_comes_back_with_its_servers() {
    let removed = |drift: &str| {
        let mut bench = settled_with(drift);
        bench.foreign(&Change::DeleteService(service_key("10.0.0.1:80")));
        bench.pass(10);
        bench
    };
    for servers in ["adopt", "alert"] {
        let bench = removed(&format!("{{ servers = \"{servers}\" }}"));
        assert_eq!(bench.ipvs.show(), TABLE, "only real servers stay away: {servers}");
    }
    for drift in ["\"adopt\"", "\"alert\""] {
        let mut bench = removed(drift);
        assert_eq!(bench.ipvs.show(), "", "{drift}");
        bench.reload(&with(drift).replace("wrr", "rr"));
        assert_eq!(bench.ipvs.show(), TABLE.replace("wrr", "rr"), "it is stated anew: {drift}");
    }
}

#[test]
fn what_left_the_configuration_and_comes_back_is_as_that_says() {
    for drift in ["\"adopt\"", "\"alert\""] {
        let mut bench = settled_with(drift);
        bench.ipvs.connections.insert("10.0.1.1:80".into(), 3);
        set_weight(&mut bench, 0);
        bench.reload(&without_first(drift));
        bench.pass(10);
        bench.reload(&with(drift));
        assert_eq!(bench.writes(), NONE, "it waits for its first pass: {drift}");
        bench.verdicts(&["10.0.1.1:80 up"]);
        assert_eq!(bench.writes(), ["10.0.1.1:80=100"], "{drift}");
    }
}

#[test]
fn what_leaves_is_kept_by_no_edit() {
    for drift in ["\"adopt\"", "\"alert\""] {
        let mut bench = settled_with(drift);
        bench.ipvs.connections.insert("10.0.1.1:80".into(), 3);
        bench.reload(&without_first(drift));
        assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "{drift}");
        bench.lines.clear();
        set_weight(&mut bench, 50);
        assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "{drift}");
        let said = bench.said("foreign-edit");
        assert!(said[0].ends_with("then=restored"), "{said:?}");
        bench.pass(300);
        assert_eq!(bench.writes(), ["delete 10.0.1.1:80"], "{drift}");
    }
}
