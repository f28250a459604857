//! A table at one moment, given out in columns.

use std::net::IpAddr;

use ipvsadm::host::{
    Fields, Forwarding, RealServerColumns, RealServerConfig, Service, Stats, Table, Traffic,
    TunnelChecksum, TunnelType, from_host,
};

use super::Entry;

/// A table that has only what was asked for.
pub(super) struct Snapshot {
    pub(super) services: Vec<Entry>,
    pub(super) fields: Fields,
    pub(super) stats: Stats,
}

impl Table for Snapshot {
    fn services(&self, first: u32, count: u32) -> Vec<Service> {
        let page = self.services.iter().skip(first as usize).take(count as usize);
        page.map(|entry| Service { config: entry.config.clone(), stats: self.stats }).collect()
    }

    fn columns(&self, first: u32, count: u32, fields: Fields) -> RealServerColumns {
        assert_eq!(fields, self.fields, "what is asked of a snapshot is what it was read for");
        let mut columns = empty_columns();
        let page = (0..).zip(&self.services).skip(first as usize).take(count as usize);
        for (number, server) in
            page.flat_map(|(number, entry)| entry.servers.iter().map(move |it| (number, it)))
        {
            self.push(&mut columns, number, server);
        }
        columns
    }
}

impl Snapshot {
    fn push(&self, columns: &mut RealServerColumns, number: u32, server: &RealServerConfig) {
        let has = |fields| self.fields & fields == fields;
        columns.service.push(number);
        let (family, mut address) = match from_host(&server.server.address) {
            IpAddr::V4(address) => (4, address.octets().to_vec()),
            IpAddr::V6(address) => (6, address.octets().to_vec()),
        };
        address.resize(16, 0);
        columns.family.push(family);
        columns.address.extend(address);
        columns.port.push(server.server.port);
        columns.forwarding.push(forwarding_number(server));
        columns.weight.push(server.weight);
        if has(Fields::DETAILS) {
            push_details(columns, server);
        }
        if has(Fields::CONNECTIONS) {
            columns.active.push(0);
            columns.inactive.push(0);
        }
        if has(Fields::TEMPLATES) {
            columns.persistent.push(0);
        }
        if has(Fields::STATS) {
            columns.totals.extend(numbers(&self.stats.total));
            columns.per_second.extend(numbers(&self.stats.per_second));
        }
    }
}

fn push_details(columns: &mut RealServerColumns, server: &RealServerConfig) {
    columns.upper_threshold.push(server.upper_threshold);
    columns.lower_threshold.push(server.lower_threshold);
    columns.tunnel_kind.push(match server.tunnel.kind {
        TunnelType::Ipip => 0,
        TunnelType::Gue => 1,
        TunnelType::Gre => 2,
        TunnelType::Other(number) => number,
    });
    columns.tunnel_port.push(server.tunnel.port);
    columns.tunnel_checksum.push(match server.tunnel.checksum {
        TunnelChecksum::None => 0,
        TunnelChecksum::Full => 1,
        TunnelChecksum::Remote => 2,
        TunnelChecksum::Other(number) => number,
    });
}

fn forwarding_number(server: &RealServerConfig) -> u8 {
    match server.forwarding {
        Forwarding::Masquerade => 0,
        Forwarding::Local => 1,
        Forwarding::Tunnel => 2,
        Forwarding::Direct => 3,
        Forwarding::Bypass => 4,
        Forwarding::Other(number) => number,
    }
}

fn numbers(traffic: &Traffic) -> [u64; 5] {
    [
        traffic.connections,
        traffic.packets_in,
        traffic.packets_out,
        traffic.bytes_in,
        traffic.bytes_out,
    ]
}

fn empty_columns() -> RealServerColumns {
    RealServerColumns {
        service: vec![],
        family: vec![],
        address: vec![],
        port: vec![],
        forwarding: vec![],
        weight: vec![],
        upper_threshold: vec![],
        lower_threshold: vec![],
        tunnel_kind: vec![],
        tunnel_port: vec![],
        tunnel_checksum: vec![],
        active: vec![],
        inactive: vec![],
        persistent: vec![],
        totals: vec![],
        per_second: vec![],
    }
}
