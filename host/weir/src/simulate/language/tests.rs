//! What scenarios mean, and what is said of those with mistakes.

use super::*;
use crate::simulate::{
    distribution::Distribution,
    scenario::{Action, Arrival, Change, Claim, Comparison, Expected, Fact, Fault, Total, When},
};

const SETUP: &str = "\
server a 10.1.0.1:80
server b 10.1.0.2:80
service web tcp 10.0.0.1:80
clients users to web, poisson 100/s
";

fn good(text: &str) -> Scenario {
    parse(Path::new("x.scenario"), text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The problems of `text`, without the lines that show where they are.
fn problems(text: &str) -> Vec<String> {
    let problems = parse(Path::new("x"), text).unwrap_err().to_string();
    problems.lines().filter(|it| !it.contains(" | ")).map(str::to_owned).collect()
}

/// What is said of `line` after the usual setup, which has four lines.
fn check(line: &str, expected: &str) {
    assert_eq!(problems(&format!("{SETUP}{line}\n")), [format!("x:5:{expected}")], "{line}");
}

/// What the last line says.
fn last(line: &str) -> What {
    good(&format!("{SETUP}at 5s\n{line}\n")).script.pop().unwrap().what
}

#[test]
fn what_is_not_said_has_a_default() {
    let scenario = good("# A title.\nserver a 10.1.0.1:80\nat 5s a crashes\n");
    assert_eq!((scenario.seed, scenario.duration), (1, None));
    assert_eq!((scenario.title.as_str(), scenario.sample.as_secs()), ("A title.", 1));
    assert_eq!(scenario.servers[0].workers, None);
    assert!(scenario.config.is_none() && scenario.table.is_empty());
    assert_eq!(scenario.script.len(), 2);
    assert_eq!((scenario.script[1].line, scenario.script[1].text.as_str()), (3, "a crashes"));
}

#[test]
fn servers_and_clients_have_settings() {
    let scenario = good(
        "server a 10.1.0.1:80, service-time lognormal 20ms p99 200ms,\n  workers 16, queue 5\n\
         clients x to tcp [2001:db8::1]:80, constant 10/s to 200/s over 5m, lasting uniform \
         1s..2s, requests every 30ms, retry 3 after 1s, timeout 2s, from 2001:db8:1::/48, \
         marked 7\nduration 1m",
    );
    let ms = Duration::from_millis;
    let server = &scenario.servers[0];
    assert_eq!(server.service_time, Distribution::LogNormal(ms(20), ms(200)));
    assert_eq!((server.workers, server.queue), (Some(16), 5));
    let clients = &scenario.clients[0];
    let Arrival::Even(rate) = clients.arrival else { panic!("{:?}", clients.arrival) };
    assert_eq!((rate.from, rate.to, rate.over.as_secs()), (10.0, 200.0, 300));
    assert_eq!(clients.lasting, Distribution::Uniform(ms(1000), ms(2000)));
    assert_eq!(clients.requests_every, Some(Distribution::Constant(ms(30))));
    assert_eq!((clients.retries, clients.timeout.as_secs()), (3, 2));
    assert_eq!((clients.sources.1, clients.target.mark), (48, 7));
}

#[test]
fn fences_hold_the_configuration_and_the_table() {
    let scenario = good(
        "```toml\n[check]\n```\nduration 1m\n```ipvsadm\n-A -t 10.0.0.9:80 -s rr\n\n# none\n```\n\
         ```toml\n[[service]]\nname = \"web\"\naddress = \"10.0.0.1:80\"\n```\n\
         always web eligible >= 1\n",
    );
    assert_eq!(scenario.table, [(6, "-A -t 10.0.0.9:80 -s rr".to_owned())]);
    let config = scenario.config.unwrap();
    assert!(config.services[0].is_checked());
}

#[test]
fn mistakes_of_the_configuration_have_their_place_in_the_file() {
    assert_eq!(
        problems("duration 5s\n```toml\n[check]\ninterval = 5\n```\n"),
        ["x:4:12: check: interval: expected a duration from 10ms to 1h, such as \"5s\" or \
             \"200ms\", found 5"]
    );
}

#[test]
fn weir_starts_with_the_configuration_of_a_fence() {
    let with = |interval: &str| {
        format!(
            "```toml\n[check]\n```\n```toml other\n[check]\ninterval = {interval}\n```\n\
             at 5s weir starts with other\n"
        )
    };
    let what = good(&with("\"5s\"")).script.pop().unwrap().what;
    assert!(matches!(what, What::Do(Action::Start(Some(_)))), "{what:?}");
    assert_eq!(
        problems(&with("5")),
        ["x:8:24: x:6:12: check: interval: expected a duration from 10ms to 1h, such as \"5s\" \
          or \"200ms\", found 5"]
    );
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let shown = parse(Path::new("x"), "duration 5s\n\tat 5 note \"ü\"\n").unwrap_err().to_string();
    assert_eq!(
        shown,
        "x:2:5: expected a duration such as 500ms, 7.6s or 1m30s, found `5`\n    \
         2 | \tat 5 note \"ü\"\n      | \t   ^"
    );
}

#[test]
fn every_mistake_is_found_in_one_run() {
    let found =
        problems("sed 5\nduration\nat 5s a crashes\nserver b 10.0.0.1\n```x\n```\n```toml\n");
    assert_eq!(
        found,
        [
            "x:1:1: expected a statement or a name, found `sed`; did you mean `seed`?",
            "x:2:9: expected a duration above 0 such as 5m, found the end of the line",
            "x:3:7: expected a statement or a name, found `a`: one of seed, duration, sample, \
             service, server, clients, at, after, when, expect, always, never, weir, kernel, \
             plugin, ipvsadm, http, verdict, operator, chaos, note",
            "x:4:10: expected an address and port such as 10.0.0.1:80 or [2001:db8::1]:80, found \
             `10.0.0.1`",
            "x:5:1: expected ```toml for configuration, ```toml NAME for one to reload, or \
             ```ipvsadm for the table, found ```x",
            "x:7:1: this fence is never closed: add a line with ``` alone",
        ]
    );
}

#[test]
fn names_are_checked() {
    check("server a 10.1.0.3:80", "8: the name `a` is taken");
    check("server c 10.1.0.1:80", "10: 10.1.0.1:80 is already server `a`");
    check("server log 10.1.0.3:80", "8: `log` means something else here: choose another name");
    check(
        "clients x to wbe",
        "14: expected a service, or an address such as `tcp 192.0.2.1:80`, found `wbe`; did you mean `web`?",
    );
    check(
        "clients x to fwmark 7",
        "14: a mark is no address: write `to tcp 192.0.2.1:80, marked 7`",
    );
    check("clients x to sctp 10.0.0.1:80", "14: clients speak TCP and UDP only");
    check(
        "clients x to tcp 10.0.0.1:0",
        "14: port 0 is every port, and clients need one: write `to tcp 10.0.0.1:80`",
    );
}

#[test]
fn settings_are_checked() {
    check(
        "server c 10.1.0.3:80, wokers 5",
        "23: expected a setting of a server, found `wokers`; did you mean `workers`?",
    );
    check(
        "server c 10.1.0.3:80, workers 0",
        "31: expected how many requests it works on at one time, 1 or more, found `0`",
    );
    check(
        "clients x to web, lasting foo",
        "27: expected a duration such as 20ms, or a distribution, found `foo`: one of constant, uniform, exponential, normal, lognormal, pareto",
    );
    check(
        "clients x to web, poisson 100",
        "27: expected a rate such as 100/s, 0.5/s or 30/m, found `100`",
    );
    check(
        "clients x to web, retrys 5",
        "19: expected a setting of clients, found `retrys`; did you mean `retry`?",
    );
    check(
        "clients x to web, from 2001:db8::/64",
        "14: clients and their target need addresses of one family",
    );
    check(
        "server c 10.1.0.3:80, service-time uniform 5s..1s",
        "44: expected a range such as 5ms..20ms, found `5s..1s`",
    );
}

#[test]
fn actions_are_checked() {
    check(
        "at 5s a crushes",
        "9: expected what happens to it, found `crushes`; did you mean `crashes`?",
    );
    check(
        "at 5s a goes home",
        "14: expected where it goes, found `home`: one of silent, unreachable",
    );
    check(
        "at 5s a fails 130%",
        "15: expected which part of its requests, such as 30%, found `130%`",
    );
    check(
        "at 5s a slows 10",
        "15: expected how slow, such as `10x` or `to exponential 200ms`, found `10`",
    );
    check(
        "at 5s a, c crash",
        "10: expected a server, by its name or address, found `c`: one of a, b",
    );
    check("at 5s weir stops", "12: there is no weir without a configuration: add a ```toml fence");
    check("at 5s plugin x traps", "14: there are no plugins: name them in a fence with ```toml");
    check(
        "at 5s kernel fails edit-server with ENOMEN",
        "37: expected an errno, found `ENOMEN`; did you mean `ENOMEM`?",
    );
    check(
        "at 5s users slow down",
        "13: expected how connections begin from now on, found `slow`; did you mean `stop`?",
    );
    check("at 5s a crashes now", "17: expected the end of the line, found `now`");
    let found = problems(&format!("{SETUP}at 5s\nat 4s a crashes\n"));
    assert_eq!(found, ["x:6:4: 4s is over: the script is at 5s; times only go up"]);
}

#[test]
fn expectations_are_checked() {
    check(
        "at 5s expect a wieght 5",
        "16: expected what is said of it, found `wieght`; did you mean `weight`?",
    );
    check(
        "at 5s expect a weight",
        "22: expected a number such as 100, >= 100 or 40..60, found the end of the line",
    );
    check(
        "at 5s expect a weight 5 in 5s",
        "25: expected the end of the line, or when, found `in`: one of within, for, until",
    );
    check(
        "at 5s expect writes = 0",
        "24: it is counted over a time: add `for 10s`, `within 10s` or `until end`",
    );
    check(
        "at 5s expect a share 5",
        "22: expected a share such as 25%, > 20% or 20%..30%, found `5`",
    );
    check(
        "at 5s expect latency p99 < 5",
        "28: expected a duration such as < 50ms or 10ms..20ms, found `5`",
    );
    check(
        "at 5s expect never writes = 0 for 5s",
        "20: `never` is for facts such as `a weight 0`; write a comparison such as `= 0`",
    );
    check(
        "at 5s expect never a up within 5s",
        "34: `never` is for a whole time: write `for` instead of `within`",
    );
    check(
        "at 5s expect a up while b up",
        "29: `while` is for a time: add `for 10s` or `until end`",
    );
    check(
        "when writes = 0",
        "6: expected something that is so at a moment, such as `a weight 0`; this is counted over a time",
    );
    check(
        "at 5s expect failures of nobody = 0 for 5s",
        "26: expected the name of clients, found `nobody`",
    );
    check(
        "at 5s expect order a added, b gone within 5s",
        "31: expected what is written, found `gone`: one of added, removed, weight",
    );
}

#[test]
fn something_ends_the_simulation() {
    let expected = "nothing ends this: add `duration 5m`, or a time with `at`";
    assert_eq!(problems(SETUP), [format!("x:1:1: {expected}")]);
    let expected = "a `when` without `within` waits to the end: add `duration 5m`";
    assert_eq!(problems(&format!("{SETUP}when a up\n")), [format!("x:5:1: {expected}")]);
}

#[test]
fn actions_say_what_happens() {
    let What::Do(Action::Servers(servers, change)) = last("a, b flap silent 20s up 5s for 10m")
    else {
        panic!()
    };
    assert_eq!(servers.len(), 2);
    let seconds = Duration::from_secs;
    let lasting = Some(seconds(600));
    let expected =
        Change::Flap { fault: Fault::Silence, down: seconds(20), up: seconds(5), lasting };
    assert_eq!(change, expected);
    let What::Do(Action::Ipvsadm(arguments)) = last("ipvsadm -e  -t x # y") else { panic!() };
    assert_eq!(arguments, "-e  -t x # y");
    let What::Do(Action::Chaos(chaos)) = last(
        "chaos on a, b with crash, slow 5x every exponential 60s lasting 5s at most 1 for 10m",
    ) else {
        panic!()
    };
    assert_eq!((chaos.faults.len(), chaos.at_most, chaos.span), (2, 1, lasting));
}

#[test]
fn expectations_say_what_and_when() {
    let expectation = |line: &str| match last(line) {
        What::Expect(it) => it,
        other => panic!("{other:?}"),
    };
    let it = expectation("expect a weight 40..60 within 7.6s");
    assert_eq!(it.when, When::Within(Duration::from_millis(7600)));
    let Expected::Fact { fact: Fact::Servers(_, Claim::Number(_, comparison)), holds, guard } =
        it.what
    else {
        panic!()
    };
    assert_eq!((comparison, holds, guard), (Comparison::Between(40.0, 60.0), true, None));
    let it = expectation("never each server weight > 0 while down");
    assert_eq!(it.when, When::UntilEnd);
    assert!(matches!(it.what, Expected::Fact { holds: false, guard: Some(_), .. }));
    let it = expectation("expect log \"a \\\"b\\\"\" within 5s");
    let Expected::Total(Total::Log(text), Comparison::AtLeast(_)) = it.what else { panic!() };
    assert_eq!(text, "a \"b\"");
    let it = expectation("expect latency p99.9 of users < 50ms until end");
    assert!(matches!(it.what, Expected::Total(Total::Latency(..), Comparison::Below(_))));
    let it = expectation("expect order a added, b weight 0, a removed within 5s");
    assert!(matches!(it.what, Expected::Order(writes) if writes.len() == 3));
}

#[test]
fn operators_have_their_say() {
    use crate::simulate::scenario::Order;

    let config = "```toml\n[[service]]\nname = \"web\"\naddress = \"10.0.0.1:80\"\nserver = [\n\
        { address = \"10.1.0.1:80\" }]\n```\nserver a 10.1.0.1:80\nserver z 10.1.0.9:80\n";
    let text = |line: &str| format!("{config}at 5s\n{line}\n");
    let order = |line: &str| match good(&text(line)).script.pop().unwrap().what {
        What::Do(Action::Order(servers, order)) => (servers[0].to_string(), order),
        other => panic!("{other:?}"),
    };
    let deadline = Some(Duration::from_secs(300));
    let (key, drain) = order("operator drains a for 300s keeping it by force");
    assert_eq!(key, "10.1.0.1:80 of tcp 10.0.0.1:80");
    assert_eq!(drain, Order::Drain { deadline, keep: true, force: true });
    assert_eq!(order("operator maintains z in web").1, Order::Maintain { force: false });
    assert_eq!(order("operator readies a").1, Order::Ready);
    let freeze = good(&text("operator freezes web")).script.pop().unwrap().what;
    assert!(matches!(freeze, What::Do(Action::Freeze(Some(_), true))));
    let thaw = good(&text("operator thaws")).script.pop().unwrap().what;
    assert!(matches!(thaw, What::Do(Action::Freeze(None, false))));
    let unknown = problems(&text("operator drains z"));
    assert_eq!(
        unknown,
        ["x:11:17: no [[service]] has 10.1.0.9:80: say of which service, `in web`"]
    );
    check("operator drains a", "10: there is no weir without a configuration: add a ```toml fence");
}

#[test]
fn mistakes_of_the_configuration_hide_none_of_the_script() {
    let config = "```toml\n[check]\ninterval = 5\n[[service]]\nname = \"web\"\n\
                  address = \"10.0.0.1:80\"\n[[service]]\nname = \"shop\"\naddress = 5\n```\n";
    let script = "server a 10.1.0.1:80\nclients users to shop\nat 5s a crushes\nat 6s users stop\n\
                  at 7s expect web weight 5 bogus\nat 8s expect shop eligible 5 within 1s\n\
                  at 9s weir stops\n";
    let of_config = "x:3:12: check: interval: expected a duration from 10ms to 1h, such as \"5s\" or \
                     \"200ms\", found 5";
    let found = problems(&format!("{config}{script}"));
    let places: Vec<_> = found.iter().filter_map(|it| it.split(": ").next()).collect();
    assert_eq!(found[0], of_config);
    assert_eq!(places, ["x:3:12", "x:9:11", "x:13:9", "x:15:27"], "{found:?}");

    let found = problems(&format!("```toml\n[check\n```\n{script}"));
    let places: Vec<_> = found.iter().filter_map(|it| it.split(": ").next()).collect();
    assert_eq!(places, ["x:2:7", "x:6:9"], "{found:?}");
}
