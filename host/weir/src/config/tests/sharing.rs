//! What services have in common, and configurations of several files.

use super::*;
use crate::config::plugin::grant::Reach;

const FARM: &str = r#"
    [defaults]
    scheduler = "wrr"
    weight = 100
    quorum = 150

    [check]
    fall = 5

    [profile.slow]
    scheduler = "sh"
    persistence = "5m"
    check = { interval = "30s" }
    safety = { panic-floor = "10%" }
    sorry-server = { address = "10.0.9.9" }

    [pool]
    farm = ["10.1.0.1", { address = "10.1.0.2:8080", weight = 7, labels = { zone = "a" } }]

    [[service]]
    name = "plain"
    address = "10.0.0.1:80"
    pool = "farm"
    server = ["10.2.0.1"]

    [[service]]
    name = "slow"
    address = "10.0.0.2:443"
    profile = "slow"
    pool = ["farm"]
    weight = 3
    check = { fall = 2 }
    labels = { team = "web" }
"#;

#[test]
fn services_have_what_defaults_profiles_and_pools_say() {
    let config = good(FARM);
    let [plain, slow] = &config.services[..] else { panic!() };
    let servers = |it: &NamedService| {
        let all = it.servers.values().map(|it| format!("{}={}", it.endpoint, it.weight));
        all.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(plain.service.scheduler, "wrr");
    assert_eq!(servers(plain), "10.1.0.1:80=100 10.1.0.2:8080=7 10.2.0.1:80=100");
    assert_eq!((plain.quorum.least, plain.service.persistence), (150, None));
    assert_eq!((slow.service.scheduler.as_str(), slow.service.persistence), ("sh", Some(300)));
    assert_eq!(servers(slow), "10.1.0.1:443=3 10.1.0.2:8080=7");
    assert_eq!(slow.quorum.least, 150, "the profile says nothing of it, the defaults do");
    let check = &slow.check.as_ref().unwrap().list[0];
    assert_eq!((check.fall, check.interval), (2, Duration::from_secs(30)));
    assert_eq!(slow.rules.panic.percent, 10);
    assert_eq!(slow.sorry.unwrap().endpoint.to_string(), "10.0.9.9:443");
    assert_eq!(slow.labels.service["team"], "web");
    let labelled: Vec<_> = slow.labels.servers.keys().map(ToString::to_string).collect();
    assert_eq!(labelled, ["10.1.0.2:8080"]);
}

#[test]
fn a_mistake_in_what_is_shared_is_named_once_and_where_it_is() {
    let text = "[defaults]\nscheduler = 5\n[profile.p]\nquorum = 0\n[pool]\nfarm = [\"10.1.0\"]\n\
                [[service]]\nname = \"a\"\naddress = \"10.0.0.1:80\"\nprofile = \"p\"\npool = \"farm\"\n\
                [[service]]\nname = \"b\"\naddress = \"10.0.0.2:80\"\nprofile = \"q\"\npool = \"form\"\n";
    insta::assert_snapshot!(problems(text), @r#"
    weir.toml:2:13: defaults: scheduler: expected a string, found 5
    weir.toml:4:10: profile p: quorum: expected a whole number from 1 to 2147483647, found 0
    weir.toml:6:9: pool farm: address: expected an address such as "192.0.2.1:80" or "192.0.2.1", found "10.1.0"
    weir.toml:15:11: service b: profile: there is no profile named "q"; there are: p
    weir.toml:16:8: service b: pool: there is no pool named "form"; there are: farm
    "#);
}

#[test]
fn what_services_alone_have_is_not_for_all() {
    insta::assert_snapshot!(
        problems("[defaults]\naddress = \"10.0.0.1:80\"\n[profile.p]\nname = \"x\"\n"),
        @r"
    weir.toml:2:1: defaults: unknown key `address`; known here: flags, forwarding, hysteresis, labels, lower-threshold, netmask, persistence, persistence-engine, pool, quorum, scheduler, sorry-server, tunnel, upper-threshold, weight
    weir.toml:4:1: profile p: unknown key `name`; known here: agent, check, drain, drift, flags, forwarding, hysteresis, labels, lower-threshold, netmask, persistence, persistence-engine, pool, quorum, safety, scheduler, slow-start, sorry-server, tunnel, upper-threshold, weight
    "
    );
}

#[test]
fn time_outs_and_sync_daemons_are_of_the_whole() {
    let config = good(
        "[timeouts]\ntcp = \"1h\"\n[[sync]]\nrole = \"master\"\ninterface = \"eth0\"\nsync-id = 7\n",
    );
    assert_eq!((config.globals.timeouts.tcp, config.globals.timeouts.udp), (3600, 0));
    assert_eq!(config.globals.sync[0].sync_id, 7);
    insta::assert_snapshot!(
        problems("[timeouts]\nudp = \"1500ms\"\n[[sync]]\nrole = \"master\"\ninterface = \"a/b\"\n\
                  group = \"10.0.0.1\"\n[[sync]]\nrole = \"backup\"\ninterface = \"x\"\n\
                  [[sync]]\nrole = \"backup\"\ninterface = \"x\"\n"),
        @r#"
    weir.toml:2:7: timeouts: udp: expected whole seconds
    weir.toml:5:13: sync: interface: expected the name of an interface such as "eth0", found "a/b"
    weir.toml:6:9: sync: group: expected a multicast address such as "224.0.0.81", found "10.0.0.1"
    weir.toml:11:8: sync: role: there is a backup already: remove one
    "#
    );
}

#[test]
fn grants_reach_services_by_their_labels() {
    let plugin = |services: &str| {
        format!("{FARM}\n[plugin.p]\nsource = \"p.wasm\"\ngrant = {{ services = {services} }}\n")
    };
    let config = good(&plugin("[{ labels = { team = \"web\" } }]"));
    let grant = &config.plugins.iter().find(|it| it.name == "p").unwrap().grant;
    assert_eq!(grant.reach, Reach::Named(["slow".to_owned()].into()));
    let refused = |services: &str| problems(&plugin(services));
    assert!(
        refused("[{ labels = { team = \"x\" } }]")
            .ends_with("there is no service with these labels")
    );
    assert!(refused("[{ team = \"web\" }]").contains("expected a name, or labels such as"));
}

#[test]
fn a_name_is_taken_as_long_as_what_has_it_is_there() {
    let mut config = good(
        "[[service]]\nname = \"a\"\naddress = \"10.0.0.1:80\"\n[[service]]\nname = \"b\"\n\
         address = \"10.0.0.2:80\"\n[[match]]\nname = \"m\"\nprotocol = \"udp\"\n",
    );
    let [a, b] = [0, 1].map(|it| config.services[it].service.key);
    let service = config.services[1].clone();
    assert!(config.has_name("a", &b) && !config.has_name("b", &b) && config.has_name("m", &b));
    config.own(NamedService { name: "c".to_owned(), ..service });
    assert!(!config.has_name("b", &a) && config.has_name("c", &a));
    config.disown(&b);
    assert!(!config.has_name("c", &a) && config.has_name("a", &b));
}
