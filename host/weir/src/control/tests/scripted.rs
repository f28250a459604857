//! A table that holds what its test says, in any size, without holding it in memory.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use weir_ipvs::{
    Availability, Change, Connection, Connections, Endpoint, Error, Failure, Fields, Forwarding,
    Info, Ipvs, OnFailure, Protocol, RealServer, RealServerStatus, Scheduler, Scope, Service,
    ServiceKey, ServiceStatus, Snapshot, Stats, SyncDaemon, SyncRole, TableEntry, Timeouts,
    Traffic, Tunnel, TunnelChecksum, TunnelKind, WeightMeaning, scheduler::named_flags,
};

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Scripted {
    pub(super) services: u32,
    /// Of each service.
    pub(super) servers: u32,
    pub(super) connections: u32,
    /// Connections that were made so far.
    pub(super) made: Arc<AtomicU32>,
    pub(super) walk_fails: bool,
    pub(super) walk_panics: bool,
    /// Dropped when a walk ends.
    pub(super) at_end: Option<mpsc::Sender<()>>,
    /// What every call is answered with, if set.
    pub(super) refusal: Option<Error>,
    /// How many changes each call of `apply` had.
    pub(super) calls: Arc<Mutex<Vec<usize>>>,
}

impl Scripted {
    fn check(&self) -> Result<(), Error> {
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

pub(super) fn service_key(number: u32) -> ServiceKey {
    let address = Ipv4Addr::from(0x0a00_0000 + number);
    ServiceKey::Address { protocol: Protocol::Tcp, endpoint: Endpoint::new(address, 80) }
}

pub(super) fn entry(number: u32, servers: u32) -> TableEntry {
    let service = Service { persistence: Some(300), ..Service::new(service_key(number), "wlc") };
    let stats = |it: u64| Stats {
        total: Traffic { connections: it, packets_in: u64::MAX, ..Traffic::default() },
        per_second: Traffic { bytes_out: it, ..Traffic::default() },
    };
    let server = |it: u32| RealServerStatus {
        config: RealServer {
            tunnel: Tunnel { kind: TunnelKind::Gue, port: 6080, checksum: TunnelChecksum::Full },
            upper_threshold: 100,
            ..RealServer::new(Endpoint::new(Ipv4Addr::from(it), 80), Forwarding::Tunnel, it)
        },
        active: it + 1,
        inactive: it + 2,
        persistent: it + 3,
        stats: stats(1),
    };
    TableEntry {
        service: ServiceStatus { config: service, stats: stats(number.into()) },
        servers: (0..servers).map(server).collect(),
    }
}

pub(super) fn connection(number: u32) -> Connection {
    let client = Endpoint::new(Ipv6Addr::from(u128::from(number)), 4000);
    Connection {
        protocol: "TCP".to_owned(),
        client,
        virtual_address: Endpoint::new(Ipv4Addr::LOCALHOST, 80),
        server: client,
        state: "ESTABLISHED".to_owned(),
        expires_in: number,
        engine: (number == 0).then(|| ("sip".to_owned(), vec![b'a', 0xff])),
    }
}

impl Ipvs for Scripted {
    fn info(&mut self) -> Result<Info, Error> {
        self.check()?;
        Ok(Info { version: (1, 2, 1), connection_table_size: 4096 })
    }

    fn read(&mut self, scope: Scope, _: Fields) -> Result<Snapshot, Error> {
        self.check()?;
        let mut entries = (0..self.services).map(|it| entry(it, self.servers));
        match scope {
            Scope::All => Ok(Snapshot { entries: entries.collect() }),
            Scope::One(key) => {
                let found = entries.find(|it| it.service.config.key == key);
                Ok(Snapshot { entries: vec![found.ok_or(Error::NoSuchService)?] })
            }
        }
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        self.calls.lock().unwrap().push(changes.len());
        let refused = |change: &Change| match change {
            Change::DeleteService(key) => (0..50_000).step_by(7).any(|it| service_key(it) == *key),
            _ => false,
        };
        let steps = changes.iter().enumerate().filter(|(_, it)| refused(it));
        let failures = steps.map(|(step, _)| Failure { step, error: Error::NoSuchService });
        failures.take(if on_failure == OnFailure::Stop { 1 } else { usize::MAX }).collect()
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        Ok(entry(17, 0).service.stats)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Ok(Timeouts { tcp: 900, tcp_fin: 0, udp: 300 })
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        Ok(vec![SyncDaemon {
            role: SyncRole::Backup,
            interface: vec![b'e', 0xfe],
            sync_id: 7,
            max_length: None,
            group: Some(Ipv4Addr::LOCALHOST.into()),
            port: Some(8848),
            ttl: Some(1),
        }])
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        Ok(vec![Scheduler {
            name: "mh".to_owned(),
            availability: Availability::Loadable,
            weight: WeightMeaning::HashSlots,
            named_flags: named_flags("mh"),
        }])
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        self.check()?;
        let (made, at_end) = (Arc::clone(&self.made), self.at_end.take());
        let (fails, panics) = (self.walk_fails, self.walk_panics);
        let connections = (0..self.connections).map(move |number| {
            let _ = &at_end;
            made.store(number + 1, Ordering::SeqCst);
            Ok(connection(number))
        });
        let last = std::iter::once_with(move || {
            assert!(!panics, "as the test wants it");
            Err(Error::Errno(5))
        });
        Ok(Box::new(connections.chain(last.take(usize::from(fails || panics)))))
    }
}
