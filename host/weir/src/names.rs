//! Names for commands, through the helper that the C library needs.

use std::net::IpAddr;

use weir_ipvs::Family;
use weir_names::Resolver;
use weir_wasm::Names;

use crate::commands::print_error;

/// The system's own names.
pub(crate) struct System {
    resolver: Resolver,
    told: bool,
}

impl System {
    /// Names from the helper whose executable is `program`.
    pub(crate) fn new(program: &'static [u8]) -> Self {
        Self { resolver: Resolver::new(program), told: false }
    }

    /// A name that is not found is silent; a helper that does not run is not.
    fn ask<T>(&mut self, question: impl FnOnce(&mut Resolver) -> T) -> T {
        let answer = question(&mut self.resolver);
        if let (Some(reason), false) = (self.resolver.failure(), self.told) {
            print_error(&format!("weir: names cannot be looked up: {reason}"));
            self.told = true;
        }
        answer
    }
}

impl Names for System {
    fn hosts(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>> {
        self.ask(|it| addresses.iter().map(|&address| it.host(address)).collect())
    }

    fn ports(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>> {
        self.ask(|it| ports.iter().map(|(port, protocol)| it.port_name(*port, protocol)).collect())
    }

    fn addresses(&mut self, host: &[u8], family: Family) -> Vec<IpAddr> {
        self.ask(|it| match family {
            Family::V4 => it.ipv4_addresses(host),
            Family::V6 => it.ipv6_addresses(host),
        })
    }

    fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16> {
        self.ask(|it| it.port(service, protocol))
    }
}
