//! What a packet costs in a table of a million connections: `cargo bench -p weir-embedded`.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir_embedded::{
    ConnectionId, Cursor, Direction, Embedded, Packet, Settings, Signal, TcpFlags, Verdict,
};
use weir_ipvs::{
    Change, Endpoint, Forwarding, Ipvs, OnFailure, Protocol, RealServer, Service, ServiceKey,
};

const CONNECTIONS: u32 = 1_000_000;
const SYN: TcpFlags = TcpFlags { syn: true, ack: false, fin: false, rst: false };
const ACK: TcpFlags = TcpFlags { syn: false, ack: true, fin: false, rst: false };

/// The packet of one of many clients, who have 50,000 ports each.
fn packet(client: u32, flags: TcpFlags) -> Packet {
    let port = 10_000 + u16::try_from(client % 50_000).expect("it is below 50,000");
    let [_, high, middle, low] = (client / 50_000).to_be_bytes();
    Packet {
        protocol: Protocol::Tcp,
        source: Endpoint::new([10, high, middle, low], port),
        destination: Endpoint::new([192, 0, 2, 1], 80),
        mark: 0,
        bytes: 1000,
        signal: Signal::Tcp(flags),
    }
}

/// A service with ten real servers.
fn core() -> Embedded {
    let mut core = Embedded::new(Settings::default());
    let key = ServiceKey::from((Protocol::Tcp, Endpoint::new([192, 0, 2, 1], 80)));
    let server = |host| {
        let endpoint = Endpoint::new([10, 0, 0, host], 8080);
        Change::AddServer(key, RealServer::new(endpoint, Forwarding::Masquerade, 1))
    };
    let mut changes = vec![Change::AddService(Service::new(key, "rr"))];
    changes.extend((1..=10).map(server));
    assert_eq!(core.apply(&changes, OnFailure::Stop), []);
    core
}

fn connect(core: &mut Embedded, client: u32) -> ConnectionId {
    match core.receive(&packet(client, SYN)) {
        Verdict::Forward(route) => route.connection,
        other => panic!("{other:?}"),
    }
}

fn traffic(criterion: &mut Criterion) {
    let mut core = core();
    let connections: Vec<_> = (0..CONNECTIONS).map(|it| connect(&mut core, it)).collect();
    // All over the table, and not in its order.
    let mut client = 0;
    let mut next = || {
        client = (client + 611_953) % CONNECTIONS;
        client
    };
    for _ in 0..CONNECTIONS {
        core.receive(&packet(next(), ACK));
    }
    criterion.bench_function("receive, one of a million", |it| {
        it.iter(|| core.receive(black_box(&packet(next(), ACK))));
    });
    criterion.bench_function("carry, one of a million", |it| {
        it.iter(|| {
            let connection = connections[next() as usize];
            core.carry(black_box(connection), Direction::In, Signal::Tcp(ACK), 1, 1000)
        });
    });
    let mut cursor = Cursor::default();
    criterion.bench_function("list a page, of a million", |it| {
        it.iter(|| {
            let page = core.connections_page(&mut cursor);
            if page.is_none() {
                cursor = Cursor::default();
            }
            page
        });
    });
    let mut new = CONNECTIONS;
    criterion.bench_function("begin and end, beside a million", |it| {
        it.iter_batched(
            || {
                new += 1;
                packet(new, SYN)
            },
            |packet| {
                // Time goes on, and what began a minute ago is over.
                core.advance(core.now() + Duration::from_micros(10));
                core.receive(black_box(&packet))
            },
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("begin a million", |it| {
        it.iter_batched(
            self::core,
            |mut core| {
                for client in 0..CONNECTIONS {
                    connect(&mut core, client);
                }
                core
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = traffic
}
criterion_main!(benches);
