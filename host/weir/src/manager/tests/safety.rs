//! Slow start, panic, quorum, flapping, self-doubt: what they do to the table.

use weir_ipvs::Change;

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, key, say, settled, settled_as},
    *,
};

const A: &str = "10.0.1.1:80";

/// The common setup with `lines` in the service and `top` before it; all up and settled.
fn settled_with(top: &str, lines: &str) -> Bench {
    let config = CONFIG.replace("[check]", &format!("{top}\n[check]"));
    let config = config.replace("scheduler = \"wrr\"", &format!("scheduler = \"wrr\"\n{lines}"));
    settled_as(&config)
}

/// What A's weight is written to at which second, for so many seconds.
fn weights_of_a(bench: &mut Bench, seconds: u64) -> Vec<(u64, u32)> {
    let mut weights = Vec::new();
    for second in 0..=seconds {
        for write in bench.writes() {
            let (server, weight) = write.split_once('=').unwrap();
            assert_eq!(server, A, "{write}");
            weights.push((second, weight.parse().unwrap()));
        }
        bench.pass(1);
    }
    weights
}

/// Scenario 5.
#[test]
fn a_server_that_comes_back_gets_its_weight_bit_by_bit() {
    let mut bench = settled_with("", "slow-start = {}");
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.pass(60);
    bench.verdicts(&["10.0.1.1:80 up"]);
    let weights = weights_of_a(&mut bench, 70);
    let line = |t: u64| {
        let part = (t * 100).div_ceil(60).max(10);
        u32::try_from((part + 2) / 5 * 5).unwrap()
    };
    assert!(weights.len() <= 20, "{weights:?}");
    for (second, weight) in &weights {
        assert_eq!(*weight, line(*second), "{second} s of {weights:?}");
    }
    assert_eq!((weights[0], weights.last()), ((0, 10), Some(&(60, 100))));
    assert_eq!(
        bench.said("weight")[1..3],
        [
            "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=10 \
             plugin=health-weight reason=\"drain withdrawn: passed, 2 in a row\"",
            "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=10 after=15 \
             plugin=weir reason=\"slow start 15%, was slow start 10%: it came back\"",
        ]
    );
}

#[test]
fn a_failed_probe_does_not_reset_a_slow_start_and_being_down_does() {
    let mut bench = settled_with("", "slow-start = {}");
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(30);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(30);
    bench.writes();
    bench.verdicts(&["10.0.1.1:80 suspect"]);
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(3);
    assert_eq!(bench.writes(), ["10.0.1.1:80=55"]);
    bench.verdicts(&["10.0.1.1:80 suspect", "10.0.1.1:80 down"]);
    bench.pass(9);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.1:80=10"]);
}

#[test]
fn small_base_weights_have_room_for_a_slow_start_and_keep_their_proportions() {
    let config = CONFIG.replace("weight = 100", "weight = 1");
    let config = config.replace("scheduler = \"wrr\"", "slow-start = {}\nscheduler = \"wrr\"");
    let mut bench = Bench::new(&config, &TABLE.replace("=100", "=1"));
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up"]);
    assert_eq!(bench.writes(), NONE, "not one after the other");
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(
        bench.writes(),
        ["10.0.1.1:80=20", "10.0.1.2:80=20", "10.0.1.3:80=20", "10.0.1.4:80=0"]
    );
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(30);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.writes();
    let steps = weights_of_a(&mut bench, 61);
    assert!(steps.len() >= 10 && steps.last().unwrap().1 == 20, "{steps:?}");
}

#[test]
fn the_only_server_does_not_ramp_and_those_that_would_all_ramp_do_not() {
    let mut bench = settled_with("[safety]\npanic-mode = \"off\"", "slow-start = {}");
    bench.verdicts(&[
        "10.0.1.1:80 down",
        "10.0.1.2:80 down",
        "10.0.1.3:80 down",
        "10.0.1.4:80 down",
    ]);
    bench.pass(30);
    bench.writes();
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100"]);
    bench.pass(10);
    bench.verdicts(&["10.0.1.2:80 up", "10.0.1.3:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=10", "10.0.1.3:80=10"]);
    bench.pass(10);
    bench.writes();
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100", "10.0.1.3:80=100", "10.0.1.1:80=0"]);
}

#[test]
fn a_scheduler_that_floods_idle_servers_has_slow_start_by_default() {
    for (scheduler, first) in [("wlc", "10.0.1.1:80=10"), ("wrr", "10.0.1.1:80=100")] {
        let config = CONFIG.replace("wrr", scheduler);
        let mut bench = Bench::new(&config, &TABLE.replace("wrr", scheduler));
        bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
        bench.writes();
        bench.pass(5);
        bench.verdicts(&["10.0.1.1:80 up"]);
        assert_eq!(bench.writes(), [first], "{scheduler}");
    }
}

/// What somebody should look at.
fn alerts(bench: &mut Bench) -> Vec<String> {
    bench.status().alerts.into_iter().map(|it| it.message).collect()
}

/// Scenario 6.
#[test]
fn below_the_floor_weights_are_held_until_enough_are_up() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.2:80=0"]);
    assert_eq!(bench.said("panic"), NONE);
    bench.verdicts(&["10.0.1.3:80 silent"]);
    assert_eq!(bench.writes(), NONE, "held");
    assert_eq!(
        bench.said("panic"),
        ["panic service=\"tcp 10.0.0.1:80\" live_percent=25 floor_percent=50 \
          then=\"weights stay, but those of servers that refuse\""]
    );
    bench.pass(300);
    assert_eq!(bench.said("panic"), NONE, "once");

    bench.verdicts(&["10.0.1.3:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.3:80=0"], "hard evidence, and D is up");
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(bench.writes(), NONE, "the last one stays, whatever it does");
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100", "10.0.1.4:80=0"]);
    bench.verdicts(&["10.0.1.2:80 up"]);
    bench.pass(30);
    assert_eq!(bench.said("panic"), NONE, "50 % is not 60 %");
    assert_eq!(alerts(&mut bench), ["50 % of web is up: panic begins below 50 % and ends at 60 %"]);
    bench.verdicts(&["10.0.1.3:80 up"]);
    assert_eq!(bench.said("panic"), NONE, "one evaluation");
    bench.pass(1);
    assert_eq!(bench.said("panic-over").len(), 1);
    bench.verdicts(&["10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100", "10.0.1.3:80=100", "10.0.1.4:80=100"]);
    assert_eq!(bench.said("panic"), NONE);
}

#[test]
fn who_is_held_beside_a_base_of_nothing_keeps_its_weight_when_it_gets_a_base() {
    let based = CONFIG.replace("[check]", "drift = { weight = \"alert\" }\n[check]");
    let config = based.replace("1.1:80\", weight = 100", "1.1:80\", weight = 0");
    let mut bench = Bench::new(&config, &TABLE.replace("1.1:80=100", "1.1:80=0"));
    bench.verdicts(&[
        "10.0.1.1:80 silent",
        "10.0.1.2:80 silent",
        "10.0.1.3:80 silent",
        "10.0.1.4:80 up",
    ]);
    bench.foreign(&Change::EditServer(key(A).service, server(A, 30)));
    bench.pass(11);
    bench.reload(&based);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn what_was_held_goes_when_panic_is_over() {
    let mut bench = settled();
    bench.verdicts(&["10.0.1.1:80 silent", "10.0.1.2:80 silent"]);
    bench.verdicts(&["10.0.1.3:80 silent"]);
    bench.writes();
    bench.pass(1);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100", "10.0.1.2:80=100"]);
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.3:80=0"]);
    assert_eq!(
        bench.said("weight").last().unwrap(),
        "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.3:80 before=100 after=0 \
         plugin=weir reason=\"no longer: panic: too few are up; it is down\""
    );
}

#[test]
fn in_panic_of_mode_all_everything_but_what_refuses_serves() {
    let mut bench = settled_with("[safety]\npanic-mode = \"all\"", "");
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 silent"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.2:80=0"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.3:80 silent"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"]);
}

#[test]
fn without_a_floor_checks_are_followed_to_the_end() {
    let mut bench = settled_with("[safety]\npanic-mode = \"off\"", "");
    bench.verdicts(&["10.0.1.1:80 silent", "10.0.1.2:80 silent", "10.0.1.3:80 silent"]);
    bench.verdicts(&["10.0.1.4:80 silent"]);
    assert_eq!(bench.writes().len(), 4);
    assert!(bench.ipvs.show().ends_with("1.1:80=0 10.0.1.2:80=0 10.0.1.3:80=0 10.0.1.4:80=0"));
    let quorum = bench.said("quorum");
    assert_eq!(
        quorum,
        ["quorum-lost service=\"tcp 10.0.0.1:80\" live=0 all=400 quorum=1 \
          then=\"there is no sorry server\""]
    );
}

/// Scenario 7.
#[test]
fn a_sorry_server_serves_when_nothing_else_does() {
    let sorry = "sorry-server = { address = \"10.0.1.9:80\", weight = 5 }";
    let mut bench = settled_with("", sorry);
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    bench.verdicts(&["10.0.1.3:80 down"]);
    bench.writes();
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(bench.writes(), ["add 10.0.1.9:80=5", "10.0.1.4:80=0"]);
    let quorum = bench.said("quorum");
    assert_eq!(quorum.len(), 1, "{quorum:?}");
    bench.pass(300);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100", "delete 10.0.1.9:80"]);
    assert_eq!(
        bench.said("quorum"),
        ["quorum-gained service=\"tcp 10.0.0.1:80\" live=100 all=400 quorum=1 \
          then=\"sorry server 10.0.1.9:80 is taken out\""]
    );
}

#[test]
fn without_a_quorum_what_is_live_leaves_the_table() {
    let lines = "quorum = 200\nhysteresis = 50\n\
                 sorry-server = { address = \"10.0.1.9:80\" }\nslow-start = {}";
    let mut bench = settled_with("[safety]\npanic-mode = \"off\"", lines);
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 down"]);
    bench.writes();
    bench.verdicts(&["10.0.1.3:80 down"]);
    assert_eq!(bench.writes(), ["add 10.0.1.9:80=1", "10.0.1.3:80=0", "delete 10.0.1.4:80"]);
    bench.pass(60);
    bench.verdicts(&["10.0.1.3:80 up"]);
    assert_eq!(bench.writes(), ["delete 10.0.1.3:80"], "200 is not 250");
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(
        bench.writes(),
        ["add 10.0.1.3:80=100", "add 10.0.1.4:80=100", "10.0.1.2:80=100", "delete 10.0.1.9:80"]
    );
}

#[test]
fn a_sorry_server_that_cannot_be_replaced_stays() {
    let sorry = "sorry-server = { address = \"10.0.1.9:80\" }";
    let mut bench = settled_with("", &format!("quorum = 400\n{sorry}"));
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.writes();
    bench.ipvs.refused =
        vec!["10.0.1.2:80".into(), "10.0.1.3:80".into(), "10.0.1.4:80".into(), A.into()];
    bench.pass(1);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(30);
    assert_eq!(bench.writes(), NONE);
    assert!(bench.ipvs.show().ends_with(" 10.0.1.9:80=1"), "{}", bench.ipvs.show());
    bench.ipvs.refused.clear();
    bench.pass(1);
    assert_eq!(bench.writes().last().unwrap(), "delete 10.0.1.9:80");
}

#[test]
fn a_restart_finds_the_sorry_server_at_work() {
    let config = CONFIG.replace(
        "weight = 100 },\n    ]",
        "weight = 100 },\n    ]\n    sorry-server = { address = \"10.0.1.9:80\" }",
    );
    let table = format!("{} 10.0.1.9:80=1", TABLE.replace("=100", "=0"));
    let mut bench = Bench::new(&config, &table);
    bench.verdicts(&[
        "10.0.1.1:80 down",
        "10.0.1.2:80 down",
        "10.0.1.3:80 down",
        "10.0.1.4:80 down",
    ]);
    bench.pass(60);
    assert_eq!((bench.writes(), bench.said("quorum")), (vec![], vec![]));
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100", "delete 10.0.1.9:80"]);
}

/// Scenario 4.
#[test]
fn a_server_that_flaps_is_held_down() {
    let mut bench = settled_with("[safety]\nflap-hold = \"30s\"", "slow-start = {}");
    let (mut trips, mut writes) = (0, 0);
    for _ in 0..15 {
        bench.pass(7);
        bench.verdicts(&["10.0.1.1:80 down"]);
        bench.pass(18);
        bench.verdicts(&["10.0.1.1:80 up"]);
        bench.pass(15);
        let written = bench.writes();
        trips += written.iter().filter(|it| it.ends_with("=0")).count();
        writes += written.len();
    }
    assert!((2..=7).contains(&trips), "{trips}");
    assert!(writes <= 60, "{writes}");
    let said = bench.said("weight");
    assert!(said.iter().any(|it| it.contains("over: flapping: went down")), "{said:?}");
    bench.pass(700);
    let written = bench.writes();
    assert_eq!(written.last().unwrap(), "10.0.1.1:80=100", "not for ever");
}

#[test]
fn the_only_healthy_server_is_not_held_down() {
    let mut bench = settled_with("[safety]\nflap-hold = \"300s\"", "");
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.1:80 up"]);
    bench.pass(20);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    let shown = alerts(&mut bench);
    let held = "10.0.1.1:80 of web went down 1 times: though it passes, it is out until ";
    assert!(matches!(&shown[..], [it] if it.starts_with(held)), "{shown:?}");
    bench.verdicts(&["10.0.1.2:80 down", "10.0.1.3:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=100", "10.0.1.2:80=0", "10.0.1.3:80=0"]);
    let shown = alerts(&mut bench);
    assert!(shown.iter().all(|it| !it.starts_with(held)), "{shown:?}");
}

#[test]
fn checks_that_are_late_are_an_alert_until_they_are_not() {
    let mut bench = settled();
    let late = Duration::from_millis(1500);
    bench.manager.handle(bench.at(), Event::Lag(LagNews::Began(late)));
    let told = "a probe was 1500 ms late, more than its interval: time-outs count as nothing";
    assert_eq!(alerts(&mut bench), [told]);
    bench.manager.handle(bench.at(), Event::Lag(LagNews::Ended(late)));
    assert_eq!(alerts(&mut bench), NONE);
}

#[test]
fn checks_of_which_nothing_comes_are_an_alert_until_something_does() {
    let mut bench = settled();
    let mut told = |stream: u64, news: News| {
        let (subject, check) = (Subject::Director, format!("tcp at 10.0.1.{stream}:80"));
        let notice = Notice { subject, stream: StreamId::numbered(stream), check, news };
        bench.manager.handle(bench.at(), Event::Notice(notice));
        alerts(&mut bench)
    };
    let broken = || News::CannotAsk(Hindrance::Machine("Too many open files".to_owned()));
    let shadow = News::CannotAsk(Hindrance::Shadow(Box::new(Outcome::Pass)));
    let one = "nothing comes of the check tcp at 10.0.1.1:80: Too many open files";
    let two = "nothing comes of the check tcp at 10.0.1.1:80 and 1 more: Too many open files";
    assert_eq!(told(1, broken()), [one]);
    assert_eq!(told(2, broken()), [two]);
    assert_eq!(told(2, News::Warning("it ends soon".to_owned())), [two]);
    assert_eq!(told(2, News::AsksNoMore), [one]);
    assert_eq!(told(1, News::CanAskAgain), NONE);
    assert_eq!(told(1, shadow), NONE, "by the operator's own wish");
}

#[test]
fn policies_do_not_take_the_last_server_out() {
    let config = format!(
        "{CONFIG}\n[plugin.p]\nsource = \"x.wasm\"\n\
         grant = {{ services = \"all\", weights = {{ intents = [\"drain\"] }} }}"
    );
    let mut bench = Bench::new(&config, TABLE);
    let all = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];
    bench.verdicts(&all.map(|it| format!("{it} up")).each_ref().map(String::as_str));
    let drains = |servers: &[&str]| servers.iter().map(|it| say(key(it), Intent::Drain)).collect();
    bench.script.borrow_mut().effects.insert("p".into(), drains(&all[..3]));
    bench.verdicts(&["10.0.1.4:80 suspect", "10.0.1.4:80 down", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0", "10.0.1.2:80=0", "10.0.1.3:80=0"]);
    bench.script.borrow_mut().effects.insert("p".into(), drains(&all[3..]));
    bench.verdicts(&["10.0.1.4:80 down", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), NONE, "the last one");
    bench.pass(2);
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(
        bench.writes(),
        ["10.0.1.1:80=100", "10.0.1.2:80=100", "10.0.1.3:80=100", "10.0.1.4:80=0"]
    );
}

#[test]
fn a_weight_is_written_at_most_once_a_second_but_to_zero() {
    let config = format!(
        "{CONFIG}\n[plugin.p]\nsource = \"x.wasm\"\n\
         grant = {{ services = \"all\", weights = {{ intents = [\"cap\"] }} }}"
    );
    let mut bench = Bench::new(&config, TABLE);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up"]);
    let cap = |bench: &mut Bench, most| {
        let word = say(key(A), Intent::Cap(most));
        bench.script.borrow_mut().effects.insert("p".into(), vec![word]);
        bench.verdicts(&["10.0.1.4:80 silent", "10.0.1.4:80 up"]);
    };
    cap(&mut bench, 50);
    cap(&mut bench, 40);
    cap(&mut bench, 30);
    assert_eq!(bench.writes(), ["10.0.1.1:80=50"]);
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=30"]);
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
}

#[test]
fn a_director_that_does_not_reach_its_gateway_believes_no_check() {
    let probe = "[[self-probe]]\ntype = \"icmp\"\naddress = \"10.0.0.254\"";
    let mut bench = settled_with(probe, "");
    bench.verdicts(&["director up"]);
    bench.verdicts(&["director silent"]);
    assert_eq!(
        bench.said("frozen"),
        ["frozen reason=\"the self-probe icmp does not reach 10.0.0.254: timeout, 3 in a row\" \
          then=\"checks are followed a round after it passes\""]
    );
    bench.verdicts(&["10.0.1.1:80 silent", "10.0.1.2:80 silent"]);
    bench.pass(300);
    assert_eq!(bench.writes(), NONE, "for as long as it takes");

    // What they say now may still be from before: one round, and then they are believed.
    bench.verdicts(&["director up", "10.0.1.2:80 up"]);
    bench.pass(11);
    assert_eq!((bench.writes(), bench.said("thawed")), (vec![], vec![]));
    bench.pass(1);
    assert_eq!(bench.said("thawed"), ["thawed"]);
    assert_eq!(bench.writes(), [format!("{A}=0")]);
}

#[test]
fn a_self_probe_that_is_configured_no_more_freezes_nothing() {
    let probe = "[[self-probe]]\naddress = \"10.0.0.254\"\nport = 22\n";
    let mut bench = settled_with(probe, "");
    bench.verdicts(&["director down"]);
    assert_eq!(bench.said("frozen").len(), 1);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.reload(CONFIG);
    bench.pass(13);
    assert_eq!(bench.writes(), [format!("{A}=0")]);
}

#[test]
fn a_server_that_stays_down_leaves_the_table_where_that_is_wanted() {
    let mut bench = settled_with("", "drain = { remove-down = \"60s\" }");
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(59);
    assert_eq!(bench.writes(), [format!("{A}=0")]);
    bench.pass(1);
    assert_eq!(bench.writes(), ["delete 10.0.1.1:80"]);
    assert_eq!(
        bench.said("weight").last().unwrap(),
        "weight service=\"tcp 10.0.0.1:80\" server=10.0.1.1:80 before=0 after=absent plugin=weir \
         reason=\"refused, 3 in a row; out of the table, so that its flows end\""
    );
    bench.pass(600);
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(bench.writes(), ["add 10.0.1.1:80=100"]);
}

#[test]
fn of_udp_it_leaves_at_once_unless_others_would_be_moved() {
    let writes = |scheduler: &str| {
        let udp = |text: &str| text.replace("tcp 10", "udp 10").replace("wrr", scheduler);
        let config = udp(CONFIG).replace("[check]", "[check]\nport = 53");
        let config = config.replace("scheduler =", "protocol = \"udp\"\nscheduler =");
        let mut bench = Bench::new(&config, &udp(TABLE));
        let of_udp = |address: &str, state| format!("udp:10.0.0.1:80 {address} {state}");
        let all = ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80", "10.0.1.4:80"];
        let up: Vec<String> = all.iter().map(|it| of_udp(it, "up")).collect();
        bench.verdicts(&up.iter().map(String::as_str).collect::<Vec<_>>());
        bench.writes();
        bench.verdicts(&[&of_udp(A, "down")]);
        bench.pass(1);
        bench.writes()
    };
    assert_eq!(writes("wrr"), ["delete 10.0.1.1:80"]);
    assert_eq!(writes("mh"), ["10.0.1.1:80=0"]);
}

#[test]
fn a_server_that_is_held_in_panic_leaves_no_table() {
    let mut bench = settled_with("", "drain = { remove-down = \"0s\" }");
    bench.verdicts(&["10.0.1.1:80 silent", "10.0.1.2:80 silent", "10.0.1.3:80 silent"]);
    bench.pass(60);
    assert_eq!(bench.said("panic").len(), 1);
    assert!(!bench.writes().iter().any(|it| it.starts_with("10.0.1.3:80")), "it is held");
}

#[test]
fn a_director_that_sees_everything_fail_doubts_itself() {
    let service = |number: u32| {
        format!(
            "[[service]]\nname = \"s{number}\"\naddress = \"10.0.0.{number}:80\"\n\
             scheduler = \"wrr\"\nserver = [ {{ address = \"10.0.1.1:80\" }}, \
             {{ address = \"10.0.1.2:80\" }} ]\n"
        )
    };
    let config = format!("[check]\n{}", (1..=3).map(service).collect::<String>());
    let lines = (1..=3).map(|it| format!("tcp 10.0.0.{it}:80 wrr 10.0.1.1:80=1 10.0.1.2:80=1\n"));
    let mut bench = Bench::new(&config, &lines.collect::<String>());
    let each = |state: &str| -> Vec<String> {
        let servers = ["10.0.1.1:80", "10.0.1.2:80"];
        let of = |number: u32| servers.map(|it| format!("10.0.0.{number}:80 {it} {state}"));
        (1..=3).flat_map(of).collect()
    };
    let tell = |bench: &mut Bench, verdicts: &[String]| {
        bench.verdicts(&verdicts.iter().map(String::as_str).collect::<Vec<_>>());
    };
    tell(&mut bench, &each("up"));
    tell(&mut bench, &each("suspect")[..2]);
    assert_eq!(bench.said("frozen"), NONE);
    tell(&mut bench, &each("suspect"));
    assert_eq!(
        bench.said("frozen"),
        ["frozen reason=\"half of all real servers ceased to pass at once\" \
          then=\"checks are followed in 11 s\""]
    );
    tell(&mut bench, &each("down"));
    bench.pass(10);
    assert_eq!(bench.writes(), NONE);
    tell(&mut bench, &each("up"));
    bench.pass(2);
    assert_eq!((bench.writes(), bench.said("thawed").len()), (vec![], 1));

    // It was true: after a round, checks are followed as far as the floor.
    tell(&mut bench, &each("suspect"));
    tell(&mut bench, &each("down"));
    bench.pass(12);
    assert_eq!(bench.writes(), NONE, "all refuse, and the floor holds");
    assert_eq!(bench.said("panic").len(), 3);
}

#[test]
fn what_is_given_fails_before_anything_is_taken() {
    let mut bench = settled();
    let service = service_key("10.0.0.1:80");
    for server in ["10.0.1.1:80", "10.0.1.2:80", "10.0.1.3:80"] {
        bench.foreign(&Change::EditServer(service, super::server(server, 0)));
    }
    bench.ipvs.refused = vec!["10.0.1.1:80".into(), "10.0.1.2:80".into(), "10.0.1.3:80".into()];
    bench.verdicts(&["10.0.1.4:80 down"]);
    assert_eq!(bench.writes(), NONE, "the kernel takes nothing that would serve instead");
    bench.ipvs.refused.clear();
    bench.pass(1);
    assert_eq!(
        bench.writes(),
        ["10.0.1.1:80=100", "10.0.1.2:80=100", "10.0.1.3:80=100", "10.0.1.4:80=0"]
    );
}

#[test]
fn who_speaks_to_a_scheduler_that_does_not_listen_is_told_once() {
    let plugin = "\n[plugin.p]\nsource = \"x.wasm\"\n\
                  grant = { services = \"all\", weights = { intents = [\"cap\"] } }";
    let config = CONFIG.replace("scheduler = \"wrr\"", "scheduler = \"rr\"\nslow-start = {}");
    let mut bench = Bench::new(&format!("{config}{plugin}"), &TABLE.replace("wrr", "rr"));
    bench.script.borrow_mut().effects.insert("p".into(), vec![say(key(A), Intent::Cap(3))]);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.2:80 down", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    bench.pass(5);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=0", "10.0.1.2:80=100"]);
    let reason = "reason=\"rr looks at no weight but 0 and the base, or moves clients\"";
    assert_eq!(
        bench.said("no-effect"),
        ["slow-start", "p"]
            .map(|who| format!("no-effect service=\"tcp 10.0.0.1:80\" of={who} {reason}"))
    );
}

#[test]
fn a_hashing_scheduler_is_written_at_most_once_a_minute() {
    let config = CONFIG.replace("scheduler = \"wrr\"", "scheduler = \"mh\"\nslow-start = {}");
    let mut bench = Bench::new(&config, &TABLE.replace("wrr", "mh"));
    bench.verdicts(&["10.0.1.1:80 down", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    bench.writes();
    bench.pass(5);
    bench.verdicts(&["10.0.1.1:80 up"]);
    assert_eq!(weights_of_a(&mut bench, 61), [(0, 10), (60, 100)]);
    bench.verdicts(&["10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "0 is always at once");
}
