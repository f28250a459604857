//! What operators order of weir.

use weir_ipvs::{Endpoint, RealServerKey, ServiceKey};

use super::{
    action, expectation,
    line::{Line, Read},
    setup::Declared,
};
use crate::simulate::scenario::{Action, Order, Scenario};

/// ```text
/// order = "drains" servers ["in" service] ["for" DURATION] ["keeping" "it"] ["by" "force"]
///       | "maintains" servers ["in" service] ["by" "force"] | "readies" servers ["in" service]
///       | ("freezes" | "thaws") [service]
/// ```
pub(super) fn read(line: &mut Line<'_>, declared: &Declared, scenario: &Scenario) -> Read<Action> {
    if !declared.has_weir {
        return Err(line.mistake("there is no weir without a configuration: add a ```toml fence"));
    }
    let words = [("drains", 0), ("maintains", 1), ("readies", 2), ("freezes", 3), ("thaws", 4)];
    let what = line.choice("what the operator does", &words)?;
    if what >= 3 {
        let of = if line.is_at_end() { None } else { Some(service(line, declared)?) };
        return Ok(Action::Freeze(of, what == 3));
    }
    let servers = servers(line, declared, scenario)?;
    let order = match what {
        0 => {
            let deadline = line.accept(&["for"]).then(|| line.duration()).transpose()?;
            let keep = line.accept(&["keeping"]);
            if keep && !line.accept(&["them"]) {
                line.require("it")?;
            }
            Order::Drain { deadline, keep, force: force(line)? }
        }
        1 => Order::Maintain { force: force(line)? },
        _ => Order::Ready,
    };
    Ok(Action::Order(servers, order))
}

fn force(line: &mut Line<'_>) -> Read<bool> {
    let force = line.accept(&["by"]);
    if force {
        line.require("force")?;
    }
    Ok(force)
}

/// Of the service that is named, or of each that the configuration gives them.
fn servers(
    line: &mut Line<'_>,
    declared: &Declared,
    scenario: &Scenario,
) -> Read<Vec<RealServerKey>> {
    let here = line.clone();
    let servers = action::servers(line, declared)?;
    if line.accept(&["in"]) {
        let service = service(line, declared)?;
        return Ok(servers.into_iter().map(|server| RealServerKey { service, server }).collect());
    }
    let services = scenario.config.iter().flat_map(|it| &it.services);
    let mut found = Vec::new();
    for server in servers {
        let has = services.clone().filter(|it| it.servers.contains_key(&server));
        let keys = has.map(|it| RealServerKey { service: it.service.key, server });
        let before = found.len();
        found.extend(keys);
        if found.len() == before {
            declared.miss(&server.to_string());
            return Err(unknown(&here, server));
        }
    }
    Ok(found)
}

fn unknown(here: &Line<'_>, server: Endpoint) -> super::line::Mistake {
    here.mistake(format!("no [[service]] has {server}: say of which service, `in web`"))
}

fn service(line: &mut Line<'_>, declared: &Declared) -> Read<ServiceKey> {
    let here = line.clone();
    expectation::service(line, declared)?.ok_or_else(|| here.expected("a service"))
}
