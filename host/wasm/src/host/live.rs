//! `weir:ipvs/live`: asking IPVS now. Grant: `live`; without it every call fails, and IPVS
//! is not even opened.

use std::sync::Arc;

use wasmtime::component::Resource;
use weir_ipvs::Ipvs;

use crate::{
    bindings::{errors::Error, live, schedulers, snapshots, stats, sync, timeouts},
    clock,
    host::{denied, snapshots::Seen},
    state::CommandState,
    table::Contents,
};

impl CommandState {
    /// IPVS for reading, where the grant allows it.
    fn live(&mut self) -> Result<&mut (dyn Ipvs + 'static), Error> {
        if !self.grant.live {
            return Err(denied("live-outside-grant", "asking IPVS needs the command's grant.live"));
        }
        Ok(self.backend.get()?)
    }

    fn read_all(
        &mut self,
        scope: live::Scope,
        fields: snapshots::Fields,
    ) -> Result<Contents, Error> {
        let snapshot = self.live()?.read(scope.into(), fields.into())?;
        Ok(Contents::new(snapshot, clock::nanoseconds(clock::wall())))
    }
}

impl live::Host for CommandState {
    fn info(&mut self) -> wasmtime::Result<Result<live::IpvsInfo, Error>> {
        Ok(self.live().and_then(|ipvs| Ok(ipvs.info()?.into())))
    }

    fn read(
        &mut self,
        scope: live::Scope,
        fields: snapshots::Fields,
    ) -> wasmtime::Result<Result<Resource<Seen>, Error>> {
        match self.read_all(scope, fields) {
            Ok(contents) => {
                Ok(Ok(self.common.resources.push(Seen::new(Arc::new(contents), None))?))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn totals(&mut self) -> wasmtime::Result<Result<stats::Stats, Error>> {
        Ok(self.live().and_then(|ipvs| Ok(ipvs.totals()?.into())))
    }

    fn timeouts(&mut self) -> wasmtime::Result<Result<timeouts::ConnectionTimeouts, Error>> {
        Ok(self.live().and_then(|ipvs| Ok(ipvs.timeouts()?.into())))
    }

    fn daemons(&mut self) -> wasmtime::Result<Result<Vec<sync::SyncDaemon>, Error>> {
        let daemons = self.live().and_then(|ipvs| Ok(ipvs.daemons()?));
        Ok(daemons.map(|daemons| daemons.into_iter().map(Into::into).collect()))
    }

    fn schedulers(&mut self) -> wasmtime::Result<Result<Vec<schedulers::Scheduler>, Error>> {
        let schedulers = self.live().and_then(|ipvs| Ok(ipvs.schedulers()?));
        Ok(schedulers.map(|schedulers| schedulers.into_iter().map(Into::into).collect()))
    }
}
