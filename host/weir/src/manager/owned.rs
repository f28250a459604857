//! Services that controllers own: stated by a plugin where others are by the configuration.
//!
//! Each joins the configuration as it is in force, so that all that becomes of it (checks, drains,
//! drift, restarts) is what becomes of any other; a configuration that is read anew is given them
//! before anything is compared. A record of its own keeps each over restarts.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use weir_ipvs::{PlannedService, RealServer, Service, ServiceKey};
use weir_wasm::OwnedService;

use super::{Manager, Now};
use crate::{
    config::{Config, Mode, NamedService},
    control::protocol,
    report::Line,
};

/// Before the records of what is owned.
pub(super) const RECORD: &str = "owned";

/// All that controllers own, by their names.
pub(super) type Owned = BTreeMap<String, Arc<BTreeMap<ServiceKey, OwnedService>>>;

#[derive(Debug, Serialize, Deserialize)]
struct OwnedRecord {
    name: String,
    service: protocol::Service,
    servers: Vec<protocol::RealServer>,
}

impl Manager {
    /// What the plugin of this name owns.
    pub(super) fn owned_by(&self, plugin: &str) -> Arc<BTreeMap<ServiceKey, OwnedService>> {
        self.owned.get(plugin).map(Arc::clone).unwrap_or_default()
    }

    /// A plugin wants to own this service, so; none = no more.
    pub(super) fn take_owned(
        &mut self,
        now: Now,
        index: usize,
        key: ServiceKey,
        owned: Option<OwnedService>,
    ) {
        let plugin = &self.plugins[index];
        let name = plugin.name.clone();
        let before = self.owned_by(&name).get(&key).cloned();
        if before == owned {
            return;
        }
        let line = told(key, &name, before.as_ref(), owned.as_ref());
        if plugin.mode == Mode::Shadow {
            return self.log(line.with("then", "nothing: it is in shadow"));
        }
        if let Some(owned) = &owned {
            // Whoever the plugin was called before may have taken it meanwhile.
            let is_taken = before.is_none() && self.config.service(&key).is_some();
            if is_taken || self.config.has_name(&owned.name, &key) {
                let reason = "its key or its name is that of another service";
                let line = Line::warn("refused").with("service", key).with("plugin", &name);
                return self.log(line.with("reason", reason));
            }
        }
        self.log(line);
        self.own(now, index, key, owned);
    }

    /// The same for what nobody else has.
    fn own(&mut self, now: Now, index: usize, key: ServiceKey, owned: Option<OwnedService>) {
        let plugin = &self.plugins[index];
        let (name, keeping) = (plugin.name.clone(), plugin.grant.keeping.clone());
        let before = self.config.service(&key).cloned();
        let all = Arc::make_mut(self.owned.entry(name.clone()).or_default());
        let owned = owned.zip(keeping);
        let record = owned.as_ref().map(|(owned, _)| written(owned));
        self.memory.pending.insert(record_key(&name, &key), record);
        match owned {
            Some((owned, keeping)) => {
                self.config.own(NamedService::owned(&name, &owned, &keeping));
                all.insert(key, owned);
            }
            None => {
                self.config.disown(&key);
                all.remove(&key);
            }
        }
        self.reclaim(now, key, before.as_ref());
        self.undecided.insert(key);
        // What is new is claimed when the table is read.
        self.next_poll = now.monotonic;
    }

    /// A plugin owns what it did before.
    pub(super) fn restore_owned(
        &mut self,
        now: Now,
        index: usize,
        before: &BTreeMap<ServiceKey, OwnedService>,
    ) {
        let owned = self.owned_by(&self.plugins[index].name);
        for key in owned.keys().filter(|it| !before.contains_key(*it)) {
            self.take_owned(now, index, *key, None);
        }
        for (key, it) in before {
            self.take_owned(now, index, *key, Some(it.clone()));
        }
    }

    /// Has `config` state what its controllers own. Returns what nobody may own any more, by the
    /// plugin that did.
    pub(super) fn join_owned(&self, config: &mut Config) -> Vec<(String, ServiceKey)> {
        let mut released = Vec::new();
        for (name, owned) in &self.owned {
            let plugin = config.plugins.iter().find(|it| it.name == *name);
            let grant = plugin.map(|it| it.grant.clone());
            for (key, it) in &**owned {
                let grant = grant.as_ref().filter(|it| it.may_own(key));
                let keeping = grant.and_then(|it| it.keeping.as_ref());
                let is_taken = config.service(key).is_some() || config.has_name(&it.name, key);
                match keeping {
                    Some(keeping) if !is_taken => {
                        config.own(NamedService::owned(name, it, keeping));
                    }
                    _ => released.push((name.clone(), *key)),
                }
            }
        }
        released
    }

    /// These are nobody's any more, and left as they are: a plugin that is gone, or may do less,
    /// must not take services with it.
    pub(super) fn release_owned(&mut self, now: Now, released: Vec<(String, ServiceKey)>) {
        for (name, key) in released {
            if let Some(owned) = self.owned.get_mut(&name) {
                Arc::make_mut(owned).remove(&key);
            }
            self.memory.pending.insert(record_key(&name, &key), None);
            let line = Line::warn("released").with("service", key).with("plugin", &name);
            if self.config.service(&key).is_some() {
                self.log(line.with("then", "the configuration states it now"));
                continue;
            }
            self.log(line.with("then", "it stays as it is: remove it with ipvsadm"));
            self.leave_be(key);
            if let Some(claim) = self.claims.remove(&key) {
                self.unclaim(now, key, claim, "nobody owns it any more");
            }
        }
    }

    /// Goes on with what an earlier run kept.
    pub(super) fn take_up_owned(&mut self, now: Now) {
        let mut config = self.config.clone();
        let released = self.join_owned(&mut config);
        self.config = config;
        self.release_owned(now, released);
    }

    /// Something owned that an earlier run kept; none = it is not understood.
    pub(super) fn recall_owned(&mut self, of: &str, record: &str) -> Option<()> {
        let (plugin, key) = of.split_once(' ')?;
        let OwnedRecord { name, service, servers } = serde_json::from_str(record).ok()?;
        let service = Service::from(service);
        let servers = servers.into_iter().map(RealServer::from).map(|it| (it.endpoint, it));
        let planned = PlannedService { service, servers: servers.collect() };
        let owned = self.owned.entry(plugin.to_owned()).or_default();
        Arc::make_mut(owned).insert(key.parse().ok()?, OwnedService { name, planned });
        Some(())
    }
}

/// The names of plugins have no spaces.
fn record_key(plugin: &str, key: &ServiceKey) -> String {
    format!("{RECORD} {plugin} {key}")
}

fn written(owned: &OwnedService) -> String {
    let OwnedService { name, planned } = owned.clone();
    let servers = planned.servers.into_values().map(Into::into).collect();
    let record = OwnedRecord { name, service: planned.service.into(), servers };
    serde_json::to_string(&record).expect("records have no keys but text")
}

/// What is told of it.
fn told(
    key: ServiceKey,
    plugin: &str,
    before: Option<&OwnedService>,
    after: Option<&OwnedService>,
) -> Line {
    let Some(after) = after else {
        return Line::info("disowned").with("service", key).with("plugin", plugin);
    };
    let had = before.map(|it| &it.planned.servers);
    let has = &after.planned.servers;
    let is_new = |it: &&weir_ipvs::Endpoint| had.is_none_or(|had| !had.contains_key(*it));
    let gone = had.into_iter().flat_map(BTreeMap::keys).filter(|it| !has.contains_key(*it));
    Line::info("owned")
        .with("service", key)
        .with("name", &after.name)
        .with("plugin", plugin)
        .with("servers", has.len())
        .with("added", has.keys().filter(is_new).count())
        .with("removed", gone.count())
}
