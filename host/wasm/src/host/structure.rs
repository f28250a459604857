//! `weir:plugin/structure`: the services that a controller owns, staged until its handler returns
//! ok.
//!
//! Grant: `structure`. What others have is known from the view: names and keys of all that is
//! claimed.

use std::collections::BTreeMap;

use weir_ipvs::{PlannedService, RealServer, Service, ServiceKey};

use crate::{
    OwnedService, View,
    bindings::{errors, services, structure},
    host::denied,
    state::{PolicyState, Taken},
};

impl structure::Host for PolicyState {
    fn ensure(
        &mut self,
        services: Vec<structure::OwnedService>,
    ) -> wasmtime::Result<Vec<Result<(), errors::Error>>> {
        Ok(services.into_iter().map(|it| self.ensure_one(it)).collect())
    }

    fn remove(&mut self, keys: Vec<services::ServiceKey>) -> wasmtime::Result<()> {
        if !self.handling {
            return Ok(());
        }
        for key in keys.into_iter().map(ServiceKey::from) {
            if let Some(name) = self.owned_name(&key)
                && let Some(taken) = &mut self.taken
            {
                taken.names.remove(&name);
                taken.own -= 1;
            }
            if self.view.owned.contains_key(&key) {
                self.owned.insert(key, None);
            } else {
                self.owned.remove(&key);
            }
        }
        Ok(())
    }

    fn owned(&mut self) -> wasmtime::Result<Vec<structure::OwnedService>> {
        Ok(self.all_owned().into_values().map(Into::into).collect())
    }
}

impl PolicyState {
    fn ensure_one(&mut self, service: structure::OwnedService) -> Result<(), errors::Error> {
        if !self.handling {
            return Err(denied("outside-handler", "services are made in handle, not in init"));
        }
        let owned = OwnedService::try_from(service)?;
        let grant = self.grant.structure.as_ref().ok_or_else(|| {
            denied("structure-outside-grant", "services need the plugin's grant.structure")
        })?;
        grant.check(&owned).map_err(|(code, message)| denied(code, message))?;
        let key = owned.planned.service.key;
        let most = grant.services_max;
        let before = self.owned_name(&key);
        let is_others = self.view.table.names.contains_key(&key);
        if is_others && !self.view.owned.contains_key(&key) {
            return Err(denied("conflict", format!("service {key} has another owner")));
        }
        let taken = match &mut self.taken {
            Some(taken) => taken,
            none => none.insert(Taken::of(&self.view, &self.owned)),
        };
        if before.is_none() && taken.own >= most {
            let message = format!("it owns {most} services, which is grant.structure.services");
            return Err(denied("too-many-services", message));
        }
        if taken.names.get(&owned.name).is_some_and(|of| *of != key) {
            let message = format!("the name {} is that of another service", owned.name);
            return Err(denied("conflict", message));
        }
        match before {
            Some(before) => drop(taken.names.remove(&before)),
            None => taken.own += 1,
        }
        taken.names.insert(owned.name.clone(), key);
        self.owned.insert(key, Some(owned));
        Ok(())
    }

    /// What the service with this key is called, if it owns it, staged changes included.
    fn owned_name(&self, key: &ServiceKey) -> Option<String> {
        let staged = self.owned.get(key).map(Option::as_ref);
        staged.unwrap_or_else(|| self.view.owned.get(key)).map(|it| it.name.clone())
    }

    /// All it owns, staged changes included.
    fn all_owned(&self) -> BTreeMap<ServiceKey, &OwnedService> {
        all_owned(&self.view, &self.owned)
    }
}

impl Taken {
    /// One look at all names for a call, however many services it is about.
    fn of(view: &View, staged: &BTreeMap<ServiceKey, Option<OwnedService>>) -> Self {
        let others = view.table.names.iter().filter(|(it, _)| !view.owned.contains_key(it));
        let own = all_owned(view, staged);
        let names = own.iter().map(|(key, it)| (it.name.clone(), *key));
        let names = names.chain(others.map(|(key, name)| (name.clone(), *key)));
        Self { names: names.collect(), own: own.len() }
    }
}

/// What a plugin owns, with these changes.
fn all_owned<'a>(
    view: &'a View,
    staged: &'a BTreeMap<ServiceKey, Option<OwnedService>>,
) -> BTreeMap<ServiceKey, &'a OwnedService> {
    let mut all: BTreeMap<_, _> = view.owned.iter().map(|(key, it)| (*key, it)).collect();
    for (key, staged) in staged {
        match staged {
            Some(owned) => all.insert(*key, owned),
            None => all.remove(key),
        };
    }
    all
}

impl TryFrom<structure::OwnedService> for OwnedService {
    type Error = errors::Error;

    fn try_from(owned: structure::OwnedService) -> Result<Self, errors::Error> {
        let service = Service::from(owned.config);
        let mut servers = BTreeMap::new();
        for server in owned.real_servers.into_iter().map(RealServer::from) {
            let server = server.without_idle_tunnel();
            if servers.insert(server.endpoint, server).is_some() {
                let (key, endpoint) = (service.key, server.endpoint);
                let message = format!("service {key}: real server {endpoint} is there twice");
                return Err(denied("invalid-service", message));
            }
        }
        Ok(Self { name: owned.name, planned: PlannedService { service, servers } })
    }
}

impl From<&OwnedService> for structure::OwnedService {
    fn from(owned: &OwnedService) -> Self {
        let OwnedService { name, planned } = owned;
        let servers = planned.servers.values();
        Self {
            name: name.clone(),
            config: (&planned.service).into(),
            real_servers: servers.map(|it| (*it).into()).collect(),
        }
    }
}
