//! What the manager writes, and what it says.

mod checkers;
mod crash;
mod drift;
mod functions;
mod globals;
mod memory;
mod merge;
mod modes;
mod operator;
mod owned;
mod random;
mod rehearsal;
mod reload;
mod safety;
mod walk;

use weir_ipvs::{Change, Failure};
use weir_wasm::Intent;

use super::{
    bench::{Bench, CONFIG, NONE, TABLE, key, say, settled, settled_as},
    fake::{Fake, server, service_key},
    *,
};
use crate::{
    control::Reply,
    formula::Says,
    health::{Hindrance, News, Outcome, StreamId},
};

#[test]
fn a_settled_table_sees_no_writes() {
    let mut bench = settled();
    bench.pass(600);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.said(""), NONE);
}

/// Scenario 1.
#[test]
fn a_crashed_server_is_drained_and_nothing_else_is_written() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!(
        bench.said(""),
        [
            "health service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=up after=down \
             reason=\"refused, 3 in a row\"",
            "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=100 after=0 \
             plugin=health-weight reason=\"it is down\"",
        ]
    );
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "a second identical write");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=100 \
          plugin=health-weight reason=\"drain withdrawn: passed, 2 in a row\""]
    );
}

/// Scenario 2: a verdict of one server leaves the others alone; several at once are one
/// batch, and what rises comes before what falls.
#[test]
fn verdicts_that_come_together_are_one_batch() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.writes();
    bench.heard();
    bench.pass(1);
    let reads = bench.ipvs.reads;
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.4:80=100", "10.0.1.1:80=0", "10.0.1.2:80=0"]);
    assert_eq!(bench.ipvs.reads - reads, 1);
    assert_eq!(
        bench.heard(),
        [
            "health-weight 7: 10.0.1.1:80 down",
            "health-weight 8: 10.0.1.2:80 down",
            "health-weight 9: 10.0.1.4:80 up",
        ]
    );
}

/// More than are looked at one by one; of one that is gone, that shows, too.
#[test]
fn many_services_that_change_at_once_are_looked_at_together() {
    let mut config = "[check]\n".to_owned();
    let (mut table, mut up, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=LOOKS_MAX + 1 {
        let service = format!("10.0.0.{number}:80");
        config += &format!(
            "[[service]]\nname = \"s{number}\"\naddress = \"{service}\"\nscheduler = \"wrr\"\n"
        );
        let mut line = format!("tcp {service} wrr");
        for server in ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80"] {
            config += &format!("[[service.server]]\naddress = \"{server}\"\nweight = 100\n");
            line += &format!(" {server}=100");
            up.push(format!("{service} {server} up"));
        }
        table.push(line);
        down.push(format!("{service} 10.0.1.1:80 down"));
    }
    let table = table.join("\n");
    let mut bench = Bench::new(&config, &table);
    bench.verdicts(&up.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bench.writes(), NONE);
    bench.foreign(&Change::DeleteService(service_key("10.0.0.7:80")));
    let reads = bench.ipvs.reads;
    bench.verdicts(&down.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bench.ipvs.reads - reads, 1);
    assert_eq!(bench.writes().len(), LOOKS_MAX + 4, "one is made anew, with three servers");
    assert_eq!(bench.ipvs.show(), table.replace("1.1:80=100", "1.1:80=0"));
}

/// Scenario 8.
#[test]
fn a_restart_gives_no_traffic_to_a_server_that_had_none() {
    let table = "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=0 10.0.1.3:80=40 10.0.1.9:80=5";
    let mut bench = Bench::new(CONFIG, table);
    assert_eq!(bench.writes(), ["add 10.0.1.4:80=0"], "new, and not yet known to be up");
    bench.pass(9);
    assert_eq!(bench.writes(), NONE, "before there are verdicts");
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 down", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.3:80=100", "10.0.1.4:80=100"]);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
    let end = "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=100 10.0.1.3:80=100 \
               10.0.1.9:80=5 10.0.1.4:80=100";
    assert_eq!(bench.ipvs.show(), end);
    bench.manager.handle(bench.at(), Event::Stop);
    bench.settle();
    bench.settle();
    assert!(bench.manager.is_stopped());
    assert_eq!((bench.writes(), bench.ipvs.show().as_str()), (vec![], end));
}

#[test]
fn a_server_found_at_zero_stays_there_without_its_plugin() {
    let config = format!("{CONFIG}\n[plugin.health-weight]\nmode = \"off\"");
    let mut bench = Bench::new(&config, &TABLE.replace("1.2:80=100", "1.2:80=0"));
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.2:80 before=0 after=100 \
          plugin=weir reason=\"no longer: waits for its first pass; passed, 2 in a row\""]
    );
}

#[test]
fn a_missing_service_is_made_and_servers_get_weight_as_they_pass() {
    let mut bench = Bench::new(CONFIG, "");
    assert_eq!(
        bench.writes(),
        [
            "add tcp 10.0.0.1:80",
            "add 10.0.1.1:80=0",
            "add 10.0.1.2:80=0",
            "add 10.0.1.3:80=0",
            "add 10.0.1.4:80=0"
        ]
    );
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}

#[test]
fn without_checks_the_stated_weights_hold_at_once() {
    let config = CONFIG.replace("[check]", "");
    let mut bench = Bench::new(&config, &TABLE.replace("1.2:80=100", "1.2:80=7"));
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
    assert!(bench.watches.is_empty());
    assert_eq!(bench.heard(), NONE, "no checks, no health-weight");
}

/// Scenario 9.
#[test]
fn a_trap_applies_nothing_of_its_call_and_checks_go_on() {
    let config = format!(
        "{CONFIG}\n[plugin.setter]\nsource = \"x.wasm\"\n\
         grant = {{ services = \"all\", weights = {{ intents = [\"cap\"] }} }}"
    );
    let mut bench = Bench::new(&config, TABLE);
    let up = ["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"];
    bench.verdicts(&up);
    bench.heard();
    bench.lines.clear();
    {
        let mut script = bench.script.borrow_mut();
        script.trapping.insert("setter".into(), true);
        let caps = ["10.0.1.1:80", "10.0.1.2:80"].map(|it| say(key(it), Intent::Cap(10)));
        script.effects.insert("setter".into(), caps.into());
    }
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.4:80=0"], "health-weight runs on");
    assert_eq!(
        bench.said("plugin"),
        ["plugin-failed plugin=setter applied=\"nothing of that call\" restart_in_s=1 \
          report=\"setter: handle failed: unreachable\""]
    );
    bench.heard();
    bench.pass(1);
    assert_eq!(
        bench.heard(),
        ["setter recovers from setter: handle failed: unreachable", "setter 1: Started"]
    );
    assert_eq!(bench.said("plugin-failed").len(), 1);
    bench.pass(14);
    let said = bench.said("plugin");
    assert!(said.last().unwrap().starts_with("plugin-quarantined plugin=setter"), "{said:?}");
    let delays: Vec<_> =
        said.iter().filter_map(|it| it.split("restart_in_s=").nth(1)?.split(' ').next()).collect();
    assert_eq!(delays, ["4", "8"]);
    bench.pass(1200);
    assert_eq!(bench.said("plugin"), NONE, "it is given up");
    bench.verdicts(&["10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.4:80=100"]);
}

#[test]
fn statements_outlive_their_plugin_by_their_lease() {
    let fallback = "[plugin.health-weight]\nfallback = \"static\"";
    let mut bench = settled_as(&format!("{CONFIG}\n{fallback}"));
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.pass(600);
    assert_eq!(bench.writes(), NONE, "a plugin that runs need not renew");
    bench.script.borrow_mut().trapping.insert("health-weight".into(), true);
    bench.verdicts(&["10.0.1.2:80 down"]);
    bench.lines.clear();
    bench.pass(74);
    assert_eq!(bench.writes(), NONE, "held while restarts are tried, and for the lease");
    bench.pass(2);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("weight"),
        ["weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=100 \
          plugin=health-weight reason=\"lease ended: drain\""]
    );
}

#[test]
fn an_instance_that_recovers_catches_up() {
    let mut bench = settled();
    bench.script.borrow_mut().trapping.insert("health-weight".into(), true);
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), NONE);
    bench.script.borrow_mut().trapping.clear();
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
}

#[test]
fn weights_found_at_the_start_change_together_or_after_ten_seconds() {
    let mut bench = Bench::new(CONFIG, &TABLE.replace("1.2:80=100", "1.2:80=7"));
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up"]);
    bench.pass(9);
    assert_eq!(bench.writes(), NONE, "D is not known yet");
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
}

#[test]
fn statements_of_two_plugins_merge() {
    let config = format!(
        "{CONFIG}\n[plugin.half]\nsource = \"x.wasm\"\n\
         grant = {{ services = [\"web\"], weights = {{ intents = [\"scale\"], scale = [1, 2000] }} }}"
    );
    let mut bench = settled_as(&config);
    let half = say(key("10.0.1.1:80"), Intent::Scale(500));
    bench.script.borrow_mut().effects.insert("half".into(), vec![half]);
    bench.verdicts(&["10.0.1.4:80 silent", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(1);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.1:80=50"]);
}

/// Scenario 10.
#[test]
fn edits_by_others_are_undone_where_the_configuration_states_otherwise() {
    let mut bench = settled();
    let service = service_key("10.0.0.1:80");
    bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 30)));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    assert_eq!(
        bench.said("foreign-edit"),
        ["foreign-edit service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 \
          expected=\"weight 100, masquerade\" found=\"weight 30, masquerade\" then=restored"]
    );
    bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
    bench.pass(10);
    assert_eq!(bench.writes(), ["add 10.0.1.2:80=100"]);
    assert_eq!(bench.said("foreign-edit").len(), 1);

    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.foreign(&Change::AddService(weir_ipvs::Service::new(service_key("10.0.0.9:80"), "rr")));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.4:80=0"], "T is not touched");
    bench.foreign(&Change::Flush);
    bench.pass(10);
    assert_eq!(
        bench.ipvs.show(),
        "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=100 10.0.1.3:80=100 10.0.1.4:80=0"
    );
    assert_eq!(bench.writes().len(), 5, "once, and T is not restored");
}

#[test]
fn an_edited_service_is_edited_back_in_place() {
    let mut bench = settled();
    let service = weir_ipvs::Service::new(service_key("10.0.0.1:80"), "rr");
    bench.foreign(&Change::EditService(service));
    bench.pass(10);
    assert_eq!(bench.writes(), ["edit tcp 10.0.0.1:80 wrr"]);
    assert_eq!(
        bench.said("foreign-edit"),
        ["foreign-edit service=\"tcp 10.0.0.1:80\" expected=\"scheduler wrr\" \
          found=\"scheduler rr\" then=restored"]
    );
}

#[test]
fn foreign_real_servers_of_a_named_service_are_never_touched() {
    let mut bench = Bench::new(CONFIG, &format!("{TABLE} 10.0.1.9:80=3"));
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.foreign(&Change::EditServer(service_key("10.0.0.1:80"), server("10.0.1.9:80", 4)));
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    assert!(bench.ipvs.show().ends_with("10.0.1.9:80=4"));
    assert!(!bench.watched().contains(&"10.0.1.9:80".to_owned()));
}

#[test]
fn a_view_that_went_stale_is_read_again() {
    let mut bench = settled();
    bench.ipvs.before_write = vec![Change::DeleteServer(key("10.0.1.1:80"))];
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=0", "add 10.0.1.1:80=0"]);
    assert_eq!(bench.said("foreign-edit").len(), 1);
}

#[test]
fn an_unreadable_table_is_not_an_empty_one() {
    let mut bench = settled();
    bench.ipvs.broken = Some(Error::NoIpvs);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(30);
    let said = bench.said("failed");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("failed to=\"read the table\" error="), "{said:?}");
    assert_eq!(bench.writes(), NONE);
    bench.ipvs.broken = None;
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert_eq!(bench.said("works-again"), ["works-again to=\"read the table\""]);
}

#[test]
fn what_the_kernel_refuses_is_said_once_and_tried_again() {
    let config = CONFIG.replace("wrr", "missing");
    let mut bench = Bench::new(&config, "");
    bench.pass(60);
    let said = bench.said("failed");
    assert_eq!(
        said,
        ["failed to=\"add tcp 10.0.0.1:80\" \
          error=\"no such scheduler or persistence engine\""]
    );
    bench.pass(5);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn a_matched_service_is_claimed_as_it_comes_and_goes() {
    let config =
        "[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"\naddresses = [\"10.0.0.0/16\"]";
    let mut bench = Bench::new(config, "tcp 10.9.0.1:80 rr 10.0.1.1:80=1");
    assert!(bench.watches.is_empty());
    let service = service_key("10.0.0.1:80");
    bench.foreign(&Change::AddService(weir_ipvs::Service::new(service, "wrr")));
    bench.foreign(&Change::AddServer(service, server("10.0.1.1:80", 30)));
    bench.foreign(&Change::AddServer(service, server("10.0.1.2:80", 0)));
    bench.pass(10);
    assert_eq!(bench.watched(), ["10.0.1.1:80", "10.0.1.2:80"]);
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=1", "10.0.1.1:80=0"], "0 is no base of its own");

    // The operator owns a base that the configuration does not state.
    bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 50)));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.pass(1);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
    bench.foreign(&Change::EditServer(service, server("10.0.1.2:80", 0)));
    bench.pass(30);
    assert_eq!(bench.writes(), NONE, "an operator's drain");

    bench.foreign(&Change::DeleteServer(key("10.0.1.1:80")));
    bench.pass(10);
    assert_eq!(bench.watched(), ["10.0.1.2:80"]);
    bench.foreign(&Change::DeleteService(service));
    bench.pass(10);
    assert!(bench.watches.is_empty());
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.said("gone").len(), 2);
}

#[test]
fn a_stated_weight_of_a_match_is_kept() {
    let config = "[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"\nweight = 10";
    let mut bench = Bench::new(config, "tcp 10.0.0.1:80 wrr 10.0.1.1:80=30");
    assert_eq!(bench.writes(), NONE, "not before it passes");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=10"]);
    let service = service_key("10.0.0.1:80");
    bench.foreign(&Change::EditServer(service, server("10.0.1.1:80", 50)));
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=10"]);
}

#[test]
fn a_verdict_of_an_earlier_watch_counts_for_nothing() {
    let mut bench = settled();
    bench.watches.insert(key("10.0.1.1:80"), 99);
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.77:80 down"]);
    assert_eq!((bench.writes(), bench.said("")), (vec![], vec![]));
}

#[test]
fn a_grant_by_name_follows_what_its_match_claims() {
    let config = "[[match]]\nname = \"all\"\nprotocol = \"tcp\"\n\
                  [plugin.p]\nsource = \"x.wasm\"\ngrant = { services = [\"all\"] }";
    let mut bench = Bench::new(config, "");
    assert_eq!(bench.heard(), ["p 1: Started"]);
    let service = weir_ipvs::Service::new(service_key("10.0.0.1:80"), "wrr");
    bench.foreign(&Change::AddService(service));
    bench.pass(10);
    assert_eq!(
        bench.heard(),
        ["p recovers from the services within its grant changed", "p 1: Started"]
    );
}

#[test]
fn an_edit_by_a_command_is_made_and_looked_at_at_once() {
    let mut bench = settled();
    let service = service_key("10.0.0.1:80");
    let edit = Change::EditServer(service, server("10.0.1.1:80", 30));
    assert_eq!(bench.command(edit), []);
    assert_eq!(bench.writes(), ["10.0.1.1:80=30", "10.0.1.1:80=100"]);
    assert_eq!(bench.said("foreign-edit").len(), 1);

    let missing = Change::EditServer(service, server("10.0.1.9:80", 1));
    assert_eq!(bench.command(missing), [Failure { step: 0, error: Error::NoSuchServer }]);
    let other = weir_ipvs::Service::new(service_key("10.0.0.9:80"), "rr");
    let reads = bench.ipvs.reads;
    assert_eq!(bench.command(Change::AddService(other)), []);
    assert_eq!(bench.ipvs.reads, reads, "what is not claimed is not looked at");
    assert_eq!(bench.writes(), ["add tcp 10.0.0.9:80"]);

    assert_eq!(bench.command(Change::Flush), []);
    bench.pass(1);
    assert_eq!(bench.writes().len(), 6, "the flush, the service and its servers");
    assert_eq!(bench.said("foreign-edit").len(), 5);
}

#[test]
fn what_a_command_adds_is_claimed_at_once() {
    let config = "[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"";
    let mut bench = Bench::new(config, "");
    let service = service_key("10.0.0.1:80");
    bench.command(Change::AddService(weir_ipvs::Service::new(service, "wrr")));
    bench.command(Change::AddServer(service, server("10.0.1.1:80", 30)));
    bench.pass(1);
    assert_eq!(Vec::from_iter(bench.watches.keys()), [&key("10.0.1.1:80")]);
}

#[test]
fn a_stopping_manager_still_answers_what_came_before() {
    let mut bench = settled();
    let (reply, mut answer) = Reply::new();
    bench.manager.handle(bench.at(), Event::Request(Request::Info(reply)));
    bench.manager.handle(bench.at(), Event::Stop);
    bench.settle();
    assert!(answer.try_recv().unwrap().is_ok());
}

#[test]
fn a_table_that_cannot_be_read_at_the_start_is_an_error() {
    let mut ipvs = Fake::default();
    ipvs.broken = Some(Error::NotPermitted);
    let mut bench = Bench::stopped(CONFIG, ipvs);
    assert_eq!(bench.manager.start(bench.at(), &mut bench.ipvs), Err(Error::NotPermitted));
}
