//! Addresses and ports as text, by number or by name.
//!
//! Names are asked for many at a time and once a run: note what will be needed, resolve,
//! then write.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::IpAddr,
};

use crate::{addresses, host::Host, text};

/// Bytes that the original has room for.
const ENDPOINT_BYTES_MAX: usize = 59;

/// What can have a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Host(IpAddr),
    /// In a protocol.
    Port(u16, &'static str),
}

/// How to write endpoints.
pub(crate) struct Names {
    numeric: bool,
    /// What was noted, with its name if it has one.
    names: BTreeMap<Named, Option<Vec<u8>>>,
    /// What was noted and not yet asked for.
    unasked: Vec<Named>,
}

impl Names {
    pub(crate) fn new(numeric: bool) -> Self {
        Self { numeric, names: BTreeMap::new(), unasked: Vec::new() }
    }

    /// Whether there is nothing to look up.
    pub(crate) fn is_numeric(&self) -> bool {
        self.numeric
    }

    /// Notes that an endpoint will be written. Ports have names in a protocol only.
    pub(crate) fn want(&mut self, address: IpAddr, port: u16, protocol: Option<&'static str>) {
        if self.numeric {
            return;
        }
        let port = protocol.filter(|_| port != 0).map(|protocol| Named::Port(port, protocol));
        for named in [Some(Named::Host(address)), port].into_iter().flatten() {
            if let Entry::Vacant(entry) = self.names.entry(named) {
                entry.insert(None);
                self.unasked.push(named);
            }
        }
    }

    /// Asks for all names noted and not yet known.
    pub(crate) fn resolve(&mut self, host: &mut dyn Host) {
        let (mut addresses, mut ports) = (Vec::new(), Vec::new());
        for named in self.unasked.drain(..) {
            match named {
                Named::Host(address) => addresses.push(address),
                Named::Port(port, protocol) => ports.push((port, protocol)),
            }
        }
        if !addresses.is_empty() {
            let names = host.host_names(&addresses);
            self.names.extend(addresses.into_iter().map(Named::Host).zip(names));
        }
        if !ports.is_empty() {
            let asked: Vec<_> =
                ports.iter().map(|(port, protocol)| (*port, (*protocol).to_owned())).collect();
            let named = ports.into_iter().map(|(port, protocol)| Named::Port(port, protocol));
            self.names.extend(named.zip(host.port_names(&asked)));
        }
    }

    /// Appends `ADDRESS:PORT`, an address of IPv6 in brackets; cut to what the original
    /// has room for.
    pub(crate) fn put(
        &self,
        out: &mut Vec<u8>,
        address: IpAddr,
        port: u16,
        protocol: Option<&'static str>,
    ) {
        let start = out.len();
        let name = self.get(Named::Host(address));
        match (address, name) {
            (IpAddr::V4(_), Some(name)) => out.extend_from_slice(name),
            (IpAddr::V4(address), None) => addresses::put4(out, address),
            (IpAddr::V6(address), name) => {
                out.push(b'[');
                match name {
                    Some(name) => out.extend_from_slice(name),
                    None => addresses::put6(out, address),
                }
                out.push(b']');
            }
        }
        out.push(b':');
        match protocol.and_then(|protocol| self.get(Named::Port(port, protocol))) {
            Some(name) => out.extend_from_slice(name),
            None => text::put_decimal(out, port.into()),
        }
        text::cut(out, start, ENDPOINT_BYTES_MAX);
    }

    fn get(&self, named: Named) -> Option<&[u8]> {
        if self.numeric {
            return None;
        }
        self.names.get(&named)?.as_deref()
    }
}
