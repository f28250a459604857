//! What holds of a core whatever is done to it, in whatever order.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection, prelude::*};
use weir_ipvs::{
    Change, Endpoint, Fields, Forwarding, Ipvs, OnFailure, Protocol, RealServer, RealServerKey,
    Scope, Service, ServiceFlags, ServiceKey, scheduler::KNOWN,
};

use crate::{
    Chunk, ConnectionId, Direction, Embedded, Generation, Packet, Settings, Signal, Sysctls,
    TcpFlags, Verdict,
    server::ServerId,
    testing::{endpoint, key},
};

const SERVICES: [&str; 6] = [
    "tcp 192.0.2.1:80",
    "tcp 192.0.2.1:0",
    "tcp 192.0.2.1:21",
    "udp 192.0.2.1:53",
    "sctp 192.0.2.1:80",
    "fwmark 1",
];
const DESTINATIONS: [&str; 4] = ["192.0.2.1:80", "192.0.2.1:21", "192.0.2.1:53", "192.0.2.1:2000"];
const SERVERS: [&str; 4] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:0", "10.0.0.4:21"];

/// One thing that is done.
#[derive(Debug, Clone)]
enum Step {
    Make(Change),
    Receive(Packet),
    Reply(Packet),
    Carry { which: usize, direction: Direction, signal: Signal },
    Wait(Duration),
    Set(Sysctls),
}

fn any_key() -> impl Strategy<Value = ServiceKey> {
    prop::sample::select(&SERVICES[..]).prop_map(key)
}

prop_compose! {
    fn any_service()(
        key in any_key(),
        (scheduler, _) in prop::sample::select(&KNOWN[..]),
        persistence in prop::option::of(prop::sample::select(vec![0, 1, 50, 300])),
        flags in prop::sample::select(vec![0, 0x4, 0x8, 0x18]),
        netmask in prop::sample::select(vec![0, 0xffff_ff00, u32::MAX]),
    ) -> Service {
        Service {
            persistence,
            flags: ServiceFlags::from_bits(flags),
            netmask,
            ..Service::new(key, scheduler)
        }
    }
}

prop_compose! {
    fn any_server()(
        text in prop::sample::select(&SERVERS[..]),
        forwarding in prop::sample::select(vec![Forwarding::Masquerade, Forwarding::Direct]),
        weight in 0_u32..4,
        (lower_threshold, upper_threshold) in (0_u32..3, 0_u32..5),
    ) -> RealServer {
        RealServer {
            lower_threshold,
            upper_threshold,
            ..RealServer::new(endpoint(text), forwarding, weight)
        }
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let server_key = (any_key(), prop::sample::select(&SERVERS[..]))
        .prop_map(|(service, server)| RealServerKey { service, server: endpoint(server) });
    prop_oneof![
        8 => any_service().prop_map(Change::AddService),
        4 => any_service().prop_map(Change::EditService),
        1 => any_key().prop_map(Change::DeleteService),
        12 => (any_key(), any_server()).prop_map(|(key, it)| Change::AddServer(key, it)),
        8 => (any_key(), any_server()).prop_map(|(key, it)| Change::EditServer(key, it)),
        4 => server_key.prop_map(Change::DeleteServer),
        1 => prop::option::of(any_key()).prop_map(Change::Zero),
        1 => Just(Change::Flush),
    ]
}

fn any_flags() -> impl Strategy<Value = Signal> {
    any::<(bool, bool, bool, bool)>()
        .prop_map(|(syn, ack, fin, rst)| Signal::Tcp(TcpFlags { syn, ack, fin, rst }))
}

fn any_signal() -> impl Strategy<Value = (Protocol, Signal)> {
    let syn = Signal::Tcp(TcpFlags { syn: true, ..TcpFlags::default() });
    let chunks = [Chunk::Init, Chunk::CookieEcho, Chunk::Data, Chunk::Shutdown, Chunk::Abort];
    prop_oneof![
        2 => Just((Protocol::Tcp, syn)),
        2 => any_flags().prop_map(|signal| (Protocol::Tcp, signal)),
        1 => Just((Protocol::Udp, Signal::Datagram)),
        1 => prop::sample::select(chunks.to_vec()).prop_map(|it| (Protocol::Sctp, Signal::Sctp(it))),
    ]
}

prop_compose! {
    fn any_packet()(
        (protocol, signal) in any_signal(),
        client in 1_u8..4,
        port in 0_u16..4,
        destination in prop::sample::select(&DESTINATIONS[..]),
        mark in 0_u32..2,
    ) -> Packet {
        let port = if port == 0 { 0 } else { 4000 + port };
        let source = Endpoint::new([198, 51, 100, client], port);
        Packet { protocol, source, destination: endpoint(destination), mark, bytes: 40, signal }
    }
}

fn any_reply() -> impl Strategy<Value = Packet> {
    (any_packet(), prop::sample::select(&SERVERS[..])).prop_map(|(packet, server)| Packet {
        source: endpoint(server),
        destination: packet.source,
        ..packet
    })
}

prop_compose! {
    fn any_sysctls()(
        bits: [bool; 6],
        conn_reuse_mode in 0_u32..4,
    ) -> Sysctls {
        let [cache_bypass, nodest, quiescent, estimation, secure_tcp, sloppy] = bits;
        Sysctls {
            cache_bypass,
            conn_reuse_mode,
            expire_nodest_conn: nodest,
            expire_quiescent_template: quiescent,
            run_estimation: estimation,
            secure_tcp,
            sloppy_sctp: sloppy,
            sloppy_tcp: sloppy,
            ..Sysctls::default()
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let direction = prop::sample::select(vec![Direction::In, Direction::Out]);
    let carry = (any::<usize>(), direction, any_signal())
        .prop_map(|(which, direction, (_, signal))| Step::Carry { which, direction, signal });
    // From a tick to five minutes, the short ones more often.
    let wait = (0_u32..15, 0_u64..20).prop_map(|(power, milliseconds)| {
        Step::Wait(Duration::from_millis((1 << power) * (1 + milliseconds)))
    });
    prop_oneof![
        8 => any_change().prop_map(Step::Make),
        16 => any_packet().prop_map(Step::Receive),
        4 => any_reply().prop_map(Step::Reply),
        4 => carry,
        6 => wait,
        1 => any_sysctls().prop_map(Step::Set),
    ]
}

/// A core, and the names that it gave to connections, with what they were given for.
struct Run {
    core: Embedded,
    named: Vec<(ConnectionId, [Endpoint; 2])>,
}

impl Run {
    fn new(generation: Generation) -> Self {
        let core = Embedded::new(Settings { generation, seed: 5, ..Settings::default() });
        Self { core, named: Vec::new() }
    }

    /// Does a step, and says what came of it.
    fn take(&mut self, step: &Step) -> String {
        let core = &mut self.core;
        match step {
            Step::Make(change) => {
                format!("{:?}", core.apply(std::slice::from_ref(change), OnFailure::Stop))
            }
            Step::Receive(packet) => {
                let verdict = core.receive(packet);
                if let Verdict::Forward(route) = verdict
                    && route.is_new
                {
                    self.named.push((route.connection, [packet.source, packet.destination]));
                }
                format!("{verdict:?}")
            }
            Step::Reply(packet) => format!("{:?}", core.reply(packet)),
            Step::Carry { which, direction, signal } => {
                let Some(count) = self.named.len().checked_sub(1) else { return String::new() };
                let (connection, _) = self.named[count - which % (count + 1)];
                format!("{:?}", core.carry(connection, *direction, *signal, 2, 3000))
            }
            Step::Wait(duration) => {
                core.advance(core.now() + *duration);
                String::new()
            }
            Step::Set(sysctls) => {
                core.settings_mut().sysctls = sysctls.clone();
                String::new()
            }
        }
    }

    fn check(&self) {
        self.check_counts();
        self.check_followers();
        self.check_lists();
        self.check_timers();
        self.check_names();
    }

    /// Of each real server as many connections are counted as lead to it.
    fn check_counts(&self) {
        let mut counted = BTreeMap::<ServerId, [u32; 3]>::new();
        for (_, connection) in self.core.connections.iter() {
            let Some(server) = connection.server else { continue };
            let counts = counted.entry(server).or_default();
            let kind = match (connection.is_template(), connection.state.is_active()) {
                (true, _) => 2,
                (false, active) => usize::from(!active),
            };
            counts[kind] += 1;
        }
        for (id, server) in self.core.servers.iter() {
            let counts = counted.remove(&id).unwrap_or_default();
            assert_eq!([server.active, server.inactive, server.persistent], counts, "{server:?}");
        }
        assert!(counted.is_empty(), "connections lead to nothing: {counted:?}");
    }

    fn check_followers(&self) {
        let mut followers = BTreeMap::<u32, u32>::new();
        for (_, connection) in self.core.connections.iter() {
            if let Some(template) = connection.template {
                *followers.entry(template).or_default() += 1;
            }
        }
        for (slot, connection) in self.core.connections.iter() {
            let followed = followers.remove(&slot).unwrap_or_default();
            assert_eq!(connection.followers, followed, "{connection:?}");
            assert!(followed == 0 || connection.is_template());
        }
        assert!(followers.is_empty(), "templates are gone: {followers:?}");
    }

    /// A real server is in one list, or in the trash.
    fn check_lists(&self) {
        let mut listed = Vec::new();
        for id in self.core.services.ids() {
            let service = &self.core.services[id];
            for server in &service.servers {
                let found = &self.core.servers[*server];
                assert_eq!(service.server(&found.config.endpoint), Ok(*server));
                assert!(found.available && found.service == id);
                listed.push(*server);
            }
            assert_eq!(service.by_endpoint.len(), service.servers.len());
        }
        let available = self.core.servers.iter().filter(|(_, server)| server.available);
        let mut available: Vec<_> = available.map(|(id, _)| id).collect();
        listed.sort();
        available.sort();
        assert_eq!(listed, available);
        let trashed = self.core.servers.iter().count() - listed.len();
        assert!(trashed == 0 || self.core.trash.deadline().is_some());
    }

    /// Nothing is overdue.
    fn check_timers(&self) {
        let tick = self.core.clock.tick();
        for (slot, connection) in self.core.connections.iter() {
            assert!(self.core.connections.expires(slot) > tick, "{connection:?}");
        }
        assert!(self.core.next_deadline().is_none_or(|deadline| deadline > self.core.now()));
    }

    /// A name names the connection that it was given for, or none; and a connection is found
    /// by its ends, unless a newer one with the same is.
    fn check_names(&self) {
        for (id, ends) in &self.named {
            if let Some(slot) = self.core.connections.slot(*id) {
                let connection = &self.core.connections[slot];
                assert_eq!([connection.client, connection.virtual_address], *ends);
            }
        }
        for (_, it) in self.core.connections.iter().filter(|(_, it)| !it.is_template()) {
            let found = self.core.connections.find(it.protocol, it.client, it.virtual_address);
            assert_eq!(found.is_some(), it.client.port != 0, "{it:?}");
        }
    }

    /// All that can be read.
    fn read(&mut self) -> String {
        let snapshot = self.core.read(Scope::All, Fields::ALL);
        format!("{snapshot:?} {:?} {:?}", self.core.totals(), self.core.listed())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn books_are_kept_whatever_is_done(
        newer: bool,
        steps in collection::vec(any_step(), 1..300),
    ) {
        let generation = if newer { Generation::Newer } else { Generation::Older };
        let (mut run, mut again) = (Run::new(generation), Run::new(generation));
        for step in &steps {
            prop_assert_eq!(run.take(step), again.take(step), "the same seed, the same result");
            run.check();
        }
        prop_assert_eq!(run.read(), again.read());
        // In the end nothing is left but the table.
        run.core.make(Change::Flush).unwrap();
        run.core.wait(100_000);
        prop_assert_eq!(run.core.connections.len(), 0);
        prop_assert_eq!(run.core.servers.iter().count(), 0);
        prop_assert_eq!(run.core.trash.deadline(), None);
    }
}
