//! What policies and controllers import to be heard, as the fake host has it: the types are those
//! of the bindings, and the functions here hide the bindings', which can only be called within
//! Wasm.

use crate::policy::weir;

pub mod state {
    use super::super::with;
    pub use super::weir::host::state::*;

    const LONGEST: u32 = 256;

    pub fn get(key: &str) -> Option<Vec<u8>> {
        with(|state| state.staged.state.get(key).cloned())
    }

    pub fn set(entries: &[(String, Vec<u8>)]) -> Result<(), Error> {
        with(|state| {
            if !state.handles {
                return Err(Error::OutsideHandler);
            }
            if entries.iter().any(|(key, _)| !(1..=LONGEST as usize).contains(&key.len())) {
                return Err(Error::KeyLength(LONGEST));
            }
            if state.is_denied("state") {
                return Err(Error::Quota(0));
            }
            state.staged.state.extend(entries.iter().cloned());
            Ok(())
        })
    }

    pub fn remove(keys: &[String]) {
        with(|state| {
            if state.handles {
                state.staged.state.retain(|key, _| !keys.contains(key));
            }
        });
    }

    pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        with(|state| {
            let keys = state.staged.state.keys();
            let keys = keys.filter(|it| it.starts_with(prefix));
            let keys = keys.filter(|it| after.is_none_or(|after| it.as_str() > after));
            keys.take(limit as usize).cloned().collect()
        })
    }
}

pub mod http {
    use super::super::with;
    pub use super::weir::host::http::*;

    const MOST: u32 = 8;

    pub fn send(request: &Request) -> Result<(), Error> {
        with(|state| {
            if !state.handles {
                return Err(Error::Invalid("requests are made in handle, not in init".to_owned()));
            }
            if state.is_denied("http") {
                let Request { method, url, .. } = request;
                let message = format!("{method} {url} is outside the plugin's grant.http");
                return Err(Error::Denied(message));
            }
            if state.staged.asked.len() >= MOST as usize {
                return Err(Error::Busy(MOST));
            }
            state.staged.asked.push(request.clone());
            Ok(())
        })
    }
}

pub mod intents {
    use super::super::{State, denied, with};
    pub use super::weir::plugin::intents::*;

    pub fn publish(statements: &[Statement]) -> Vec<Verdict> {
        with(|state| {
            let verdict =
                |it| publish_one(state, it).map_or_else(Verdict::Refused, |()| Verdict::Accepted);
            statements.iter().map(verdict).collect()
        })
    }

    fn publish_one(state: &mut State, statement: &Statement) -> Result<(), Error> {
        if !state.handles {
            return Err(denied("outside-handler", "statements are made in handle, not in init"));
        }
        let name = match statement.intent {
            Intent::Base(0) => return Err(denied("zero-base", "a base of 0: say drain")),
            Intent::Scale(0) => return Err(denied("zero-scale", "a scale of 0: say drain")),
            Intent::Cap(0) => return Err(denied("zero-cap", "a cap of 0: say drain")),
            Intent::Base(_) => "base",
            Intent::Scale(_) => "scale",
            Intent::Floor(_) => "floor",
            Intent::Cap(_) => "cap",
            Intent::Drain => "drain",
        };
        if state.is_denied(name) {
            let message = format!("{name} needs the plugin's grant.weights.{name}");
            return Err(denied("intent-outside-grant", &message));
        }
        if !state.scene.keys().any(|it| it == statement.key) {
            return Err(Error::NoSuchServer);
        }
        let held = &mut state.staged.statements;
        match held.iter_mut().find(|it| it.key == statement.key) {
            Some(before) => before.clone_from(statement),
            None => held.push(statement.clone()),
        }
        Ok(())
    }

    pub fn withdraw(keys: &[RealServerKey]) {
        with(|state| {
            if state.handles {
                state.staged.statements.retain(|it| !keys.contains(&it.key));
            }
        });
    }

    pub fn held() -> Vec<Statement> {
        with(|state| state.staged.statements.clone())
    }
}

pub mod structure {
    use super::super::{State, denied, with};
    pub use super::weir::plugin::structure::*;

    pub fn ensure(services: &[OwnedService]) -> Vec<Result<(), Error>> {
        with(|state| services.iter().map(|it| ensure_one(state, it)).collect())
    }

    fn ensure_one(state: &mut State, service: &OwnedService) -> Result<(), Error> {
        if !state.handles {
            return Err(denied("outside-handler", "services are made in handle, not in init"));
        }
        if state.is_denied("structure") {
            let message = "services need the plugin's grant.structure";
            return Err(denied("structure-outside-grant", message));
        }
        let key = service.config.key;
        if state.scene.services.iter().any(|it| it.service.config.key == key) {
            return Err(denied("conflict", &format!("service {key} has another owner")));
        }
        let owned = &mut state.staged.owned;
        match owned.iter_mut().find(|it| it.config.key == key) {
            Some(before) => before.clone_from(service),
            None => owned.push(service.clone()),
        }
        Ok(())
    }

    pub fn remove(keys: &[ServiceKey]) {
        with(|state| {
            if state.handles {
                state.staged.owned.retain(|it| !keys.contains(&it.config.key));
            }
        });
    }

    pub fn owned() -> Vec<OwnedService> {
        with(|state| state.staged.owned.clone())
    }
}
