//! An IPVS in memory that is no more than these tests need, and a few names.

mod snapshot;

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
};

use ipvsadm::host::{
    AddressFamily, Connection, ConnectionTimeouts, Connections, Endpoint, Error, Fields, Host,
    IpvsInfo, Operation, Output, RealServerChange, RealServerConfig, Scope, ServiceConfig,
    ServiceKey, Stats, StepFailure, SyncDaemon, SyncRole, Table, Traffic, from_host,
};

use snapshot::Snapshot;

const SCHEDULERS: [&str; 13] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"];

const HOSTS: [(&str, &str); 8] = [
    ("127.0.0.1", "localhost"),
    ("10.0.0.1", "vip.test"),
    ("10.0.0.2", "rs1.test"),
    ("10.0.0.3", "rs2.test"),
    ("10.0.0.3", "rs2-alias"),
    ("192.0.2.200", "a-very-long-real-server-host-name.example.test"),
    ("2001:db8::80", "vip6.test"),
    ("2001:db8::2", "rs6.test"),
];

const PORTS: [(&str, u16, &str); 13] = [
    ("ftp", 21, "tcp"),
    ("ssh", 22, "tcp"),
    ("domain", 53, "tcp"),
    ("domain", 53, "udp"),
    ("tftp", 69, "udp"),
    ("http", 80, "tcp"),
    ("www", 80, "tcp"),
    ("https", 443, "tcp"),
    ("https", 443, "udp"),
    ("sip", 5060, "tcp"),
    ("sip", 5060, "udp"),
    ("sctpsvc", 9899, "sctp"),
    ("a-long-service-name", 7777, "tcp"),
];

/// A service with its real servers, in the kernel's order.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) config: ServiceConfig,
    pub(crate) servers: Vec<RealServerConfig>,
}

/// The state of IPVS.
pub(crate) struct Kernel {
    /// Why it cannot be opened.
    pub(crate) closed: Option<Error>,
    pub(crate) services: Vec<Entry>,
    pub(crate) timeouts: [u32; 3],
    pub(crate) daemons: Vec<SyncDaemon>,
    pub(crate) connections: Result<Vec<Connection>, Error>,
    /// What each service and real server is said to have counted.
    pub(crate) stats: Stats,
    /// How many changes came in each call.
    pub(crate) batches: Vec<usize>,
    /// The last change asked for.
    pub(crate) last: Option<Operation>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            closed: None,
            services: Vec::new(),
            timeouts: [900, 120, 300],
            daemons: Vec::new(),
            connections: Ok(Vec::new()),
            stats: stats([0; 5], [0; 5]),
            batches: Vec::new(),
            last: None,
        }
    }
}

/// Statistics from two rows of numbers.
pub(crate) fn stats(total: [u64; 5], per_second: [u64; 5]) -> Stats {
    let traffic = |[connections, packets_in, packets_out, bytes_in, bytes_out]: [u64; 5]| Traffic {
        connections,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    };
    Stats { total: traffic(total), per_second: traffic(per_second) }
}

/// What a process sees: the kernel and its standard streams.
pub(crate) struct Process<'k> {
    pub(crate) kernel: &'k mut Kernel,
    /// What each read gives; a failed one stands for itself.
    pub(crate) input: VecDeque<Result<Vec<u8>, String>>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Every write, in order: stream and size.
    pub(crate) writes: Vec<(Output, usize)>,
    /// Whether writing fails.
    pub(crate) full: bool,
    /// Calls to look up names, and how many names each asked for.
    pub(crate) lookups: Vec<usize>,
}

impl<'k> Process<'k> {
    pub(crate) fn new(kernel: &'k mut Kernel, input: Vec<u8>) -> Self {
        let (stdout, stderr) = Default::default();
        Self {
            kernel,
            input: [Ok(input)].into(),
            stdout,
            stderr,
            writes: Vec::new(),
            full: false,
            lookups: Vec::new(),
        }
    }
}

impl Host for Process<'_> {
    fn info(&mut self) -> Result<IpvsInfo, Error> {
        match &self.kernel.closed {
            Some(error) => Err(error.clone()),
            None => Ok(IpvsInfo { version: (1, 2, 1), connection_table_size: 4096 }),
        }
    }

    fn read(&mut self, scope: &Scope, fields: Fields) -> Result<Box<dyn Table>, Error> {
        let services = match scope {
            Scope::All => self.kernel.services.clone(),
            Scope::One(key) => vec![self.kernel.services[self.kernel.find(key)?].clone()],
        };
        Ok(Box::new(Snapshot { services, fields, stats: self.kernel.stats }))
    }

    fn timeouts(&mut self) -> Result<ConnectionTimeouts, Error> {
        let [tcp, tcp_fin, udp] = self.kernel.timeouts;
        Ok(ConnectionTimeouts { tcp, tcp_fin, udp })
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        let mut daemons = self.kernel.daemons.clone();
        daemons.sort_by_key(|daemon| is_backup(daemon.role));
        Ok(daemons)
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<StepFailure> {
        self.kernel.batches.push(operations.len());
        self.kernel.last = operations.last().cloned();
        let steps = operations.iter().zip(0..);
        steps
            .filter_map(|(operation, step)| {
                let error = self.kernel.apply(operation).err()?;
                Some(StepFailure { step, error })
            })
            .collect()
    }

    fn connections(&mut self) -> Result<Box<dyn Connections>, Error> {
        Ok(Box::new(Walk(self.kernel.connections.clone()?)))
    }

    fn read_input(&mut self) -> Result<Vec<u8>, String> {
        self.input.pop_front().unwrap_or_else(|| Ok(Vec::new()))
    }

    fn write(&mut self, to: Output, bytes: &[u8]) -> Result<(), String> {
        self.writes.push((to, bytes.len()));
        if self.full {
            return Err("No space left on device".into());
        }
        match to {
            Output::Stdout => self.stdout.extend_from_slice(bytes),
            Output::Stderr => self.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn host_names(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>> {
        self.lookups.push(addresses.len());
        let find = |address: &IpAddr| HOSTS.iter().find(|(text, _)| text.parse() == Ok(*address));
        addresses
            .iter()
            .map(|address| find(address).map(|(_, name)| name.as_bytes().to_vec()))
            .collect()
    }

    fn port_names(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>> {
        self.lookups.push(ports.len());
        let find = |(port, protocol): &(u16, String)| {
            PORTS.iter().find(|row| row.1 == *port && row.2 == *protocol)
        };
        ports.iter().map(|port| find(port).map(|row| row.0.as_bytes().to_vec())).collect()
    }

    fn address(&mut self, host: &[u8]) -> Option<Ipv4Addr> {
        HOSTS.iter().filter(|row| row.1.as_bytes() == host).find_map(|row| row.0.parse().ok())
    }

    fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16> {
        PORTS.iter().find(|row| row.0.as_bytes() == service && row.2 == protocol).map(|row| row.1)
    }
}

/// What identifies a service, in a form that can be compared.
fn identity(key: &ServiceKey) -> (u32, bool, Option<String>, Option<(IpAddr, u16)>) {
    match key {
        ServiceKey::Vip(vip) => {
            (0, false, Some(format!("{:?}", vip.protocol)), Some(place(&vip.endpoint)))
        }
        ServiceKey::Fwmark(fwmark) => {
            (fwmark.mark, matches!(fwmark.family, AddressFamily::Ipv6), None, None)
        }
    }
}

fn place(endpoint: &Endpoint) -> (IpAddr, u16) {
    (from_host(&endpoint.address), endpoint.port)
}

fn is_backup(role: SyncRole) -> bool {
    matches!(role, SyncRole::Backup)
}

impl Kernel {
    fn find(&self, key: &ServiceKey) -> Result<usize, Error> {
        let key = identity(key);
        self.services
            .iter()
            .position(|entry| identity(&entry.config.key) == key)
            .ok_or(Error::NoSuchService)
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), Error> {
        match operation {
            Operation::AddService(config) => {
                if self.find(&config.key).is_ok() {
                    return Err(Error::ServiceExists);
                }
                check_modules(config)?;
                self.services.push(Entry { config: config.clone(), servers: Vec::new() });
            }
            Operation::EditService(config) => {
                let index = self.find(&config.key)?;
                check_modules(config)?;
                self.services[index].config = config.clone();
            }
            Operation::DeleteService(key) => {
                let index = self.find(key)?;
                self.services.remove(index);
            }
            Operation::AddServer(change) => self.add_server(change)?,
            Operation::EditServer(change) => {
                let index = self.find(&change.service)?;
                *self.services[index].server(&change.config.server)? = change.config;
            }
            Operation::DeleteServer(key) => {
                let index = self.find(&key.service)?;
                let entry = &mut self.services[index];
                entry.server(&key.server)?;
                entry.servers.retain(|server| place(&server.server) != place(&key.server));
            }
            Operation::Zero(Some(key)) => drop(self.find(key)?),
            Operation::Zero(None) => {}
            Operation::Flush => self.services.clear(),
            Operation::SetTimeouts(new) => {
                for (old, new) in self.timeouts.iter_mut().zip([new.tcp, new.tcp_fin, new.udp]) {
                    *old = if new == 0 { *old } else { new };
                }
            }
            Operation::StartDaemon(daemon) => self.daemons.push(daemon.clone()),
            Operation::StopDaemon(stop) => {
                let index = self
                    .daemons
                    .iter()
                    .position(|daemon| is_backup(daemon.role) == is_backup(stop.role));
                self.daemons.remove(index.ok_or(Error::DaemonNotRunning)?);
            }
        }
        Ok(())
    }

    fn add_server(&mut self, change: &RealServerChange) -> Result<(), Error> {
        let index = self.find(&change.service)?;
        let entry = &mut self.services[index];
        if entry.server(&change.config.server).is_ok() {
            return Err(Error::ServerExists);
        }
        entry.servers.insert(0, change.config);
        Ok(())
    }
}

fn check_modules(config: &ServiceConfig) -> Result<(), Error> {
    let known = SCHEDULERS.contains(&config.scheduler.as_str())
        && config.engine.as_ref().is_none_or(|name| name == "sip");
    if known { Ok(()) } else { Err(Error::NoSuchModule) }
}

impl Entry {
    fn server(&mut self, key: &Endpoint) -> Result<&mut RealServerConfig, Error> {
        self.servers
            .iter_mut()
            .find(|server| place(&server.server) == place(key))
            .ok_or(Error::NoSuchServer)
    }
}

struct Walk(Vec<Connection>);

impl Connections for Walk {
    fn more(&mut self) -> Result<Vec<Connection>, Error> {
        let count = self.0.len().min(2);
        Ok(self.0.drain(..count).collect())
    }
}
