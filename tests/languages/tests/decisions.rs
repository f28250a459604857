//! "Drain on health" in every language: the same events, the same decisions.

use std::time::Duration;

use weir_languages::{DNS, Host, Served, Setup, WEB, change};
use weir_wasm::{
    Event, HealthStatus, HttpAnswer, HttpFailure, HttpReply, Plugin, PolicyGrant, ProbeError,
    Runtime,
};

use crate::{components, starlark::settings};

/// Everything that such a policy can meet, and what it does, as text.
pub(crate) fn drain(runtime: &Runtime, plugin: &Plugin, config_json: &str) -> String {
    let setup = || Setup { config_json: config_json.to_owned(), ..Setup::default() };
    let mut host = Host::start(runtime, plugin, setup()).unwrap();
    let up = |server| change(server, HealthStatus::Up);
    let down = |server| change(server, HealthStatus::Down);
    let mut text = String::new();
    let mut tell = |what: &str, events: Vec<Event>| {
        text += &format!("{what}\n{}", host.tell(events));
    };
    tell("started", vec![Event::Started]);
    tell("changes", vec![up(WEB[1]), down(WEB[0]), down(WEB[2]), up(DNS)]);
    tell("there and back", vec![up(WEB[0]), down(WEB[0]), up(WEB[0])]);
    tell("unknown", vec![change(WEB[0], HealthStatus::Unknown)]);
    tell("overflow", vec![Event::Overflow(3)]);
    tell("nothing", vec![]);
    tell("stopping", vec![Event::Stopping(Duration::from_secs(1))]);

    let grant = PolicyGrant { drain: false, ..setup().grant };
    let mut forbidden = Host::start(runtime, plugin, Setup { grant, ..setup() }).unwrap();
    let said = forbidden.tell(vec![down(WEB[0])]);
    let named = said.contains("drain needs the plugin's grant.weights.drain");
    text + if named { "and says what it was not granted\n" } else { &said }
}

#[test]
fn rust_decides() {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = components::health_weight(&runtime).unwrap();
    insta::assert_snapshot!(drain(&runtime, &plugin, "{}"), @"
    started
    tcp 192.0.2.1:80 10.0.0.2:80: Drain for 60s: found so when the policy started
    fwmark 7 10.0.0.4:53: Drain for 60s: found so when the policy started
    changes
    tcp 192.0.2.1:80 10.0.0.1:80: Drain for 60s: connection refused
    tcp 192.0.2.1:80 10.0.0.2:80: withdrawn
    tcp 192.0.2.1:80 [2001:db8::3]:8080: Drain for 60s: connection refused
    fwmark 7 10.0.0.4:53: withdrawn
    there and back
    tcp 192.0.2.1:80 10.0.0.1:80: withdrawn
    unknown
    overflow
    tcp 192.0.2.1:80 [2001:db8::3]:8080: Drain for 60s: found so when the policy started
    nothing
    stopping
    and says what it was not granted
    ");
}

#[test]
fn starlark_decides_as_rust_does() {
    let runtime = Runtime::for_daemon().unwrap();
    let rust = components::health_weight(&runtime).unwrap();
    let starlark = components::starlark(&runtime).unwrap();
    let script = include_str!("../../../sdk/starlark/drain.star");
    assert_eq!(drain(&runtime, &starlark, &settings(script, "{}")), drain(&runtime, &rust, "{}"));
}

/// How a fleet is weighed in which the first server has more open, and how it ends.
pub(crate) fn weights(runtime: &Runtime, plugin: &Plugin, config_json: &str) -> String {
    let turns = [[[200, 20, 20]; 8].as_slice(), &[[20, 20, 20]; 8], &[[1, 0, 2]; 2]].concat();
    weir_languages::weigh(runtime, plugin, config_json, &turns)
}

/// What a guard says that wants a real server to spare.
pub(crate) fn guard(runtime: &Runtime, plugin: &Plugin, config_json: &str) -> String {
    [[10, 10, 10], [10, 10, 0], [10, 0, 0], [0, 0, 0], [5, 0, 99]]
        .map(|it| format!("{it:?} {}\n", weir_languages::judge(runtime, plugin, config_json, it)))
        .concat()
}

/// The settings of a script, or of a plugin that is none.
type Configured<'a> = &'a dyn Fn(&str) -> String;

/// The example "weights from load" weighs as it is to.
pub(crate) fn check_weights(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) {
    insta::allow_duplicates! {
        insta::assert_snapshot!(weights(runtime, plugin, &configured("{}")), @"
        [850, 1150, 1150]
        [780, 1290, 1290]
        [710, 1360, 1360]
        [710, 1430, 1430]
        [710, 1500, 1500]
        [710, 1500, 1500]
        [710, 1500, 1500]
        [710, 1500, 1500]
        [860, 1350, 1350]
        [930, 1280, 1280]
        [1000, 1210, 1210]
        [1000, 1210, 1210]
        [1000, 1210, 1210]
        [1000, 1210, 1210]
        [1000, 1210, 1210]
        [1000, 1210, 1210]
        [1000, 1240, 1184]
        [1000, 1240, 1114]
        ");
    }
}

/// The example of a guard judges as n-plus-one does.
pub(crate) fn check_guard(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) {
    let rust = components::n_plus_one(runtime).unwrap();
    for config in ["{}", "{\"needed\":2}"] {
        let said = guard(runtime, plugin, &configured(config));
        assert_eq!(said, guard(runtime, &rust, config), "{config}");
    }
}

#[test]
fn scripts_weigh_and_judge() {
    let runtime = Runtime::for_daemon().unwrap();
    let starlark = components::starlark(&runtime).unwrap();
    let weights = include_str!("../../../sdk/starlark/weights.star");
    check_weights(&runtime, &starlark, &|it| settings(weights, it));
    let guard = include_str!("../../../sdk/starlark/guard.star");
    check_guard(&runtime, &starlark, &|it| settings(guard, it));
}

/// What a checker finds of servers that are well and not, and of one that has no page.
fn findings(runtime: &Runtime, plugin: &Plugin, config_json: &str) -> String {
    let broken = ProbeError::Protocol("no HTTP".to_owned());
    [Ok(200), Ok(204), Ok(429), Ok(503), Err(ProbeError::Refused), Err(broken)]
        .map(|it| {
            let found = weir_languages::check(runtime, plugin, config_json, Served(it.clone()));
            format!("{it:?}: {found}\n")
        })
        .concat()
}

/// The example of a checker finds what `ready` does.
pub(crate) fn check_checker(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) {
    let rust = components::ready(runtime).unwrap();
    for config in ["{}", r#"{"path":"/up"}"#, r#"{"path":"/gone"}"#] {
        let found = findings(runtime, plugin, &configured(config));
        assert_eq!(found, findings(runtime, &rust, config), "{config}");
    }
}

/// A setting that the example of a checker does not know is no evidence of the server.
pub(crate) fn check_unknown_setting(runtime: &Runtime, plugin: &Plugin) {
    let odd = weir_languages::check(runtime, plugin, r#"{"paths":"/up"}"#, Served(Ok(200)));
    assert!(odd.starts_with("Unreached(Invalid(\"config: "), "{odd}");
}

#[test]
fn rust_checks() {
    let runtime = Runtime::for_daemon().unwrap();
    let rust = components::ready(&runtime).unwrap();
    insta::assert_snapshot!(findings(&runtime, &rust, "{}"), @r#"
    Ok(200): Pass
    Ok(204): Pass
    Ok(429): Degraded(50, "it says that it is busy")
    Ok(503): Fail("status 503")
    Err(Refused): Unreached(Refused)
    Err(Protocol("no HTTP")): Unreached(Protocol("no HTTP"))
    "#);
    let odd = weir_languages::check(&runtime, &rust, r#"{"paths":1}"#, Served(Ok(200)));
    assert!(odd.starts_with("Unreached(Invalid(\"config: unknown field `paths`"), "{odd}");
}

#[test]
fn starlark_checks_as_rust_does() {
    let runtime = Runtime::for_daemon().unwrap();
    let starlark = components::starlark(&runtime).unwrap();
    let script = include_str!("../../../sdk/starlark/check.star");
    check_checker(&runtime, &starlark, &|it| settings(script, it));
}

const REGISTRY: &str = r#"{"url":"https://registry.example/services"}"#;

const SHOP: &str = r#"{"name":"shop","address":"192.0.2.10:80","scheduler":"wrr","servers":[
    {"address":"10.0.0.1:80","weight":3},{"address":"10.0.0.2:80"}]}"#;

const SMALLER_SHOP: &str = r#"{"name":"shop","address":"192.0.2.10:80","scheduler":"wrr","of":1,
    "servers":[{"address":"10.0.0.2:80"}]}"#;

const NAMES: &str = r#"{"name":"names","address":"192.0.2.11:53","servers":[
    {"address":"10.0.0.3:53"}]}"#;

const UDP_NAMES: &str = r#"{"name":"names","address":"192.0.2.11:53","udp":true,"servers":[
    {"address":"10.0.0.3:53"}]}"#;

/// A good one, and outside the grant.
const SIX: &str = r#"{"name":"six","address":"[2001:db8::1]:80","servers":[
    {"address":"[2001:db8::a:1]:80"},{"address":"[::ffff:10.0.0.1]:80"}]}"#;

/// What is listed, and is no service.
const MALFORMED: [&str; 12] = [
    "7",
    "null",
    r#"{"name":"a","address":"192.0.2.12:80"}"#,
    r#"{"name":5,"address":"192.0.2.12:80","servers":[]}"#,
    r#"{"name":"a","address":"192.0.2.12","servers":[]}"#,
    r#"{"name":"a","address":"192.0.2.12:65536","servers":[]}"#,
    r#"{"name":"a","address":"2001:db8::1:80","servers":[]}"#,
    r#"{"name":"a","address":"[1::2::3]:80","servers":[]}"#,
    r#"{"name":"a","address":"192.0.2.12:80","udp":1,"servers":[]}"#,
    r#"{"name":"a","address":"192.0.2.12:80","servers":{}}"#,
    r#"{"name":"a","address":"192.0.2.12:80","servers":[{"weight":1}]}"#,
    r#"{"name":"a","address":"192.0.2.12:80","servers":[{"address":"10.0.0.1:80","weight":-1}]}"#,
];

pub(crate) fn answered(status: u16, body: &str) -> Event {
    let reply = HttpReply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
    Event::Answered(HttpAnswer { tag: "services".to_owned(), outcome: Ok(reply) })
}

fn listed(services: &[&str]) -> Event {
    answered(200, &format!("[{}]", services.join(",")))
}

/// What it logged, a line for each.
fn logged(host: &Host) -> String {
    let lines = host.graded_log().into_iter();
    lines.map(|(level, text)| format!("{level:?}: {}\n", undetailed(&text))).collect()
}

/// What is wrong with an answer that cannot be read is told in the words of each language's own
/// reader: all else is the same.
fn undetailed(line: &str) -> String {
    let Some((before, after)) = line.split_once("its answer: ") else { return line.to_owned() };
    let (why, after) = after.rsplit_once("; ").unwrap_or((after, ""));
    assert!(!why.is_empty(), "{line}");
    format!("{before}its answer: ..; {after}")
}

/// What a controller does and logs by what a registry lists, as text.
fn discover(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) -> String {
    let setup = Setup { config_json: configured(REGISTRY), ..Setup::default() };
    let mut host = Host::start(runtime, plugin, setup).unwrap();
    let mut text = String::new();
    let mut tell = |what: &str, event| {
        let done = host.tell(vec![event]);
        text += &format!("{what}\n{done}{}", logged(&host));
    };
    tell("started", Event::Started);
    tell("the time", Event::Stats(Duration::ZERO));
    tell("one", listed(&[SHOP]));
    tell("the same", listed(&[SHOP]));
    tell("one more, and a server less", listed(&[SMALLER_SHOP, NAMES]));
    tell("status 503", answered(503, &format!("[{SHOP}]")));
    tell("nothing", listed(&[]));
    let outcome = Err(HttpFailure::Timeout);
    tell("no answer", Event::Answered(HttpAnswer { tag: "services".to_owned(), outcome }));
    tell("the first no more", listed(&[NAMES]));
    text
}

/// The same by what a registry should not list, and where weir refuses something.
fn discover_oddly(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) -> String {
    let setup = Setup { config_json: configured(REGISTRY), ..Setup::default() };
    let mut host = Host::start(runtime, plugin, setup).unwrap();
    let asks = host.tell((0..9).map(|_| Event::Stats(Duration::from_secs(10))).collect());
    let mut text = format!("nine times at once: {} requests\n", asks.lines().count());
    let mut tell = |what: &str, event| {
        let done = host.tell(vec![event]);
        text += &format!("{what}\n{done}{}", logged(&host));
    };
    tell("one outside the grant, and one by UDP", listed(&[SIX, UDP_NAMES]));
    tell("no JSON", answered(200, "no"));
    for it in MALFORMED {
        tell(it, listed(&[SHOP, it]));
    }
    tell("another", listed(&[SHOP]));
    text
}

/// The example of a controller does as `discovery`.
pub(crate) fn check_discovery(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) {
    let rust = components::discovery(runtime).unwrap();
    let as_is: Configured<'_> = &str::to_owned;
    assert_eq!(discover(runtime, plugin, configured), discover(runtime, &rust, as_is));
    assert_eq!(discover_oddly(runtime, plugin, configured), discover_oddly(runtime, &rust, as_is));
    check_its_settings(runtime, plugin, configured);
}

/// A setting that is not known is said, and the secret that is named is asked for.
fn check_its_settings(runtime: &Runtime, plugin: &Plugin, configured: Configured<'_>) {
    let start = |more: &str| {
        let config_json = configured(&REGISTRY.replace('}', more));
        Host::start(runtime, plugin, Setup { config_json, ..Setup::default() })
    };
    let refused = start(r#","urls":1}"#).err().unwrap().to_string();
    assert!(refused.contains("config: "), "{refused}");
    let mut host = start(r#","every_s":20,"secret":"token"}"#).unwrap();
    let said = host.tell(vec![Event::Stats(Duration::ZERO)]);
    assert!(said.contains("secret token is not in the plugin's grant.secrets"), "{said}");
}

#[test]
fn rust_discovers() {
    let runtime = Runtime::for_daemon().unwrap();
    let rust = components::discovery(&runtime).unwrap();
    insta::assert_snapshot!(discover(&runtime, &rust, &str::to_owned), @r#"
    started
    the time
    asks GET https://registry.example/services for "services"
    one
    owns shop, tcp 192.0.2.10:80 by wrr: 10.0.0.1:80 weight 3, 10.0.0.2:80 weight 1
    the same
    owns shop, tcp 192.0.2.10:80 by wrr: 10.0.0.1:80 weight 3, 10.0.0.2:80 weight 1
    one more, and a server less
    owns shop, tcp 192.0.2.10:80 by wrr: 10.0.0.2:80 weight 1
    owns names, tcp 192.0.2.11:53 by wlc: 10.0.0.3:53 weight 1
    status 503
    Warn: https://registry.example/services: status 503; nothing changes
    nothing
    Warn: https://registry.example/services: it lists no service; nothing changes
    no answer
    Warn: https://registry.example/services: its time is over; nothing changes
    the first no more
    gives up tcp 192.0.2.10:80
    owns names, tcp 192.0.2.11:53 by wlc: 10.0.0.3:53 weight 1
    "#);
    insta::assert_snapshot!(discover_oddly(&runtime, &rust, &str::to_owned), @r#"
    nine times at once: 8 requests
    one outside the grant, and one by UDP
    owns names, udp 192.0.2.11:53 by wlc: 10.0.0.3:53 weight 1
    Error: service tcp [2001:db8::1]:80 is outside the plugin's grant.structure
    no JSON
    Warn: https://registry.example/services: its answer: ..; nothing changes
    7
    Warn: https://registry.example/services: its answer: ..; nothing changes
    null
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12:80"}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":5,"address":"192.0.2.12:80","servers":[]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12","servers":[]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12:65536","servers":[]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"2001:db8::1:80","servers":[]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"[1::2::3]:80","servers":[]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12:80","udp":1,"servers":[]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12:80","servers":{}}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12:80","servers":[{"weight":1}]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    {"name":"a","address":"192.0.2.12:80","servers":[{"address":"10.0.0.1:80","weight":-1}]}
    Warn: https://registry.example/services: its answer: ..; nothing changes
    another
    owns shop, tcp 192.0.2.10:80 by wrr: 10.0.0.1:80 weight 3, 10.0.0.2:80 weight 1
    gives up udp 192.0.2.11:53
    "#);
    check_its_settings(&runtime, &rust, &str::to_owned);
}

#[test]
fn starlark_discovers_as_rust_does() {
    let runtime = Runtime::for_daemon().unwrap();
    let starlark = components::starlark(&runtime).unwrap();
    let script = include_str!("../../../sdk/starlark/discover.star");
    check_discovery(&runtime, &starlark, &|it| settings(script, it));
}
