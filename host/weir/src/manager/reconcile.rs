//! How the table becomes what it should be: read, compare, write the difference, and read
//! again where the view was stale.

use weir_ipvs::{
    Change, Error, Failure, Fields, Ipvs, OnFailure, RealServer, RealServerKey, Scope, ServiceKey,
    ServiceStatus, Snapshot, Stats, TableEntry,
    diff::{Plan, diff},
};

use super::{Cause, Manager, Now, POLL, RETRY};
use crate::report::Line;

/// How often one settling reads again because someone else wrote at the same moment.
const ATTEMPTS: usize = 3;

impl Manager {
    /// Reads the whole table.
    pub(super) fn read_all(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<Snapshot, Error> {
        self.next_poll = now.monotonic.saturating_add(POLL);
        let snapshot = ipvs.read(Scope::All, Fields::ALL)?;
        self.world.refresh(ipvs);
        Ok(snapshot)
    }

    /// Looks at the whole table for edits by others, and undoes them where they are ours to
    /// undo.
    pub(super) fn poll(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        match self.read_all(now, ipvs) {
            Ok(snapshot) => {
                self.no_trouble("read the table");
                self.claim_all(now, snapshot);
            }
            Err(error) => return self.trouble(now, "read the table", &error),
        }
        // A grant may have changed with the claims.
        self.start_policies(now);
        self.deliver(now);
        self.dirty.extend(self.claims.keys());
        self.write(now, ipvs);
    }

    /// Brings the services that may have changed to what they should be.
    pub(super) fn reconcile(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        self.forget_settled();
        if self.dirty.is_empty() || self.look_at_dirty(now, ipvs).is_err() {
            return;
        }
        self.write(now, ipvs);
    }

    /// Writes what is wanted of the dirty services, which were just looked at.
    pub(super) fn write(&mut self, now: Now, ipvs: &mut dyn Ipvs) {
        for _ in 0..ATTEMPTS {
            let (actual, desired) = self.plans();
            let changes = diff(&actual, &desired);
            if changes.is_empty() {
                break;
            }
            let failures = ipvs.apply(&changes, OnFailure::Proceed);
            let is_stale = self.account(now, &actual, &changes, &failures);
            if !is_stale || self.look_at_dirty(now, ipvs).is_err() {
                break;
            }
        }
        self.forget_settled();
    }

    /// What was last seen and is as it should be needs no look and no write.
    fn forget_settled(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.retain(|it| !self.is_settled(it));
        self.causes.retain(|it, _| dirty.contains(&it.service));
        self.dirty = dirty;
    }

    /// Whether all that is wanted of a service is what was last seen.
    fn is_settled(&self, key: &ServiceKey) -> bool {
        let Some(claim) = self.claims.get(key) else { return true };
        let is_service_there = claim.stated.is_none() || claim.stated == claim.seen;
        is_service_there
            && claim.servers.iter().all(|(endpoint, server)| {
                let key = RealServerKey { service: *key, server: *endpoint };
                let weight = server.weight(&self.statements.intents(&key));
                let wanted = server.stated.or(server.seen);
                server.seen == wanted.map(|it| RealServer { weight, ..it })
            })
    }

    fn look_at_dirty(&mut self, now: Now, ipvs: &mut dyn Ipvs) -> Result<(), Error> {
        for key in self.dirty.clone() {
            let entry = match ipvs.read(Scope::One(key), Fields::ALL) {
                Ok(snapshot) => snapshot.entries.into_iter().next(),
                Err(Error::NoSuchService) => None,
                Err(error) => {
                    self.trouble(now, "read the table", &error);
                    return Err(error);
                }
            };
            self.observe(now, key, entry);
        }
        self.no_trouble("read the table");
        Ok(())
    }

    /// What the dirty services are, and what they should be.
    fn plans(&self) -> (Plan, Plan) {
        let (mut actual, mut desired) = (Plan::new(), Plan::new());
        for key in &self.dirty {
            let Some(claim) = self.claims.get(key) else { continue };
            let found = self.entries.get(key).map(|it| claim.owned(it));
            let wanted = claim.desired(found.as_ref(), |endpoint, server| {
                let key = RealServerKey { service: *key, server: endpoint };
                server.weight(&self.statements.intents(&key))
            });
            actual.extend(found.map(|it| (*key, it)));
            desired.extend(wanted.map(|it| (*key, it)));
        }
        (actual, desired)
    }

    /// Takes note of what was written and what was not. Says whether the view was stale.
    fn account(
        &mut self,
        now: Now,
        actual: &Plan,
        changes: &[Change],
        failures: &[Failure],
    ) -> bool {
        let mut is_stale = false;
        let mut failures = failures.iter().peekable();
        for (step, change) in changes.iter().enumerate() {
            match failures.next_if(|it| it.step == step) {
                None => self.written(actual, change),
                Some(failure) if is_stale_view(&failure.error) => is_stale = true,
                Some(failure) => self.trouble(now, &words(change), &failure.error),
            }
        }
        is_stale
    }

    fn written(&mut self, actual: &Plan, change: &Change) {
        self.table = None;
        self.no_trouble(&words(change));
        match change {
            Change::AddService(service) | Change::EditService(service) => {
                let is_new = matches!(change, Change::AddService(_));
                if let Some(claim) = self.claims.get_mut(&service.key) {
                    claim.seen = Some(service.clone());
                }
                match self.entries.get_mut(&service.key) {
                    Some(entry) => entry.service.config = service.clone(),
                    None => {
                        let status =
                            ServiceStatus { config: service.clone(), stats: Stats::default() };
                        let entry = TableEntry { service: status, servers: Vec::new() };
                        self.entries.insert(service.key, entry);
                    }
                }
                let line = Line::info(if is_new { "service-added" } else { "service-edited" });
                self.log(line.with("service", service.key).with("scheduler", &service.scheduler));
            }
            Change::AddServer(service, server) | Change::EditServer(service, server) => {
                let key = RealServerKey { service: *service, server: server.endpoint };
                let before =
                    actual.get(service).and_then(|it| it.servers.get(&server.endpoint)).copied();
                self.server_written(key, before, *server);
            }
            _ => unreachable!("what is claimed is never deleted: desired holds all of actual"),
        }
    }

    fn server_written(
        &mut self,
        key: RealServerKey,
        before: Option<RealServer>,
        server: RealServer,
    ) {
        let mut is_held = false;
        if let Some(claim) = self.claims.get_mut(&key.service)
            && let Some(claimed) = claim.servers.get_mut(&key.server)
        {
            claimed.seen = Some(server);
            is_held = claimed.held.is_some();
        }
        if let Some(entry) = self.entries.get_mut(&key.service) {
            let there = entry.servers.iter_mut().find(|it| it.config.endpoint == key.server);
            match there {
                Some(status) => status.config = server,
                None => entry.servers.insert(0, new_status(server)),
            }
        }
        let cause = self.causes.remove(&key).unwrap_or_else(|| {
            Cause::own(if is_held {
                "waits for its first pass"
            } else {
                "stated by the configuration"
            })
        });
        let is_weight = before.is_none_or(|it| it.weight != server.weight);
        let shown = before.map_or_else(|| "absent".to_owned(), |it| it.weight.to_string());
        self.log(
            Line::info(if is_weight { "weight" } else { "server-edited" })
                .with("service", key.service)
                .with("server", key.server)
                .with("before", shown)
                .with("after", server.weight)
                .with("plugin", cause.plugin)
                .with("reason", cause.reason),
        );
    }

    /// Something could not be done: say so once, and try again soon.
    fn trouble(&mut self, now: Now, what: &str, error: &Error) {
        self.next_poll = self.next_poll.min(now.monotonic.saturating_add(RETRY));
        let error = error.to_string();
        if self.troubles.get(what) != Some(&error) {
            self.log(Line::error("failed").with("to", what).with("error", &error));
            self.troubles.insert(what.to_owned(), error);
        }
    }

    fn no_trouble(&mut self, what: &str) {
        if self.troubles.remove(what).is_some() {
            self.log(Line::info("works-again").with("to", what));
        }
    }
}

fn new_status(config: RealServer) -> weir_ipvs::RealServerStatus {
    weir_ipvs::RealServerStatus {
        config,
        active: 0,
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    }
}

/// Whether the table was not what the plan was made from.
fn is_stale_view(error: &Error) -> bool {
    matches!(
        error,
        Error::ServiceExists | Error::NoSuchService | Error::ServerExists | Error::NoSuchServer
    )
}

fn words(change: &Change) -> String {
    match change {
        Change::AddService(service) => format!("add {}", service.key),
        Change::EditService(service) => format!("edit {}", service.key),
        Change::AddServer(service, server) => format!("add {} to {service}", server.endpoint),
        Change::EditServer(service, server) => format!("edit {} of {service}", server.endpoint),
        _ => unreachable!("what is claimed is never deleted: desired holds all of actual"),
    }
}
