//! Real servers as columns.

use std::net::IpAddr;

use weir_ipvs::{RealServerStatus, Traffic};

use crate::bindings::snapshots;

/// Columns with room for `rows` rows.
pub(crate) fn columns(rows: usize, fields: snapshots::Fields) -> snapshots::RealServerColumns {
    let room = |field| if fields.contains(field) { rows } else { 0 };
    let details = room(snapshots::Fields::DETAILS);
    let connections = room(snapshots::Fields::CONNECTIONS);
    let stats = room(snapshots::Fields::STATS);
    snapshots::RealServerColumns {
        service: Vec::with_capacity(rows),
        family: Vec::with_capacity(rows),
        address: Vec::with_capacity(rows * 16),
        port: Vec::with_capacity(rows),
        forwarding: Vec::with_capacity(rows),
        weight: Vec::with_capacity(rows),
        upper_threshold: Vec::with_capacity(details),
        lower_threshold: Vec::with_capacity(details),
        tunnel_kind: Vec::with_capacity(details),
        tunnel_port: Vec::with_capacity(details),
        tunnel_checksum: Vec::with_capacity(details),
        active: Vec::with_capacity(connections),
        inactive: Vec::with_capacity(connections),
        persistent: Vec::with_capacity(room(snapshots::Fields::TEMPLATES)),
        totals: Vec::with_capacity(stats * 5),
        per_second: Vec::with_capacity(stats * 5),
    }
}

/// Appends one real server of the service with this number, the columns of `fields` only.
pub(crate) fn push_row(
    columns: &mut snapshots::RealServerColumns,
    service: u32,
    server: &RealServerStatus,
    fields: snapshots::Fields,
) {
    let config = &server.config;
    columns.service.push(service);
    match config.endpoint.address {
        IpAddr::V4(address) => {
            columns.family.push(4);
            columns.address.extend_from_slice(&address.octets());
            columns.address.extend_from_slice(&[0; 12]);
        }
        IpAddr::V6(address) => {
            columns.family.push(6);
            columns.address.extend_from_slice(&address.octets());
        }
    }
    columns.port.push(config.endpoint.port);
    columns.forwarding.push(config.forwarding.number());
    columns.weight.push(config.weight);
    if fields.contains(snapshots::Fields::DETAILS) {
        columns.upper_threshold.push(config.upper_threshold);
        columns.lower_threshold.push(config.lower_threshold);
        columns.tunnel_kind.push(config.tunnel.kind.number());
        columns.tunnel_port.push(config.tunnel.port);
        columns.tunnel_checksum.push(config.tunnel.checksum.number());
    }
    if fields.contains(snapshots::Fields::CONNECTIONS) {
        columns.active.push(server.active);
        columns.inactive.push(server.inactive);
    }
    if fields.contains(snapshots::Fields::TEMPLATES) {
        columns.persistent.push(server.persistent);
    }
    if fields.contains(snapshots::Fields::STATS) {
        columns.totals.extend_from_slice(&numbers(&server.stats.total));
        columns.per_second.extend_from_slice(&numbers(&server.stats.per_second));
    }
}

/// Traffic in the order of WIT's columns.
fn numbers(traffic: &Traffic) -> [u64; 5] {
    [
        traffic.connections,
        traffic.packets_in,
        traffic.packets_out,
        traffic.bytes_in,
        traffic.bytes_out,
    ]
}
