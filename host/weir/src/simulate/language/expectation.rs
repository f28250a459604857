//! What is expected, and when.

use weir_wasm::HealthStatus;

use super::{
    action,
    line::{Line, Mistake, Read},
    setup::{self, Declared},
    value,
};
use crate::simulate::scenario::{
    Claim, Comparison, Expectation, Expected, Fact, Guard, ServerNumber, Servers, ServiceNumber,
    Total, When, Write, Written,
};

/// ```text
/// expectation = "expect" ["never"] expected [when] | "always" expected | "never" expected
/// expected    = fact ["while" fact] | total [comparison] | "order" write { "," write }
///             | "explained"
/// when        = "within" DURATION | "for" DURATION | "until" "end"
/// ```
///
/// None = it is something else.
pub(super) fn read(line: &mut Line<'_>, declared: &Declared) -> Read<Option<Expectation>> {
    let Some(word @ ("expect" | "always" | "never")) = line.word() else { return Ok(None) };
    line.step();
    let holds = !(word == "never" || word == "expect" && line.accept(&["never"]));
    let start = line.clone();
    let what = expected(line, declared, holds)?;
    let when = if word == "expect" { when(line)? } else { When::UntilEnd };
    check(&what, when, &start, line)?;
    Ok(Some(Expectation { what, when }))
}

fn expected(line: &mut Line<'_>, declared: &Declared, holds: bool) -> Read<Expected> {
    let start = line.clone();
    let what = if line.accept(&["order"]) {
        order(line, declared)?
    } else if line.accept(&["explained"]) {
        Expected::Explained
    } else {
        match statement(line, declared)? {
            Said::Total(total, comparison) => Expected::Total(total, comparison),
            Said::Fact(fact) => {
                let guard = line.accept(&["while"]).then(|| guard(line, declared, &fact));
                return Ok(Expected::Fact { fact, holds, guard: guard.transpose()? });
            }
        }
    };
    if holds {
        return Ok(what);
    }
    Err(start
        .mistake("`never` is for facts such as `a weight 0`; write a comparison such as `= 0`"))
}

/// Whether `when` suits `what`.
fn check(what: &Expected, when: When, start: &Line<'_>, end: &Line<'_>) -> Read<()> {
    let message = match (what, when) {
        (Expected::Total(..), When::Now) => {
            "it is counted over a time: add `for 10s`, `within 10s` or `until end`"
        }
        (Expected::Order(_), When::Now | When::For(_)) => "add `within 10s` or `until end`",
        (Expected::Explained, When::Within(_)) => "say `always explained`, or add `for 10s`",
        (Expected::Fact { guard: Some(_), .. }, When::Now | When::Within(_)) => {
            "`while` is for a time: add `for 10s` or `until end`"
        }
        (Expected::Fact { holds: false, .. }, When::Within(_)) => {
            "`never` is for a whole time: write `for` instead of `within`"
        }
        _ => return Ok(()),
    };
    let place = if end.is_at_end() { end.place() } else { start.place() };
    Err(Mistake { place, message: message.to_owned() })
}

fn when(line: &mut Line<'_>) -> Read<When> {
    if line.is_at_end() {
        return Ok(When::Now);
    }
    let words = [("within", 0), ("for", 1), ("until", 2)];
    Ok(match line.choice("the end of the line, or when", &words)? {
        0 => When::Within(line.duration()?),
        1 => When::For(super::positive(line)?),
        _ => {
            line.require("end")?;
            When::UntilEnd
        }
    })
}

/// ```text
/// fact = servers claim | service number comparison
/// ```
pub(super) fn fact(line: &mut Line<'_>, declared: &Declared) -> Read<Fact> {
    let start = line.clone();
    match statement(line, declared)? {
        Said::Fact(fact) => Ok(fact),
        Said::Total(..) => Err(start.mistake(
            "expected something that is so at a moment, such as `a weight 0`; this is counted \
             over a time",
        )),
    }
}

/// What can be said of real servers and services.
enum Said {
    Fact(Fact),
    Total(Total, Comparison),
}

/// ```text
/// total = "writes" ["to" (servers | service)] | "log" "TEXT"
///       | servers ("new" | "share" | "probes" | "turns")
///       | ("requests" | "failures" | "latency" PERCENTILE) ["of" CLIENTS]
/// ```
fn statement(line: &mut Line<'_>, declared: &Declared) -> Read<Said> {
    let Some(word) = line.word() else { return Err(subject_expected(line, declared)) };
    let total = match word {
        "writes" => {
            line.step();
            let written = line.accept(&["to"]).then(|| written(line, declared));
            Total::Writes(written.transpose()?)
        }
        "log" => {
            line.step();
            let text = line.text("refused, 3 in a row")?;
            let is_compared = line.word().is_some_and(|it| !WHENS.contains(&it));
            let comparison =
                if is_compared { comparison(line, Unit::Count)? } else { Comparison::AtLeast(1.0) };
            return Ok(Said::Total(Total::Log(text), comparison));
        }
        "requests" => {
            line.step();
            Total::Requests(of_clients(line, declared)?)
        }
        "failures" => {
            line.step();
            Total::Failures(of_clients(line, declared)?)
        }
        "latency" => {
            line.step();
            let part = line.parse("a percentile such as p50 or p99.9", value::percentile)?;
            let total = Total::Latency(part, of_clients(line, declared)?);
            return Ok(Said::Total(total, comparison(line, Unit::Duration)?));
        }
        _ => match service(line, declared)? {
            Some(service) => {
                let number = line.choice("a number of a service", &SERVICE_NUMBERS)?;
                let comparison = comparison(line, Unit::Count)?;
                return Ok(Said::Fact(Fact::Service(service, number, comparison)));
            }
            None => return of_servers(line, declared),
        },
    };
    Ok(Said::Total(total, comparison(line, Unit::Count)?))
}

const WHENS: [&str; 3] = ["within", "for", "until"];

const SERVICE_NUMBERS: [(&str, ServiceNumber); 4] = [
    ("servers", ServiceNumber::Servers),
    ("eligible", ServiceNumber::Eligible),
    ("up", ServiceNumber::Up),
    ("weight", ServiceNumber::Weight),
];

fn of_servers(line: &mut Line<'_>, declared: &Declared) -> Read<Said> {
    let servers = subject(line, declared)?;
    let total: Option<fn(Servers) -> Total> = line.maybe(|word| {
        Some(match word {
            "new" => Total::New as fn(Servers) -> Total,
            "share" => Total::Share,
            "probes" => Total::Probes,
            "turns" => Total::Turns,
            _ => return None,
        })
    });
    let Some(total) = total else {
        return Ok(Said::Fact(Fact::Servers(servers, claim(line)?)));
    };
    let total = total(servers);
    let unit = if matches!(total, Total::Share(_)) { Unit::Share } else { Unit::Count };
    Ok(Said::Total(total, comparison(line, unit)?))
}

const CLAIMS: [&str; 16] = [
    "weight",
    "active",
    "inactive",
    "connections",
    "failing",
    "waiting",
    "up",
    "down",
    "unknown",
    "present",
    "absent",
    "reason",
    "new",
    "share",
    "probes",
    "turns",
];

/// ```text
/// claim = ("weight" | "active" | "inactive" | "connections" | "failing" | "waiting") comparison
///       | "up" | "down" | "unknown" | "present" | "absent" | "reason" "TEXT"
/// ```
fn claim(line: &mut Line<'_>) -> Read<Claim> {
    let unknown = line.expected_one_of("what is said of it", &CLAIMS);
    let Some(word) = line.word() else { return Err(unknown) };
    line.step();
    let number = match word {
        "up" => return Ok(Claim::Status(HealthStatus::Up)),
        "down" => return Ok(Claim::Status(HealthStatus::Down)),
        "unknown" => return Ok(Claim::Status(HealthStatus::Unknown)),
        "present" => return Ok(Claim::Present(true)),
        "absent" => return Ok(Claim::Present(false)),
        "reason" => return Ok(Claim::Reason(line.text("refused")?)),
        "weight" => ServerNumber::Weight,
        "active" => ServerNumber::Active,
        "inactive" => ServerNumber::Inactive,
        "connections" => ServerNumber::Connections,
        "failing" => ServerNumber::Failing,
        "waiting" => ServerNumber::Waiting,
        _ => return Err(unknown),
    };
    Ok(Claim::Number(number, comparison(line, Unit::Count)?))
}

/// What follows `while`: the subject may be left out where it is the same.
fn guard(line: &mut Line<'_>, declared: &Declared, fact: &Fact) -> Read<Guard> {
    let word = line.word().unwrap_or_default();
    Ok(match fact {
        Fact::Servers(..) if CLAIMS.contains(&word) => Guard::Same(claim(line)?),
        Fact::Service(key, ..) if SERVICE_NUMBERS.iter().any(|it| it.0 == word) => {
            let number = line.choice("a number of a service", &SERVICE_NUMBERS)?;
            Guard::Other(Fact::Service(*key, number, comparison(line, Unit::Count)?))
        }
        _ => Guard::Other(self::fact(line, declared)?),
    })
}

/// ```text
/// servers = ("each" ["server"] | SERVER { "," SERVER }) ["in" service]
/// ```
fn subject(line: &mut Line<'_>, declared: &Declared) -> Read<Servers> {
    let which = if line.accept(&["each"]) {
        line.accept(&["server"]);
        None
    } else if line.word().is_some_and(|it| declared.server(it).is_some()) {
        Some(action::servers(line, declared)?)
    } else {
        return Err(subject_expected(line, declared));
    };
    let service = line.accept(&["in"]).then(|| {
        let here = line.clone();
        service(line, declared)?.ok_or_else(|| here.expected("a service"))
    });
    Ok(Servers { which, service: service.transpose()? })
}

fn subject_expected(line: &Line<'_>, declared: &Declared) -> Mistake {
    let words = ["each", "writes", "log", "requests", "failures", "latency", "order", "explained"];
    let known: Vec<&str> = declared.all().into_iter().chain(words).collect();
    line.expected_one_of("what it is about", &known)
}

/// A service by its name or key, if that comes next.
pub(super) fn service(
    line: &mut Line<'_>,
    declared: &Declared,
) -> Read<Option<weir_ipvs::ServiceKey>> {
    match line.maybe(|it| declared.service(it)) {
        Some(service) => Ok(Some(service)),
        None => setup::key(line),
    }
}

fn written(line: &mut Line<'_>, declared: &Declared) -> Read<Written> {
    Ok(match service(line, declared)? {
        Some(service) => Written::Service(service),
        None => Written::Servers(subject(line, declared)?),
    })
}

fn of_clients(line: &mut Line<'_>, declared: &Declared) -> Read<Option<usize>> {
    if !line.accept(&["of"]) {
        return Ok(None);
    }
    let clients = line.maybe(|it| declared.clients(it));
    clients.map(Some).ok_or_else(|| line.expected("the name of clients"))
}

/// ```text
/// write = SERVER ("added" | "removed" | "weight" NUMBER)
/// ```
fn order(line: &mut Line<'_>, declared: &Declared) -> Read<Expected> {
    let mut writes = Vec::new();
    loop {
        let Some(server) = line.maybe(|it| declared.server(it)) else {
            return Err(line.expected_one_of("a server", &declared.server_names()));
        };
        let words = [("added", 0), ("removed", 1), ("weight", 2)];
        writes.push(match line.choice("what is written", &words)? {
            0 => Write::Added(server),
            1 => Write::Removed(server),
            _ => Write::Weight(server, line.number("a weight such as 100")?),
        });
        if !line.accept_comma() {
            return Ok(Expected::Order(writes));
        }
    }
}

/// What numbers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Share,
    Duration,
}

/// What a sign makes of a number.
type Compare = fn(f64) -> Comparison;

/// ```text
/// comparison = ["=" | "!=" | "<" | "<=" | ">" | ">="] VALUE | VALUE..VALUE
/// ```
fn comparison(line: &mut Line<'_>, unit: Unit) -> Read<Comparison> {
    let (what, parse): (_, fn(&str) -> Option<f64>) = match unit {
        Unit::Count => ("a number such as 100, >= 100 or 40..60", value::positive),
        Unit::Share => ("a share such as 25%, > 20% or 20%..30%", value::share),
        Unit::Duration => ("a duration such as < 50ms or 10ms..20ms", |it| {
            value::duration(it).map(|it| it.as_secs_f64())
        }),
    };
    let signs: [(&str, Compare); 6] = [
        ("=", Comparison::Is),
        ("!=", Comparison::IsNot),
        ("<", Comparison::Below),
        ("<=", Comparison::AtMost),
        (">", Comparison::Above),
        (">=", Comparison::AtLeast),
    ];
    let sign = line.maybe(|word| signs.iter().find(|it| it.0 == word).map(|it| it.1));
    if let Some(sign) = sign {
        return line.parse(what, parse).map(sign);
    }
    let range = |it: &str| value::range(it, parse).filter(|(least, most)| least <= most);
    if let Some((least, most)) = line.maybe(range) {
        return Ok(Comparison::Between(least, most));
    }
    line.parse(what, parse).map(Comparison::Is)
}
