//! Weights changed through the library, as the manager changes them; and tables to list.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Result, ensure};
use weir_ipvs::{
    Change, Endpoint, Fields, Forwarding, Ipvs, OnFailure, Protocol, RealServer, Scope, Service,
    ServiceKey,
};
use weir_netlink::{Autoload, Netlink};

use crate::{
    bed::{Bed, Size},
    namespace,
    row::{Goal, Row},
    sample::{self, now},
};

const TABLE: Size = Size::new(100, 10);

/// The goal is for batches of at least so many.
const BATCHES: [usize; 2] = [100, 1000];

/// Changes in one round.
const ROUND: usize = 20_000;

/// Where services begin, and where their real servers do: all of this machine.
const SERVICES: u32 = (127 << 24) + (128 << 16);
const SERVERS: u32 = (127 << 24) + (1 << 16);
const SERVERS_APART: u32 = 64;

pub(crate) fn run(bed: &Bed) -> Result<Row> {
    namespace::fresh_network()?;
    fill(TABLE)?;
    let mut ipvs = Netlink::open(Autoload::No)?;
    let rounds = bed.rounds(40, 10);
    let [hundred, thousand] = BATCHES.map(|batch| rate(&mut ipvs, batch, rounds));
    Ok(Row {
        weir: hundred?,
        goal: Some(Goal::AtLeast(500_000.0)),
        samples: rounds,
        note: format!("{:.0} a second in batches of {}", thousand?, BATCHES[1]),
        ..bed.row("weight edits in batches of 100", "1/s")
    })
}

/// The median of edits a second.
fn rate(ipvs: &mut Netlink, batch: usize, rounds: usize) -> Result<f64> {
    let mut rates = Vec::new();
    for weight in (1..).take(rounds) {
        let edits: Vec<_> = changes(TABLE, weight, Change::EditServer).collect();
        let edits: Vec<_> = edits.iter().cycle().take(ROUND).cloned().collect();
        let start = now();
        for batch in edits.chunks(batch) {
            let failures = ipvs.apply(batch, OnFailure::Proceed);
            ensure!(failures.is_empty(), "an edit was refused: {}", failures[0].error);
        }
        rates.push(20_000.0 / start.elapsed().as_secs_f64());
        let table = ipvs.read(Scope::All, Fields::CONFIG)?;
        let mut servers = table.entries.iter().flat_map(|it| &it.servers);
        ensure!(servers.all(|it| it.config.weight == weight), "an edit had no effect");
    }
    Ok(sample::median(&rates))
}

/// Makes a table of that size in this thread's network namespace.
pub(crate) fn fill(size: Size) -> Result<()> {
    let mut ipvs = Netlink::open(Autoload::Yes)?;
    let services = (0..size.services).map(|it| Change::AddService(Service::new(key(it), "wrr")));
    let table: Vec<_> = services.chain(changes(size, 1, Change::AddServer)).collect();
    let failures = ipvs.apply(&table, OnFailure::Proceed);
    ensure!(failures.is_empty(), "the table cannot be filled: {}", failures[0].error);
    Ok(())
}

/// How long the kernel takes for the writes of a table of that size, and for telling all of it,
/// asked by the same library and nothing else.
pub(crate) fn alone(size: Size) -> Result<[Duration; 2]> {
    let start = now();
    fill(size)?;
    let filled = start.elapsed();
    let mut ipvs = Netlink::open(Autoload::No)?;
    let start = now();
    let table = ipvs.read(Scope::All, Fields::BUT_STATS)?;
    ensure!(table.entries.len() == usize::try_from(size.services)?, "the table is another");
    Ok([filled, start.elapsed()])
}

/// How long one batch takes that changes a weight in each of so many services.
pub(crate) fn one_batch(size: Size) -> Result<Duration> {
    fill(size)?;
    let mut ipvs = Netlink::open(Autoload::No)?;
    let first = Size::new(size.services, 1);
    let edits: Vec<_> = changes(first, 0, Change::EditServer).collect();
    let start = now();
    let failures = ipvs.apply(&edits, OnFailure::Proceed);
    let took = start.elapsed();
    ensure!(failures.is_empty(), "an edit was refused: {}", failures[0].error);
    Ok(took)
}

fn changes(
    size: Size,
    weight: u32,
    change: fn(ServiceKey, RealServer) -> Change,
) -> impl Iterator<Item = Change> {
    (0..size.services).flat_map(move |service| {
        (0..size.servers).map(move |number| {
            let endpoint = Endpoint::new(server_address(service, number), 8080);
            change(key(service), RealServer::new(endpoint, Forwarding::Masquerade, weight))
        })
    })
}

fn key(service: u32) -> ServiceKey {
    ServiceKey::from((Protocol::Tcp, service_address(service).into(), 80))
}

/// The address of a service; its port is 80.
pub(crate) fn service_address(service: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(SERVICES + service)
}

/// The address of a real server, one of this machine's own; its port is 8080. The stand-in
/// has the same.
pub(crate) fn server_address(service: u32, number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(SERVERS + service * SERVERS_APART + number)
}
