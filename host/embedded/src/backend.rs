//! The trait [`Ipvs`], which the core answers at the time it was last advanced to.

use std::iter;

use weir_ipvs::{
    Availability, Change, Connections, Error, Failure, Fields, Info, Ipvs, OnFailure, Scheduler,
    Scope, Snapshot, Stats, SyncDaemon, TableEntry, Timeouts,
    scheduler::{KNOWN, named_flags},
};

use crate::{embedded::Embedded, listing::Cursor, service::ServiceId};

/// `IP_VS_VERSION_CODE`.
const VERSION: (u8, u8, u8) = (1, 2, 1);

impl Ipvs for Embedded {
    fn info(&mut self) -> Result<Info, Error> {
        let bits = u32::from(self.settings.connection_table_bits);
        Ok(Info {
            version: VERSION,
            connection_table_size: 1u32.checked_shl(bits).unwrap_or(u32::MAX),
        })
    }

    fn read(&mut self, scope: Scope, _fields: Fields) -> Result<Snapshot, Error> {
        let entries = match scope {
            Scope::All => self.services.ids().map(|id| self.entry(id)).collect(),
            Scope::One(key) => vec![self.entry(self.services.find(key)?)],
        };
        Ok(Snapshot { entries })
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (step, change) in changes.iter().enumerate() {
            if let Err(error) = self.change(change) {
                failures.push(Failure { step, error });
                if on_failure == OnFailure::Stop {
                    break;
                }
            }
        }
        failures
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        Ok(self.totals.stats())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Ok(self.timeouts)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        Ok(self.daemons.running())
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        let availability = |name: &str| match self.settings.schedulers.iter().any(|it| it == name) {
            true => Availability::BuiltIn,
            false => Availability::Absent,
        };
        let scheduler = |&(name, weight): &(&str, _)| Scheduler {
            name: name.to_owned(),
            availability: availability(name),
            weight,
            named_flags: named_flags(name),
        };
        Ok(KNOWN.iter().map(scheduler).collect())
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        // As the table is now: what follows may change it.
        let mut cursor = Cursor::default();
        let pages: Vec<_> = iter::from_fn(|| self.connections_page(&mut cursor)).collect();
        Ok(Box::new(pages.into_iter().flatten().map(Ok)))
    }
}

impl Embedded {
    fn change(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::AddService(service) => self.add_service(service),
            Change::EditService(service) => self.edit_service(service),
            Change::DeleteService(key) => self.delete_service(*key),
            Change::AddServer(service, server) => self.add_server(*service, server),
            Change::EditServer(service, server) => self.edit_server(*service, server),
            Change::DeleteServer(key) => self.delete_server(key),
            Change::Zero(service) => self.zero(*service),
            Change::Flush => {
                self.flush();
                Ok(())
            }
            Change::SetTimeouts(timeouts) => self.set_timeouts(timeouts),
            Change::StartDaemon(daemon) => {
                let mixed = self.has_mixed_families();
                self.daemons.start(daemon, &self.machine, mixed)
            }
            Change::StopDaemon(role, _) => self.daemons.stop(*role),
        }
    }

    fn entry(&self, id: ServiceId) -> TableEntry {
        let service = &self.services[id];
        let servers = service.servers.iter().map(|id| self.servers[*id].status()).collect();
        TableEntry { service: service.status(), servers }
    }
}
