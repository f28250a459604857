//! `weir:plugin/structure`: the services that a controller owns, staged until its handler returns
//! ok.
//!
//! Grant: `structure`. What others have is known from the view: names and keys of all that is
//! claimed.

use std::collections::BTreeMap;

use weir_ipvs::{PlannedService, RealServer, Service, ServiceKey};

use crate::{
    OwnedService,
    bindings::{errors, services, structure},
    host::denied,
    state::PolicyState,
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
        let all = self.all_owned();
        if !all.contains_key(&key) {
            if self.view.table.names.contains_key(&key) {
                return Err(denied("conflict", format!("service {key} has another owner")));
            }
            if all.len() >= grant.services_max {
                let most = grant.services_max;
                let message = format!("it owns {most} services, which is grant.structure.services");
                return Err(denied("too-many-services", message));
            }
        }
        let names =
            self.view.table.names.iter().filter(|(it, _)| !self.view.owned.contains_key(it));
        let own = all.iter().map(|(key, it)| (key, &it.name));
        if names.chain(own).any(|(of, name)| *of != key && *name == owned.name) {
            let message = format!("the name {} is that of another service", owned.name);
            return Err(denied("conflict", message));
        }
        self.owned.insert(key, Some(owned));
        Ok(())
    }

    /// All it owns, staged changes included.
    fn all_owned(&self) -> BTreeMap<ServiceKey, &OwnedService> {
        let mut all: BTreeMap<_, _> = self.view.owned.iter().map(|(key, it)| (*key, it)).collect();
        for (key, staged) in &self.owned {
            match staged {
                Some(owned) => all.insert(*key, owned),
                None => all.remove(key),
            };
        }
        all
    }
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
