//! What happens: to real servers, clients, weir, its plugins, the table and the kernel. What
//! operators do is in [`operator`].

use std::path::Path;

use weir_ipvs::Endpoint;
use weir_wasm::HealthStatus;

use super::{
    STATEMENTS,
    line::{Line, Read},
    operator,
    setup::{self, Declared},
    value,
};
use crate::{
    config::{self, Files, Mode},
    problems::Problems,
    simulate::scenario::{Action, Calls, Change, Chaos, Fault, KernelFault, Outside, Scenario},
};

/// ```text
/// action = servers (change | agent) | CLIENTS (arrival | "stop")
///        | "verdict" servers ("up" | "down") ["REASON"]
///        | "weir" ("stops" | "dies" | "starts" ["with" (NAME | "FILE")])
///        | "weir" "reloads" (NAME | "FILE") ["confirmed"]
///        | "plugin" NAME ("traps" [NUMBER "times"] | "becomes" "FILE" | "mode" MODE)
///        | "kernel" ("fails" calls "with" ERRNO [NUMBER "times"] | "recovers")
///        | "http" "URL" ("answers" STATUS [[","] "BODY"] | "fails" ["REASON"])
///        | "operator" order | "ipvsadm" ARGUMENTS | chaos | "note" "TEXT"
/// ```
pub(super) fn read(line: &mut Line<'_>, declared: &Declared, scenario: &Scenario) -> Read<Action> {
    let directory = scenario.path.parent().unwrap_or(Path::new(""));
    let here = line.clone();
    Ok(match line.word() {
        Some("weir") => {
            line.step();
            weir(line, declared, directory)?
        }
        Some("kernel") => {
            line.step();
            kernel(line)?
        }
        Some("plugin") => {
            line.step();
            plugin(line, declared, directory)?
        }
        Some("ipvsadm") => {
            line.step();
            Action::Ipvsadm(line.rest().to_owned())
        }
        Some("http") => {
            line.step();
            outside(line)?
        }
        Some("verdict") => {
            line.step();
            verdict(line, declared)?
        }
        Some("operator") => {
            line.step();
            operator::read(line, declared, scenario)?
        }
        Some("chaos") => {
            line.step();
            chaos(line, declared)?
        }
        Some("note") => {
            line.step();
            Action::Note(line.text("half of the fleet is gone")?)
        }
        Some(word) if declared.server(word).is_some() => {
            let servers = servers(line, declared)?;
            match line.accept(&["agent"]) {
                true => Action::Agent(servers, agent(line)?),
                false => Action::Servers(servers, change(line)?),
            }
        }
        Some(word) if declared.clients(word).is_some() => {
            line.step();
            clients(line, declared.clients(word).unwrap_or_default())?
        }
        _ => {
            let known: Vec<&str> = STATEMENTS.into_iter().chain(declared.all()).collect();
            return Err(here.expected_one_of("a statement or a name", &known));
        }
    })
}

/// ```text
/// "http" "URL" ("answers" STATUS [[","] "BODY"] | "fails" ["REASON"])
/// ```
fn outside(line: &mut Line<'_>) -> Read<Action> {
    let url = line.text("http://registry.example/web")?;
    let outside = match line.choice("what it does", &[("answers", true), ("fails", false)])? {
        true => {
            let status = line.parse("a status of HTTP, such as 200", status)?;
            let has_body = line.accept_comma() || !line.is_at_end();
            let body = if has_body { line.text("a body")? } else { String::new() };
            Outside::Answers(status, body)
        }
        false if line.is_at_end() => Outside::Fails("connection refused".to_owned()),
        false => Outside::Fails(line.text("connection refused")?),
    };
    Ok(Action::Outside(url, outside))
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|it| (100..=599).contains(it))
}

/// ```text
/// servers = SERVER { "," SERVER }
/// ```
pub(super) fn servers(line: &mut Line<'_>, declared: &Declared) -> Read<Vec<Endpoint>> {
    let mut servers = Vec::new();
    loop {
        match line.maybe(|it| declared.server(it)) {
            Some(server) => servers.push(server),
            None => {
                let names = declared.server_names();
                return Err(line.expected_one_of("a server, by its name or address", &names));
            }
        }
        if !line.accept_comma() {
            return Ok(servers);
        }
    }
}

/// ```text
/// change = "crashes" | "goes" ("silent" | "unreachable")
///        | "slows" (FACTOR | "to" distribution) | "fails" SHARE | "answers" STATUS
///        | "flaps" fault DURATION "up" DURATION ["for" DURATION] | "recovers"
/// ```
fn change(line: &mut Line<'_>) -> Read<Change> {
    // Of several servers without the s.
    let verbs = [
        ("crashes", 0),
        ("crash", 0),
        ("goes", 1),
        ("go", 1),
        ("slows", 2),
        ("slow", 2),
        ("fails", 3),
        ("fail", 3),
        ("flaps", 4),
        ("flap", 4),
        ("recovers", 5),
        ("recover", 5),
        ("answers", 6),
        ("answer", 6),
    ];
    let known = ["crashes", "goes", "slows", "fails", "flaps", "recovers", "answers", "agent"];
    let unknown = line.expected_one_of("what happens to it", &known);
    Ok(match line.choice("", &verbs).map_err(|_| unknown)? {
        0 => Change::Fault(Fault::Crash),
        1 => {
            let ways = [("silent", Fault::Silence), ("unreachable", Fault::Unreachable)];
            Change::Fault(line.choice("where it goes", &ways)?)
        }
        2 => Change::Fault(slow(line)?),
        3 => Change::Fault(errors(line)?),
        4 => {
            let fault = fault(line)?;
            let down = super::positive(line)?;
            line.require("up")?;
            let up = super::positive(line)?;
            let lasting = line.accept(&["for"]).then(|| super::positive(line)).transpose()?;
            Change::Flap { fault, down, up, lasting }
        }
        5 => Change::Recover,
        _ => {
            let status = line.parse("a status of HTTP, such as 429", status)?;
            Change::Fault(Fault::Answers(status))
        }
    })
}

/// ```text
/// agent = "agent" ("LINE" | "silent")
/// ```
fn agent(line: &mut Line<'_>) -> Read<Option<String>> {
    if line.accept(&["silent"]) {
        return Ok(None);
    }
    line.text("drain").map(Some)
}

/// ```text
/// fault = "crash" | "silent" | "unreachable" | "slow" (FACTOR | "to" distribution)
///       | "fail" SHARE
/// ```
fn fault(line: &mut Line<'_>) -> Read<Fault> {
    let words = [("crash", 0), ("silent", 1), ("unreachable", 2), ("slow", 3), ("fail", 4)];
    Ok(match line.choice("a fault", &words)? {
        0 => Fault::Crash,
        1 => Fault::Silence,
        2 => Fault::Unreachable,
        3 => slow(line)?,
        _ => errors(line)?,
    })
}

fn slow(line: &mut Line<'_>) -> Read<Fault> {
    if line.accept(&["to"]) {
        return Ok(Fault::SlowTo(setup::distribution(line)?));
    }
    line.parse("how slow, such as `10x` or `to exponential 200ms`", value::factor).map(Fault::Slow)
}

fn errors(line: &mut Line<'_>) -> Read<Fault> {
    line.parse("which part of its requests, such as 30%", value::share).map(Fault::Errors)
}

fn clients(line: &mut Line<'_>, number: usize) -> Read<Action> {
    use crate::simulate::scenario::Arrival;

    if line.accept(&["stop"]) {
        return Ok(Action::Arrive(number, Arrival::Never));
    }
    match setup::arrival(line)? {
        Some(arrival) => Ok(Action::Arrive(number, arrival)),
        None => {
            let known = ["constant", "poisson", "bursts", "once", "stop"];
            Err(line.expected_one_of("how connections begin from now on", &known))
        }
    }
}

fn verdict(line: &mut Line<'_>, declared: &Declared) -> Read<Action> {
    let servers = servers(line, declared)?;
    let words = [("up", HealthStatus::Up), ("down", HealthStatus::Down)];
    let status = line.choice("a verdict", &words)?;
    let reason = if line.is_text() { line.text("")? } else { "said by the scenario".to_owned() };
    Ok(Action::Verdict(servers, status, reason))
}

fn weir(line: &mut Line<'_>, declared: &Declared, directory: &Path) -> Read<Action> {
    if !declared.has_weir {
        return Err(line.mistake("there is no weir without a configuration: add a ```toml fence"));
    }
    let words = [("stops", 0), ("dies", 1), ("starts", 2), ("reloads", 3)];
    Ok(match line.choice("what weir does", &words)? {
        0 => Action::Stop,
        1 => Action::Kill,
        3 => {
            let files = configuration(line, declared, directory)?;
            Action::Reload(files, line.accept(&["confirmed"]))
        }
        _ if line.accept(&["with"]) => {
            let here = line.clone();
            let files = configuration(line, declared, directory)?;
            let mistakes = |problems: Problems| here.mistake(problems.to_string());
            let config = config::parse_files(&files).map_err(mistakes)?;
            Action::Start(Some(Box::new(config)))
        }
        _ => Action::Start(None),
    })
}

/// A configuration that may have mistakes: a fence by its name, or a file.
fn configuration(line: &mut Line<'_>, declared: &Declared, directory: &Path) -> Read<Files> {
    let here = line.clone();
    if line.is_text() {
        let path = directory.join(line.text("other.toml")?);
        return Files::read(&path).map_err(|problems| here.mistake(problems.to_string()));
    }
    line.maybe(|it| declared.configurations.get(it).cloned()).ok_or_else(|| {
        let known: Vec<&str> = declared.configurations.keys().map(String::as_str).collect();
        here.expected_one_of("a file in quotes, or the name of a fence ```toml NAME", &known)
    })
}

fn plugin(line: &mut Line<'_>, declared: &Declared, directory: &Path) -> Read<Action> {
    let name = setup::plugin(line, declared)?;
    let words = [("traps", 0), ("becomes", 1), ("mode", 2)];
    Ok(match line.choice("what it does", &words)? {
        0 => Action::Trap(name, times(line)?.unwrap_or(1)),
        2 => Action::Mode(name, line.choice("a mode", &Mode::WORDS)?),
        _ => Action::Replace(name, directory.join(line.text("good.wasm")?)),
    })
}

fn times(line: &mut Line<'_>) -> Read<Option<u32>> {
    if line.is_at_end() {
        return Ok(None);
    }
    let many = |it: &str| it.parse().ok().filter(|it: &u32| *it > 0);
    let times = line.parse("how often, such as `2 times`", many)?;
    if !line.accept(&["time"]) {
        line.require("times")?;
    }
    Ok(Some(times))
}

/// ```text
/// calls = "changes" | "reads" | "add-service" | "edit-service" | "delete-service"
///       | "add-server" | "edit-server" | "delete-server"
/// ```
fn kernel(line: &mut Line<'_>) -> Read<Action> {
    let words = [("fails", true), ("recovers", false)];
    if !line.choice("what the kernel does", &words)? {
        return Ok(Action::KernelRecovers);
    }
    let calls = [
        ("changes", Calls::Changes),
        ("reads", Calls::Reads),
        ("add-service", Calls::AddService),
        ("edit-service", Calls::EditService),
        ("delete-service", Calls::DeleteService),
        ("add-server", Calls::AddServer),
        ("edit-server", Calls::EditServer),
        ("delete-server", Calls::DeleteServer),
    ];
    let calls = line.choice("which calls", &calls)?;
    line.require("with")?;
    let errno = line.choice("an errno", &ERRNOS)?;
    Ok(Action::Kernel(KernelFault { calls, errno, times: times(line)? }))
}

/// What IPVS and netlink can answer.
const ERRNOS: [(&str, i32); 12] = [
    ("EPERM", libc::EPERM),
    ("ENOENT", libc::ENOENT),
    ("ESRCH", libc::ESRCH),
    ("EIO", libc::EIO),
    ("EAGAIN", libc::EAGAIN),
    ("ENOMEM", libc::ENOMEM),
    ("EBUSY", libc::EBUSY),
    ("EEXIST", libc::EEXIST),
    ("EINVAL", libc::EINVAL),
    ("ENOBUFS", libc::ENOBUFS),
    ("ENOPROTOOPT", libc::ENOPROTOOPT),
    ("ETIMEDOUT", libc::ETIMEDOUT),
];

/// ```text
/// chaos = "chaos" "on" servers "with" fault { "," fault } "every" distribution
///         "lasting" distribution ["at" "most" NUMBER] ["for" DURATION]
/// ```
fn chaos(line: &mut Line<'_>, declared: &Declared) -> Read<Action> {
    line.require("on")?;
    let servers = servers(line, declared)?;
    line.require("with")?;
    let mut faults = vec![fault(line)?];
    while line.accept_comma() {
        faults.push(fault(line)?);
    }
    line.require("every")?;
    let every = setup::distribution(line)?;
    line.require("lasting")?;
    let lasting = setup::distribution(line)?;
    let mut at_most = servers.len();
    if line.accept(&["at"]) {
        line.require("most")?;
        at_most = line.number("how many servers at the same time, such as 2")?;
    }
    let span = line.accept(&["for"]).then(|| super::positive(line)).transpose()?;
    Ok(Action::Chaos(Chaos { servers, faults, every, lasting, at_most, span }))
}
