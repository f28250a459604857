//! What survives the manager, and in which order it is kept.

use weir_ipvs::{RealServer, Service};

use super::{
    super::bench::{Bench, CONFIG, NONE, TABLE, key, named, settled, settled_as},
    *,
};
use crate::control::{Expiry, Wish};

const A: &str = "10.0.1.1:80";
const ALL_UP: [&str; 4] = ["10.0.1.1:80 up", "10.0.1.2:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"];

/// The record of what the configuration states.
const CLAIM: &str = "claim tcp 10.0.0.1:80: {\"name\":\"web\",\"servers\":[\"10.0.1.1:80\",\
                     \"10.0.1.2:80\",\"10.0.1.3:80\",\"10.0.1.4:80\"]}";

/// What is kept, a line each.
fn kept(bench: &Bench) -> Vec<String> {
    bench.records.iter().map(|(key, it)| format!("{key}: {it}")).collect()
}

fn ramping() -> String {
    format!("slow-start = {{}}\n[safety]\npanic-mode = \"off\"\nflap-hold = \"30s\"\n{CONFIG}")
}

/// A bench whose manager gives out what is to be kept.
fn keeping(config: &str) -> Bench {
    let mut bench = Bench::stopped(config, Fake::new(TABLE));
    bench.recall(Default::default());
    bench.start();
    bench.settle();
    bench.verdicts(&ALL_UP);
    bench.lines.clear();
    bench
}

#[test]
fn a_settled_table_keeps_what_is_stated_and_no_more() {
    let mut bench = keeping(&ramping());
    let begun = bench.commits.len();
    bench.pass(600);
    assert_eq!(bench.commits.len(), begun);
    assert_eq!(kept(&bench), [CLAIM]);
}

#[test]
fn an_order_is_kept_before_it_shows() {
    let mut bench = keeping(CONFIG);
    bench.is_disk_slow = true;
    let (reply, mut answer) = Reply::new();
    let server = named("web", A);
    let wish = Wish::Drain { server, deadline: None, keep: false, force: false };
    let expiry = Expiry::default();
    let steer = Steer { by: "root".into(), reason: None, expiry, wish, reply };
    bench.manager.handle(bench.at(), Event::Steer(steer));
    bench.settle();
    assert_eq!((bench.writes(), answer.try_recv().is_err()), (vec![], true));
    assert_eq!(bench.keeps.len(), 1);
    bench.is_disk_slow = false;
    bench.settle();
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    assert!(answer.try_recv().unwrap().is_ok());
    assert_eq!(
        kept(&bench),
        [
            CLAIM,
            "order tcp 10.0.0.1:80 10.0.1.1:80: {\"kind\":\"drain\",\"by\":\"root\",\
          \"since_ms\":1000000,\"until_ms\":1300000,\"is_kept\":false,\"is_over\":false}"
        ]
    );
}

#[test]
fn a_disk_that_hangs_or_is_full_keeps_nobody_from_draining() {
    let mut bench = keeping(CONFIG);
    bench.is_disk_slow = true;
    let (reply, mut answer) = Reply::new();
    let wish = Wish::Maintain { server: named("web", A), force: false };
    let expiry = Expiry::default();
    let steer = Steer { by: "root".into(), reason: None, expiry, wish, reply };
    bench.manager.handle(bench.at(), Event::Steer(steer));
    bench.pass(1);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"], "after its patience");
    let notes = answer.try_recv().unwrap().unwrap().notes;
    assert_eq!(notes, ["a restart of weir now would lose it: it is not kept yet"]);
    let number = bench.keeps.remove(0).number;
    bench.manager.handle(bench.at(), Event::Kept(number, Err("no space left".into())));
    bench.settle();
    assert_eq!(
        bench.said("failed"),
        ["failed to=\"keep what must survive a restart\" error=\"no space left\""]
    );
    bench.is_disk_slow = false;
    bench.pass(6);
    assert_eq!(bench.said("works-again").len(), 1);
}

/// Scenario 8.
#[test]
fn a_restart_keeps_drains_ramps_and_holds() {
    let config = ramping();
    let mut bench = keeping(&config);
    bench.verdicts(&["10.0.1.2:80 down", "10.0.1.3:80 down"]);
    bench.pass(31);
    bench
        .order(Wish::Drain {
            server: named("web", "10.0.1.4:80"),
            deadline: Some(Duration::from_secs(600)),
            keep: true,
            force: false,
        })
        .unwrap();
    bench.verdicts(&["10.0.1.3:80 up"]);
    bench.pass(25);
    let shown = "tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=0 10.0.1.3:80=40 10.0.1.4:80=0";
    assert_eq!(bench.ipvs.show(), shown);
    bench.writes();
    bench.restart(&config, 30);
    bench.pass(3);
    assert_eq!(bench.ipvs.show(), shown, "nothing is known yet");
    assert_eq!(bench.writes(), NONE);
    bench.verdicts(&["10.0.1.1:80 up", "10.0.1.3:80 up", "10.0.1.4:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.3:80=95"], "the ramp goes on");
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.3:80=100"]);
    bench.verdicts(&["10.0.1.2:80 up"]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=100"], "no ramp at the start");
    bench.pass(1000);
    assert!(bench.ipvs.show().ends_with("10.0.1.4:80=0"), "{}", bench.ipvs.show());
    bench.order(Wish::Ready(named("web", "10.0.1.4:80"))).unwrap();
    bench.pass(100);
    assert!(bench.ipvs.show().ends_with("10.0.1.4:80=100"));
    bench.pass(1000);
    assert_eq!(kept(&bench), [CLAIM], "all is over");
}

#[test]
fn what_left_the_configuration_leaves_after_a_restart() {
    let mut bench = keeping(CONFIG);
    bench.ipvs.connections.insert(A.into(), 7);
    let fewer = CONFIG.replace("{ address = \"10.0.1.1:80\", weight = 100 },", "");
    bench.reload(&fewer);
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.restart(&fewer, 3);
    bench.pass(280);
    assert_eq!(bench.writes(), NONE, "its connections go on");
    bench.pass(10);
    assert_eq!(bench.writes(), ["delete 10.0.1.1:80"]);
}

#[test]
fn what_left_while_weir_was_down_leaves_whatever_someone_wrote_there() {
    let config = format!("drift = \"alert\"\n{CONFIG}");
    let mut bench = keeping(&config);
    bench.ipvs.connections.insert(A.into(), 7);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.foreign(&Change::EditServer(key(A).service, server(A, 100)));
    bench.pass(11);
    bench.writes();
    let fewer = config.replace("{ address = \"10.0.1.1:80\", weight = 100 },", "");
    bench.restart(&fewer, 3);
    bench.pass(10);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
}

const OTHER: &str = "[[service]]\nname = \"other\"\naddress = \"10.0.0.2:80\"\n\
                     server = [\"10.0.2.1:80\"]\n";

#[test]
fn what_left_the_configuration_while_weir_was_down_leaves() {
    let mut bench = keeping(&format!("{CONFIG}{OTHER}"));
    bench.verdicts(&["10.0.2.1:80 up"]);
    bench.ipvs.connections.insert(A.into(), 7);
    let fewer = CONFIG.replace("{ address = \"10.0.1.1:80\", weight = 100 },", "");
    bench.writes();
    bench.restart(&fewer, 3);
    let mut gone = vec!["10.0.1.1:80=0", "delete 10.0.2.1:80", "delete tcp 10.0.0.2:80"];
    bench.pass(10);
    assert_eq!(bench.writes(), gone);
    // Killed meanwhile, it goes on.
    bench.restart(&fewer, 3);
    bench.pass(280);
    assert_eq!(bench.writes(), NONE, "its connections go on");
    bench.pass(20);
    gone = vec!["delete 10.0.1.1:80"];
    assert_eq!(bench.writes(), gone);
}

#[test]
fn what_was_never_ours_stays_though_weir_was_down() {
    let mut bench = keeping(CONFIG);
    bench.foreign(&Change::AddServer(key(A).service, server("10.0.1.8:80", 7)));
    bench.foreign(&Change::AddService(Service::new(service_key("10.0.0.9:80"), "rr")));
    let shown = bench.ipvs.show();
    bench.restart(CONFIG, 3);
    bench.pass(600);
    assert_eq!((bench.ipvs.show(), bench.writes()), (shown, vec![]));
}

#[test]
fn a_configuration_that_lacks_most_of_what_it_had_removes_nothing_at_the_start() {
    let mut bench = keeping(CONFIG);
    let shown = bench.ipvs.show();
    bench.lines.clear();
    bench.restart("", 3);
    bench.pass(600);
    assert_eq!((bench.ipvs.show(), bench.writes()), (shown, vec![]));
    assert_eq!(
        bench.said("left-behind"),
        ["left-behind entries=5 of=5 reason=\"the configuration had them when weir last ran\" \
          then=\"they stay as they are: remove them with ipvsadm\""]
    );
    assert_eq!(bench.records, Default::default(), "they are nobody's");
}

#[test]
fn what_someone_removed_stays_away_though_most_of_the_configuration_is_gone() {
    let config = format!("drift = \"alert\"\n{CONFIG}");
    let servers: Vec<String> = (1..=5).map(|it| format!("\"10.0.2.{it}:80\"")).collect();
    let more = format!(
        "{config}\n[[service]]\nname = \"more\"\naddress = \"10.0.0.2:80\"\n\
         scheduler = \"wrr\"\nserver = [{}]\n",
        servers.join(", ")
    );
    let mut bench = keeping(&more);
    bench.foreign(&Change::DeleteService(key(A).service));
    bench.pass(11);
    bench.writes();
    bench.restart(&config, 5);
    bench.pass(60);
    assert_eq!(bench.said("left-behind").len(), 1);
    assert_eq!(bench.writes(), NONE);
}

#[test]
fn what_is_held_or_frozen_stays_so() {
    let config = ramping();
    let mut bench = keeping(&config);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.pass(10);
    bench.restart(&config, 5);
    bench.verdicts(&ALL_UP);
    assert!(bench.ipvs.show().contains("10.0.1.1:80=0"), "it flaps");
    bench.pass(16);
    assert!(bench.ipvs.show().contains("10.0.1.1:80=10 "), "{}", bench.ipvs.show());
    bench.order(Wish::Freeze(None)).unwrap();
    let shown = bench.ipvs.show();
    bench.restart(&config, 5);
    bench.verdicts(&ALL_UP);
    bench.verdicts(&["10.0.1.2:80 down"]);
    bench.pass(100);
    assert_eq!(bench.ipvs.show(), shown);
    bench.order(Wish::Thaw(None)).unwrap();
    assert!(bench.ipvs.show().contains("10.0.1.2:80=0"));
}

#[test]
fn a_doubt_that_is_over_meanwhile_is_no_answer_of_a_self_probe() {
    let probe = "[[self-probe]]\naddress = \"10.0.0.254\"\nport = 22\n";
    let config = format!("{probe}\n{CONFIG}");
    // Before the next start, or soon after it.
    for (away, passes) in [(60, 0), (5, 8)] {
        let mut bench = keeping(&config);
        bench.verdicts(&["director up", "director down", "director up"]);
        bench.restart(&config, away);
        assert_eq!(bench.said("frozen").len(), usize::from(away == 5));
        bench.pass(passes);
        bench.verdicts(&["10.0.1.1:80 down"]);
        assert_eq!(bench.writes(), NONE);
        bench.verdicts(&["director up"]);
        assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    }
}

#[test]
fn a_start_that_waits_for_its_self_probes_says_so() {
    let probe = "[[self-probe]]\naddress = \"10.0.0.254\"\nport = 22\n";
    let waits_for = |bench: &mut Bench| {
        let head = bench.status();
        assert!(head.alerts.is_empty(), "nobody need look: {:?}", head.alerts);
        head.frozen.into_iter().map(|it| it.reason).collect::<Vec<_>>()
    };
    for answers in [true, false] {
        let mut bench = Bench::new(&format!("{probe}\n{CONFIG}"), TABLE);
        assert_eq!(waits_for(&mut bench), ["self-probes have not answered yet"]);
        match answers {
            true => bench.verdicts(&["director up"]),
            false => bench.pass(10),
        }
        assert_eq!(waits_for(&mut bench), NONE);
    }
}

#[test]
fn a_base_that_was_taken_over_is_known_again() {
    let config = format!("drift = {{ weight = \"adopt\" }}\n{CONFIG}");
    let mut bench = keeping(&config);
    bench.foreign(&Change::EditServer(key(A).service, server(A, 30)));
    bench.pass(11);
    bench.verdicts(&["10.0.1.1:80 down"]);
    bench.writes();
    bench.restart(&config, 5);
    bench.verdicts(&ALL_UP);
    assert_eq!(bench.writes(), ["10.0.1.1:80=30"]);
}

#[test]
fn what_else_was_taken_over_or_left_is_so_after_a_restart() {
    let service = key(A).service;
    for drift in ["adopt", "alert"] {
        let config = format!("drift = \"{drift}\"\n{CONFIG}");
        let mut bench = keeping(&config);
        bench.foreign(&Change::EditService(Service::new(service, "wlc")));
        let edited = RealServer { upper_threshold: 500, ..server(A, 100) };
        bench.foreign(&Change::EditServer(service, edited));
        bench.pass(11);
        bench.restart(&config, 5);
        bench.verdicts(&ALL_UP);
        bench.pass(60);
        assert_eq!(bench.writes(), NONE, "{drift}");
        bench.foreign(&Change::DeleteService(service));
        bench.pass(11);
        bench.restart(&config, 5);
        assert_eq!((bench.writes(), bench.ipvs.show().as_str()), (vec![], ""), "{drift}");
        bench.reload(CONFIG);
        assert_eq!(bench.writes()[0], "add tcp 10.0.0.1:80", "{drift}");
    }
}

#[test]
fn what_the_configuration_states_anew_while_weir_was_down_counts_again() {
    let service = key(A).service;
    for (drift, weight) in [("adopt", 30), ("adopt", 0), ("alert", 30), ("alert", 0)] {
        let mut config = format!("drift = \"{drift}\"\n{CONFIG}");
        let mut bench = keeping(&config);
        bench.foreign(&Change::EditService(Service::new(service, "lc")));
        bench.foreign(&Change::EditServer(service, server(A, weight)));
        bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
        bench.pass(11);
        let changes: [(&str, &str, &[&str]); 4] = [
            ("4:80\", weight = 100", "4:80\", weight = 200", &["10.0.1.4:80=200"]),
            ("1:80\", weight = 100", "1:80\", weight = 150", &["10.0.1.1:80=150"]),
            (
                "2:80\", weight",
                "2:80\", upper-threshold = 9, weight",
                &["add 10.0.1.2:80=0", "10.0.1.2:80=100"],
            ),
            ("wrr", "rr", &["edit tcp 10.0.0.1:80 rr"]),
        ];
        for (old, new, written) in changes {
            config = config.replace(old, new);
            bench.restart(&config, 5);
            bench.verdicts(&ALL_UP);
            assert_eq!(bench.writes(), written, "{drift}, {weight}: {new}");
        }
    }
}

#[test]
fn a_service_that_is_stated_anew_comes_back_with_its_servers() {
    for drift in ["adopt", "alert"] {
        let config = format!("drift = \"{drift}\"\n{CONFIG}");
        let mut bench = keeping(&config);
        bench.foreign(&Change::DeleteService(key(A).service));
        bench.pass(11);
        bench.restart(&config.replace("wrr", "rr"), 5);
        bench.verdicts(&ALL_UP);
        assert_eq!(bench.ipvs.show(), TABLE.replace("wrr", "rr"), "{drift}");
    }
}

#[test]
fn what_an_earlier_weir_kept_of_edits_stands() {
    let config = format!("drift = \"adopt\"\n{CONFIG}");
    let mut bench = keeping(&config);
    bench.foreign(&Change::EditServer(key(A).service, server(A, 30)));
    bench.foreign(&Change::DeleteServer(key("10.0.1.2:80")));
    bench.pass(11);
    for (address, record) in [(A, "{\"base\":30}"), ("10.0.1.2:80", "{\"is_given_up\":true}")] {
        bench.records.insert(format!("server tcp 10.0.0.1:80 {address}"), record.to_owned());
    }
    bench.restart(&config, 5);
    bench.verdicts(&ALL_UP);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    // From now on it is noted in whose place it stands.
    bench.restart(&config.replace("1:80\", weight = 100", "1:80\", weight = 150"), 5);
    bench.verdicts(&ALL_UP);
    assert_eq!(bench.writes(), ["10.0.1.1:80=150"]);
}

#[test]
fn what_is_not_understood_is_told_and_what_is_gone_is_forgotten() {
    let mut bench = settled();
    let records = [
        ("order nonsense", "{}"),
        ("server tcp 10.0.0.9:80 10.0.1.9:80", "{\"trips\":3}"),
        ("sheep", "1"),
    ];
    let records = records.map(|(key, it)| (key.to_owned(), it.to_owned()));
    bench.records = records.into_iter().collect();
    bench.lines.clear();
    bench.restart(CONFIG, 5);
    assert_eq!(
        bench.said("state-strange"),
        ["state-strange records=\"order nonsense, sheep\" \
          then=\"they are left out: this weir does not understand them\""]
    );
    assert_eq!(bench.records.len(), 3, "what a later weir may understand stays");
}

#[test]
fn without_a_keeper_orders_take_effect_at_once() {
    let mut bench = settled_as(CONFIG);
    bench.drain(A).unwrap();
    assert_eq!((bench.writes(), bench.keeps.len()), (vec!["10.0.1.1:80=0".to_owned()], 0));
}

fn remembering() -> String {
    format!(
        "{CONFIG}[plugin.other]\nsource = \"x.wasm\"\n[plugin.other.grant]\nservices = \"all\"\n"
    )
}

/// Has `other` remember, or forget, what it is told next.
fn note(bench: &mut Bench, entries: &[(&str, Option<&[u8]>)]) {
    let note = |(key, value): &(&str, Option<&[u8]>)| {
        weir_wasm::Effect::Note((*key).to_owned(), value.map(<[u8]>::to_vec))
    };
    let effects = entries.iter().map(note).collect();
    bench.script.borrow_mut().effects.insert("other".into(), effects);
    bench.verdicts(&["10.0.1.4:80 down", "10.0.1.4:80 up"]);
}

/// What `other` finds remembered.
fn found(bench: &mut Bench) -> String {
    bench.verdicts(&["10.0.1.4:80 down", "10.0.1.4:80 up"]);
    let script = bench.script.borrow();
    let entries = script.remembered["other"].iter();
    entries.map(|(key, value)| format!("{key}={} ", value.escape_ascii())).collect()
}

#[test]
fn what_a_plugin_remembers_survives_it_and_weir() {
    let config = remembering();
    let mut bench = keeping(&config);
    note(&mut bench, &[("a", Some(b"1")), ("b c", Some(b"\xff\x00"))]);
    assert_eq!(kept(&bench)[1..], ["entry other a: =1", "entry other b c: ff00"]);
    note(&mut bench, &[("a", Some(b"2"))]);
    let commits = bench.commits.len();
    note(&mut bench, &[("a", Some(b"2"))]);
    assert_eq!(bench.commits.len(), commits, "nothing is written where nothing changed");
    bench.script.borrow_mut().trapping.insert("other".into(), true);
    note(&mut bench, &[("a", Some(b"3"))]);
    bench.script.borrow_mut().trapping.clear();
    bench.pass(10);
    assert_eq!(found(&mut bench), "a=2 b c=\\xff\\x00 ", "a call that failed is forgotten");
    bench.restart(&config, 30);
    bench.verdicts(&ALL_UP);
    assert_eq!(found(&mut bench), "a=2 b c=\\xff\\x00 ");
    note(&mut bench, &[("b c", None)]);
    assert_eq!(kept(&bench)[1..], ["entry other a: =2"]);
}

#[test]
fn code_on_probation_gives_back_what_was_remembered() {
    let mut bench = keeping(&remembering());
    note(&mut bench, &[("a", Some(b"1")), ("b", Some(b"1"))]);
    bench.replace("other", None);
    note(&mut bench, &[("a", Some(b"2")), ("b", None), ("c", Some(b"2"))]);
    assert_eq!(found(&mut bench), "a=2 c=2 ");
    bench.script.borrow_mut().trapping.insert("other".into(), true);
    bench.verdicts(&["10.0.1.4:80 down"]);
    bench.script.borrow_mut().trapping.clear();
    assert_eq!(bench.said("plugin-returned").len(), 1);
    assert_eq!(found(&mut bench), "a=1 b=1 ");
    assert_eq!(kept(&bench)[1..], ["entry other a: =1", "entry other b: =1"]);
}

#[test]
fn what_a_plugin_remembered_goes_with_it() {
    let config = remembering();
    let mut bench = keeping(&config);
    note(&mut bench, &[("a", Some(b"1"))]);
    bench.reload(CONFIG);
    assert_eq!(kept(&bench), [CLAIM]);
    bench.reload(&config);
    note(&mut bench, &[("a", Some(b"1"))]);
    bench.restart(CONFIG, 30);
    assert_eq!(kept(&bench), [CLAIM], "while weir did not run, too");
}

#[test]
fn what_a_plugin_remembered_stays_where_the_configuration_looks_cut_off() {
    let config = remembering();
    let mut bench = keeping(&config);
    note(&mut bench, &[("a", Some(b"1"))]);
    bench.reload_unfinished(CONFIG);
    assert_eq!(bench.said("plugin-removed").len(), 1);
    assert_eq!(kept(&bench)[1..], ["entry other a: =1"]);
    bench.reload(&config);
    assert_eq!(found(&mut bench), "a=1 ");
    bench.reload_unfinished(CONFIG);
    bench.reload(CONFIG);
    assert_eq!(kept(&bench), [CLAIM], "it is whole, and names it no more");
}
