//! The core: everything that it keeps, and how its time passes.

use std::time::Duration;

use weir_ipvs::Timeouts;

use crate::{
    clock::{self, Clock},
    connection::Connection,
    connections::{ConnectionId, Connections},
    daemons::Daemons,
    machine::Machine,
    random::Random,
    server::Pool,
    service::Services,
    settings::Settings,
    stats::{self, Counters},
    trash::Trash,
};

/// How long a template lives on at a time when it has expired and is followed still.
const AFTERLIFE_SECONDS: u32 = 60;

/// An IPVS in the process.
///
/// It knows of time only what [`Embedded::advance`] tells it, and acts at the time that it
/// was last told. The same calls with the same [`Settings`] have the same results.
#[derive(Debug)]
pub struct Embedded {
    pub(crate) settings: Settings,
    pub(crate) machine: Machine,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) services: Services,
    pub(crate) servers: Pool,
    pub(crate) trash: Trash,
    pub(crate) connections: Connections,
    /// Connections and templates that ended as time last passed.
    ended: Vec<ConnectionId>,
    /// The tick in which the connections of deleted real servers end.
    pub(crate) orphans_end: Option<u64>,
    pub(crate) daemons: Daemons,
    pub(crate) timeouts: Timeouts,
    pub(crate) totals: Counters,
    pub(crate) sampler: Sampler,
}

impl Embedded {
    /// An empty table at time zero, on a machine without interfaces.
    pub fn new(settings: Settings) -> Self {
        let mut random = Random::new(settings.seed);
        Self {
            machine: Machine::default(),
            clock: Clock::new(settings.tick_rate),
            connections: Connections::new(&mut random),
            ended: Vec::new(),
            orphans_end: None,
            random,
            services: Services::default(),
            servers: Pool::default(),
            trash: Trash::default(),
            daemons: Daemons::default(),
            timeouts: Timeouts { tcp: 900, tcp_fin: 120, udp: 300 },
            totals: Counters::default(),
            sampler: Sampler::default(),
            settings,
        }
    }

    /// Says what is to be known of the machine from now on. What was checked stays.
    pub fn set_machine(&mut self, machine: Machine) {
        self.machine = machine;
    }

    /// What it was made with, and set to since.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes what it is told while it runs, or what there is to be used. Its tick rate and
    /// its seed are those that it was made with.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The time last advanced to.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// When there is something to do next, if nothing else happens: not later than that,
    /// though at times earlier.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.next_tick().map(|tick| self.clock.start_of(tick))
    }

    /// Lets time pass until `now`, and does what falls due on the way, in its order. A time
    /// that has passed already changes nothing.
    pub fn advance(&mut self, now: Duration) {
        self.ended.clear();
        let now = now.min(clock::END);
        let end = self.clock.tick_at(now);
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= end) {
            self.clock.set(self.clock.start_of(tick));
            self.fire();
        }
        if now > self.clock.now() {
            self.clock.set(now);
            self.expire_connections();
        }
    }

    /// The connections that ended during the last [`Embedded::advance`]; they end at no other
    /// time. There may be others among them that no driver was told of.
    pub fn ended(&self) -> &[ConnectionId] {
        &self.ended
    }

    fn next_tick(&self) -> Option<u64> {
        [self.connections.deadline(), self.orphans_end, self.sampler.due, self.trash.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due in this tick.
    fn fire(&mut self) {
        let tick = self.clock.tick();
        let is_due = |deadline: Option<u64>| deadline.is_some_and(|it| it <= tick);
        if is_due(self.sampler.due) {
            self.sample();
        }
        self.expire_connections();
        if is_due(self.orphans_end) {
            self.end_orphans();
        }
        if is_due(self.trash.deadline()) {
            self.sweep_trash();
        }
    }

    fn expire_connections(&mut self) {
        for slot in self.connections.advance(self.clock.tick()) {
            if self.connections[slot].followers > 0 {
                // From now on, whatever its service says.
                self.connections[slot].timeout = self.clock.ticks(AFTERLIFE_SECONDS);
                self.connections.rearm(slot, self.clock.tick());
            } else {
                self.end(slot);
            }
        }
    }

    /// Ends the connections and templates of deleted real servers.
    fn end_orphans(&mut self) {
        self.orphans_end = None;
        let is_orphan = |it: &Connection| it.server.is_some_and(|id| !self.servers[id].available);
        let orphans = self.connections.iter().filter(|(_, it)| is_orphan(it));
        let (templates, followers): (Vec<_>, Vec<_>) =
            orphans.map(|(slot, it)| (it.is_template(), slot)).partition(|(template, _)| *template);
        for (_, slot) in followers.into_iter().chain(templates) {
            self.end(slot);
        }
    }

    /// Ends a connection, or a template that none follows.
    fn end(&mut self, slot: u32) {
        self.ended.push(self.connections.id(slot));
        let connection = self.connections.remove(slot);
        if let Some(template) = connection.template {
            self.connections[template].followers -= 1;
        }
        if let Some(server) = connection.server {
            self.unbind(server, &connection);
        }
    }

    fn sample(&mut self) {
        self.sampler.due = None;
        let mut moving = !self.settings.sysctls.run_estimation;
        if self.settings.sysctls.run_estimation {
            moving |= self.totals.sample();
            for id in self.services.ids().collect::<Vec<_>>() {
                let service = &mut self.services[id];
                moving |= service.counters.sample();
                for server in &service.servers {
                    moving |= self.servers[*server].counters.sample();
                }
            }
        }
        if moving {
            self.sampler.wake(&self.clock);
        }
    }
}

/// When counters are sampled: at every second that is even, but for as long as a sample
/// would change nothing.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    due: Option<u64>,
}

impl Sampler {
    /// There is something to sample.
    pub(crate) fn wake(&mut self, clock: &Clock) {
        let period = u64::from(clock.ticks(stats::PERIOD_SECONDS));
        self.due.get_or_insert_with(|| (clock.tick() / period + 1) * period);
    }
}
