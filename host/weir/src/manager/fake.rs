//! An IPVS table in memory, for tests of the manager: refuses what the kernel refuses, and
//! remembers what was written.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use weir_ipvs::{
    Change, Connections, Error, Failure, Fields, Forwarding, Info, Ipvs, OnFailure, Protocol,
    RealServer, RealServerStatus, Scheduler, Scope, Service, ServiceKey, ServiceStatus, Snapshot,
    Stats, SyncDaemon, TableEntry, Timeouts,
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Fake {
    services: BTreeMap<ServiceKey, (Service, Vec<RealServer>)>,
    /// What was written since last asked, in words.
    pub(super) writes: Vec<String>,
    /// Fails every call, if set.
    pub(super) broken: Option<Error>,
    /// What someone else does just before the next write.
    pub(super) before_write: Vec<Change>,
    /// Real servers that it takes nothing for, by address.
    pub(super) refused: Vec<String>,
    /// Active connections, by real server.
    pub(super) connections: BTreeMap<String, u32>,
    /// Calls of `read`.
    pub(super) reads: usize,
    /// Writes and commits until whoever makes them is dead.
    pub(super) fuse: Fuse,
    /// What was set, over the kernel's own.
    timeouts: Timeouts,
    daemons: Vec<SyncDaemon>,
}

/// See [`Fake::fuse`]; shared with the disk.
#[derive(Debug, Clone)]
pub(super) struct Fuse(Arc<AtomicUsize>);

impl Default for Fuse {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }
}

impl Fuse {
    /// So many operations happen from now on.
    pub(super) fn set(&self, left: usize) {
        self.0.store(left, Ordering::SeqCst);
    }

    pub(super) fn left(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether the next operation happens.
    pub(super) fn burn(&self) -> bool {
        let left = self.left();
        self.set(left.saturating_sub(1));
        left > 0
    }
}

impl Fake {
    /// A table of lines such as `tcp 10.0.0.1:80 wrr 10.0.1.1:80=100 10.0.1.2:80=0`.
    pub(super) fn new(table: &str) -> Self {
        let mut fake = Self::default();
        for line in table.lines().map(str::trim).filter(|it| !it.is_empty()) {
            let mut words = line.split_whitespace();
            let (protocol, address) = (words.next().unwrap(), words.next().unwrap());
            let key = service_key(&format!("{protocol}:{address}"));
            let service = Service::new(key, words.next().unwrap());
            fake.make(&Change::AddService(service)).unwrap();
            for word in words {
                let (address, weight) = word.split_once('=').unwrap();
                fake.make(&Change::AddServer(key, server(address, weight.parse().unwrap())))
                    .unwrap();
            }
        }
        fake
    }

    /// The table in the same words.
    pub(super) fn show(&self) -> String {
        let lines = self.services.values().map(|(service, servers)| {
            let servers = servers.iter().map(|it| format!(" {}={}", it.endpoint, it.weight));
            format!("{} {}{}", service.key, service.scheduler, servers.collect::<String>())
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Someone else's change.
    pub(super) fn make(&mut self, change: &Change) -> Result<(), Error> {
        match change {
            Change::AddService(service) => {
                if self.services.contains_key(&service.key) {
                    return Err(Error::ServiceExists);
                }
                if service.scheduler == "missing" {
                    return Err(Error::NoSuchModule);
                }
                self.services.insert(service.key, (service.clone(), Vec::new()));
            }
            Change::EditService(service) => {
                self.services.get_mut(&service.key).ok_or(Error::NoSuchService)?.0 =
                    service.clone();
            }
            Change::DeleteService(key) => {
                self.services.remove(key).ok_or(Error::NoSuchService)?;
            }
            Change::AddServer(key, server) => {
                let servers = self.servers(key)?;
                if servers.iter().any(|it| it.endpoint == server.endpoint) {
                    return Err(Error::ServerExists);
                }
                servers.push(*server);
            }
            Change::EditServer(key, server) => {
                let mut servers = self.servers(key)?.iter_mut();
                let there = servers.find(|it| it.endpoint == server.endpoint);
                *there.ok_or(Error::NoSuchServer)? = *server;
            }
            Change::DeleteServer(key) => {
                let servers = self.servers(&key.service)?;
                let at = servers.iter().position(|it| it.endpoint == key.server);
                servers.remove(at.ok_or(Error::NoSuchServer)?);
            }
            Change::Flush => self.services.clear(),
            Change::SetTimeouts(set) => {
                let all = [
                    (&mut self.timeouts.tcp, set.tcp),
                    (&mut self.timeouts.tcp_fin, set.tcp_fin),
                    (&mut self.timeouts.udp, set.udp),
                ];
                all.into_iter().filter(|it| it.1 != 0).for_each(|(there, set)| *there = set);
            }
            Change::StartDaemon(daemon) => {
                if self.daemons.iter().any(|it| it.role == daemon.role) {
                    return Err(Error::DaemonRunning);
                }
                self.daemons.push(daemon.clone());
            }
            Change::StopDaemon(role, _) => {
                let at = self.daemons.iter().position(|it| it.role == *role);
                self.daemons.remove(at.ok_or(Error::DaemonNotRunning)?);
            }
            other => return Err(Error::Unsupported(format!("{other:?}"))),
        }
        Ok(())
    }

    fn servers(&mut self, key: &ServiceKey) -> Result<&mut Vec<RealServer>, Error> {
        self.services.get_mut(key).map(|it| &mut it.1).ok_or(Error::NoSuchService)
    }

    fn take(&mut self, change: &Change) -> Result<(), Error> {
        let (Change::AddServer(_, it) | Change::EditServer(_, it)) = change else {
            return self.make(change);
        };
        if self.refused.contains(&it.endpoint.to_string()) {
            return Err(Error::Errno(12));
        }
        self.make(change)
    }

    fn check(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

/// A TCP service, by `10.0.0.1:80`.
/// `10.0.0.1:80`, or `udp:10.0.0.1:80`.
pub(super) fn service_key(words: &str) -> ServiceKey {
    let (protocol, address) = match words.strip_prefix("udp:") {
        Some(address) => (Protocol::Udp, address),
        None => (Protocol::Tcp, words.strip_prefix("tcp:").unwrap_or(words)),
    };
    ServiceKey::from((protocol, address.parse().unwrap()))
}

/// A masqueraded real server.
pub(super) fn server(address: &str, weight: u32) -> RealServer {
    RealServer::new(address.parse().unwrap(), Forwarding::Masquerade, weight)
}

fn entry(
    (service, servers): &(Service, Vec<RealServer>),
    connections: &BTreeMap<String, u32>,
) -> TableEntry {
    let status = |it: &RealServer| RealServerStatus {
        config: *it,
        active: connections.get(&it.endpoint.to_string()).copied().unwrap_or(0),
        inactive: 0,
        persistent: 0,
        stats: Stats::default(),
    };
    TableEntry {
        service: ServiceStatus { config: service.clone(), stats: Stats::default() },
        servers: servers.iter().map(status).collect(),
    }
}

fn words(change: &Change) -> String {
    match change {
        Change::AddService(it) => format!("add {}", it.key),
        Change::EditService(it) => format!("edit {} {}", it.key, it.scheduler),
        Change::AddServer(_, it) => format!("add {}={}", it.endpoint, it.weight),
        Change::EditServer(_, it) => format!("{}={}", it.endpoint, it.weight),
        Change::DeleteServer(it) => format!("delete {}", it.server),
        Change::DeleteService(it) => format!("delete {it}"),
        Change::SetTimeouts(it) => format!("time-outs {} {} {}", it.tcp, it.tcp_fin, it.udp),
        Change::StartDaemon(it) => format!("start {} {}", it.role, it.sync_id),
        Change::StopDaemon(role, id) => format!("stop {role} {id}"),
        other => format!("{other:?}"),
    }
}

impl Ipvs for Fake {
    fn info(&mut self) -> Result<Info, Error> {
        Ok(Info { version: (1, 2, 1), connection_table_size: 4096 })
    }

    fn read(&mut self, scope: Scope, _: Fields) -> Result<Snapshot, Error> {
        self.check()?;
        self.reads += 1;
        let entries = match scope {
            Scope::All => self.services.values().map(|it| entry(it, &self.connections)).collect(),
            Scope::One(key) => {
                let found = self.services.get(&key).ok_or(Error::NoSuchService)?;
                vec![entry(found, &self.connections)]
            }
        };
        Ok(Snapshot { entries })
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        for change in std::mem::take(&mut self.before_write) {
            self.make(&change).unwrap();
        }
        let mut failures = Vec::new();
        for (step, change) in changes.iter().enumerate() {
            if !self.fuse.burn() {
                // Nobody is there to hear of it.
                continue;
            }
            match self.check().and_then(|()| self.take(change)) {
                Ok(()) => self.writes.push(words(change)),
                Err(error) => {
                    failures.push(Failure { step, error });
                    if on_failure == OnFailure::Stop {
                        break;
                    }
                }
            }
        }
        failures
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let or = |set: u32, usual| if set == 0 { usual } else { set };
        let Timeouts { tcp, tcp_fin, udp } = self.timeouts;
        Ok(Timeouts { tcp: or(tcp, 900), tcp_fin: or(tcp_fin, 120), udp: or(udp, 300) })
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        Ok(self.daemons.clone())
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        Ok(Vec::new())
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        Ok(Box::new(std::iter::empty()))
    }
}
