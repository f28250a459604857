//! The interfaces that policies import, as the fake host has them: the types are those of the
//! bindings, and the functions here hide the bindings', which can only be called within Wasm.

use crate::policy::weir;

pub mod clock {
    use super::super::with;

    pub fn wall() -> u64 {
        with(|state| state.wall)
    }

    pub fn monotonic() -> u64 {
        with(|state| state.monotonic)
    }

    pub fn utc_offset() -> i32 {
        with(|state| state.utc_offset)
    }
}

pub mod config {
    use super::super::with;

    pub fn get() -> String {
        with(|state| state.settings.clone())
    }
}

pub mod log {
    use super::super::with;
    pub use super::weir::host::log::*;

    pub fn write(level: Level, message: &str, fields: &[(String, String)]) {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let fields: String = fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        with(|state| state.log.push(format!("{level}: {message}{fields}")));
    }
}

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

pub mod health {
    use super::super::with;
    pub use super::weir::plugin::health::*;

    pub fn current(keys: &[RealServerKey]) -> Vec<HealthReport> {
        with(|state| {
            let report = |key: &RealServerKey| {
                let health = state.health.get(key);
                HealthReport {
                    key: *key,
                    status: health.map_or(HealthStatus::Unknown, |it| it.status),
                    since: (state.monotonic - health.map_or(0, |it| it.at)) / 1_000_000,
                    latency: health.and_then(|it| it.latency),
                }
            };
            keys.iter().map(report).collect()
        })
    }
}

pub mod labels {
    use super::super::with;
    pub use super::weir::plugin::labels::*;

    pub fn of_services(keys: &[ServiceKey]) -> Vec<Vec<(String, String)>> {
        with(|state| keys.iter().map(|it| state.labels_of(*it, None)).collect())
    }

    pub fn of_real_servers(keys: &[RealServerKey]) -> Vec<Vec<(String, String)>> {
        with(|state| keys.iter().map(|it| state.labels_of(it.service, Some(it.server))).collect())
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
        if !state.keys().any(|it| it == statement.key) {
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
        if state.services.iter().any(|it| it.service.config.key == key) {
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

pub mod table {
    pub use super::weir::ipvs::table::{
        ConnectionTimeouts, Scheduler, ServiceKey, Stats, SyncDaemon,
    };
    use super::{super::with, snapshots};

    pub type Snapshot = snapshots::Snapshot;

    pub fn current() -> Snapshot {
        snapshots::take()
    }

    pub fn generation() -> u64 {
        0
    }

    pub fn name(service: ServiceKey) -> Option<String> {
        with(|state| {
            let found = state.services.iter().find(|it| it.service.config.key == service);
            found.and_then(|it| it.name.clone())
        })
    }

    pub fn schedulers() -> Vec<Scheduler> {
        Vec::new()
    }

    pub fn totals() -> Stats {
        super::super::no_stats()
    }

    /// The kernel's own.
    pub fn timeouts() -> ConnectionTimeouts {
        ConnectionTimeouts { tcp: 900, tcp_fin: 120, udp: 300 }
    }

    pub fn daemons() -> Vec<SyncDaemon> {
        Vec::new()
    }
}

pub mod snapshots {
    use super::super::with;
    pub use super::weir::ipvs::snapshots::{
        Fields, RealServer, RealServerColumns, Service, ServiceKey,
    };

    /// The services of the fake host, which need no handle.
    #[derive(Debug)]
    pub struct Snapshot {
        services: Vec<(Service, Vec<RealServer>)>,
        taken_at: u64,
    }

    pub(super) fn take() -> Snapshot {
        with(|state| {
            let services = state.services.iter().map(|it| (it.service.clone(), it.servers.clone()));
            Snapshot { services: services.collect(), taken_at: state.wall }
        })
    }

    impl Snapshot {
        pub fn size(&self) -> u32 {
            u32::try_from(self.services.len()).unwrap_or(u32::MAX)
        }

        pub fn services(&self, first: u32, count: u32) -> Vec<Service> {
            let found = self.services.iter().skip(first as usize).take(count as usize);
            found.map(|(service, _)| service.clone()).collect()
        }

        pub fn find(&self, key: ServiceKey) -> Option<u32> {
            (0..).zip(&self.services).find(|(_, (it, _))| it.config.key == key).map(|(it, _)| it)
        }

        pub fn real_servers(&self, service: u32) -> Vec<RealServer> {
            let found = self.services.get(service as usize);
            found.map_or_else(Vec::new, |(_, servers)| servers.clone())
        }

        pub fn columns(&self, _first: u32, _count: u32, _fields: Fields) -> RealServerColumns {
            panic!("the fake host has no columns: ask for real_servers")
        }

        pub fn taken_at(&self) -> u64 {
            self.taken_at
        }
    }
}
