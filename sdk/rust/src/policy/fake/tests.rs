//! The fake host keeps what it promises.

use super::{named::service_key, *};
use crate::policy::{
    clock, config, controller::*, found, health, http_messages::Error as HttpError, intents,
    labels, log, real_servers, settings, state, table,
};

const WEB: &str = "tcp 192.0.2.1:80";

/// Does with what it hears whatever a test wants.
struct Told<F>(F);

impl<F: FnMut() -> Result<(), Failure> + 'static> Policy for Told<F> {
    fn new(_: &Context) -> Result<Self, Failure> {
        Err(failure("a test makes it"))
    }

    fn health(&mut self, _: &HealthChange) -> Result<(), Failure> {
        self.0()
    }
}

fn failure(message: &str) -> Failure {
    Failure { message: message.to_owned(), retryable: false }
}

fn host() -> Host {
    Host::new().with_service(WEB, &[("10.0.0.1:80", 100), ("10.0.0.2:80", 50)])
}

fn server(number: usize) -> RealServerKey {
    real_servers()[number]
}

#[test]
fn what_a_handler_says_takes_place_when_it_returns() {
    let host = host();
    let mut policy = Told(|| {
        drain(&server(0), "first")?;
        cap(&server(1), 5, "few")?;
        assert_eq!(intents::held().len(), 2);
        CURRENT.with_borrow(|it| assert_eq!(it.upgrade().unwrap().borrow().kept.statements, []));
        scale(&server(0), 500, "second")
    });
    host.tell(&mut policy, down("10.0.0.1:80", "refused")).unwrap();
    assert_eq!(host.statements(), ["10.0.0.1:80 scale 500: second", "10.0.0.2:80 cap 5: few"]);
    host.handle(|| {
        withdraw(&server(0));
        Ok(())
    })
    .unwrap();
    assert_eq!(host.statements(), ["10.0.0.2:80 cap 5: few"]);
}

#[test]
fn what_a_handler_that_fails_says_does_not() {
    let host = host().with_remembered("step", "1");
    host.handle(|| floor(&server(1), 10, "before")).unwrap();
    let mut policy = Told(|| {
        drain(&server(0), "never")?;
        withdraw(&server(1));
        remember("step", &2)?;
        ask(&get("list", "http://registry.example/"))?;
        ensure(service("new", service_key("fwmark 7"), "wrr"))?;
        log::write(log::Level::Warn, "it fails", &[("step".to_owned(), "2".to_owned())]);
        Err(failure("no"))
    });
    let failed = host.tell(&mut policy, down("10.0.0.1:80", "refused"));
    assert_eq!(failed, Err(failure("no")));
    assert_eq!(host.statements(), ["10.0.0.2:80 floor 10: before"]);
    assert_eq!(intents::held().len(), 1);
    assert_eq!(host.remembered("step").as_deref(), Some("1"));
    assert_eq!((host.asked(), host.owned()), (Vec::new(), Vec::new()));
    assert_eq!(host.logged(), ["warn: it fails step=2"]);
}

#[test]
fn what_a_handler_that_panics_says_does_not() {
    let host = host();
    let panics = || {
        host.handle(|| {
            drain(&server(0), "never")?;
            panic!("no")
        })
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    host.handle(|| drain(&server(1), "after")).unwrap();
    assert_eq!(host.statements(), ["10.0.0.2:80 drain: after"]);
}

#[test]
fn a_policy_that_is_made_may_only_look() {
    struct Eager;
    impl Policy for Eager {
        fn new(_: &Context) -> Result<Self, Failure> {
            assert_eq!(recall::<u32>("step"), Some(7));
            assert_eq!(settings::<Vec<u32>>().unwrap(), [1, 2]);
            forget("step");
            assert_eq!(recall::<u32>("step"), Some(7));
            let refused = remember("step", &8).unwrap_err().message;
            assert_eq!(refused, "nothing can be remembered while the policy is made");
            assert!(ask(&get("", "http://registry.example/")).is_err());
            assert!(ensure(service("web", server(0).service, "wrr")).is_err());
            drain(&server(0), "early")?;
            Ok(Self)
        }
    }
    let host = host().with_settings("[1, 2]").with_remembered("step", "7");
    let refused = host.start::<Eager>().err().unwrap().message;
    assert_eq!(refused, "statements are made in handle, not in init");
    assert_eq!(config::get(), "[1, 2]");
}

#[test]
fn health_is_found_as_it_is() {
    let host = host();
    assert_eq!(found(), []);
    host.pass(Duration::from_secs(3));
    let change = up("10.0.0.2:80", "200");
    let Event::Health(HealthChange { before, after, lasted, .. }) = &change else { panic!() };
    assert_eq!((*before, *after, *lasted), (HealthStatus::Unknown, HealthStatus::Up, 3000));
    host.tell(&mut Told(|| Ok(())), change).unwrap();
    host.set_health("10.0.0.1:80", HealthStatus::Down);
    host.set_latency("10.0.0.1:80", Duration::from_millis(2));
    host.pass(Duration::from_secs(1));
    let now: Vec<_> = found().iter().map(|it| (it.server, it.after)).collect();
    assert_eq!(now, [(server(0), HealthStatus::Down), (server(1), HealthStatus::Up)]);
    let report = health::current(&[server(0)])[0];
    assert_eq!((report.since, report.latency), (1000, Some(2_000_000)));
    assert_eq!(clock::monotonic(), 4_000_000_000);
}

#[test]
fn what_is_not_granted_is_refused_and_named() {
    let host = host().with_denied("drain").with_denied("state");
    let host = host.with_denied("structure").with_denied("http");
    let refused = |what: &dyn Fn() -> Result<(), Failure>| host.handle(what).unwrap_err().message;
    let drained = refused(&|| drain(&server(0), ""));
    assert_eq!(drained, "drain needs the plugin's grant.weights.drain");
    let remembered = refused(&|| remember("step", &1));
    assert_eq!(remembered, "to remember anything needs the plugin's grant.state");
    let owned = refused(&|| ensure(service("web", server(0).service, "wrr")));
    assert_eq!(owned, "services need the plugin's grant.structure");
    let asked = refused(&|| ask(&get("", "http://registry.example/")));
    assert_eq!(asked, "GET http://registry.example/ is outside the plugin's grant.http");
    assert_eq!(refused(&|| scale(&server(0), 0, "")), "a scale of 0: say drain");
    let mut other = server(0);
    other.server.port = 81;
    assert_eq!(refused(&|| cap(&other, 1, "")), "the host does not know this real server");
}

#[test]
fn what_is_remembered_is_read_in_order() {
    let host = host().with_remembered("a/1", "1").with_remembered("b", "2");
    host.handle(|| {
        remember("a/2", &"two")?;
        forget("b");
        Ok(())
    })
    .unwrap();
    assert_eq!(state::keys("a/", None, 9), ["a/1", "a/2"]);
    assert_eq!(state::keys("", Some("a/1"), 1), ["a/2"]);
    assert_eq!(host.remembered("a/2").as_deref(), Some("\"two\""));
}

#[test]
fn what_is_asked_is_answered_once() {
    let host = host();
    let ask_nine = || (0..9).try_for_each(|it| ask(&get(&it.to_string(), "http://a.example/")));
    assert!(host.handle(ask_nine).unwrap_err().retryable);
    host.handle(|| ask(&get("list", "http://a.example/"))).unwrap();
    assert_eq!(host.asked()[0].url, "http://a.example/");
    host.tell(&mut Told(|| Ok(())), answered("list", 200, "[]")).unwrap();
    assert_eq!(host.asked(), []);
    assert_eq!(why(&HttpError::Timeout), "its time is over");
}

#[test]
fn services_are_owned_by_their_keys() {
    let host = host();
    let key = service_key("fwmark 7 IPv6");
    host.handle(|| ensure(service("old", key, "wrr"))).unwrap();
    host.handle(|| ensure(service("new", key, "wrr"))).unwrap();
    assert_eq!(host.owned(), [service("new", key, "wrr")]);
    let refused = host.handle(|| ensure(service("web", service_key(WEB), "wrr"))).unwrap_err();
    assert_eq!(refused.message, "service tcp 192.0.2.1:80 has another owner");
    host.handle(|| {
        give_up(&key);
        Ok(())
    })
    .unwrap();
    assert_eq!(owned(), []);
}

#[test]
fn the_table_is_as_the_test_says() {
    let host = host().with_name(WEB, "web").with_service("fwmark 7", &[("10.0.0.1:80", 1)]);
    host.set_connections("fwmark 7 10.0.0.1:80", 3, 4);
    let snapshot = table::current();
    assert_eq!(snapshot.size(), 2);
    assert_eq!(snapshot.services(1, 9).len(), 1);
    let number = snapshot.find(service_key("fwmark 7")).unwrap();
    let servers = snapshot.real_servers(number);
    assert_eq!((servers[0].active, servers[0].inactive, servers[0].config.weight), (3, 4, 1));
    assert_eq!(snapshot.real_servers(2), []);
    assert_eq!(table::name(service_key(WEB)).as_deref(), Some("web"));
    assert_eq!(table::name(service_key("fwmark 7")), None);
}

#[test]
#[should_panic(expected = "several services have 10.0.0.1:80: say tcp 192.0.2.1:80 10.0.0.1:80")]
fn a_real_server_of_several_services_is_named_with_its_own() {
    let _host = host().with_service("fwmark 7", &[("10.0.0.1:80", 1)]);
    down("10.0.0.1:80", "refused");
}

#[test]
#[should_panic(expected = "no host: make a weir_sdk::policy::fake::Host first")]
fn without_a_host_that_is_said() {
    drop(host());
    config::get();
}

/// A plugin that compiles natively compiles for Wasm, too: both of each have one type.
#[test]
fn functions_are_called_as_the_bindings_are() {
    use crate::policy::{
        http, structure,
        weir::{host, ipvs, plugin},
    };

    let _ = [clock::wall, host::clock::wall, clock::monotonic, host::clock::monotonic];
    let _ = [clock::utc_offset, host::clock::utc_offset];
    let _ = [config::get, host::config::get];
    let _ = [log::write, host::log::write];
    let _ = [state::get, host::state::get];
    let _ = [state::set, host::state::set];
    let _ = [state::remove, host::state::remove];
    let _ = [state::keys, host::state::keys];
    let _ = [http::send, host::http::send];
    let _ = [health::current, plugin::health::current];
    let _ = [intents::publish, plugin::intents::publish];
    let _ = [intents::withdraw, plugin::intents::withdraw];
    let _ = [intents::held, plugin::intents::held];
    let _ = [structure::ensure, plugin::structure::ensure];
    let _ = [structure::remove, plugin::structure::remove];
    let _ = [structure::owned, plugin::structure::owned];
    let _ = [table::generation, ipvs::table::generation];
    let _ = [table::name, ipvs::table::name];
    let _ = [table::schedulers, ipvs::table::schedulers];
    let _ = [table::totals, ipvs::table::totals];
    let _ = [table::timeouts, ipvs::table::timeouts];
    let _ = [table::daemons, ipvs::table::daemons];
}

#[test]
fn services_and_real_servers_have_labels() {
    let host = host()
        .with_labels_of_service(WEB, &[("team", "shop")])
        .with_labels("10.0.0.2:80", &[("zone", "b"), ("age", "new")]);
    let mut policy = Told(|| {
        let servers = real_servers();
        let owned = |it: (&str, &str)| (it.0.to_owned(), it.1.to_owned());
        let zones = [vec![], [("age", "new"), ("zone", "b")].map(owned).to_vec()];
        assert_eq!(labels::of_real_servers(&servers), zones);
        let team = [vec![owned(("team", "shop"))]];
        assert_eq!(labels::of_services(&[servers[0].service]), team);
        Ok(())
    });
    host.tell(&mut policy, down("10.0.0.1:80", "connection refused")).unwrap();
}
