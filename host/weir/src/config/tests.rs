//! What configurations mean, and what is said of those with mistakes.

mod contradictions;
mod parts;
mod rows;
mod sharing;

use std::{fs, time::Duration};

use super::*;
use crate::safety::panic::Mode;

/// The problems of `text`, one a line.
fn problems(text: &str) -> String {
    parse("weir.toml", text).unwrap_err().to_string()
}

fn good(text: &str) -> Config {
    parse("weir.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A service around some lines of its own.
fn service(lines: &str) -> String {
    format!("[[service]]\nname = \"web\"\naddress = \"10.0.0.1:80\"\n{lines}\n")
}

fn check(text: &str, expected: &str) {
    assert_eq!(problems(text), expected, "{text}");
}

#[test]
fn a_small_configuration_has_the_documented_defaults() {
    let config = good(
        r#"
        [check]

        [[service]]
        name = "web"
        address = "10.0.0.1:80"
        [[service.server]]
        address = "10.0.1.1:8080"
        [[service.server]]
        address = "10.0.1.2"
        weight = 7
        "#,
    );
    let web = &config.services[0];
    assert_eq!(web.service.key.to_string(), "tcp 10.0.0.1:80");
    assert_eq!(web.service.scheduler, "wlc");
    let servers: Vec<String> =
        web.servers.values().map(|it| format!("{} {}", it.endpoint, it.weight)).collect();
    assert_eq!(servers, ["10.0.1.1:8080 1", "10.0.1.2:80 7"]);
    let expected = Check {
        kind: CheckKind::Tcp,
        port: None,
        via: Via::default(),
        interval: Duration::from_secs(5),
        fast: Duration::from_secs(1),
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 3,
    };
    assert_eq!(web.check, Some(Checks::one(expected)));
    let plugin = &config.plugins[0];
    assert_eq!((plugin.name.as_str(), plugin.config_json.as_str()), ("health-weight", "{}"));
    let grant = plugin.grant.resolve(&[(web.service.key, "web".to_owned())].into());
    assert!(grant.drain && grant.scale.is_none());
    assert_eq!(grant.services, weir_wasm::Services::All);
}

#[test]
fn health_weight_can_be_off_and_is_not_there_without_checks() {
    assert_eq!(good(&service("")).plugins, []);
    assert_eq!(good("[check]\n[plugin.health-weight]\nmode = \"off\"").plugins, []);
    let own = good("[plugin.health-weight]\nsource = \"mine.wasm\"\n");
    assert_eq!(own.plugins[0].source, Source::File("mine.wasm".into()));
}

#[test]
fn a_service_overrides_the_check_key_by_key() {
    let text = "[check]\ntype = \"http\"\npath = \"/health\"\ninterval = \"10s\"\n";
    let config =
        good(&format!("{text}{}", service("check = { fall = 2, expect = [204, \"301-302\"] }")));
    let check = &config.services[0].check.as_ref().unwrap().list[0];
    assert_eq!((check.interval, check.fall), (Duration::from_secs(10), 2));
    let CheckKind::Http(http) = &check.kind else { panic!("{check:?}") };
    assert_eq!(http.path, "/health");
    assert_eq!(Vec::from_iter(http.expect.iter().copied()), [204, 301, 302]);
    assert_eq!(good(&format!("[check]\n{}", service("check = false"))).services[0].check, None);
}

#[test]
fn a_service_overrides_the_rules_key_by_key() {
    let top = "slow-start = { window = \"30s\", aggression = 2 }\n\
               [safety]\npanic-floor = \"40%\"\nflap-hold = \"10s\"\n";
    let own = "slow-start = { min = \"20%\" }\nsafety = { panic-mode = \"all\" }";
    let config = good(&format!("{top}{}", service(own)));
    insta::assert_debug_snapshot!(config.services[0].rules, @r#"
    Rules {
        slow_start: Always(
            Curve {
                window: 30s,
                least_percent: 20,
                aggression: 2.0,
            },
        ),
        panic: Floor {
            percent: 40,
            mode: All,
        },
        damping: Some(
            Damping {
                hold: 10s,
                hold_max: 300s,
            },
        ),
        drain_deadline: 300s,
        remove_down: None,
        drift: Drift {
            service: Restore,
            servers: Restore,
            weight: Restore,
        },
    }
    "#);
    let rules = |text: &str| good(&service(text)).services[0].rules.clone();
    let usual = rules("");
    assert!(usual.slow_start.curve("wlc").is_some() && usual.slow_start.curve("wrr").is_none());
    assert_eq!((usual.panic.percent, usual.panic.mode, usual.damping), (50, Mode::Hold, None));
    let drift = rules("drift = { weight = \"adopt\" }").drift;
    assert_eq!((drift.weight, drift.servers), (Whose::Adopt, Whose::Restore));
    assert_eq!(rules("drift = \"alert\"").drift.service, Whose::Alert);
    let off = rules("slow-start = false").slow_start;
    assert!(off.curve("wlc").is_none());
}

#[test]
fn quorum_and_sorry_server_fit_their_service() {
    let config = good(&service(
        "quorum = 3\nhysteresis = 2\nsorry-server = { address = \"10.0.9.9:80\", weight = 7 }",
    ));
    let web = &config.services[0];
    assert_eq!((web.quorum.least, web.quorum.hysteresis), (3, 2));
    let sorry = web.sorry.unwrap();
    assert_eq!((sorry.endpoint.to_string().as_str(), sorry.weight), ("10.0.9.9:80", 7));
    check(
        &service("quorum = 2\nhysteresis = 2"),
        "weir.toml:5:14: service web: hysteresis: expected less than the quorum (2), found 2",
    );
    check(
        &service(
            "sorry-server = { address = \"10.0.0.2\" }\n[[service.server]]\naddress = \"10.0.0.2\"",
        ),
        "weir.toml:4:28: service web: sorry-server: address: is one of the real servers: it cannot stand in for itself",
    );
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    check(
        "[safety]\npanic-floor = \"150%\"",
        "weir.toml:2:15: safety: panic-floor: expected a percentage from \"0%\" to \"100%\", found \"150%\"",
    );
    check(
        "[safety]\nflap-hold = \"2m\"\nflap-hold-max = \"1m\"",
        "weir.toml:2:13: safety: flap-hold: expected at most flap-hold-max (1m), found 2m",
    );
    check(
        "slow-start = { aggression = 0 }",
        "weir.toml:1:29: slow-start: aggression: expected a number from 0.1 to 10, found 0",
    );
    check(
        "slow-start = \"off\"",
        "weir.toml:1:14: slow-start: expected a table, or false for none, found \"off\"",
    );
}

#[test]
fn everything_ipvs_has_can_be_said() {
    let config = good(
        r#"
        [[service]]
        name = "dns"
        fwmark = 7
        family = "ipv6"
        scheduler = "sh"
        flags = ["sh-port", "one-packet"]
        persistence = "5m"
        persistence-engine = "sip"
        netmask = 64
        forwarding = "tunnel"
        [[service.server]]
        address = "10.0.0.1"
        tunnel = { type = "gue", port = 6080, checksum = "remote" }
        weight = 100
        upper-threshold = 200
        lower-threshold = 150
        "#,
    );
    insta::assert_debug_snapshot!(config.services[0].service, @r#"
    Service {
        key: Fwmark {
            mark: 7,
            family: V6,
        },
        scheduler: "sh",
        flags: ServiceFlags(
            20,
        ),
        persistence: Some(
            300,
        ),
        netmask: 64,
        engine: Some(
            "sip",
        ),
    }
    "#);
    let server = config.services[0].servers.values().next().unwrap();
    assert_eq!(server.endpoint.to_string(), "10.0.0.1:0");
    assert_eq!(server.tunnel.port, 6080);
    assert_eq!((server.upper_threshold, server.lower_threshold), (200, 150));
}

#[test]
fn matches_claim_by_protocol_prefix_port_and_mark() {
    let config = good(
        r#"
        [[match]]
        name = "legacy"
        addresses = ["192.0.2.0/24", "2001:db8::/32"]
        ports = [80]
        servers = ["10.1.0.0/16"]
        [[match]]
        name = "marked"
        fwmark = 3
        "#,
    );
    let keys = |key: &str| {
        let key = match key.parse() {
            Ok(mark) => ServiceKey::Fwmark { mark, family: weir_ipvs::Family::V4 },
            Err(_) => (weir_ipvs::Protocol::Udp, key.parse().unwrap()).into(),
        };
        config.matches.iter().map(|it| it.claims_service(&key)).collect::<Vec<_>>()
    };
    assert_eq!(keys("192.0.2.9:80"), [true, false]);
    assert_eq!(keys("[2001:db8:1::1]:80"), [true, false]);
    assert_eq!(keys("192.0.3.9:80"), [false, false]);
    assert_eq!(keys("192.0.2.9:81"), [false, false]);
    assert_eq!(keys("3"), [false, true]);
    assert_eq!(keys("4"), [false, false]);
    assert!(config.matches[0].claims_server(&"10.1.2.3:80".parse().unwrap()));
    assert!(!config.matches[0].claims_server(&"10.2.2.3:80".parse().unwrap()));
}

#[test]
fn a_plugin_is_a_file_or_a_component_of_weirs_own() {
    let table = "[plugin.x]\n";
    let plugin = |lines: &str| good(&format!("{table}{lines}")).plugins.remove(0);
    let file = plugin("source = \"x.wasm\"");
    assert_eq!((file.source, file.script), (Source::File("x.wasm".into()), None));
    let script = plugin("component = \"starlark\"\nscript = \"x.star\"");
    assert_eq!(script.source, Source::Builtin("starlark".to_owned()));
    assert_eq!(script.script, Some("x.star".into()));
    let beside = parse_beside(
        Path::new("/etc/weir"),
        "weir.toml",
        "[plugin.x]\ncomponent = \"starlark\"\nscript = \"x.star\"",
    );
    assert_eq!(beside.unwrap().plugins[0].script, Some("/etc/weir/x.star".into()));
    check(
        "[plugin.x]\ncomponent = \"starlark\"",
        "weir.toml:2:13: plugin x: component: it runs a script: add script = \"policy.star\"",
    );
    check(
        "[plugin.x]\ncomponent = \"latency\"\nscript = \"x.star\"",
        "weir.toml:3:10: plugin x: script: latency runs no script: remove this, or have it run by component = \"starlark\"",
    );
    check(
        "[plugin.x]\ncomponent = \"starlark\"\nscript = \"x.star\"\nsource = \"x.wasm\"",
        "weir.toml:4:10: plugin x: source: there is a `component` already: remove one of the two",
    );
}

#[test]
fn plugins_have_settings_grants_and_limits() {
    let config = good(&format!(
        "{}{}",
        service(""),
        r#"
        [plugin.latency]
        source = "/usr/lib/weir/latency.wasm"
        config = { target = "20ms", share = 0.5, zones = [1, 2] }
        limits = { memory = "32MiB", cpu = "50ms", wall = "1s" }
        [plugin.latency.grant]
        services = ["web"]
        weights = { intents = ["scale", "cap"], scale = [100, 1500], max-step = "10% / 5s" }
        lease = "30s"
        "#
    ));
    let plugin = &config.plugins[0];
    assert_eq!(plugin.config_json, r#"{"share":0.5,"target":"20ms","zones":[1,2]}"#);
    assert_eq!(plugin.limits.memory_bytes, 32 << 20);
    let key = config.services[0].service.key;
    let grant = plugin.grant.resolve(&[(key, "web".to_owned())].into());
    assert_eq!(grant.services, weir_wasm::Services::Named([key].into()));
    assert_eq!(
        (grant.scale, grant.floor, grant.cap, grant.drain),
        (Some(100..=1500), None, true, false)
    );
    assert_eq!(grant.lease, Duration::from_secs(30));
    let max_step = StepLimit { percent: 10, per: Duration::from_secs(5) };
    assert_eq!(plugin.grant.max_step, Some(max_step));
    check(
        "[plugin.p]\nsource = \"p.wasm\"\n\
         grant = { weights = { intents = [\"cap\"], max-step = \"5s\" } }",
        "weir.toml:3:53: plugin p: grant: weights: max-step: expected 1% to 100%, and 1 s or more, such as \"10% / 5s\", found \"5s\"",
    );
}

#[test]
fn a_plugin_may_check() {
    let plugin = "[plugin.ready]\nsource = \"x.wasm\"\n";
    let config = good(&format!(
        "{plugin}[check]\ntype = \"plugin\"\nplugin = \"ready\"\nconfig = {{ a = 1 }}\n{}",
        service("")
    ));
    let found = config.checks().next().unwrap();
    assert_eq!(found.kind.to_string(), "plugin ready");
    let CheckKind::Plugin(found) = &found.kind else { panic!("{found:?}") };
    assert_eq!((&*found.config_json, &found.tls), ("{\"a\":1}", &None));
    let table = "[check]\ntype = \"plugin\"\n";
    check(
        &format!("{table}plugin = \"ready\"\n"),
        "weir.toml:3:10: check: plugin: there is no [plugin.ready], or it is off: add it",
    );
    check(
        &format!("{table}plugin = \"p\"\n[plugin.p]\nsource = \"x.wasm\"\nmode = \"off\"\n"),
        "weir.toml:3:10: check: plugin: there is no [plugin.p], or it is off: add it",
    );
    check(
        table,
        "weir.toml:1:1: check: `plugin` is missing: add plugin = \"NAME\" of a [plugin.NAME]",
    );
    check(
        &format!("{table}plugin = \"ready\"\nverify = false\n{plugin}"),
        "weir.toml:4:10: check: verify: nothing is asked within TLS: add tls = true, or remove this",
    );
    check(
        "[check]\nplugin = \"x\"\n",
        "weir.toml:2:10: check: plugin: is for type = \"plugin\" only; change the type, or remove this",
    );
}

/// Those of checks.md name files, and are read where there are such, beside the checks.
#[test]
fn every_documented_example_is_a_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = fs::read_dir(root.join("host/docs")).unwrap().map(|it| it.unwrap().path());
    let mut read = 0;
    for page in docs.chain([root.join("README.md")]) {
        if page.ends_with("checks.md") || page.extension().is_none_or(|it| it != "md") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for example in examples(&text).into_iter().filter(|it| !it.starts_with("# Cargo.toml")) {
            let read_example = parse(&page.display().to_string(), example);
            read += usize::from(read_example.is_ok());
            assert!(read_example.is_ok(), "{}\n{example}", read_example.unwrap_err());
        }
    }
    assert!(read >= 10, "there were more examples: {read}");
}

/// The blocks of TOML in a manual.
pub(crate) fn examples(manual: &str) -> Vec<&str> {
    manual.split("```toml\n").skip(1).filter_map(|it| it.split("```").next()).collect()
}

#[test]
fn every_mistake_is_named_in_one_run() {
    let text = r#"backend = "kernels"
colour = "red"

[check]
interval = 5
timeout = "1000m"
falls = 3

[[service]]
name = "web"
protocol = "icmp"
address = "10.0.0.1"
check = "tcp"
[[service.server]]
address = "10.0.0.1:80"
weight = -1

[[service]]
name = "web"
address = "10.0.0.2:0"
[[service.server]]
address = "[::1]:80"
forwarding = "direct"
[[service.server]]

[[match]]
name = "none of it"

[plugin.x]
grant = { services = ["web", "shop"], weights = { intents = ["scale"], floor = 3 } }
"#;
    insta::assert_snapshot!(problems(text), @r#"
    weir.toml:1:11: backend: expected "kernel" or "embedded", found "kernels"
    weir.toml:2:1: unknown key `colour`; known here: agent, backend, check, control, defaults, drain, drift, embedded, log, match, plugin, pool, profile, safety, self-probe, service, slow-start, state, sync, timeouts
    weir.toml:5:12: check: interval: expected a duration from 10ms to 1h, such as "5s" or "200ms", found 5
    weir.toml:6:11: check: timeout: expected a duration from 10ms to 1h, such as "5s" or "200ms", found "1000m"
    weir.toml:7:1: check: unknown key `falls`; did you mean `fall`?
    weir.toml:11:12: service web: protocol: expected "tcp" or "udp" or "sctp", found "icmp"
    weir.toml:12:11: service web: address: expected an address and port such as "192.0.2.1:80" or "[2001:db8::1]:80", found "10.0.0.1"
    weir.toml:13:9: service web: check: expected a table, an array of tables, or false for none, found "tcp"
    weir.toml:16:10: service web: server: weight: expected a whole number from 0 to 2147483647, found -1
    weir.toml:19:8: service web: name: "web" is taken: give each its own
    weir.toml:20:11: service web: address: port 0, every port, needs persistence: add persistence = "300s"
    weir.toml:22:11: service web: server: address: expected the address family of the service: only tunnels cross families
    weir.toml:22:11: service web: server: address: expected the service's port, 0: only masquerading changes ports, found 80
    weir.toml:24:1: service web: server: `address` is missing: add address = "10.0.0.1:80"
    weir.toml:26:1: match: expected protocol, addresses, ports or fwmark; every service: addresses = ["0.0.0.0/0", "::/0"]
    weir.toml:27:8: match: name: expected 1 to 64 letters, digits, `.`, `_` or `-`, found "none of it"
    weir.toml:29:1: plugin x: `source` is missing: add source = "/path/to/plugin.wasm", or component = "starlark" and script = "policy.star"
    weir.toml:30:30: plugin x: grant: services: there is no service or match named "shop"
    weir.toml:30:61: plugin x: grant: weights: intents: "scale" needs its bounds: add scale = [100, 1500]
    weir.toml:30:80: plugin x: grant: weights: floor: has no effect: add "floor" to intents, or remove this
    "#);
}

#[test]
fn the_backend_is_the_kernel_unless_it_is_said() {
    assert_eq!(good("").backend, Backend::Kernel);
    assert_eq!(good("backend = \"kernel\"").backend, Backend::Kernel);
    let embedded = |text: &str| match good(text).backend {
        Backend::Embedded(embedded) => embedded,
        Backend::Kernel => panic!("it is not embedded"),
    };
    assert_eq!(embedded("backend = \"embedded\""), Embedded::default());
    let set = embedded(
        "backend = \"embedded\"\n[embedded]\ndrain = \"1m\"\nexpire-nodest-conn = true\n\
         expire-quiescent-template = true\nconn-reuse-mode = 0\n",
    );
    assert_eq!(set.drain, Duration::from_secs(60));
    assert!(set.sysctls.expire_nodest_conn && set.sysctls.expire_quiescent_template);
    assert_eq!(set.sysctls.conn_reuse_mode, 0);
    check(
        "[embedded]\ndrain = \"10s\"\n",
        r#"weir.toml:1:1: embedded: is for backend = "embedded" only; add it, or remove this"#,
    );
}

#[test]
fn syntax_errors_come_alone_and_with_their_place() {
    check(
        "a = \n[check]\ninterval = 5",
        "weir.toml:1:5: string values must be quoted, expected literal string",
    );
}

#[test]
fn checks_that_contradict_themselves_are_refused() {
    check(
        &service("check = { interval = \"1s\", timeout = \"1s\" }"),
        "weir.toml:4:38: service web: check: timeout: expected less than the interval (1s), found 1s",
    );
    check(
        &service("check = { path = \"/\" }"),
        "weir.toml:4:18: service web: check: path: is for type = \"http\" or \"https\" only; change the type, or remove this",
    );
    check(
        &service("check = { type = \"http\", path = \"health\" }"),
        "weir.toml:4:33: service web: check: path: expected a path such as \"/health\", percent-encoded, found \"health\"",
    );
    check(
        &service("check = { type = \"http\", expect = [99] }"),
        "weir.toml:4:36: service web: check: expect: expected statuses from 100 to 599 such as 204 or \"200-399\", found 99",
    );
    check(
        &service("check = { type = \"http\", matches = \"(a\" }"),
        "weir.toml:4:36: service web: check: matches: expected a regular expression such as \"^ok$\": unclosed group",
    );
    check(
        &service("check = { type = \"http\", headers = { Host = \"a\" } }"),
        "weir.toml:4:38: service web: check: headers: Host is weir's own to send: remove it (for host, set host)",
    );
    check(
        &service("check = { type = \"http\", http-version = \"any\" }"),
        "weir.toml:4:41: service web: check: http-version: only a server that speaks TLS can be asked: choose \"1.1\" or \"2\"",
    );
    check(
        &service("check = { type = \"http\", method = \"HEAD\", contains = \"ok\" }"),
        "weir.toml:4:35: service web: check: method: an answer to HEAD has no body to look into: use \"GET\"",
    );
    check(
        &service("check = { type = \"https\", ca = \"missing.pem\" }"),
        "weir.toml:4:32: service web: check: ca: failed to read \"missing.pem\": No such file or directory (os error 2)",
    );
    check(
        &service("check = { type = \"https\", ca = \"/dev/zero\" }"),
        "weir.toml:4:32: service web: check: ca: failed to read \"/dev/zero\": it is no regular file",
    );
}

#[test]
fn a_service_may_have_several_checks_and_say_how_many_it_needs() {
    let lines = "check-combine = \"at-least 2\"\n[[service.check]]\ntype = \"tcp\"\n\
                 [[service.check]]\nport = 81\n[[service.check]]\ntype = \"http\"\n";
    let config = good(&format!("[check]\ntype = \"http\"\nfall = 7\n{}", service(lines)));
    let checks = config.services[0].check.as_ref().unwrap();
    let kinds: Vec<String> = checks.list.iter().map(|it| it.kind.to_string()).collect();
    assert_eq!((kinds.join(" "), checks.needed), ("tcp http / http /".to_owned(), 2));
    assert!(checks.list.iter().all(|it| it.fall == 7));
    let needed = |lines: &str| good(&service(lines)).services[0].check.as_ref().unwrap().needed;
    assert_eq!(needed("check = [{}, {}, {}]"), 3);
    assert_eq!(needed("check = [{}, {}, {}]\ncheck-combine = \"any\""), 1);
    check(
        &service("check = [{}, {}]\ncheck-combine = \"at-least 3\""),
        "weir.toml:5:17: service web: check-combine: expected at most the number of checks (2), found 3",
    );
    check(
        &service("check-combine = \"most\""),
        "weir.toml:4:17: service web: check-combine: expected \"all\", \"any\" or \"at-least 2\", found \"most\"",
    );
    check(
        &service("check = []"),
        "weir.toml:4:9: service web: check: expected at least one check, or false for none",
    );
}

#[test]
fn agents_are_asked_where_something_says_that_servers_are_up() {
    let top = "[check]\n[agent]\nport = 9777\n";
    let config = good(&format!("{top}{}", service("agent = { send = \"web\" }")));
    let checks = config.services[0].check.as_ref().unwrap();
    let agent = checks.agent.as_ref().unwrap();
    assert_eq!((agent.port, agent.interval), (Some(9777), Duration::from_secs(2)));
    assert_eq!(agent.kind, CheckKind::Agent(AgentCheck { send: "web".to_owned() }));
    let off = good(&format!("{top}{}", service("agent = false")));
    assert_eq!(off.services[0].check.as_ref().unwrap().agent, None);
    check(
        &service("agent = { port = 9777 }"),
        "weir.toml:4:9: service web: agent: nothing says whether these servers are up: add check = { type = \"tcp\" }",
    );
    check(
        &service("check = {}\nagent = {}"),
        "weir.toml:5:9: service web: agent: `port` is missing: add port = 9777",
    );
    check(
        &service("check = { type = \"http\", agent-header = \"x-agent\" }\nagent = { port = 1 }"),
        "weir.toml:5:9: service web: agent: http / brings what the agent says already: remove one",
    );
}

#[test]
fn what_a_check_inherits_from_another_type_has_no_effect() {
    let top = "[check]\ntype = \"http\"\npath = \"/health\"\n";
    let config = good(&format!("{top}{}", service("check = { type = \"tcp\" }")));
    let checks = config.services[0].check.as_ref().unwrap();
    assert_eq!(checks.list[0].kind, CheckKind::Tcp);
}

#[test]
fn real_servers_that_the_kernel_would_not_serve_are_refused() {
    let server = |lines: &str| service(&format!("[[service.server]]\n{lines}"));
    check(
        &server("address = \"[::1]:80\""),
        "weir.toml:5:11: service web: server: address: expected the address family of the service: only tunnels cross families",
    );
    check(
        &server("address = \"10.0.0.2:8080\"\nforwarding = \"direct\""),
        "weir.toml:5:11: service web: server: address: expected the service's port, 80: only masquerading changes ports, found 8080",
    );
    check(
        &server("address = \"10.0.0.2\"\n[[service.server]]\naddress = \"10.0.0.2:80\""),
        "weir.toml:7:11: service web: server: address: 10.0.0.2:80 is there twice: remove one",
    );
    check(
        "[check]\n[[service]]\nname = \"m\"\nfwmark = 1\n[[service.server]]\naddress = \"10.0.0.2\"",
        "weir.toml:6:11: service m: server: address: there is no port to check: add port to the service's check, or check = false",
    );
}

#[test]
fn the_configurations_of_the_plugin_manual_are_good() {
    let page = include_str!("../../../docs/plugins.md");
    let tables = page.split("```toml\n# /etc/weir/weir.toml\n").skip(1);
    let tables: Vec<_> = tables.filter_map(|it| it.split("```").next()).map(good).collect();
    assert!(!tables.is_empty());
}

#[test]
fn a_self_probe_is_asked_every_second() {
    let config = parse("weir.toml", "[[self-probe]]\naddress = \"::1\"\nport = 22").unwrap();
    let [probe] = &config.self_probes[..] else { panic!("{:?}", config.self_probes) };
    assert_eq!(probe.address, "[::1]:22".parse().unwrap());
    let second = Duration::from_secs(1);
    assert_eq!((probe.check.interval, probe.check.timeout), (second, second * 2 / 5));

    let problems = |text| parse("weir.toml", text).unwrap_err().to_string();
    assert_eq!(
        problems("[[self-probe]]\naddress = \"10.0.0.254\"\nvia = { mark = 7 }"),
        "weir.toml:2:11: self-probe: address: there is no port to ask: add port = 22, or \
         type = \"icmp\"\n\
         weir.toml:3:7: self-probe: via: a self-probe goes as routes say: remove this"
    );
}

#[test]
fn state_and_decisions_have_their_places() {
    let text = "[state]\ndirectory = \"lib\"\n[log]\ndecisions = \"log/d.jsonl\"\n\
                decisions-size = \"2MiB\"\ndecisions-age = \"24h\"\n";
    let config = parse_beside(Path::new("/etc/weir"), "weir.toml", text).unwrap();
    assert_eq!(config.state, Some("/etc/weir/lib".into()));
    assert_eq!(config.log.decisions, LogPlace::At("/etc/weir/log/d.jsonl".into()));
    assert_eq!(config.log.bounds.bytes, 2 << 20);
    assert_eq!(config.log.bounds.age, Duration::from_secs(86_400));
    assert_eq!(good("").log, Log::default());
    assert_eq!(good("[log]\ndecisions = false").log.decisions, LogPlace::Off);
    check(
        "[log]\ndecisions-size = \"1KiB\"\nsize = 3\n[state]\ndirectory = 7",
        "weir.toml:2:18: log: decisions-size: expected \"1MiB\" to \"1024GiB\", found \"1KiB\"\n\
         weir.toml:3:1: log: unknown key `size`; known here: decisions, decisions-age, decisions-size\n\
         weir.toml:5:13: state: directory: expected a string, found 7",
    );
}
