//! What the plugin needs of its host, and the host's own words.
//!
//! The one file that knows the bindings: all else sees the trait `Host`, so that whole
//! invocations also run natively, against a table in memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use weir_sdk::command::{
    Invocation, Terminals,
    addresses::{AddressFamily, Endpoint, IpAddress},
    admin::Failure as StepFailure,
    connections::Connection,
    errors::{Denial, Error, Refusal},
    live::{IpvsInfo, Scope},
    operations::{Operation, RealServerChange},
    real_servers::{
        Forwarding, RealServerConfig, RealServerKey, Tunnel, TunnelChecksum, TunnelType,
    },
    services::{
        Fwmark, Protocol, Service, ServiceConfig, ServiceFlags, ServiceKey, VirtualEndpoint,
    },
    snapshots::{Fields, RealServerColumns},
    stats::{Stats, Traffic},
    stdio::Output,
    sync::{SyncDaemon, SyncRole, SyncStop},
    timeouts::ConnectionTimeouts,
};

/// IPVS, standard streams and names. See the interfaces `live`, `admin`, `connections`,
/// `stdio` and `names` for what each does and how it fails.
pub trait Host {
    fn info(&mut self) -> Result<IpvsInfo, Error>;
    fn read(&mut self, scope: &Scope, fields: Fields) -> Result<Box<dyn Table>, Error>;
    fn timeouts(&mut self) -> Result<ConnectionTimeouts, Error>;
    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error>;
    /// Runs every step, whatever became of those before.
    fn apply(&mut self, operations: &[Operation]) -> Vec<StepFailure>;
    fn connections(&mut self) -> Result<Box<dyn Connections>, Error>;
    /// What stdin has now; empty = the end.
    fn read_input(&mut self) -> Result<Vec<u8>, String>;
    fn write(&mut self, to: Output, bytes: &[u8]) -> Result<(), String>;
    fn host_names(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>>;
    fn port_names(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>>;
    /// The first IPv4 address of a host.
    fn address(&mut self, host: &[u8]) -> Option<Ipv4Addr>;
    fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16>;
}

/// Services with their real servers, as they were at one moment.
pub trait Table {
    fn services(&self, first: u32, count: u32) -> Vec<Service>;
    fn columns(&self, first: u32, count: u32, fields: Fields) -> RealServerColumns;
}

/// A walk through the connection table.
pub trait Connections {
    /// Some more; empty = the end.
    fn more(&mut self) -> Result<Vec<Connection>, Error>;
}

/// What the bindings' sets of flags lack.
pub trait Flags {
    fn contains(self, flag: Self) -> bool;
}

impl Flags for ServiceFlags {
    fn contains(self, flag: Self) -> bool {
        self & flag == flag
    }
}

impl Flags for Terminals {
    fn contains(self, flag: Self) -> bool {
        self & flag == flag
    }
}

/// An address in the host's words.
pub fn to_host(address: IpAddr) -> IpAddress {
    match address {
        IpAddr::V4(address) => IpAddress::Ipv4(address.octets().into()),
        IpAddr::V6(address) => IpAddress::Ipv6(address.segments().into()),
    }
}

/// An address in the standard library's words.
pub fn from_host(address: &IpAddress) -> IpAddr {
    match *address {
        IpAddress::Ipv4(octets) => IpAddr::V4(Ipv4Addr::from_octets(octets.into())),
        IpAddress::Ipv6(groups) => IpAddr::V6(Ipv6Addr::from_segments(groups.into())),
    }
}

#[cfg(target_arch = "wasm32")]
mod component {
    //! The host behind the bindings.

    use std::net::{IpAddr, Ipv4Addr};

    use weir_sdk::command::{Guest, admin, connections, live, names, snapshots, stdio};

    use super::{
        AddressFamily, Connection, ConnectionTimeouts, Connections, Error, Fields, Host,
        Invocation, IpvsInfo, Operation, Output, RealServerColumns, Scope, Service, StepFailure,
        SyncDaemon, Table, from_host, to_host,
    };

    /// Most that one call of `stdio.read` gives.
    const INPUT_BYTES_MAX: u32 = 1 << 20;
    /// Connections a crossing.
    const CONNECTIONS_MAX: u32 = 1024;

    struct Imports;

    impl Host for Imports {
        fn info(&mut self) -> Result<IpvsInfo, Error> {
            live::info()
        }

        fn read(&mut self, scope: &Scope, fields: Fields) -> Result<Box<dyn Table>, Error> {
            Ok(Box::new(live::read(*scope, fields)?))
        }

        fn timeouts(&mut self) -> Result<ConnectionTimeouts, Error> {
            live::timeouts()
        }

        fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
            live::daemons()
        }

        fn apply(&mut self, operations: &[Operation]) -> Vec<StepFailure> {
            admin::apply(operations, admin::OnFailure::Proceed)
        }

        fn connections(&mut self) -> Result<Box<dyn Connections>, Error> {
            Ok(Box::new(connections::open()?))
        }

        fn read_input(&mut self) -> Result<Vec<u8>, String> {
            stdio::read(INPUT_BYTES_MAX)
        }

        fn write(&mut self, to: Output, bytes: &[u8]) -> Result<(), String> {
            stdio::write(to, bytes)
        }

        fn host_names(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>> {
            let addresses: Vec<_> = addresses.iter().copied().map(to_host).collect();
            names::hosts(&addresses)
        }

        fn port_names(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>> {
            names::ports(ports)
        }

        fn address(&mut self, host: &[u8]) -> Option<Ipv4Addr> {
            let addresses = names::addresses(host, AddressFamily::Ipv4);
            addresses.iter().map(from_host).find_map(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
        }

        fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16> {
            names::port(service, protocol)
        }
    }

    impl Table for snapshots::Snapshot {
        fn services(&self, first: u32, count: u32) -> Vec<Service> {
            self.services(first, count)
        }

        fn columns(&self, first: u32, count: u32, fields: Fields) -> RealServerColumns {
            self.columns(first, count, fields)
        }
    }

    impl Connections for connections::Cursor {
        fn more(&mut self) -> Result<Vec<Connection>, Error> {
            self.next(CONNECTIONS_MAX)
        }
    }

    struct Plugin;

    impl Guest for Plugin {
        fn run(invocation: Invocation) -> u8 {
            crate::run(&mut Imports, &invocation)
        }
    }

    weir_sdk::command::export!(Plugin with_types_in weir_sdk::command);
}
