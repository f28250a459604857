//! Invents operations that suit the table as it is, and some that do not.

use weir_embedded::{Packet, Sysctls};
use weir_ipvs::{
    Change, Endpoint, RealServer, RealServerKey, Service, ServiceKey, Snapshot, SyncRole,
    TableEntry, Timeouts, Tunnel, TunnelKind,
};
use weir_tests::{director::Seen, random::Random};

use super::{
    cast::{self, Cast},
    step::{Outcome, Step},
};
use crate::conformance::subject::Subject;

/// Conversations that are kept in mind.
const CONVERSATIONS_MAX: usize = 24;

/// The inventor of one sequence.
pub(crate) struct Generator {
    random: Random,
    cast: Cast,
    conversations: Vec<Conversation>,
}

/// What began with a packet that arrived.
struct Conversation {
    first: Packet,
    /// Where its replies come from, if they pass the director.
    server: Option<Endpoint>,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let cast = Cast::new(seed, &mut random);
        Self { random, cast, conversations: Vec::new() }
    }

    /// The next operation, for a table as `subject` has it.
    pub(crate) fn next(&mut self, subject: &mut dyn Subject) -> Step {
        let snapshot = subject.snapshot();
        if self.cast.traffic && self.random.percent(45) {
            return self.traffic(&snapshot);
        }
        if self.cast.traffic && self.random.percent(2) {
            return Step::Set(self.sysctls());
        }
        Step::Change(self.change(&snapshot))
    }

    /// Keeps in mind what came of it.
    pub(crate) fn note(&mut self, step: &Step, outcome: &Outcome) {
        let (Step::Client(first), Outcome::Packet(Seen::Server(address, port))) = (step, outcome)
        else {
            return;
        };
        if self.conversations.iter().any(|it| it.first.source == first.source) {
            return;
        }
        if self.conversations.len() == CONVERSATIONS_MAX {
            let at = self.random.below(CONVERSATIONS_MAX);
            self.conversations.swap_remove(at);
        }
        let server = port.map(|port| Endpoint { address: *address, port });
        self.conversations.push(Conversation { first: *first, server });
    }

    fn traffic(&mut self, snapshot: &Snapshot) -> Step {
        let Self { random, cast, conversations } = self;
        if conversations.is_empty() || random.percent(55) {
            let is_served =
                |key: &ServiceKey| snapshot.get(key).is_some_and(|entry| !entry.servers.is_empty());
            let served: Vec<_> = cast.keys.into_iter().filter(is_served).collect();
            let key = match served.is_empty() || random.percent(10) {
                true => cast.key(random),
                false => *random.pick(&served),
            };
            return Step::Client(cast.first_packet(key, random));
        }
        let Conversation { first, server } = random.pick(conversations);
        match server {
            Some(server) if random.percent(50) => {
                Step::Server(cast::next_of_server(first, *server, random))
            }
            _ => Step::Client(cast::next_of_client(first, random)),
        }
    }

    fn sysctls(&mut self) -> Sysctls {
        let random = &mut self.random;
        Sysctls {
            conn_reuse_mode: *random.pick(&[0, 1, 1, 2, 3]),
            expire_nodest_conn: random.percent(30),
            expire_quiescent_template: random.percent(50),
            secure_tcp: random.percent(20),
            sloppy_sctp: random.percent(20),
            sloppy_tcp: random.percent(20),
            ..Sysctls::default()
        }
    }

    fn change(&mut self, snapshot: &Snapshot) -> Change {
        let Self { random, cast, .. } = self;
        let ours: Vec<_> = snapshot
            .entries
            .iter()
            .filter(|it| cast.keys.contains(&it.service.config.key))
            .collect();
        if ours.is_empty() {
            let key = cast.key(random);
            return Change::AddService(cast.service(key, random));
        }
        let entry = *random.pick(&ours);
        let key = if random.percent(4) { cast.key(random) } else { entry.service.config.key };
        match random.below(200) {
            0..22 => self.add_service(snapshot),
            22..36 => Change::EditService(spoilt(cast.service(key, random), random)),
            36..42 => Change::DeleteService(key),
            42..46 if cast.zeroes => Change::Zero(random.percent(70).then_some(key)),
            46 => Change::Flush,
            47..51 => Change::SetTimeouts(match random.percent(30) {
                true => Timeouts { udp: u32::MAX, ..cast::timeouts(random) },
                false => cast::timeouts(random),
            }),
            51..54 => Change::StartDaemon(cast::daemon(random)),
            54..57 => Change::StopDaemon(*random.pick(&[SyncRole::Master, SyncRole::Backup]), 0),
            57..110 => self.add_server(key, entry),
            165.. => Change::DeleteServer(RealServerKey {
                service: key,
                server: self.known_endpoint(key, entry),
            }),
            _ => self.edit_server(key, entry),
        }
    }

    fn add_service(&mut self, snapshot: &Snapshot) -> Change {
        let Self { random, cast, .. } = self;
        let free: Vec<_> =
            cast.keys.into_iter().filter(|key| snapshot.get(key).is_none()).collect();
        let key = match free.is_empty() || random.percent(10) {
            true => cast.key(random),
            false => *random.pick(&free),
        };
        Change::AddService(spoilt(cast.service(key, random), random))
    }

    fn add_server(&mut self, key: ServiceKey, entry: &TableEntry) -> Change {
        let Self { random, cast, .. } = self;
        let mut endpoint = cast.endpoint(key, random);
        for _ in 0..4 {
            if random.percent(95) && entry.servers.iter().any(|it| it.config.endpoint == endpoint) {
                endpoint = cast.endpoint(key, random);
            }
        }
        if random.percent(8) {
            endpoint = self.odd_endpoint(key);
        }
        let Self { random, cast, .. } = self;
        Change::AddServer(key, spoilt_server(cast.server(endpoint, key, random), random))
    }

    fn edit_server(&mut self, key: ServiceKey, entry: &TableEntry) -> Change {
        let endpoint = self.known_endpoint(key, entry);
        let Self { random, cast, .. } = self;
        let known = entry.servers.iter().find(|it| it.config.endpoint == endpoint);
        let server = match known {
            // As automation does it: the weight alone.
            Some(known) if random.percent(40) => {
                RealServer { weight: cast.server(endpoint, key, random).weight, ..known.config }
            }
            _ => cast.server(endpoint, key, random),
        };
        Change::EditServer(key, spoilt_server(server, random))
    }

    /// Most often that of a real server in the list.
    fn known_endpoint(&mut self, key: ServiceKey, entry: &TableEntry) -> Endpoint {
        if entry.servers.is_empty() || self.random.percent(4) {
            return self.cast.endpoint(key, &mut self.random);
        }
        self.random.pick(&entry.servers).config.endpoint
    }

    /// One that is refused, of the other family, or, without traffic, the director's.
    fn odd_endpoint(&mut self, key: ServiceKey) -> Endpoint {
        const REFUSED: [&str; 8] = [
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "10.254.0.255",
            "::",
            "ff02::1",
            "fe80::1",
            "127.255.255.255",
        ];
        const OWN: [&str; 5] = ["127.0.0.1", "10.254.0.1", "::1", "fd54::1", "240.0.0.1"];
        let Self { random, cast, .. } = self;
        let text = match random.below(3) {
            0 => random.word(&REFUSED),
            1 if !cast.traffic => random.word(&OWN),
            _ => {
                let other = *random.pick(&cast.keys);
                let endpoint = cast.endpoint(other, random);
                return Endpoint { port: cast.endpoint(key, random).port, ..endpoint };
            }
        };
        Endpoint { address: text.parse().expect("they are addresses"), port: 80 }
    }
}

/// The service, now and then with something that is refused.
fn spoilt(service: Service, random: &mut Random) -> Service {
    let scheduler = |name: &str| Service { scheduler: name.to_owned(), ..service.clone() };
    match random.below(40) {
        0 => scheduler(random.word(&["nope", "", "RR", "twos"])),
        1 => scheduler("sixteen--letters"),
        2 => Service { engine: Some("nope".to_owned()), ..service },
        3 if service.key.family() == weir_ipvs::Family::V6 => {
            Service { netmask: *random.pick(&[0, 129]), ..service }
        }
        _ => service,
    }
}

/// The real server, now and then with something that is refused.
fn spoilt_server(server: RealServer, random: &mut Random) -> RealServer {
    match random.below(50) {
        0 => RealServer { weight: *random.pick(&[1 << 31, u32::MAX]), ..server },
        1 => RealServer { lower_threshold: server.upper_threshold + 1, ..server },
        2 => {
            let tunnel = Tunnel { kind: TunnelKind::Gue, port: 0, ..server.tunnel };
            RealServer { tunnel, ..server }
        }
        3 => RealServer { upper_threshold: 1 << 31, lower_threshold: 0, ..server },
        _ => server,
    }
}
