//! `weir:plugin/labels`: what the configuration calls things by. Grant: `services`; what is
//! outside has none.

use weir_ipvs::{RealServerKey, ServiceKey};

use crate::{
    Labelled, Labels,
    bindings::{labels, real_servers, services},
    state::PolicyState,
};

impl labels::Host for PolicyState {
    fn of_services(
        &mut self,
        keys: Vec<services::ServiceKey>,
    ) -> wasmtime::Result<Vec<Vec<(String, String)>>> {
        let labels = |key: services::ServiceKey| {
            let labelled = self.labelled(&key.into())?;
            Some(listed(&labelled.service))
        };
        Ok(keys.into_iter().map(|it| labels(it).unwrap_or_default()).collect())
    }

    fn of_real_servers(
        &mut self,
        keys: Vec<real_servers::RealServerKey>,
    ) -> wasmtime::Result<Vec<Vec<(String, String)>>> {
        let labels = |key: real_servers::RealServerKey| {
            let RealServerKey { service, server } = key.into();
            self.labelled(&service)?.servers.get(&server).map(listed)
        };
        Ok(keys.into_iter().map(|it| labels(it).unwrap_or_default()).collect())
    }
}

impl PolicyState {
    /// What has labels of a service that the grant shows.
    fn labelled(&self, key: &ServiceKey) -> Option<&Labelled> {
        self.grant.services.contains(key).then(|| self.view.labels.get(key)).flatten()
    }
}

/// As guests have them.
pub(crate) fn listed(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
