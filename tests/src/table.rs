//! The kernel's IPVS state, read over generic netlink with none of the project's code.
//!
//! Two states are equal when a user could not tell them apart: order, statistics and
//! counts of connections are left out.

use std::{fmt, io, net::IpAddr};

use crate::netlink::{Attributes, DUMP, NESTED, Socket, attributes, number, put};

/// A service by what finds it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    Address { protocol: u16, addr: IpAddr, port: u16 },
    Fwmark { mark: u32, ipv6: bool },
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Service {
    pub key: Key,
    pub scheduler: String,
    /// Every attribute but the statistics.
    attributes: Attributes,
    pub servers: Vec<Server>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Server {
    pub addr: IpAddr,
    pub port: u16,
    /// Every attribute but statistics and counts of connections.
    attributes: Attributes,
}

/// Services and their real servers in an order of our own, timeouts and sync daemons.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    pub services: Vec<Service>,
    pub timeouts: Attributes,
    pub daemons: Vec<Attributes>,
}

const COMMAND_DEL_DAEMON: u8 = 10;
const COMMAND_GET_SERVICE: u8 = 4;
const COMMAND_GET_DEST: u8 = 8;
const COMMAND_GET_DAEMON: u8 = 11;
const COMMAND_SET_TIMEOUTS: u8 = 12;
const COMMAND_GET_TIMEOUTS: u8 = 13;
const COMMAND_FLUSH: u8 = 17;

const ATTR_SERVICE: u16 = 1;
const ATTR_DAEMON: u16 = 3;
const TIMEOUTS: [u16; 3] = [4, 5, 6];

const SERVICE_FAMILY: u16 = 1;
const SERVICE_PROTOCOL: u16 = 2;
const SERVICE_ADDR: u16 = 3;
const SERVICE_PORT: u16 = 4;
const SERVICE_FWMARK: u16 = 5;
const SERVICE_SCHEDULER: u16 = 6;
const SERVICE_STATISTICS: [u16; 2] = [10, 12];

const SERVER_ADDR: u16 = 1;
const SERVER_PORT: u16 = 2;
const SERVER_FAMILY: u16 = 11;
const SERVER_CHANGING: [u16; 5] = [7, 8, 9, 10, 12];

const DAEMON_STATE: u16 = 1;
const DAEMON_INTERFACE: u16 = 2;
const DAEMON_SYNC_ID: u16 = 3;

/// A connection to the IPVS of one network namespace.
pub struct Table {
    socket: Socket,
    family: u16,
}

impl Table {
    /// Opens that of the namespace which the thread is in. Stays there.
    pub fn open() -> io::Result<Self> {
        const CONTROL: u16 = 16;
        const GET_FAMILY: [u8; 4] = [3, 1, 0, 0];
        let socket = Socket::open(libc::NETLINK_GENERIC)?;
        let mut request = GET_FAMILY.to_vec();
        put(&mut request, 2, b"IPVS\0");
        let answers = socket.request(CONTROL, 0, &request)?;
        let family = find(&attributes(&answers[0][4..]), 1).map(half).expect("a family has an id");
        Ok(Self { socket, family })
    }

    /// Reads everything. Nobody may change it meanwhile.
    pub fn state(&self) -> io::Result<State> {
        let mut services = Vec::new();
        for entry in self.dump(COMMAND_GET_SERVICE, &[], ATTR_SERVICE)? {
            services.push(self.service(entry)?);
        }
        services.sort();
        let timeouts = self.request(COMMAND_GET_TIMEOUTS, 0, &[])?;
        let timeouts = attributes(&timeouts[0][4..]);
        let daemons = self.dump(COMMAND_GET_DAEMON, &[], ATTR_DAEMON)?;
        Ok(State { services, timeouts, daemons })
    }

    /// Brings everything back to what a fresh namespace has.
    pub fn reset(&self) -> io::Result<()> {
        self.request(COMMAND_FLUSH, 0, &[])?;
        let mut timeouts = Vec::new();
        for (kind, seconds) in TIMEOUTS.into_iter().zip([900_u32, 120, 300]) {
            put(&mut timeouts, kind, &seconds.to_ne_bytes());
        }
        self.request(COMMAND_SET_TIMEOUTS, 0, &timeouts)?;
        for daemon in self.dump(COMMAND_GET_DAEMON, &[], ATTR_DAEMON)? {
            let mut fields = Vec::new();
            for kind in [DAEMON_STATE, DAEMON_INTERFACE, DAEMON_SYNC_ID] {
                put(&mut fields, kind, find(&daemon, kind).expect("every daemon has it"));
            }
            let mut request = Vec::new();
            put(&mut request, ATTR_DAEMON | NESTED, &fields);
            self.request(COMMAND_DEL_DAEMON, 0, &request)?;
        }
        Ok(())
    }

    fn service(&self, mut entry: Attributes) -> io::Result<Service> {
        let mut name = Vec::new();
        let parts = [SERVICE_FAMILY, SERVICE_FWMARK, SERVICE_PROTOCOL, SERVICE_ADDR, SERVICE_PORT];
        for kind in parts {
            if let Some(value) = find(&entry, kind) {
                put(&mut name, kind, value);
            }
        }
        let mut request = Vec::new();
        put(&mut request, ATTR_SERVICE | NESTED, &name);
        let servers = self.dump(COMMAND_GET_DEST, &request, 2)?;
        let mut servers: Vec<_> =
            servers.into_iter().map(|it| server(it, family(&entry, SERVICE_FAMILY))).collect();
        servers.sort();
        entry.retain(|(kind, _)| !SERVICE_STATISTICS.contains(kind));
        let scheduler = find(&entry, SERVICE_SCHEDULER).unwrap_or_default();
        let scheduler = String::from_utf8_lossy(scheduler).trim_end_matches('\0').to_owned();
        Ok(Service { key: key(&entry), scheduler, attributes: entry, servers })
    }

    fn dump(&self, command: u8, payload: &[u8], wanted: u16) -> io::Result<Vec<Attributes>> {
        let answers = self.request(command, DUMP, payload)?;
        let entries = answers.iter().flat_map(|it| attributes(&it[4..]));
        Ok(entries.filter(|(kind, _)| *kind == wanted).map(|(_, it)| attributes(&it)).collect())
    }

    fn request(&self, command: u8, flags: u16, payload: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.socket.request(self.family, flags, &[&[command, 1, 0, 0], payload].concat())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            writeln!(
                f,
                "service {:?} {} {}",
                service.key,
                service.scheduler,
                hex(&service.attributes)
            )?;
            for server in &service.servers {
                writeln!(
                    f,
                    "  server {} {} {}",
                    server.addr,
                    server.port,
                    hex(&server.attributes)
                )?;
            }
        }
        for daemon in &self.daemons {
            writeln!(f, "daemon {}", hex(daemon))?;
        }
        writeln!(f, "timeouts {}", hex(&self.timeouts))
    }
}

/// Attributes for a reader: `kind=bytes` in hexadecimal.
fn hex(attributes: &Attributes) -> String {
    let attribute = |(kind, value): &(u16, Vec<u8>)| {
        let bytes: String = value.iter().map(|it| format!("{it:02x}")).collect();
        format!("{kind}={bytes}")
    };
    attributes.iter().map(attribute).collect::<Vec<_>>().join(" ")
}

fn key(service: &Attributes) -> Key {
    if let Some(mark) = find(service, SERVICE_FWMARK) {
        let ipv6 = family(service, SERVICE_FAMILY) == libc::AF_INET6;
        return Key::Fwmark { mark: number(mark), ipv6 };
    }
    let field = |kind| find(service, kind).expect("a service without a mark has it");
    Key::Address {
        protocol: half(field(SERVICE_PROTOCOL)),
        addr: addr(family(service, SERVICE_FAMILY), field(SERVICE_ADDR)),
        port: u16::from_be(half(field(SERVICE_PORT))),
    }
}

fn server(mut entry: Attributes, service_family: i32) -> Server {
    entry.retain(|(kind, _)| !SERVER_CHANGING.contains(kind));
    let family = find(&entry, SERVER_FAMILY).map_or(service_family, |it| half(it).into());
    let field = |kind| find(&entry, kind).expect("every real server has it");
    let addr = addr(family, field(SERVER_ADDR));
    let port = u16::from_be(half(field(SERVER_PORT)));
    Server { addr, port, attributes: entry }
}

fn family(service: &Attributes, kind: u16) -> i32 {
    find(service, kind).map(half).expect("every service has a family").into()
}

fn addr(family: i32, bytes: &[u8]) -> IpAddr {
    if family == libc::AF_INET {
        <[u8; 4]>::try_from(&bytes[..4]).expect("four bytes").into()
    } else {
        <[u8; 16]>::try_from(&bytes[..16]).expect("sixteen bytes").into()
    }
}

fn find(attributes: &Attributes, kind: u16) -> Option<&[u8]> {
    attributes.iter().find(|(it, _)| *it == kind).map(|(_, value)| value.as_slice())
}

fn half(bytes: &[u8]) -> u16 {
    u16::from_ne_bytes([bytes[0], bytes[1]])
}
