//! Changing the table: services and their real servers.
//!
//! The kernel's validation in the kernel's order: of several things wrong, the one that it
//! names is named here (`net/netfilter/ipvs/ip_vs_ctl.c`).

use weir_ipvs::{
    Error, Family, Forwarding, RealServer, RealServerKey, ServiceKey, Timeouts, Tunnel,
    TunnelChecksum, TunnelKind,
};

use crate::{
    embedded::Embedded,
    generation::Generation,
    sched::{Scheduler, scheduler},
    server::{Server, ServerId},
    service::{Service, ServiceId, normal},
    stats::Counters,
};

const EINVAL: Error = Error::Errno(22);
const ERANGE: Error = Error::Errno(34);

const SCHEDULER_BYTES_MAX: usize = 15;
const ENGINE_BYTES_MAX: usize = 16;
/// What fits into the kernel's signed 32 bits.
const SIGNED_MAX: u32 = i32::MAX.unsigned_abs();

/// Services.
impl Embedded {
    pub(crate) fn add_service(&mut self, wanted: &weir_ipvs::Service) -> Result<(), Error> {
        check_names(wanted)?;
        if self.services.find(wanted.key).is_ok() {
            return Err(Error::ServiceExists);
        }
        let mut scheduler = self.check_service(wanted)?;
        let nobody = self.servers.list(wanted.key.family(), &[]);
        scheduler.start(nobody, self.clock.now())?;
        self.services.insert(Service {
            persistence: wanted.persistence.map(|seconds| self.clock.ticks(seconds)),
            config: self.stored(wanted),
            scheduler,
            servers: Vec::new(),
            by_endpoint: std::collections::BTreeMap::new(),
            counters: Counters::default(),
        });
        Ok(())
    }

    /// Connections and templates keep the time-outs they have. The same scheduler keeps
    /// what it knows, another begins anew.
    pub(crate) fn edit_service(&mut self, wanted: &weir_ipvs::Service) -> Result<(), Error> {
        check_names(wanted)?;
        let id = self.services.find(wanted.key)?;
        let scheduler = self.check_service(wanted)?;
        let config = self.stored(wanted);
        if config.scheduler != self.services[id].config.scheduler {
            self.replace_scheduler(id, scheduler)?;
        }
        let service = &mut self.services[id];
        service.persistence = wanted.persistence.map(|seconds| self.clock.ticks(seconds));
        service.config = config;
        Ok(())
    }

    pub(crate) fn delete_service(&mut self, key: ServiceKey) -> Result<(), Error> {
        let id = self.services.find(key)?;
        let service = self.services.remove(id);
        for server in service.servers {
            self.discard(service.config.key, server);
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) {
        let keys: Vec<_> = self.services.ids().map(|id| self.services[id].config.key).collect();
        for key in keys {
            self.delete_service(key).expect("it was there just now");
        }
    }

    pub(crate) fn zero(&mut self, key: Option<ServiceKey>) -> Result<(), Error> {
        let ids = match key {
            Some(key) => vec![self.services.find(key)?],
            None => {
                self.totals.zero();
                self.services.ids().collect()
            }
        };
        for id in ids {
            let service = &mut self.services[id];
            service.counters.zero();
            for server in &service.servers {
                self.servers[*server].counters.zero();
            }
        }
        Ok(())
    }

    /// All or none: one that is too long spoils the others.
    pub(crate) fn set_timeouts(&mut self, wanted: &Timeouts) -> Result<(), Error> {
        let largest = self.clock.seconds(SIGNED_MAX);
        if [wanted.tcp, wanted.tcp_fin, wanted.udp].iter().any(|seconds| *seconds > largest) {
            return Err(EINVAL);
        }
        for (value, wanted) in [
            (&mut self.timeouts.tcp, wanted.tcp),
            (&mut self.timeouts.tcp_fin, wanted.tcp_fin),
            (&mut self.timeouts.udp, wanted.udp),
        ] {
            if wanted != 0 {
                *value = wanted;
            }
        }
        Ok(())
    }

    /// Checks what the kernel checks of a service that is added or edited, and returns its
    /// scheduler.
    fn check_service(&self, wanted: &weir_ipvs::Service) -> Result<Box<dyn Scheduler>, Error> {
        let scheduler = Some(wanted.scheduler.as_str())
            .filter(|name| self.settings.schedulers.iter().any(|it| it == name))
            .and_then(scheduler)
            .ok_or(Error::NoSuchModule)?;
        if engine(wanted).is_some_and(|name| !self.settings.engines.contains(name)) {
            return Err(Error::NoSuchModule);
        }
        if wanted.key.family() == Family::V6 && !(1..=128).contains(&wanted.netmask) {
            return Err(EINVAL);
        }
        Ok(scheduler)
    }

    /// The new one knows the real servers that there are. If it refuses to start, the old
    /// one begins anew.
    fn replace_scheduler(
        &mut self,
        service: ServiceId,
        mut new: Box<dyn Scheduler>,
    ) -> Result<(), Error> {
        let service = &mut self.services[service];
        let servers = self.servers.list(service.config.key.family(), &service.servers);
        let now = self.clock.now();
        let result = new.start(servers, now);
        if result.is_err() {
            new = scheduler(&service.config.scheduler).ok_or(Error::NoSuchModule)?;
            new.start(servers, now)?;
        }
        service.scheduler = new;
        result
    }

    /// A service as the kernel stores and shows it.
    fn stored(&self, wanted: &weir_ipvs::Service) -> weir_ipvs::Service {
        let shown = |seconds| self.clock.seconds(self.clock.ticks(seconds));
        weir_ipvs::Service {
            key: normal(wanted.key),
            persistence: wanted.persistence.map(shown),
            engine: engine(wanted).cloned(),
            ..wanted.clone()
        }
    }
}

/// Real servers.
impl Embedded {
    pub(crate) fn add_server(
        &mut self,
        service: ServiceKey,
        wanted: &RealServer,
    ) -> Result<(), Error> {
        let wanted = &normal_server(wanted);
        let id = self.services.find(service)?;
        self.check_family(id, wanted)?;
        self.check_values(wanted)?;
        if self.services[id].server(&wanted.endpoint).is_ok() {
            return Err(Error::ServerExists);
        }
        let key = self.services[id].config.key;
        let server = match self.trash.take(key, wanted.endpoint) {
            Some(server) => self.revive(server, id),
            None if self.machine.allows_server(wanted.endpoint.address) => {
                self.servers.insert(Server::new(*wanted, id))
            }
            None => return Err(EINVAL),
        };
        self.configure(server, wanted);
        let service = &mut self.services[id];
        service.servers.insert(0, server);
        service.by_endpoint.insert(wanted.endpoint, server);
        service.inform(&self.servers, |scheduler, servers| scheduler.added(servers));
        Ok(())
    }

    pub(crate) fn edit_server(
        &mut self,
        service: ServiceKey,
        wanted: &RealServer,
    ) -> Result<(), Error> {
        let wanted = &normal_server(wanted);
        let id = self.services.find(service)?;
        self.check_family(id, wanted)?;
        self.check_values(wanted)?;
        let server = self.services[id].server(&wanted.endpoint)?;
        self.configure(server, wanted);
        let service = &mut self.services[id];
        service.inform(&self.servers, |scheduler, servers| scheduler.edited(servers));
        Ok(())
    }

    pub(crate) fn delete_server(&mut self, key: &RealServerKey) -> Result<(), Error> {
        let id = self.services.find(key.service)?;
        let service = &mut self.services[id];
        let server = service.server(&key.server)?;
        service.by_endpoint.remove(&key.server);
        let position = service.servers.iter().position(|it| *it == server);
        let position = position.expect("what is known by its endpoint is in the list");
        service.servers.remove(position);
        service.inform(&self.servers, |scheduler, servers| scheduler.deleted(servers, position));
        let service = service.config.key;
        self.discard(service, server);
        Ok(())
    }

    /// Whether a real server has another family than its service.
    pub(crate) fn has_mixed_families(&self) -> bool {
        self.services.ids().map(|id| &self.services[id]).any(|service| {
            let family = service.config.key.family();
            service.by_endpoint.keys().any(|endpoint| endpoint.family() != family)
        })
    }

    /// Another family than the service's needs a tunnel, and is unknown to sync.
    fn check_family(&self, service: ServiceId, wanted: &RealServer) -> Result<(), Error> {
        let mixed = wanted.endpoint.family() != self.services[service].config.key.family();
        if mixed && (self.daemons.any() || wanted.forwarding != Forwarding::Tunnel) {
            return Err(EINVAL);
        }
        Ok(())
    }

    fn check_values(&self, wanted: &RealServer) -> Result<(), Error> {
        if wanted.weight > SIGNED_MAX || wanted.lower_threshold > wanted.upper_threshold {
            return Err(ERANGE);
        }
        let newer = self.settings.generation == Generation::Newer;
        let unsigned = newer && wanted.upper_threshold > SIGNED_MAX;
        if unsigned || (wanted.tunnel.kind == TunnelKind::Gue && wanted.tunnel.port == 0) {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Brings back a real server from the trash, with its connections, its counts and its
    /// overload. Its traffic counts from zero if the service is not the one that it had.
    fn revive(&mut self, id: ServerId, service: ServiceId) -> ServerId {
        let server = &mut self.servers[id];
        server.available = true;
        if server.service != service {
            server.service = service;
            server.counters.zero();
        }
        if server.counters.is_moving() {
            self.sampler.wake(&self.clock);
        }
        id
    }

    fn configure(&mut self, server: ServerId, wanted: &RealServer) {
        let server = &mut self.servers[server];
        if wanted.weight != 0 {
            server.last_weight = wanted.weight;
        }
        let (upper, lower) = (wanted.upper_threshold, wanted.lower_threshold);
        self.settings.generation.set_thresholds(server, upper, lower);
        server.config = *wanted;
    }

    /// Puts a real server that left its list into the trash.
    fn discard(&mut self, service: ServiceKey, id: ServerId) {
        let server = &mut self.servers[id];
        server.available = false;
        self.trash.put(service, server.config.endpoint, id, &self.clock);
        if self.settings.sysctls.expire_nodest_conn {
            self.orphans_end.get_or_insert(self.clock.tick() + 1);
        }
    }

    /// Frees the real servers that were in the trash for long enough.
    pub(crate) fn sweep_trash(&mut self) {
        for id in self.services.ids().collect::<Vec<_>>() {
            self.services[id].scheduler.tick(self.clock.now(), &self.settings.sysctls);
        }
        let (services, servers) = (&self.services, &self.servers);
        let is_remembered = |key: ServiceKey, server: ServerId| {
            let id = services.find(key).ok();
            id.is_some_and(|id| services[id].scheduler.remembers(server))
        };
        let freed = self.trash.sweep(&self.clock, |key, server| {
            servers[server].is_referenced() || same_trash(key).any(|key| is_remembered(key, server))
        });
        for server in freed {
            self.servers.remove(server);
        }
    }
}

/// A real server as the kernel sees it, to which methods and tunnels are numbers.
fn normal_server(wanted: &RealServer) -> RealServer {
    let tunnel = Tunnel {
        kind: TunnelKind::from_number(wanted.tunnel.kind.number()),
        port: wanted.tunnel.port,
        checksum: TunnelChecksum::from_number(wanted.tunnel.checksum.number()),
    };
    let forwarding = Forwarding::from_number(wanted.forwarding.number().into());
    RealServer { forwarding, tunnel, ..*wanted }
}

/// The services whose real servers may come back to each other: those of one mark may.
fn same_trash(key: ServiceKey) -> impl Iterator<Item = ServiceKey> {
    let other = match key {
        ServiceKey::Fwmark { mark, .. } => Some(ServiceKey::Fwmark { mark, family: Family::V6 }),
        ServiceKey::Address { .. } => None,
    };
    std::iter::once(key).chain(other)
}

/// What netlink refuses before anything is looked at.
fn check_names(wanted: &weir_ipvs::Service) -> Result<(), Error> {
    let fits = |name: &str, longest| name.len() <= longest && !name.contains('\0');
    let engine = wanted.engine.as_deref().unwrap_or_default();
    if fits(&wanted.scheduler, SCHEDULER_BYTES_MAX) && fits(engine, ENGINE_BYTES_MAX) {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

/// The persistence engine; an empty name is none.
fn engine(service: &weir_ipvs::Service) -> Option<&String> {
    service.engine.as_ref().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
