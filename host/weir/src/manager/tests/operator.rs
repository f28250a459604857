//! What operators order, and what becomes of it.

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, key, named, settled, settled_as},
    *,
};
use crate::control::{Expiry, Refused, Steered, Wish};

const A: &str = "10.0.1.1:80";

fn ready() -> Wish {
    Wish::Ready(named("web", A))
}

fn maintain() -> Wish {
    Wish::Maintain { server: named("web", A), force: false }
}

fn drain(deadline: u64, keep: bool) -> Wish {
    let deadline = Some(Duration::from_secs(deadline));
    Wish::Drain { server: named("web", A), deadline, keep, force: false }
}

/// With slow starts.
fn ramping() -> Bench {
    settled_as(&format!("slow-start = {{}}\n{CONFIG}"))
}

fn why(refused: Result<Steered, Refused>) -> (&'static str, String) {
    let refused = refused.unwrap_err();
    (refused.code, refused.message)
}

/// Scenario 12.
#[test]
fn a_drained_server_gets_nothing_new_and_goes_at_the_deadline() {
    let mut bench = ramping();
    bench.ipvs.connections.insert(A.into(), 20);
    let told = bench.drain(A).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!((told.weight, told.active, told.name.as_deref()), (Some(0), 20, Some("web")));
    assert_eq!(bench.watched().len(), 4, "checks go on");
    bench.verdicts(&["10.0.1.1:80 suspect"]);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(299);
    assert_eq!(bench.writes(), NONE, "nothing is cut before the deadline, nor lifted");
    bench.lines.clear();
    bench.pass(1);
    assert_eq!(bench.writes(), ["delete 10.0.1.1:80"]);
    assert_eq!(
        bench.said(""),
        [
            "drained service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 connections=20 \
             then=\"it is removed\"",
            "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=absent \
             plugin=operator reason=\"drained by root\"",
        ]
    );
    bench.pass(300);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.order(ready()).unwrap().weight, Some(10), "with a slow start");
    assert_eq!(bench.writes(), ["add 10.0.1.1:80=10"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=absent after=10 \
          plugin=operator reason=\"no longer: drained by root; passed, 2 in a row\""]
    );
    bench.pass(60);
    assert!(bench.ipvs.show().contains("10.0.1.1:80=100"));
}

#[test]
fn a_drain_is_over_when_no_connections_are_left() {
    let mut bench = settled();
    bench.ipvs.connections.insert(A.into(), 20);
    bench.drain(A).unwrap();
    bench.pass(10);
    bench.ipvs.connections.clear();
    bench.writes();
    bench.pass(2);
    assert_eq!(bench.writes(), ["delete 10.0.1.1:80"]);
}

#[test]
fn a_server_that_is_kept_stays_with_weight_0() {
    let mut bench = settled();
    let told = bench.order(drain(60, true)).unwrap();
    assert_eq!(told.notes, ["after 60 s it stays in the table, with weight 0"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.pass(600);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.said("drained").len(), 1);
    let reads = bench.ipvs.reads;
    bench.pass(100);
    assert!(bench.ipvs.reads - reads <= 11, "it is not watched any more");
    bench.order(ready()).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}

#[test]
fn a_server_that_failed_meanwhile_waits_for_its_verdict() {
    let mut bench = settled();
    bench.order(drain(60, true)).unwrap();
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.writes();
    let told = bench.order(ready()).unwrap();
    assert_eq!(told.notes, ["it gets weight once it passes its checks"]);
    assert_eq!(bench.writes(), NONE);
    bench.pass(1);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}

#[test]
fn maintenance_ends_the_checks_and_ready_begins_them_anew() {
    let mut bench = ramping();
    bench.order(maintain()).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!(bench.watched(), ["10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"]);
    bench.reload(&format!("slow-start = {{}}\n{CONFIG}\n[drain]\ndeadline = \"5s\""));
    bench.pass(1000);
    assert_eq!(bench.watched().len(), 3, "a reload does not begin them");
    assert_eq!(bench.writes(), NONE);
    bench.order(ready()).unwrap();
    assert_eq!(bench.watched().len(), 4);
    assert_eq!(bench.writes(), NONE, "not before its first pass");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=10"]);
}

#[test]
fn the_last_server_that_serves_is_drained_by_force_only() {
    let mut bench = settled_as(&format!("[safety]\npanic-mode = \"off\"\n{CONFIG}"));
    bench.drain("10.0.1.2:80").unwrap();
    bench.drain("10.0.1.3:80").unwrap();
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.writes();
    assert_eq!(
        why(bench.drain(A)),
        (
            "last-server",
            "10.0.1.1:80 is the last real server of web that serves: without it nothing would \
             serve; --force does it nevertheless"
                .into()
        )
    );
    assert_eq!(why(bench.order(maintain())).0, "last-server");
    assert_eq!(bench.writes(), NONE);
    assert!(bench.drain("10.0.1.4:80").is_ok(), "it is down: nothing is lost");
    let force = Wish::Maintain { server: named("web", A), force: true };
    bench.order(force).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
}

#[test]
fn the_quorum_is_drained_by_force_only_where_that_brings_the_sorry_server() {
    let sorry = "quorum = 300\nsorry-server = { address = \"10.0.1.9:80\" }\n";
    let config = CONFIG.replace("scheduler", &format!("{sorry}scheduler"));
    let mut bench = settled_as(&config);
    bench.drain("10.0.1.2:80").unwrap();
    bench.writes();
    assert_eq!(
        why(bench.drain(A)),
        (
            "quorum",
            "web has no quorum of 300 without 10.0.1.1:80: only the sorry server would serve; \
             --force does it nevertheless"
                .into()
        )
    );
    assert_eq!(bench.writes(), NONE);
    let force = Wish::Maintain { server: named("web", A), force: true };
    bench.order(force).unwrap();
    assert_eq!(bench.writes()[0], "add 10.0.1.9:80=1");
}

#[test]
fn an_order_on_a_server_that_is_gone_can_be_taken_back() {
    let without = CONFIG.replace("        { address = \"10.0.1.1:80\", weight = 100 },\n", "");
    let mut bench = settled();
    bench.drain(A).unwrap();
    bench.reload(&without);
    bench.pass(400);
    bench.writes();
    let other = Wish::Ready(named("web", "10.0.1.9:80"));
    assert_eq!(why(bench.order(other)).0, "unknown-name");
    bench.order(ready()).unwrap();
    bench.reload(CONFIG);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["add 10.0.1.1:80=0", "10.0.1.1:80=100"]);
}

#[test]
fn a_freeze_of_a_service_that_is_gone_can_be_taken_back() {
    let mut bench = Bench::stopped(CONFIG, Fake::new(TABLE));
    bench.recall(Default::default());
    bench.start();
    bench.settle();
    bench.order(Wish::Freeze(Some("web".into()))).unwrap();
    bench.ipvs = Fake::new("");
    bench.restart(&CONFIG.replace("web", "other").replace("10.0.0.1", "10.0.0.2"), 9);
    let thaw = |name: &str| Wish::Thaw(Some(name.into()));
    assert_eq!(why(bench.order(thaw("web"))).0, "unknown-name");
    bench.order(thaw("tcp 10.0.0.1:80")).unwrap();
    assert!(bench.manager.freezes.ordered.is_empty());
}

#[test]
fn two_orders_that_come_together_do_not_empty_a_service() {
    let mut bench = settled();
    let replies: Vec<_> = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"]
        .into_iter()
        .map(|server| {
            let (reply, answer) = Reply::new();
            let wish = Wish::Maintain { server: named("web", server), force: false };
            let expiry = Expiry::default();
            let steer = Steer { by: "root".into(), reason: None, expiry, wish, reply };
            bench.manager.handle(bench.at(), Event::Steer(steer));
            answer
        })
        .collect();
    bench.settle();
    let done = replies.into_iter().map(|mut it| it.try_recv().unwrap().is_ok());
    assert_eq!(done.collect::<Vec<_>>(), [true, true, true, false]);
    assert!(bench.ipvs.show().ends_with("10.0.1.4:80=100"));
}

/// A server that an operator took out is no part of what panic counts, and panic does not
/// bring it back.
#[test]
fn panic_and_start_leave_a_drained_server_at_0() {
    let mut bench = settled();
    bench.order(drain(3000, true)).unwrap();
    bench.ipvs.connections.insert(A.into(), 20);
    bench.verdicts(&["10.0.1.1:80 silent"]);
    bench.verdicts(&["10.0.1.2:80 silent", "10.0.1.3:80 silent"]);
    assert_eq!(bench.said("panic").len(), 1);
    bench.pass(100);
    assert!(bench.ipvs.show().contains("10.0.1.1:80=0"), "{}", bench.ipvs.show());
    let mut bench = Bench::new(CONFIG, TABLE);
    bench.drain(A).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "while nothing is known yet, too");
}

/// Seed 590 of the random runs.
#[test]
fn the_start_does_not_wait_for_a_drained_server() {
    let table = TABLE.replace("1.4:80=100", "1.4:80=0");
    let mut bench = Bench::new(&format!("[safety]\npanic-mode = \"off\"\n{CONFIG}"), &table);
    bench.order(drain(300, true)).unwrap();
    bench.verdicts(&["10.0.1.2:80 up", "10.0.1.4:80 up"]);
    bench.verdicts(&["10.0.1.3:80 silent"]);
    assert!(bench.ipvs.show().ends_with("10.0.1.3:80=0 10.0.1.4:80=100"), "{}", bench.ipvs.show());
}

#[test]
fn what_a_match_claims_is_kept_for_it_could_not_be_put_back() {
    let config = "[[match]]\nname = \"all\"\nprotocol = \"tcp\"\n";
    let mut bench = Bench::new(config, TABLE);
    let drained = named("10.0.0.1", "10.0.1.1");
    let wish = Wish::Drain { server: drained, deadline: None, keep: false, force: false };
    let told = bench.order(wish).unwrap();
    assert!(told.notes[0].contains("could not put it back"), "{told:?}");
    bench.pass(400);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    // Someone clears the table, and fills it again.
    bench.foreign(&Change::DeleteServer(key(A)));
    bench.pass(11);
    bench.foreign(&Change::AddServer(key(A).service, server(A, 7)));
    bench.pass(11);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "the order outlives what it is about");
}

#[test]
fn an_operator_is_told_what_becomes_of_connections() {
    let config = CONFIG.replace("scheduler", "persistence = \"300s\"\nscheduler");
    let mut bench = Bench::new(&config, TABLE);
    let says =
        |nodest, quiescent| Expiry { nodest: Some(nodest), quiescent_template: Some(quiescent) };
    let told = bench.order_where(says(true, false), drain(300, false)).unwrap();
    assert_eq!(
        told.notes,
        [
            "it is removed when no connections are left, and at the latest in 300 s; those that \
             are left then are cut (expire_nodest_conn = 1)",
            "web is persistent: clients that know 10.0.1.1:80 still come to it, until they were \
             away for 300 s (expire_quiescent_template = 1 would end that)",
        ]
    );
    let told = bench.order_where(says(false, true), drain(300, false)).unwrap();
    assert!(told.notes[0].ends_with("time out (expire_nodest_conn = 0)"), "{told:?}");
    assert!(told.notes[1].contains("go elsewhere"), "{told:?}");
}

#[test]
fn nothing_changes_while_it_is_frozen() {
    let mut bench = settled();
    bench.order(Wish::Freeze(None)).unwrap();
    bench.verdicts(&["10.0.1.1:80 down"]);
    let drained = named("web", "10.0.1.2:80");
    let told =
        bench.order(Wish::Drain { server: drained, deadline: None, keep: true, force: false });
    assert_eq!(told.unwrap().notes[0], "not before the weights are thawed: frozen by root");
    bench.pass(100);
    assert_eq!(bench.writes(), NONE);
    bench.order(Wish::Thaw(None)).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.2:80=0"]);
    bench.order(Wish::Freeze(Some("web".into()))).unwrap();
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), NONE);
    let told = bench.order(Wish::Thaw(None)).unwrap();
    assert_eq!(
        told.notes,
        ["it was not frozen", "tcp 10.0.0.1:80 stays frozen on its own: `weir thaw` it"]
    );
    bench.pass(1);
    bench.order(Wish::Thaw(Some("10.0.0.1".into()))).unwrap();
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("thawed"),
        ["thawed by=root", "thawed service=\"tcp 10.0.0.1:80\" by=root"]
    );
}

#[test]
fn names_are_understood_as_people_say_them() {
    let config = format!(
        "{CONFIG}\n[[service]]\nname = \"mail\"\naddress = \"10.0.0.1:25\"\nserver = [\n\
         {{ address = \"10.0.1.1:25\" }}, {{ address = \"10.0.1.1:26\" }}]\n\
         [[service]]\nname = \"marked\"\nfwmark = 7\nserver = [{{ address = \"10.0.1.7:80\" }}]"
    );
    let bench = Bench::new(&config, TABLE);
    let called = |name: &str| {
        let found = bench.manager.service_called(name);
        found.map_or_else(|it| format!("{}: {}", it.code, it.message), |it| it.to_string())
    };
    for name in ["web", "tcp 10.0.0.1:80", "TCP  10.0.0.1:80", "10.0.0.1:80"] {
        assert_eq!(called(name), "tcp 10.0.0.1:80", "{name}");
    }
    assert_eq!(called("fwmark 7"), "fwmark 7");
    assert_eq!(
        called("10.0.0.1"),
        "ambiguous-name: service \"10.0.0.1\" is ambiguous: say mail (tcp 10.0.0.1:25), \
         web (tcp 10.0.0.1:80)"
    );
    assert_eq!(called("wbe"), "unknown-name: there is no service \"wbe\": did you mean web?");
    assert_eq!(
        called("10.0.0.9:80"),
        "unknown-name: there is no service \"10.0.0.9:80\": there is mail (tcp 10.0.0.1:25), \
         web (tcp 10.0.0.1:80), marked (fwmark 7)"
    );
    let mail = bench.manager.service_called("mail").unwrap();
    let called = |name: &str| bench.manager.claims[&mail].server_called(name);
    assert_eq!(called("10.0.1.1:26").unwrap().port, 26);
    assert_eq!(why_not(called("10.0.1.1")), "ambiguous-name");
    assert_eq!(why_not(called("10.0.1.2")), "unknown-name");
}

fn why_not<T>(result: Result<T, Refused>) -> &'static str {
    result.map(drop).unwrap_err().code
}
