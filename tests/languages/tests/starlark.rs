//! Scripts: their vocabulary, their mistakes and their limits.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use weir_languages::{Host, Served, Setup, WEB, change, key};
use weir_wasm::{Event, HealthStatus, Limits, PolicyGrant, ProbeError, Runtime, Services, World};

use crate::{components, decisions::answered};

/// The settings of the component with this script, as `weir run` hands them over.
pub(crate) fn settings(script: &str, config: &str) -> String {
    let config: serde_json::Value = serde_json::from_str(config).unwrap();
    json!({ "script": { "name": "policy.star", "text": script }, "config": config }).to_string()
}

fn start(script: &str, setup: Setup) -> Result<Host, String> {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = components::starlark(&runtime).unwrap();
    let setup = Setup { config_json: settings(script, &setup.config_json), ..setup };
    Host::start(&runtime, &plugin, setup).map_err(|failure| failure.to_string())
}

/// What becomes of `events` with this script.
fn told(script: &str, events: Vec<Event>) -> String {
    start(script, Setup::default()).map_or_else(|failure| failure, |mut host| host.tell(events))
}

fn down() -> Vec<Event> {
    vec![change(WEB[0], HealthStatus::Down)]
}

/// What the body of an `on_health` does that is called for [`down`].
fn body(lines: &str) -> String {
    told(&format!("def on_health(change, weights):\n{lines}\n"), down())
}

#[test]
fn every_word_means_something() {
    let script = r#"
def on_health(change, weights):
    server, service = change.server, change.service
    print(change, change.before, change.after, change.detail, change.lasted_ms)
    print(server, server.address, server.port, server.weight, server.active, server.inactive, server.health)
    print(service, service.name, service.protocol, service.address, service.port, service.fwmark)
    print([(str(it), it.weight, it.health) for it in service.servers])
    print([(str(it), it.name, it.port, it.fwmark) for it in services()])
    print(service.labels, server.labels, service.servers[1].labels)
    print(server == service.servers[0], server.service == service, server in {server: 1}, server == 1)
    print(config["share"], config.get("colour", "none"), f"{server}")
"#;
    let setup = Setup { config_json: r#"{"share": [1, 2.5]}"#.to_owned(), ..Setup::default() };
    let mut host = start(script, setup).unwrap();
    assert_eq!(host.tell(down()), "");
    insta::assert_snapshot!(host.log().join("\n"), @r#"
    10.0.0.1:80 is down up down connection refused 1500
    10.0.0.1:80 10.0.0.1 80 10 7 2 down
    tcp 192.0.2.1:80 web tcp 192.0.2.1 80 None
    [("10.0.0.1:80", 10, "down"), ("10.0.0.2:80", 10, "down"), ("[2001:db8::3]:8080", 10, "unknown")]
    [("tcp 192.0.2.1:80", "web", 80, None), ("fwmark 7", None, None, 7)]
    {"team": "shop"} {"zone": "hall-1"} {}
    True True True False
    [1, 2.5] none 10.0.0.1:80
    "#);
}

#[test]
fn every_statement_can_be_made() {
    let script = r#"
def on_start(weights):
    servers = services()[0].servers
    weights.scale(servers[0], 500, "half")
    weights.floor(servers[1], 3, reason = "three")
    weights.cap(servers[2], 9, "nine")
    weights.drain(services()[1].servers[0], "all")

def on_health(change, weights):
    if change.before != "unknown":
        weights.clear(change.server)
"#;
    let mut host = start(script, Setup::default()).unwrap();
    insta::assert_snapshot!(host.tell(vec![Event::Started]), @"
    tcp 192.0.2.1:80 10.0.0.1:80: Scale(500) for 60s: half
    tcp 192.0.2.1:80 10.0.0.2:80: Floor(3) for 60s: three
    tcp 192.0.2.1:80 [2001:db8::3]:8080: Cap(9) for 60s: nine
    fwmark 7 10.0.0.4:53: Drain for 60s: all
    ");
    insta::assert_snapshot!(host.tell(down()), @"tcp 192.0.2.1:80 10.0.0.1:80: withdrawn");
}

#[test]
fn what_is_outside_the_grant_is_not_there() {
    let script = r#"
def on_health(change, weights):
    print(len(services()), change.server.weight, change.server.health, change.service.name)
    weights.drain(change.server)
"#;
    let grant = PolicyGrant {
        services: Services::Named(BTreeSet::from([key(weir_languages::DNS).service])),
        ..Setup::default().grant
    };
    let mut host = start(script, Setup { grant, ..Setup::default() }).unwrap();
    insta::assert_snapshot!(host.tell(down()), @"test: handle failed: policy.star:4: service tcp 192.0.2.1:80 is outside the plugin's grant.services: weights.drain(change.server)");
    assert_eq!(host.log(), ["1 0 unknown None"]);
}

#[test]
fn a_mistake_shows_its_line() {
    insta::assert_snapshot!(body("    weights.drain(change.sever)"), @"test: handle failed: policy.star:2: Object of type `change` has no attribute `sever`, did you mean `server`?: weights.drain(change.sever)");
    insta::assert_snapshot!(body("    weights.drain(changed.server)"), @"test: init failed: policy.star:2: Variable `changed` not found, did you mean `change`?: weights.drain(changed.server)");
    insta::assert_snapshot!(body("    weights.drain(\"10.0.0.1:80\")"), @r#"test: handle failed: policy.star:2: Type of parameter `server` doesn't match, expected `server`, actual `string (repr: "10.0.0.1:80")`: weights.drain("10.0.0.1:80")"#);
    insta::assert_snapshot!(body("    weights.drain()"), @"test: handle failed: policy.star:2: Missing parameter `server` for call to `drain`: weights.drain()");
    insta::assert_snapshot!(body("    weights.scale(change.server, -1)"), @"test: handle failed: policy.star:2: thousandths is -1: expected 0 to 4294967295: weights.scale(change.server, -1)");
    insta::assert_snapshot!(body("    weights.scale(change.server, 0)"), @"test: handle failed: policy.star:2: a scale of 0: say drain: weights.scale(change.server, 0)");
    insta::assert_snapshot!(body("    weights.weight = 3"), @"test: handle failed: policy.star:2: Operation `.weight=` not supported on type `weights`: weights.weight = 3");
    insta::assert_snapshot!(body("    fail(\"no \", 3)"), @r#"test: handle failed: policy.star:2: fail: no  3: fail("no ", 3)"#);
    insta::assert_snapshot!(body("    x = 1 // 0"), @"test: handle failed: policy.star:2: Floor division by zero: 1 // 0: x = 1 // 0");
    insta::assert_snapshot!(body("    x = {}[\"a\"]"), @r#"test: handle failed: policy.star:2: Key `"a"` was not found: x = {}["a"]"#);
    insta::assert_snapshot!(body("    while True:\n        pass"), @"test: init failed: policy.star:2: Parse error: cannot use reserved keyword `while`: while True:");
    insta::assert_snapshot!(body("\tpass\n  pass"), @"test: init failed: policy.star:1: Parse error: tabs are not allowed: def on_health(change, weights):");
    insta::assert_snapshot!(body("    x = \"unfinished"), @r#"test: init failed: policy.star:2: Parse error: unfinished string literal: x = "unfinished"#);
}

#[test]
fn a_mistake_in_a_function_shows_who_called_it() {
    let script = "\
def share(part, whole):
    return part * 1000 // whole

def on_health(change, weights):
    weights.scale(change.server, share(change.lasted_ms, 0))
";
    insta::assert_snapshot!(told(script, down()), @"test: handle failed: policy.star:2: Floor division by zero: 1500000 // 0: return part * 1000 // whole, called from policy.star:5: weights.scale(change.server, share(change.lasted_ms, 0))");
}

#[test]
fn nothing_is_kept_between_calls() {
    let script = "seen = []\ndef on_health(change, weights):\n    seen.append(1)\n";
    insta::assert_snapshot!(told(script, down()), @"test: handle failed: policy.star:3: Immutable: seen.append(1)");
}

#[test]
fn there_is_nothing_outside() {
    for line in ["load(\"other.star\", \"x\")", "import os", "open(\"/etc/passwd\")"] {
        let refused = start(line, Setup::default()).err().unwrap();
        assert!(refused.contains("policy.star:1: "), "{refused}");
    }
}

#[test]
fn what_takes_too_much_is_stopped_at_its_line() {
    insta::assert_snapshot!(body("    for i in range(1000000000):\n        pass"), @"test: handle failed: policy.star:2: Execution duration limit of 1000000 ticks has been exceeded: for i in range(1000000000):");
    insta::assert_snapshot!(body("    x = []\n    for i in range(1000000):\n        x.append(str(i) * 100)"), @"test: handle failed: policy.star:4: Heap memory limit of 16777216 bytes exceeded: x.append(str(i) * 100)");
    let script = "def on_health(change, weights):\n    on_health(change, weights)\n";
    insta::assert_snapshot!(told(script, down()), @"test: handle failed: policy.star:2: Starlark call stack overflow: on_health(change, weights)");
    let script = "x = [i for i in range(1000000000) if i < 0]\n";
    insta::assert_snapshot!(told(script, down()), @"test: init failed: policy.star:1: Execution duration limit of 1000000 ticks has been exceeded: x = [i for i in range(1000000000) if i < 0]");
}

#[test]
fn what_takes_too_much_at_once_is_stopped_by_the_host() {
    insta::assert_snapshot!(body("    x = change.detail * 100000000"), @"
    test: handle failed: used more than 64 MiB of memory (limit memory_bytes)
      it said: at policy.star:2: it needs 1800000000 bytes at once: x = change.detail * 100000000
    ");
}

/// What becomes of a script that is given what policies have by default, each instruction being
/// a nanosecond.
fn by_default(script: &str) -> String {
    let runtime = Runtime::for_simulation().unwrap();
    let plugin = components::starlark(&runtime).unwrap();
    let config_json = settings(script, "{}");
    let setup = Setup { config_json, limits: Limits::for_policy(), ..Setup::default() };
    match Host::start(&runtime, &plugin, setup) {
        Ok(mut host) => host.tell(down()),
        Err(failure) => failure.to_string(),
    }
}

/// The same of the body of an `on_health`.
fn body_by_default(lines: &str) -> String {
    by_default(&format!("def on_health(change, weights):\n{lines}\n"))
}

#[test]
fn what_loops_is_stopped_at_its_line_by_default() {
    insta::assert_snapshot!(body_by_default("    for i in range(1000000000):\n        pass"), @"
    test: handle failed: used more than 100ms of processor time (limit cpu)
      it said: at policy.star:2: for i in range(1000000000):
    ");
    insta::assert_snapshot!(body_by_default("    for i in range(1000000000):\n        weights.scale(change.server, 500)"), @"
    test: handle failed: used more than 100ms of processor time (limit cpu)
      it said: at policy.star:3: weights.scale(change.server, 500)
    ");
    insta::assert_snapshot!(by_default("x = [i for i in range(1000000000) if i < 0]\ndef on_start(weights):\n    pass\n"), @"
    test: init failed: used more than 100ms of processor time (limit cpu)
      it said: at policy.star:1: x = [i for i in range(1000000000) if i < 0]
    ");
}

#[test]
fn a_call_that_is_over_is_at_no_line() {
    let script = "\
def judge(change):
    for i in range(10000):
        x = i
    return False
";
    insta::assert_snapshot!(judged(script, [1; 3]), @"
    test: judge failed: it panicked or aborted
      it said: policy.star:4: expected None, deny(reason) or warn(reason), found bool: return False
    ");
}

#[test]
fn parsing_is_bounded() {
    let deep = format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000));
    let report = start(&deep, Setup::default()).err().unwrap();
    insta::assert_snapshot!(report.lines().next().unwrap(), @"test: init failed: used more than 512 KiB of call stack");
}

#[test]
fn the_documented_scripts_do_what_they_say() {
    let manual = documented(include_str!("../../../host/docs/plugins.md"));
    let mut host = start(manual, Setup::default()).unwrap();
    insta::assert_snapshot!(host.tell(vec![Event::Started]), @"tcp 192.0.2.1:80 10.0.0.2:80: Drain for 60s: found so when the policy started");
    insta::assert_snapshot!(host.tell(down()), @"");
    insta::assert_snapshot!(host.tell(vec![change(WEB[1], HealthStatus::Up)]), @"tcp 192.0.2.1:80 10.0.0.2:80: withdrawn");
    let readme = documented(include_str!("../../../README.md"));
    insta::assert_snapshot!(told(readme, down()), @"tcp 192.0.2.1:80 10.0.0.1:80: Scale(100) for 60s: connection refused");
    let scripts = include_str!("../../../host/docs/plugins.md").split("```python\n").skip(2);
    let scripts: Vec<&str> = scripts.map(|it| it.split_once("```").unwrap().0).collect();
    let [weights, guard, ready] = scripts[..] else { panic!("{} scripts", scripts.len()) };
    insta::assert_snapshot!(weighed(weights, &[[900, 30, 30]; 6]), @"
    [1000, 1000, 1000]
    [1000, 1000, 1000]
    [1000, 1000, 1000]
    [1000, 1000, 1000]
    [919, 1000, 1081]
    [854, 1000, 1146]
    ");
    insta::assert_snapshot!(judged(guard, [10, 0, 0]), @"deny: two real servers are wanted");
    assert_eq!(judged(guard, [10, 10, 0]), "allow");
    insta::assert_snapshot!(checked(ready, Ok(429)), @r#"Degraded(50, "it says that it is busy")"#);
    insta::assert_snapshot!(checked(ready, Ok(503)), @r#"Fail("status 503")"#);
}

/// What this script finds of a server that answers so.
fn checked(script: &str, served: Result<u16, ProbeError>) -> String {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = components::starlark(&runtime).unwrap();
    weir_languages::check(&runtime, &plugin, &settings(script, "{}"), Served(served))
}

/// What the body of a `check` comes to.
fn check(body: &str, served: Result<u16, ProbeError>) -> String {
    checked(&format!("def check(target):\n    {body}\n"), served)
}

#[test]
fn every_word_of_checking_means_something() {
    let script = r#"
def check(target):
    a = target.http("/a?b=1", method="POST", headers={"x-probe": "weir"}, body="ping")
    c = target.connect()
    c.write("hello")
    heard = (c.read(2), c.read(), c.read())
    return down("%s %s %d %d: %d %s %s; %s; %s" % (target, target.address, target.port, target.timeout_ms, a.status, a.headers, a.body, heard, target.exchange("pong")))
"#;
    insta::assert_snapshot!(checked(script, Ok(202)), @r#"Fail("10.0.0.1:80 10.0.0.1 80 2000: 202 {\"x-probe\": \"weir\"} POST /a?b=1 ping; (\"he\", \"llo\", \"\"); pong")"#);
    insta::assert_snapshot!(check("return up()", Ok(200)), @"Pass");
    insta::assert_snapshot!(check("return inconclusive(\"who knows\")", Ok(200)), @r#"Inconclusive("who knows")"#);
    let refused = Err(ProbeError::Refused);
    insta::assert_snapshot!(check("target.connect()", refused.clone()), @"Unreached(Refused)");
    insta::assert_snapshot!(check("target.exchange(\"\")", Err(ProbeError::Timeout)), @"Unreached(Timeout)");
    insta::assert_snapshot!(check("return degraded(100)", Ok(200)), @r#"Inconclusive("policy.star:2: percent is 100: expected 1 to 99: return degraded(100)")"#);
    insta::assert_snapshot!(check("target.http(\"/\")", Ok(200)), @r#"Inconclusive("policy.star:2: expected up(), degraded(percent, reason), down(reason) or inconclusive(reason), found NoneType: target.http(\"/\")")"#);
    insta::assert_snapshot!(check("return target.htp(\"/\")", refused), @r#"Inconclusive("policy.star:2: Object of type `target` has no attribute `htp`, did you mean `http`?: return target.htp(\"/\")")"#);
}

#[test]
fn every_word_of_controllers_means_something() {
    let script = r#"
URL = "https://registry.example/services"

def on_start(weights):
    shop = service("shop", "192.0.2.10:80", [("10.0.0.1:80", 3), ("10.0.0.2:80", 1)], "wrr")
    dns = service("dns", "192.0.2.11:53", (), protocol = "udp")
    own(shop)
    own(dns)
    give_up(dns)
    print(dns, shop.name, shop.address, shop.servers, shop.scheduler, shop.protocol)
    print(owned() == [shop], dns in owned(), shop in {shop: 1}, shop == "tcp 192.0.2.10:80")
    again = service("again", "[2001:DB8:0::1]:80", [("[::1]:80", 0)])
    print(again.address, again.servers, again == service("other", "[2001:db8::1]:80", []))

def on_time(weights):
    print(ask(URL, "services", "GET", {"accept": "text/plain"}, body = "x", timeout_ms = 500))
    print([ask(URL) for _ in range(8)])

def on_answer(answer, weights):
    print(answer, answer.tag, answer.status, answer.headers, answer.body, answer.error)
    print(answer.json())
"#;
    let mut host = start(script, Setup::default()).unwrap();
    insta::assert_snapshot!(host.tell(vec![Event::Started]), @"owns shop, tcp 192.0.2.10:80 by wrr: 10.0.0.1:80 weight 3, 10.0.0.2:80 weight 1");
    let asked = host.tell(vec![Event::Stats(Duration::ZERO)]);
    assert_eq!(asked.lines().count(), 8, "{asked}");
    insta::assert_snapshot!(asked.lines().next().unwrap(), @r#"asks GET https://registry.example/services for "services""#);
    assert_eq!(host.tell(vec![answered(200, "[1]")]), "");
    insta::assert_snapshot!(host.log().join("\n"), @r#"
    udp 192.0.2.11:53 shop 192.0.2.10:80 [("10.0.0.1:80", 3), ("10.0.0.2:80", 1)] wrr tcp
    True False True False
    [2001:db8::1]:80 [("[::1]:80", 0)] True
    True
    [True, True, True, True, True, True, True, False]
    answer to services services 200 {} [1] None
    [1]
    "#);
}

#[test]
fn what_cannot_be_owned_or_asked_says_why() {
    insta::assert_snapshot!(body("    service(\"x\", \"192.0.2.10\", [])"), @r#"test: handle failed: policy.star:2: expected an address and a port, "10.0.0.1:80", found "192.0.2.10": service("x", "192.0.2.10", [])"#);
    insta::assert_snapshot!(body("    service(\"x\", \"192.0.2.10:80\", [(\"10.0.0.1:80\", -1)])"), @r#"test: handle failed: policy.star:2: Error unpacking value for parameter `servers` of type `list[(str, int)] | tuple[(str, int), ...]: service("x", "192.0.2.10:80", [("10.0.0.1:80", -1)])"#);
    insta::assert_snapshot!(body("    service(\"x\", \"192.0.2.10:80\", [], protocol = \"icmp\")"), @r#"test: handle failed: policy.star:2: protocol is "icmp": expected tcp, udp or sctp: service("x", "192.0.2.10:80", [], protocol = "icmp")"#);
    insta::assert_snapshot!(body("    own(service(\"x\", \"198.51.100.1:80\", []))"), @r#"test: handle failed: policy.star:2: service tcp 198.51.100.1:80 is outside the plugin's grant.structure: own(service("x", "198.51.100.1:80", []))"#);
    insta::assert_snapshot!(body("    own(change.service)"), @"test: handle failed: policy.star:2: Type of parameter `service` doesn't match, expected `owned_service`, actual `service (repr: tcp 192.0.2.1:80)`: own(change.service)");
    insta::assert_snapshot!(body("    ask(\"https://elsewhere.example/\")"), @r#"test: handle failed: policy.star:2: GET https://elsewhere.example/ is outside the plugin's grant.http: ask("https://elsewhere.example/")"#);
}

#[test]
fn a_line_has_a_level() {
    let script = "log(\"said\")\nfor it in [\"trace\", \"debug\", \"info\", \"warn\", \"error\"]:\n    log(it, it)\ndef on_start(weights):\n    log(\"said\", \"loud\")\n";
    let mut host = start(script, Setup::default()).unwrap();
    assert_eq!(host.log(), ["said", "trace", "debug", "info", "warn", "error"]);
    insta::assert_snapshot!(host.tell(vec![Event::Started]), @r#"test: handle failed: policy.star:5: level is "loud": expected trace, debug, info, warn or error: log("said", "loud")"#);
}

#[test]
fn a_failure_is_a_value_where_it_is_attempted() {
    let script = r#"
def share(part, whole = 1):
    return part // whole

def on_health(change, weights):
    print(attempt(share, 6, whole = 2))
    print(attempt(share, 6, whole = 0))
    print(attempt(weights.scale, change.server, 0), attempt(fail, "no", 3), attempt(fail))
    print(attempt(lambda: change.sever), attempt(7), attempt(attempt, share))
    weights.drain(change.server)
    attempt(weights.scale, change.server, 0)
"#;
    let mut host = start(script, Setup::default()).unwrap();
    insta::assert_snapshot!(host.tell(down()), @"tcp 192.0.2.1:80 10.0.0.1:80: Drain for 60s:");
    insta::assert_snapshot!(host.log().join("\n"), @r#"
    (3, None)
    (None, "Floor division by zero: 6 // 0")
    (None, "a scale of 0: say drain") (None, "no 3") (None, "fail:")
    (None, "Object of type `change` has no attribute `sever`, did you mean `server`?") (None, "Operation `call()` not supported on type `int`") ((None, "Missing parameter `part` for call to `policy.star.share`"), None)
    "#);
    let refused = Err(ProbeError::Refused);
    insta::assert_snapshot!(check("return down(attempt(target.connect)[1])", refused), @r#"Fail("refused")"#);
}

#[test]
fn limits_are_not_attempted_away() {
    insta::assert_snapshot!(body("    attempt(spin)\n\ndef spin():\n    for i in range(1000000000):\n        pass"), @"test: handle failed: policy.star:2: Execution duration limit of 1000000 ticks has been exceeded: attempt(spin)");
    insta::assert_snapshot!(body("    attempt(grow, [])\n\ndef grow(x):\n    for i in range(1000000):\n        x.append(str(i) * 100)"), @"test: handle failed: policy.star:2: Heap memory limit of 16777216 bytes exceeded: attempt(grow, [])");
    insta::assert_snapshot!(body("    attempt(on_health, change, weights)"), @"test: handle failed: policy.star:2: Starlark call stack overflow: attempt(on_health, change, weights)");
}

#[test]
fn types_that_are_written_are_kept() {
    insta::assert_snapshot!(told("LIMIT: int = \"x\"\n", down()), @r#"test: init failed: policy.star:1: Value `x` of type `string` does not match the type annotation `int` for return type: LIMIT: int = "x""#);
    insta::assert_snapshot!(body("    halve(change.detail)\n\ndef halve(weight: int):\n    return weight // 2"), @"test: handle failed: policy.star:2: Value `connection refused` of type `string` does not match the type annotation `int` for argument `weight`: halve(change.detail)");
    insta::assert_snapshot!(body("    print(halve(None))\n\ndef halve(weight: int | None) -> str:\n    return weight"), @"test: handle failed: policy.star:5: Value `None` of type `NoneType` does not match the type annotation `str` for return type: return weight, called from policy.star:2: print(halve(None))");
}

/// What this script makes of turns in which the real servers have these connections open.
fn weighed(script: &str, open: &[[u32; 3]]) -> String {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = components::starlark(&runtime).unwrap();
    weir_languages::weigh(&runtime, &plugin, &settings(script, "{}"), open)
}

/// What this script says to other weights.
fn judged(script: &str, weights: [u32; 3]) -> String {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = components::starlark(&runtime).unwrap();
    weir_languages::judge(&runtime, &plugin, &settings(script, "{}"), weights)
}

/// What the body of a `weigh` comes to, twice.
fn weigh(body: &str) -> String {
    weighed(&format!("def weigh(service):\n    {body}\n"), &[[1, 2, 3]; 2])
}

#[test]
fn every_word_of_weighing_means_something() {
    let script = r#"
def weigh(service):
    s = service.servers[0]
    if service.memo:
        known = (service.name, service.labels, str(service), service.scheduler, service.period_ms, service.unix_s, service.utc_offset_s, service.memo)
        fail(known, s, s.labels, s.unweighed, s.address, s.port, s.base, s.weight, s.active, s.inactive, s.health, s.latency_us, s.new_connections, s.bytes_in, s.bytes_out)
    return [1000 + len(service.servers), s.active, 7], {"seen": [s.active, 1.5]}
"#;
    insta::assert_snapshot!(weighed(script, &[[5, 0, 0]; 2]), @r#"
    [1003, 5, 7]
    test: weigh failed: policy.star:6: fail: ("web", {"team": "shop"}, "tcp 192.0.2.1:80", "wrr", 5000, 1, 0, {"seen": [5, 1.5]}) 10.0.0.1:80 {"zone": "hall-1"} 10 10.0.0.1 80 10 11 5 2 up 250 3 0 0: fail(known, s, s.labels, s.unweighed, s.address, s.port, s.base, s.weight, s.active, s.inactive, s.health, s.latency_us, s.new_connections, s.bytes_in, s.bytes_out)
    "#);
    insta::assert_snapshot!(weigh("return {service.servers[1]: 500}"), @"
    [1000, 500, 1000]
    [1000, 500, 1000]
    ");
    insta::assert_snapshot!(weigh("return [1000 if service.memo else 500] * 3, True"), @"
    [500, 500, 500]
    [1000, 1000, 1000]
    ");
}

#[test]
fn an_answer_that_is_none_says_what_is_wanted() {
    insta::assert_snapshot!(weigh("return 7"), @"test: weigh failed: policy.star:2: expected a list of scales, or a dictionary of them by server, found int: return 7");
    insta::assert_snapshot!(weigh("return [1000]"), @"test: weigh failed: policy.star:2: 1 scales for 3 servers: return [1000]");
    insta::assert_snapshot!(weigh("return [1000, 0, 1000]"), @"test: weigh failed: policy.star:2: a scale of 0: expected thousandths of the base weight, 1 or more: return [1000, 0, 1000]");
    insta::assert_snapshot!(weigh("return {\"10.0.0.1:80\": 5}"), @r#"test: weigh failed: policy.star:2: "10.0.0.1:80" is none of service.servers: return {"10.0.0.1:80": 5}"#);
    insta::assert_snapshot!(weigh("return [1000] * 3, services"), @"test: weigh failed: policy.star:2: cannot remember that: Operation `serde::serialize` not supported on type `function`: return [1000] * 3, services");
    insta::assert_snapshot!(weigh("return balance(service, [1, 2])"), @"test: weigh failed: policy.star:2: loads: expected a list of 3, one a server: return balance(service, [1, 2])");
    insta::assert_snapshot!(weigh("return balance(service, [1, 2, -1])"), @"test: weigh failed: policy.star:2: loads: -1: expected a number above 0, or None: return balance(service, [1, 2, -1])");
    insta::assert_snapshot!(weigh("return balance(service, [1, 2, 3], gain = 2.5)"), @"test: weigh failed: policy.star:2: gain is 2.5: expected a number above 0, 2 at most: return balance(service, [1, 2, 3], gain = 2.5)");
    insta::assert_snapshot!(weigh("return service.server"), @"test: weigh failed: policy.star:2: Object of type `weighed_service` has no attribute `server`, did you mean `servers`?: return service.server");
    insta::assert_snapshot!(judged("def judge(change):\n    return False\n", [1; 3]), @"
    test: judge failed: it panicked or aborted
      it said: policy.star:2: expected None, deny(reason) or warn(reason), found bool: return False
    ");
    insta::assert_snapshot!(judged("def judge(change):\n    return 1 // 0\n", [1; 3]), @"
    test: judge failed: it panicked or aborted
      it said: policy.star:2: Floor division by zero: 1 // 0: return 1 // 0
    ");
}

#[test]
fn every_word_of_judging_means_something() {
    let script = r#"
def judge(change):
    planned = change.services[0]
    server = planned.servers[0]
    return warn(str((change.plugin, change.reason, change.operations, str(planned), planned.scheduler, planned.now.name, len(planned.now.servers), server.address, server.port, server.weight)))
"#;
    insta::assert_snapshot!(judged(script, [3, 10, 10]), @r#"warn: ("canary", "it is slow", ["edit-server", "edit-server", "edit-server"], "tcp 192.0.2.1:80", "wrr", "web", 3, "10.0.0.1", 80, 3)"#);
}

#[test]
fn a_script_is_what_it_defines() {
    let runtime = Runtime::for_daemon().unwrap();
    let plugin = components::starlark(&runtime).unwrap();
    let roles = |script: &str| {
        let setup = Setup { config_json: settings(script, "{}"), ..Setup::default() };
        runtime.roles(&plugin, setup.settings()).map_err(|it| it.to_string())
    };
    let (start, weigh) = ("def on_start(weights):\n    pass\n", "def weigh(service):\n    pass\n");
    let judge = "def judge(change):\n    pass\n";
    let check = "def check(target):\n    pass\n";
    assert_eq!(roles(start), Ok(vec![World::Policy]));
    assert_eq!(roles(weigh), Ok(vec![World::Weigher]));
    assert_eq!(
        roles(&[start, weigh, judge, check].concat()),
        Ok(vec![World::Policy, World::Weigher, World::Guard, World::Checker])
    );
    insta::assert_snapshot!(roles("x = 1\n").unwrap_err(), @"test: choose failed: policy.star: it defines no function that is called: expected on_health(change, weights) or on_start(weights) or on_time(weights) or on_answer(answer, weights) or weigh(service) or judge(change) or check(target)");
    insta::assert_snapshot!(roles("def judge():\n    pass\n").unwrap_err(), @"test: choose failed: policy.star: expected `def judge(change)`");
    insta::assert_snapshot!(roles("x = y\n").unwrap_err(), @"test: choose failed: policy.star:1: Variable `y` not found, did you mean `x`?: x = y");
}

/// The first script of a page.
fn documented(page: &str) -> &str {
    let (_, after) = page.split_once("```python\n").unwrap();
    after.split_once("```").unwrap().0
}

#[test]
fn a_script_remembers_within_its_grant() {
    let script = r#"
def on_health(change, weights):
    seen = recall("seen") or []
    print(seen)
    remember("seen", seen + [len(seen)])
    remember("never", None)
"#;
    let mut host = start(script, Setup::default()).unwrap();
    assert_eq!(host.tell(down()), "remembers seen: [0]\n");
    assert_eq!(host.tell(down()), "remembers seen: [0,1]\n");
    assert_eq!(host.log(), ["[]", "[0]"]);
    insta::assert_snapshot!(
        body("    remember(\"x\", \"y\" * 2000)"),
        @r#"test: handle failed: policy.star:2: x does not fit into 1000 bytes, the plugin's grant.state: remember("x", "y" * 2000)"#
    );
}

#[test]
fn a_number_comes_back_as_it_was_or_is_refused() {
    let script = r#"
def on_health(change, weights):
    kept = {"large": [9223372036854775807, -9223372036854775808, 18446744073709551615], "part": (1e300, 2.0, None)}
    remember("x", kept)
    back = recall("x")
    print(back["large"] == kept["large"], back["part"] == list(kept["part"]), type(back["part"][1]))
"#;
    let mut host = start(script, Setup::default()).unwrap();
    assert!(host.tell(down()).starts_with("remembers x: "));
    assert_eq!(host.log(), ["True True float"]);
    insta::assert_snapshot!(body("    remember(\"x\", [18446744073709551616])"), @r#"test: handle failed: policy.star:2: 18446744073709551616: expected a number that is finite, and an integer of at most 64 bits: remember("x", [18446744073709551616])"#);
    insta::assert_snapshot!(body("    remember(\"x\", {\"a\": float(\"nan\")})"), @r#"test: handle failed: policy.star:2: nan: expected a number that is finite, and an integer of at most 64 bits: remember("x", {"a": float("nan")})"#);
    insta::assert_snapshot!(weigh("return [1000] * 3, float(\"-inf\")"), @r#"test: weigh failed: policy.star:2: cannot remember that: -inf: expected a number that is finite, and an integer of at most 64 bits: return [1000] * 3, float("-inf")"#);
}
