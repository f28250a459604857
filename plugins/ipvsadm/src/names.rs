//! Addresses and ports as text, by number or by name.
//!
//! Names are asked for many at a time and once a run: note what will be needed, resolve,
//! then write.

use std::{collections::BTreeMap, iter, net::IpAddr};

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

/// A name, as far as it is known.
enum Name {
    /// Until `resolve`.
    Unasked,
    Found(Vec<u8>),
    None,
}

/// How to write endpoints.
pub(crate) struct Names {
    numeric: bool,
    names: BTreeMap<Named, Name>,
}

impl Names {
    pub(crate) fn new(numeric: bool) -> Self {
        Self { numeric, names: BTreeMap::new() }
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
            self.names.entry(named).or_insert(Name::Unasked);
        }
    }

    /// Asks for all names noted and not yet known.
    pub(crate) fn resolve(&mut self, host: &mut dyn Host) {
        let (mut addresses, mut ports) = (Vec::new(), Vec::new());
        for (named, _) in self.names.iter().filter(|(_, name)| matches!(name, Name::Unasked)) {
            match *named {
                Named::Host(address) => addresses.push(address),
                Named::Port(port, protocol) => ports.push((port, protocol.to_owned())),
            }
        }
        let mut answers = Vec::new();
        if !addresses.is_empty() {
            answers.extend(host.host_names(&addresses));
            answers.resize(addresses.len(), None);
        }
        if !ports.is_empty() {
            answers.extend(host.port_names(&ports));
        }
        let unasked = self.names.values_mut().filter(|name| matches!(name, Name::Unasked));
        // Hosts come before ports, here as there.
        for (name, answer) in unasked.zip(answers.into_iter().chain(iter::repeat(None))) {
            *name = answer.map_or(Name::None, Name::Found);
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
        match self.names.get(&named)? {
            Name::Found(name) => Some(name),
            Name::Unasked | Name::None => None,
        }
    }
}
