//! `weir:ipvs/table`: the host's copy of the table. Grant: `services`; what is outside is
//! not there.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::{
    Services,
    bindings::{schedulers, services, stats, sync, table, timeouts},
    host::snapshots::Seen,
    state::PolicyState,
};

impl PolicyState {
    /// The services that the grant shows, by their numbers in the table, rising; none =
    /// all of them.
    fn visible(&mut self) -> Option<Arc<[u32]>> {
        if let Some(visible) = &self.visible {
            return visible.clone();
        }
        let contents = self.view.table.contents();
        let visible = match &self.grant.services {
            Services::All => None,
            Services::None => Some(Arc::from([])),
            Services::Named(keys) => {
                let found = keys.iter().filter_map(|key| contents.find(key));
                let mut numbers: Vec<u32> =
                    found.filter_map(|number| u32::try_from(number).ok()).collect();
                numbers.sort_unstable();
                Some(Arc::from(numbers))
            }
        };
        self.visible.insert(visible).clone()
    }
}

impl table::Host for PolicyState {
    fn current(&mut self) -> wasmtime::Result<Resource<Seen>> {
        let visible = self.visible();
        let contents = Arc::clone(self.view.table.contents());
        Ok(self.common.resources.push(Seen::new(contents, visible))?)
    }

    fn generation(&mut self) -> wasmtime::Result<u64> {
        Ok(self.view.table.generation)
    }

    fn name(&mut self, service: services::ServiceKey) -> wasmtime::Result<Option<String>> {
        let key = service.into();
        let seen = self.grant.services.contains(&key);
        Ok(seen.then(|| self.view.table.names.get(&key).cloned()).flatten())
    }

    fn schedulers(&mut self) -> wasmtime::Result<Vec<schedulers::Scheduler>> {
        Ok(self.view.table.schedulers.iter().cloned().map(Into::into).collect())
    }

    fn totals(&mut self) -> wasmtime::Result<stats::Stats> {
        Ok(self.view.table.totals.into())
    }

    fn timeouts(&mut self) -> wasmtime::Result<timeouts::ConnectionTimeouts> {
        Ok(self.view.table.timeouts.into())
    }

    fn daemons(&mut self) -> wasmtime::Result<Vec<sync::SyncDaemon>> {
        Ok(self.view.table.daemons.iter().cloned().map(Into::into).collect())
    }
}
