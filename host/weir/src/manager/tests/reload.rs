//! Another configuration while weir runs.

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, say, settled},
    *,
};

const CHANGED: &str = r#"
    slow-start = {}
    [check]
    [[service]]
    name = "web"
    address = "10.0.0.1:80"
    scheduler = "wrr"
    persistence = "100s"
    server = [
        { address = "10.0.1.1:80", weight = 50 },
        { address = "10.0.1.2:80", weight = 200 },
        { address = "10.0.1.3:80", weight = 100 },
        { address = "10.0.1.5:80", weight = 100 },
    ]
"#;

/// Scenario 11.
#[test]
fn what_stays_keeps_its_state_what_is_new_waits_and_what_goes_is_drained() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.writes();
    let watches = bench.watches.clone();
    bench.ipvs.connections.insert("10.0.1.4:80".into(), 3);
    bench.pass(5);
    bench.reload(CHANGED);
    assert_eq!(
        bench.writes(),
        ["edit tcp 10.0.0.1:80 wrr", "add 10.0.1.5:80=0", "10.0.1.2:80=200", "10.0.1.4:80=0"]
    );
    for server in ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80"] {
        assert_eq!(bench.watches[&key(server)], watches[&key(server)], "its counters go on");
    }
    bench.pass(60);
    assert_eq!(bench.writes(), NONE, "connections are left");
    bench.ipvs.connections.clear();
    bench.pass(2);
    assert_eq!(bench.writes(), ["delete 10.0.1.4:80"]);
    bench.verdicts(&["10.0.1.5:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.5:80=10"]);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(60);
    let end = "10.0.1.1:80=50 10.0.1.2:80=200 10.0.1.3:80=100 10.0.1.5:80=100";
    assert_eq!(bench.ipvs.show(), format!("tcp 10.0.0.1:80 wrr {end}"));
    bench.writes();
    bench.pass(600);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn checks_go_the_way_of_their_server_and_begin_anew_on_another() {
    let with = |own: &str| {
        let check = "[check]\nvia = { source = \"10.0.9.1\", mark = 1 }";
        let config = CONFIG.replace("[check]", check);
        config.replace("10.0.1.2:80\",", &format!("10.0.1.2:80\", via = {{ {own} }},"))
    };
    let mut bench = Bench::new(&with("mark = 2"), TABLE);
    let asks = std::mem::take(&mut bench.asks);
    assert_eq!(asks[0], ["tcp at 10.0.1.1:80 from 10.0.9.1 marked 1"]);
    assert_eq!(asks[1], ["tcp at 10.0.1.2:80 from 10.0.9.1 marked 2"]);
    bench.reload(&with("mark = 2"));
    assert!(bench.asks.is_empty());
    bench.reload(&with("address = \"service\""));
    assert_eq!(bench.asks, [["tcp at 10.0.0.1:80 from 10.0.9.1 marked 1"]]);
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let mut bench = settled();
    bench.ipvs.connections.insert("10.0.1.4:80".into(), 3);
    let three = CONFIG.replace("{ address = \"10.0.1.4:80\", weight = 100 },", "");
    bench.reload(&format!("drain = {{ deadline = \"20s\" }}\n{three}"));
    bench.pass(19);
    assert_eq!(bench.writes(), ["10.0.1.4:80=0"]);
    bench.pass(2);
    assert_eq!(bench.writes(), ["delete 10.0.1.4:80"]);
}

#[test]
fn a_configuration_that_removes_most_is_refused_until_it_comes_again() {
    let mut bench = settled();
    bench.reload("");
    assert_eq!(
        bench.said("reload"),
        ["reload-refused reason=\"it would remove 5 of 5 entries\" \
          then=\"nothing is changed; to confirm, reload again within 60 s\""]
    );
    bench.pass(61);
    bench.reload("");
    assert_eq!((bench.writes(), bench.said("reload-refused").len()), (vec![], 1), "too late");
    bench.reload("");
    bench.pass(2);
    assert_eq!(bench.ipvs.show(), "");
    assert!(bench.watches.is_empty());
    let last = bench.writes();
    assert_eq!(last.last().unwrap(), "delete tcp 10.0.0.1:80");
}

#[test]
fn what_others_put_into_a_service_outlives_it() {
    let mut bench = Bench::new(CONFIG, &format!("{TABLE} 10.0.1.9:80=3"));
    bench.reload("");
    bench.reload("");
    bench.pass(12);
    assert_eq!(bench.ipvs.show(), "tcp 10.0.0.1:80 wrr 10.0.1.9:80=3");
    bench.writes();
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn what_leaves_is_gone_once_someone_else_removed_it() {
    let mut bench = settled();
    let all = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];
    bench.ipvs.connections.extend(all.map(|it| (it.to_owned(), 3)));
    bench.reload(&CONFIG.replace("{ address = \"10.0.1.1:80\", weight = 100 },", ""));
    bench.pass(5);
    bench.foreign(&Change::DeleteServer(key("10.0.1.1:80")));
    bench.pass(11);
    bench.foreign(&Change::AddServer(service_key("10.0.0.1:80"), server("10.0.1.1:80", 7)));
    bench.pass(600);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "it is someone else's now");
    bench.foreign(&Change::DeleteServer(key("10.0.1.1:80")));
    // The service goes with the last of them.
    bench.reload("");
    bench.reload("");
    bench.pass(5);
    bench.writes();
    for server in &all[1..] {
        bench.foreign(&Change::DeleteServer(key(server)));
    }
    bench.pass(11);
    assert_eq!(bench.writes(), ["delete tcp 10.0.0.1:80"]);
}

#[test]
fn another_check_begins_anew_and_takes_nothing_out() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.writes();
    let before = bench.watches.clone();
    bench.reload(&CONFIG.replace("[check]", "check = { interval = \"7s\" }"));
    assert_eq!(bench.writes(), NONE);
    assert!(bench.watches.iter().all(|(key, watch)| before[key] != *watch));
    bench.pass(1);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
}

#[test]
fn a_service_that_comes_is_made_and_a_match_that_goes_leaves_the_table() {
    let config = "[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"";
    let mut bench = Bench::new(config, TABLE);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    bench.reload(
        "[[service]]\nname = \"new\"\naddress = \"10.0.0.2:80\"\nscheduler = \"rr\"\n\
         server = [{ address = \"10.0.2.1:80\" }]",
    );
    bench.pass(2);
    assert_eq!(bench.writes(), ["add tcp 10.0.0.2:80", "add 10.0.2.1:80=1"]);
    assert!(bench.watches.is_empty());
    assert_eq!(bench.ipvs.show(), format!("{TABLE}\ntcp 10.0.0.2:80 rr 10.0.2.1:80=1"));
}

/// As a start with that configuration would leave it.
#[test]
fn what_was_only_matched_stays_where_a_service_that_is_stated_does_not_have_it() {
    let mut bench = Bench::new("[check]\n[[match]]\nname = \"all\"\nprotocol = \"tcp\"", TABLE);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    let config = CONFIG.replace("{ address = \"10.0.1.4:80\", weight = 100 },", "");
    bench.reload(&config);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    assert_eq!(bench.ipvs.show(), TABLE);
}

#[test]
fn plugins_run_on_unless_they_changed_and_quarantine_ends() {
    let config = format!(
        "{CONFIG}\n[plugin.p]\nsource = \"x.wasm\"\n\
         grant = {{ services = \"all\", weights = {{ intents = [\"cap\"] }} }}"
    );
    let mut bench = Bench::new(&config, TABLE);
    bench.heard();
    bench.reload(&config);
    assert_eq!(bench.heard(), NONE, "nothing changed");
    bench.replaced.insert("p".into());
    bench.reload(&config);
    let heard = ["p recovers from its file was replaced", "p 1: Started"];
    assert_eq!(bench.heard(), heard, "its code is another");
    bench.replaced.clear();
    bench.script.borrow_mut().trapping.insert("p".into(), true);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(60);
    assert_eq!(bench.said("plugin-quarantined").len(), 1);
    bench.script.borrow_mut().trapping.clear();
    bench.heard();
    bench.reload(&config);
    assert_eq!(bench.heard(), ["p 1: Started"]);
    bench
        .script
        .borrow_mut()
        .effects
        .insert("p".into(), vec![say(key("10.0.1.2:80"), Intent::Cap(3))]);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.writes();
    bench.pass(2);
    bench.reload(CONFIG);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"], "what it said is gone with it");
    assert_eq!(bench.said("plugin-removed"), ["plugin-removed plugin=p"]);
}
