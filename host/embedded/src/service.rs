//! A service as the core keeps it, and all of them by key.

use std::collections::BTreeMap;

use weir_ipvs::{Endpoint, Error, Family, Protocol, ServiceFlags, ServiceKey, ServiceStatus};

use crate::{
    arena::{Arena, Key},
    sched::Scheduler,
    server::{Pool, ServerId, Servers},
    stats::Counters,
};

const FTP: u16 = 21;
/// Where the data connections of FTP come from.
pub(crate) const FTP_DATA: u16 = 20;
/// Ports from here on need no right to be bound (`ip_unprivileged_port_start`).
const UNPRIVILEGED: u16 = 1024;

/// A service, for as long as it is not deleted: one that is made anew is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServiceId(Key);

impl ServiceId {
    /// No service.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self(Key::NONE);
}

/// A service (`struct ip_vs_service`).
#[derive(Debug)]
pub(crate) struct Service {
    /// As configured.
    pub(crate) config: weir_ipvs::Service,
    /// Persistence time-out in ticks.
    pub(crate) persistence: Option<u32>,
    /// Who chooses.
    pub(crate) scheduler: Box<dyn Scheduler>,
    /// Its real servers, newest first.
    pub(crate) servers: Vec<ServerId>,
    /// The same by address and port.
    pub(crate) by_endpoint: BTreeMap<Endpoint, ServerId>,
    /// Its traffic.
    pub(crate) counters: Counters,
}

impl Service {
    /// The port that packets must have, 0 if any may; 0 of a service by mark.
    pub(crate) fn port(&self) -> u16 {
        match self.config.key {
            ServiceKey::Address { endpoint, .. } => endpoint.port,
            ServiceKey::Fwmark { .. } => 0,
        }
    }

    /// The mark of a service by mark.
    pub(crate) fn mark(&self) -> Option<u32> {
        match self.config.key {
            ServiceKey::Address { .. } => None,
            ServiceKey::Fwmark { mark, .. } => Some(mark),
        }
    }

    /// Whether it is the one that FTP clients first connect to.
    pub(crate) fn is_ftp(&self) -> bool {
        self.port() == FTP
    }

    /// Whether each packet of this protocol is scheduled by itself.
    pub(crate) fn is_one_packet(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Udp && self.config.flags.contains(ServiceFlags::ONE_PACKET)
    }

    /// The real server at `endpoint` in its list.
    pub(crate) fn server(&self, endpoint: &Endpoint) -> Result<ServerId, Error> {
        self.by_endpoint.get(endpoint).copied().ok_or(Error::NoSuchServer)
    }

    /// Tells the scheduler of a change of the list.
    pub(crate) fn inform(
        &mut self,
        pool: &Pool,
        tell: impl FnOnce(&mut dyn Scheduler, Servers<'_>),
    ) {
        let servers = pool.list(self.config.key.family(), &self.servers);
        tell(self.scheduler.as_mut(), servers);
    }

    /// As it is shown.
    pub(crate) fn status(&self) -> ServiceStatus {
        ServiceStatus { config: self.config.clone(), stats: self.counters.stats() }
    }
}

/// The key as the kernel sees it: mark 0 is the TCP service 0.0.0.0:0, or `[::]:0`, and a
/// protocol is its number.
pub(crate) fn normal(key: ServiceKey) -> ServiceKey {
    match key {
        ServiceKey::Address { protocol, endpoint } => {
            (Protocol::from_number(protocol.number()), endpoint).into()
        }
        ServiceKey::Fwmark { mark: 0, family } => (Protocol::Tcp, family.unspecified(), 0).into(),
        ServiceKey::Fwmark { .. } => key,
    }
}

/// Every service. They are listed by key, and those by mark come last.
#[derive(Debug, Default)]
pub(crate) struct Services {
    arena: Arena<Service>,
    by_key: BTreeMap<ServiceKey, ServiceId>,
    /// How many there are, IPv4 ones first.
    by_family: [usize; 2],
}

impl Services {
    pub(crate) fn insert(&mut self, service: Service) -> ServiceId {
        let key = service.config.key;
        let id = ServiceId(self.arena.insert(service));
        self.by_key.insert(key, id);
        self.by_family[usize::from(key.family() == Family::V6)] += 1;
        id
    }

    /// Removes a service that is there.
    pub(crate) fn remove(&mut self, id: ServiceId) -> Service {
        let service = self.arena.remove(id.0.slot);
        self.by_key.remove(&service.config.key);
        self.by_family[usize::from(service.config.key.family() == Family::V6)] -= 1;
        service
    }

    /// The service with this key, in whichever form.
    pub(crate) fn find(&self, key: ServiceKey) -> Result<ServiceId, Error> {
        self.by_key.get(&normal(key)).copied().ok_or(Error::NoSuchService)
    }

    /// None if it was deleted.
    pub(crate) fn get(&self, id: ServiceId) -> Option<&Service> {
        self.arena.get(id.0)
    }

    /// None if it was deleted.
    pub(crate) fn get_mut(&mut self, id: ServiceId) -> Option<&mut Service> {
        self.arena.get_mut(id.0)
    }

    /// Whether there is any of this family: without one the kernel takes its hooks away, and
    /// sees no packet of it (`ip_vs_unregister_hooks`).
    pub(crate) fn has_any(&self, family: Family) -> bool {
        self.by_family[usize::from(family == Family::V6)] > 0
    }

    /// In the order of their keys.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ServiceId> {
        self.by_key.values().copied()
    }

    /// The service that a packet to `destination` belongs to (`ip_vs_service_find`).
    pub(crate) fn of_packet(
        &self,
        protocol: Protocol,
        destination: Endpoint,
        mark: u32,
    ) -> Option<ServiceId> {
        let at = |port| self.by_key.get(&(protocol, destination.address, port).into()).copied();
        let marked = || {
            let family = Family::of(destination.address);
            self.by_key.get(&ServiceKey::Fwmark { mark, family }).copied()
        };
        let ftp_data = protocol == Protocol::Tcp
            && (destination.port == FTP_DATA || destination.port >= UNPRIVILEGED);
        (mark != 0)
            .then(marked)
            .flatten()
            .or_else(|| at(destination.port))
            .or_else(|| ftp_data.then(|| at(FTP)).flatten())
            .or_else(|| at(0))
    }
}

/// By id, for those who know that the service is there.
impl std::ops::Index<ServiceId> for Services {
    type Output = Service;

    fn index(&self, id: ServiceId) -> &Service {
        self.get(id).expect(THERE)
    }
}

impl std::ops::IndexMut<ServiceId> for Services {
    fn index_mut(&mut self, id: ServiceId) -> &mut Service {
        self.get_mut(id).expect(THERE)
    }
}

const THERE: &str = "found by key since it was last deleted";
