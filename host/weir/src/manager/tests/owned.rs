//! Services that controllers own.

use weir_ipvs::{PlannedService, Service};
use weir_wasm::{Effect, HttpAnswer, HttpFailure, OwnedService};

use super::*;
use crate::{config::Mode, store::Records};

const OWNER: &str = r#"
    [profile.kept]
    check = { type = "tcp" }
    drain = { deadline = "10s" }

    [plugin.owner]
    source = "x.wasm"
    grant = { services = "all", structure = { addresses = ["10.0.9.0/24"], profile = "kept" } }
"#;

fn owned(name: &str, address: &str, servers: &[(&str, u32)]) -> Effect {
    let service = Service::new(service_key(address), "wrr");
    let servers = servers.iter().map(|(at, weight)| server(at, *weight));
    let servers = servers.map(|it| (it.endpoint, it)).collect();
    let planned = PlannedService { service, servers };
    Effect::Own(service_key(address), Some(OwnedService { name: name.into(), planned }))
}

/// Has `owner` called, which wants this.
fn call(bench: &mut Bench, effects: Vec<Effect>) {
    bench.script.borrow_mut().effects.insert("owner".into(), effects);
    let answer = HttpAnswer { tag: String::new(), outcome: Err(HttpFailure::Timeout) };
    bench.manager.handle(bench.at(), Event::Answered("owner".into(), answer));
    bench.settle();
    // What is new is found when the table is read.
    bench.pass(1);
}

/// Two real servers of `web`, both up.
fn made() -> Bench {
    let mut bench = Bench::stopped(OWNER, Fake::new(""));
    bench.recall(Records::new());
    bench.start();
    call(
        &mut bench,
        vec![owned("web", "10.0.9.1:80", &[("10.0.1.1:80", 100), ("10.0.1.2:80", 50)])],
    );
    bench.verdicts(&["10.0.9.1:80 10.0.1.1:80 up", "10.0.9.1:80 10.0.1.2:80 up"]);
    bench.pass(60);
    assert_eq!(bench.ipvs.show(), "tcp 10.0.9.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=50");
    bench.writes();
    bench.said("");
    bench
}

#[test]
fn what_a_plugin_owns_is_made_checked_and_kept() {
    let mut bench = made();
    bench.verdicts(&["10.0.9.1:80 10.0.1.1:80 down"]);
    assert_eq!(bench.writes(), ["10.0.1.1:80=0"]);
    bench.verdicts(&["10.0.9.1:80 10.0.1.1:80 up"]);
    bench.pass(60);
    bench.writes();
    bench.foreign(&Change::EditServer(service_key("10.0.9.1:80"), server("10.0.1.2:80", 7)));
    bench.pass(20);
    assert_eq!(bench.writes(), ["10.0.1.2:80=50"], "drift is restored");
}

#[test]
fn the_same_again_is_nothing() {
    let mut bench = made();
    call(
        &mut bench,
        vec![owned("web", "10.0.9.1:80", &[("10.0.1.1:80", 100), ("10.0.1.2:80", 50)])],
    );
    bench.pass(60);
    assert_eq!((bench.writes(), bench.said("")), (vec![], vec![]));
}

#[test]
fn a_real_server_that_is_gone_is_drained_first() {
    let mut bench = made();
    bench.ipvs.connections.insert("10.0.1.2:80".into(), 3);
    bench.pass(20);
    call(&mut bench, vec![owned("web", "10.0.9.1:80", &[("10.0.1.1:80", 100)])]);
    assert_eq!(bench.writes(), ["10.0.1.2:80=0"]);
    bench.ipvs.connections.clear();
    bench.pass(60);
    assert_eq!(bench.ipvs.show(), "tcp 10.0.9.1:80 wrr 10.0.1.1:80=100");
    call(&mut bench, vec![Effect::Own(service_key("10.0.9.1:80"), None)]);
    bench.pass(60);
    assert_eq!(bench.ipvs.show(), "");
    assert_eq!(bench.said("disowned").len(), 1);
}

#[test]
fn in_shadow_it_is_told_and_not_done() {
    let mut bench = Bench::new(OWNER, "");
    bench.manager.set_mode(bench.at(), "owner", Mode::Shadow).unwrap();
    call(&mut bench, vec![owned("web", "10.0.9.1:80", &[("10.0.1.1:80", 100)])]);
    assert_eq!(bench.ipvs.show(), "");
    assert_eq!(
        bench.said("owned"),
        ["owned service=\"tcp 10.0.9.1:80\" name=web plugin=owner servers=1 added=1 removed=0 \
          then=\"nothing: it is in shadow\""]
    );
}

#[test]
fn what_another_has_is_not_taken() {
    let config = format!(
        "{OWNER}\n[[service]]\nname = \"web\"\naddress = \"10.0.9.1:80\"\nscheduler = \"rr\"\n"
    );
    let mut bench = Bench::new(&config, "");
    bench.pass(1);
    for (name, address) in [("other", "10.0.9.1:80"), ("web", "10.0.9.2:80")] {
        call(&mut bench, vec![owned(name, address, &[])]);
        assert_eq!(bench.ipvs.show(), "tcp 10.0.9.1:80 rr");
        assert_eq!(bench.said("refused").len(), 1, "{name}");
    }
}

#[test]
fn it_survives_a_restart_and_a_reload() {
    let mut bench = made();
    bench.restart(OWNER, 5);
    bench.pass(60);
    assert_eq!(bench.writes(), NONE);
    bench.foreign(&Change::DeleteServer(key_of("10.0.9.1:80", "10.0.1.2:80")));
    bench.pass(20);
    assert!(bench.ipvs.show().contains("10.0.1.2:80="), "it is ours still");
    bench.writes();
    bench.reload(&format!("{OWNER}\n[timeouts]\nudp = \"100s\"\n"));
    bench.pass(60);
    assert!(bench.ipvs.show().contains("10.0.1.1:80=100"), "{}", bench.ipvs.show());
}

fn key_of(service: &str, server: &str) -> RealServerKey {
    RealServerKey { service: service_key(service), server: server.parse().unwrap() }
}

#[test]
fn what_a_plugin_leaves_behind_stays_as_it_is() {
    let gone = OWNER.split_once("[plugin").unwrap().0.to_owned();
    let narrowed = OWNER.replace("10.0.9.0/24", "10.0.8.0/24");
    for config in [gone, narrowed] {
        let table = "tcp 10.0.9.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=50";
        let mut bench = made();
        bench.reload(&config);
        bench.pass(600);
        assert_eq!((bench.ipvs.show().as_str(), bench.writes()), (table, vec![]));
        assert_eq!(bench.said("released").len(), 1);
        let mut bench = made();
        bench.restart(&config, 5);
        bench.pass(600);
        assert_eq!((bench.ipvs.show().as_str(), bench.writes()), (table, vec![]));
        assert_eq!(bench.said("released").len(), 1);
        bench.restart(&config, 5);
        bench.pass(600);
        assert_eq!((bench.ipvs.show().as_str(), bench.writes()), (table, vec![]));
        assert_eq!(bench.said("released").len(), 0);
    }
}

#[test]
fn what_a_plugin_leaves_behind_is_forgotten_though_most_else_is_gone_with_it() {
    let mut bench = made();
    bench.reload(&format!(
        "{OWNER}\n[[service]]\nname = \"shop\"\naddress = \"10.0.8.1:80\"\n\
         scheduler = \"rr\"\n"
    ));
    bench.pass(60);
    bench.writes();
    let shown = bench.ipvs.show();
    bench.restart("", 5);
    bench.pass(600);
    assert_eq!((bench.ipvs.show(), bench.writes()), (shown, vec![]));
    assert_eq!(bench.records, Records::new(), "they are nobody's");
}

#[test]
fn the_configuration_takes_over_what_it_states() {
    let mut bench = made();
    bench.reload(&format!(
        "{OWNER}\n[[service]]\nname = \"shop\"\naddress = \"10.0.9.1:80\"\nscheduler = \"wrr\"\n\
         check = {{ type = \"tcp\" }}\n[[service.server]]\naddress = \"10.0.1.1:80\"\nweight = 100\n"
    ));
    bench.pass(60);
    assert_eq!(bench.ipvs.show(), "tcp 10.0.9.1:80 wrr 10.0.1.1:80=100");
    assert_eq!(bench.said("released").len(), 1);
}

#[test]
fn code_that_fails_on_probation_gives_back_what_it_took() {
    let mut bench = made();
    bench.replace("owner", None);
    call(
        &mut bench,
        vec![owned("web", "10.0.9.1:80", &[("10.0.1.3:80", 1)]), owned("more", "10.0.9.2:80", &[])],
    );
    bench.script.borrow_mut().trapping.insert("owner".into(), true);
    call(&mut bench, vec![]);
    bench.script.borrow_mut().trapping.clear();
    bench.pass(60);
    assert_eq!(bench.said("plugin-returned").len(), 1);
    let shown = bench.ipvs.show();
    assert!(shown.contains("10.0.1.1:80=") && !shown.contains("10.0.1.3"), "{shown}");
    assert!(!shown.contains("10.0.9.2"), "{shown}");
}

#[test]
fn an_answer_that_comes_while_the_plugin_is_down_waits() {
    let mut bench = made();
    bench.script.borrow_mut().trapping.insert("owner".into(), true);
    call(&mut bench, vec![]);
    bench.script.borrow_mut().trapping.clear();
    let answer = HttpAnswer { tag: "late".into(), outcome: Err(HttpFailure::Timeout) };
    bench.manager.handle(bench.at(), Event::Answered("owner".into(), answer));
    bench.heard();
    bench.pass(5);
    let heard = bench.heard();
    assert!(heard.iter().any(|it| it.contains("tag: \"late\"")), "{heard:?}");
}
