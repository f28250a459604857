//! Schedulers tried without a core, and what holds for all of them.

use std::{collections::BTreeSet, sync::LazyLock};

use proptest::{collection::vec, prelude::*};
use weir_ipvs::{Family, Forwarding, RealServer, scheduler::KNOWN};

use super::*;
use crate::{random::Random, service::ServiceId};

/// With the kernel's defaults, by which `lblc` and `lblcr` forget after a day.
static SYSCTLS: LazyLock<Sysctls> = LazyLock::new(Sysctls::default);

/// Runs a script of [`Trial::run`] by the newer rules and without flags.
pub(super) fn check(scheduler: &str, script: &str) {
    Trial::new(scheduler).run(script);
}

/// A scheduler on trial, with real servers named A, B, C and so on, and clients that come
/// one after the other.
pub(super) struct Trial {
    scheduler: Box<dyn Scheduler>,
    pub(super) generation: Generation,
    pub(super) flags: ServiceFlags,
    pub(super) destination: Endpoint,
    now: Duration,
    clients: u32,
    port: u16,
    random: Random,
    list: Vec<ServerId>,
    arena: Vec<Option<Server>>,
}

impl Trial {
    pub(super) fn new(name: &str) -> Self {
        let mut trial = Self {
            scheduler: scheduler(name).unwrap(),
            generation: Generation::Newer,
            flags: ServiceFlags::default(),
            destination: Endpoint::new([203, 0, 113, 1], 80),
            now: Duration::from_secs(1000),
            clients: 0,
            port: 20000,
            random: Random::new(0),
            list: Vec::new(),
            arena: Vec::new(),
        };
        let servers = Servers { family: Family::V4, list: &trial.list, arena: &trial.arena };
        trial.scheduler.start(servers, trial.now).unwrap();
        trial
    }

    /// Does one thing after the other:
    ///
    /// - `+A3` adds A with a weight of 3, `A0` edits it to 0, `-A` deletes it;
    /// - `A!` marks it overloaded, `A?` no longer;
    /// - `A:2/5` gives it 2 active and 5 inactive connections;
    /// - `@9` makes destination 9 that of the next packets, `#5` client 5 their first source,
    ///   `~60` lets 60 seconds pass;
    /// - `>AB.` expects that two new connections, which are active from then on, go to A and
    ///   B, and that a third is refused.
    pub(super) fn run(&mut self, script: &str) -> &mut Self {
        for (step, word) in script.split_whitespace().enumerate() {
            let (first, rest) = word.split_at(1);
            match first {
                "+" => self.add(name(rest), rest[1..].parse().unwrap()),
                "-" => self.delete(name(rest)),
                "@" => {
                    self.destination = Endpoint::new([203, 0, 113, rest.parse().unwrap()], 80);
                }
                "#" => self.clients = rest.parse::<u32>().unwrap() - 1,
                "~" => self.now += Duration::from_secs(rest.parse().unwrap()),
                ">" => {
                    let picked: String = rest.chars().map(|_| self.connect()).collect();
                    assert_eq!(picked, rest, "step {step} of {script:?}");
                }
                _ => self.set(name(first), rest),
            }
        }
        self
    }

    fn set(&mut self, id: ServerId, what: &str) {
        let server = self.server(id);
        if let Some((active, inactive)) = what.strip_prefix(':').and_then(|it| it.split_once('/')) {
            (server.active, server.inactive) = (active.parse().unwrap(), inactive.parse().unwrap());
        } else if matches!(what, "!" | "?") {
            server.overloaded = what == "!";
        } else {
            self.edit(id, what.parse().unwrap());
        }
    }

    fn add(&mut self, id: ServerId, weight: u32) {
        let slots = self.arena.len().max(id.0 as usize + 1);
        self.arena.resize(slots, None);
        // One that is remembered comes back from the trash as it went.
        self.arena[id.0 as usize].get_or_insert_with(|| server(id, weight)).available = true;
        self.configure(id, weight);
        self.list.insert(0, id);
        self.tell(|scheduler, servers| scheduler.added(servers));
    }

    fn edit(&mut self, id: ServerId, weight: u32) {
        self.configure(id, weight);
        self.tell(|scheduler, servers| scheduler.edited(servers));
    }

    fn configure(&mut self, id: ServerId, weight: u32) {
        let server = self.server(id);
        server.config.weight = weight;
        if weight != 0 {
            server.last_weight = weight;
        }
    }

    /// Keeps the real server only if the scheduler still refers to it.
    fn delete(&mut self, id: ServerId) {
        let position = self.list.iter().position(|&it| it == id).unwrap();
        self.list.remove(position);
        self.server(id).available = false;
        self.tell(|scheduler, servers| scheduler.deleted(servers, position));
        self.free_forgotten();
    }

    fn free_forgotten(&mut self) {
        for (id, slot) in (0..).map(ServerId).zip(&mut self.arena) {
            if !self.list.contains(&id) && !self.scheduler.remembers(id) {
                *slot = None;
            }
        }
    }

    fn tell(&mut self, tell: impl FnOnce(&mut dyn Scheduler, Servers<'_>)) {
        let servers = Servers { family: Family::V4, list: &self.list, arena: &self.arena };
        tell(&mut *self.scheduler, servers);
    }

    fn server(&mut self, id: ServerId) -> &mut Server {
        self.arena[id.0 as usize].as_mut().unwrap()
    }

    /// The next client connects; `.` stands for nobody.
    fn connect(&mut self) -> char {
        let Some(id) = self.pick() else { return '.' };
        self.server(id).active += 1;
        letter(id)
    }

    /// How many real servers one client reaches from as many source ports.
    pub(super) fn picks_by_port(&mut self, ports: u16) -> usize {
        let picks: BTreeSet<_> = (1..=ports)
            .filter_map(|port| {
                (self.clients, self.port) = (0, port);
                self.pick()
            })
            .collect();
        picks.len()
    }

    pub(super) fn pick(&mut self) -> Option<ServerId> {
        self.clients += 1;
        let [_, _, third, fourth] = self.clients.to_be_bytes();
        let servers = Servers { family: Family::V4, list: &self.list, arena: &self.arena };
        self.scheduler.pick(&Pick {
            generation: self.generation,
            flags: self.flags,
            source: Endpoint::new([198, 51, third, fourth], self.port),
            destination: self.destination,
            now: self.now,
            random: self.random.next(),
            ..pick(servers)
        })
    }
}

/// Hands over real servers with these weights, named A, B, C and so on, added in turn.
pub(super) fn with_servers<T>(weights: &[u32], run: impl FnOnce(Servers<'_>) -> T) -> T {
    let ids = || (0..).map(ServerId);
    let list: Vec<_> = ids().take(weights.len()).collect();
    let arena: Vec<_> = ids().zip(weights).map(|(id, &weight)| Some(server(id, weight))).collect();
    let list: Vec<_> = list.into_iter().rev().collect();
    run(Servers { family: Family::V4, list: &list, arena: &arena })
}

/// A real server without connections.
pub(super) fn server(id: ServerId, weight: u32) -> Server {
    let [_, _, third, fourth] = id.0.to_be_bytes();
    let endpoint = Endpoint::new([10, 1, third, fourth], 8080);
    Server::new(RealServer::new(endpoint, Forwarding::Masquerade, weight), ServiceId::NONE)
}

/// Some packet.
pub(super) fn pick(servers: Servers<'_>) -> Pick<'_> {
    Pick {
        servers,
        generation: Generation::Newer,
        flags: ServiceFlags::default(),
        source: Endpoint::new([198, 51, 100, 1], 20000),
        destination: Endpoint::new([203, 0, 113, 1], 80),
        now: Duration::ZERO,
        sysctls: &SYSCTLS,
        random: 0,
    }
}

fn name(word: &str) -> ServerId {
    let letter = word.chars().next().unwrap();
    ServerId(u32::from(letter) - u32::from('A'))
}

pub(super) fn letter(id: ServerId) -> char {
    char::from_u32(u32::from('A') + id.0).unwrap()
}

#[test]
fn every_scheduler_of_the_kernel_is_here() {
    for (name, _) in KNOWN {
        assert!(scheduler(name).is_some(), "{name}");
    }
    assert!(scheduler("WRR").is_none());
    assert!(scheduler("").is_none());
}

#[test]
fn none_schedules_nobody() {
    check("none", "+A1 +B2 >...");
}

#[test]
fn without_real_servers_everything_is_refused() {
    for (name, _) in KNOWN {
        check(name, ">. +A0 >. -A >.");
        Trial::new(name).run("+A1 A! -A >.");
    }
}

/// What may happen to a service.
#[derive(Debug, Clone)]
enum Event {
    Add(u32, u32),
    Edit(u32, u32),
    Delete(u32),
    Overload(u32, bool),
    Connections(u32, u32, u32),
    Wait(u64),
    Pick(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let server = || 0..8u32;
    let weight = || prop_oneof![4 => 0..5u32, 2 => 0..200u32, 1 => Just(0x7FFF_FFFF)];
    let event = prop_oneof![
        3 => (server(), weight()).prop_map(|(id, weight)| Event::Add(id, weight)),
        2 => (server(), weight()).prop_map(|(id, weight)| Event::Edit(id, weight)),
        2 => server().prop_map(Event::Delete),
        2 => (server(), any::<bool>()).prop_map(|(id, over)| Event::Overload(id, over)),
        2 => (server(), 0..9u32, 0..9u32)
            .prop_map(|(id, active, inactive)| Event::Connections(id, active, inactive)),
        1 => (0..100_000u64).prop_map(Event::Wait),
        9 => (0..5u8).prop_map(Event::Pick),
    ];
    vec(event, 1..200)
}

proptest! {
    /// Nobody is chosen who may not be, nobody is forgotten who may be, and no id of a real
    /// server that is gone is ever looked up: that would panic.
    #[test]
    fn whoever_is_chosen_may_be_chosen(events in events(), flags in 0..4u32, older: bool) {
        for (name, _) in KNOWN {
            let mut trial = Trial::new(name);
            trial.flags = ServiceFlags::from_bits(flags << 3);
            trial.generation = if older { Generation::Older } else { Generation::Newer };
            for event in &events {
                trial.happen(name, event);
            }
        }
    }
}

impl Trial {
    fn happen(&mut self, name: &str, event: &Event) {
        let known = |id: &u32| self.list.contains(&ServerId(*id));
        match event {
            Event::Add(id, weight) if !known(id) => self.add(ServerId(*id), *weight),
            Event::Edit(id, weight) if known(id) => self.edit(ServerId(*id), *weight),
            Event::Delete(id) if known(id) => self.delete(ServerId(*id)),
            Event::Overload(id, over) if known(id) => {
                self.server(ServerId(*id)).overloaded = *over;
            }
            Event::Connections(id, active, inactive) if known(id) => {
                let server = self.server(ServerId(*id));
                (server.active, server.inactive) = (*active, *inactive);
            }
            Event::Wait(seconds) => {
                self.now += Duration::from_secs(*seconds);
                self.scheduler.tick(self.now, &SYSCTLS);
                self.free_forgotten();
            }
            Event::Pick(destination) => {
                self.destination = Endpoint::new([203, 0, 113, *destination], 80);
                self.pick_and_judge(name);
            }
            _ => {}
        }
    }

    fn pick_and_judge(&mut self, name: &str) {
        let Some(id) = self.pick() else {
            let list = self.list.clone();
            let somebody = list.into_iter().any(|id| self.server(id).is_eligible());
            let may_refuse = matches!(name, "none" | "ovf" | "dh" | "sh" | "mh");
            assert!(!somebody || may_refuse, "{name} chose nobody");
            return;
        };
        assert!(self.list.contains(&id), "{name} chose {id:?}, which is gone");
        // Whom lblc remembers it chooses in spite of thresholds, as the kernel does.
        let server = self.server(id);
        let may_be_chosen = server.config.weight > 0 && (!server.overloaded || name == "lblc");
        assert!(may_be_chosen, "{name} chose {server:?}");
    }
}
