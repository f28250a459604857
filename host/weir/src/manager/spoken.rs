//! Names as people say them, and what they mean.
//!
//! A service is `web`, as the configuration names it, `tcp 192.0.2.1:80`, `192.0.2.1:80`,
//! `192.0.2.1` or `fwmark 7`; a real server `10.0.0.1:8080`, or `10.0.0.1`. What fits
//! several is refused with what it could be, what fits none with what there is.

use weir_ipvs::{Endpoint, ServiceKey};

use super::Manager;
use crate::{control::Refused, plan::Claim, spelling};

/// Names that a refusal lists.
const LISTED_MAX: usize = 20;

/// Whether a name means a claimed service.
type Meaning<'m> = &'m dyn Fn(&ServiceKey, &Claim) -> bool;

impl Manager {
    /// The claimed service that goes by this name.
    pub(super) fn service_called(&self, name: &str) -> Result<ServiceKey, Refused> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let meanings: [Meaning<'_>; 4] = [
            &|_, claim| claim.name == name,
            &|key, _| key.to_string().eq_ignore_ascii_case(&name),
            &|key, _| is_at(key, |it| it.to_string() == name),
            &|key, _| is_at(key, |it| it.address.to_string() == name),
        ];
        let called = |means: &Meaning<'_>| {
            let called = self.claims.iter().filter(|(key, claim)| means(key, claim));
            called.map(|(key, _)| *key).collect::<Vec<_>>()
        };
        let found = meanings.iter().map(called).find(|it| !it.is_empty()).unwrap_or_default();
        let shown = |key: &ServiceKey| match self.claims.get(key) {
            Some(claim) => format!("{} ({key})", claim.name),
            None => key.to_string(),
        };
        match found.as_slice() {
            [key] => Ok(*key),
            [] => {
                let names: Vec<&str> = self.claims.values().map(|it| it.name.as_str()).collect();
                let there = self.claims.keys().map(shown).collect();
                Err(unknown("service", &name, spelling::nearest(&name, &names), there))
            }
            several => Err(ambiguous("service", &name, several.iter().map(shown).collect())),
        }
    }
}

impl Claim {
    /// The claimed real server that goes by this name.
    pub(super) fn server_called(&self, name: &str) -> Result<Endpoint, Refused> {
        let exact = |it: &&Endpoint| it.to_string() == name;
        if let Some(found) = self.servers.keys().find(exact) {
            return Ok(*found);
        }
        let at = self.servers.keys().filter(|it| it.address.to_string() == name);
        let shown = |it: &Endpoint| it.to_string();
        match at.collect::<Vec<_>>().as_slice() {
            [found] => Ok(**found),
            [] => {
                let there: Vec<String> = self.servers.keys().map(shown).collect();
                let near: Vec<&str> = there.iter().map(String::as_str).collect();
                let near = spelling::nearest(name, &near).map(str::to_owned);
                Err(unknown("real server", name, near.as_deref(), there))
            }
            several => {
                Err(ambiguous("real server", name, several.iter().map(|it| shown(it)).collect()))
            }
        }
    }
}

fn is_at(key: &ServiceKey, is_it: impl Fn(&Endpoint) -> bool) -> bool {
    matches!(key, ServiceKey::Address { endpoint, .. } if is_it(endpoint))
}

fn unknown(what: &str, name: &str, near: Option<&str>, there: Vec<String>) -> Refused {
    let hint = match (near, there.as_slice()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, []) => "the configuration claims none that is there".to_owned(),
        (None, all) => format!("there is {}", listed(all)),
    };
    Refused::with("unknown-name", format!("there is no {what} {name:?}: {hint}"), there)
}

fn ambiguous(what: &str, name: &str, could_be: Vec<String>) -> Refused {
    let message = format!("{what} {name:?} is ambiguous: say {}", listed(&could_be));
    Refused::with("ambiguous-name", message, could_be)
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED_MAX) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}
