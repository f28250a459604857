//! `weir:host/names`: names of hosts and ports. Grant: `names`; without it nothing is
//! found, and nobody is asked.

use std::net::IpAddr;

use crate::{
    Names, NoNames,
    bindings::{
        addresses::{AddressFamily, IpAddress},
        names,
    },
    state::CommandState,
};

impl CommandState {
    fn names(&mut self) -> &mut (dyn Names + 'static) {
        if !self.grant.names {
            self.names = Box::new(NoNames);
        }
        self.names.as_mut()
    }
}

impl names::Host for CommandState {
    fn hosts(&mut self, addresses: Vec<IpAddress>) -> wasmtime::Result<Vec<Option<Vec<u8>>>> {
        let addresses: Vec<IpAddr> = addresses.into_iter().map(Into::into).collect();
        Ok(self.names().hosts(&addresses))
    }

    fn ports(&mut self, ports: Vec<(u16, String)>) -> wasmtime::Result<Vec<Option<Vec<u8>>>> {
        Ok(self.names().ports(&ports))
    }

    fn addresses(
        &mut self,
        host: Vec<u8>,
        family: AddressFamily,
    ) -> wasmtime::Result<Vec<IpAddress>> {
        let found = self.names().addresses(&host, family.into());
        Ok(found.into_iter().map(Into::into).collect())
    }

    fn port(&mut self, service: Vec<u8>, protocol: String) -> wasmtime::Result<Option<u16>> {
        Ok(self.names().port(&service, &protocol))
    }
}
