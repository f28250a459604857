//! The kernel and the embedded core side by side: the same operations, and what differs
//! afterwards.

use std::{fmt::Write as _, time::Duration};

use weir_embedded::Sysctls;
use weir_ipvs::{
    Change, Connection, RealServerStatus, Stats, SyncDaemon, SyncRole, TableEntry, Timeouts,
    Traffic,
};
use weir_tests::text;

use super::{
    returned::Returned,
    step::{Outcome, Step},
};
use crate::{
    conformance::{core::Core, subject::Subject},
    kernel::subject::Kernel,
};

/// How far timers may be apart: both are read in whole seconds, and time passes between.
const TIMERS_APART_S: u32 = 2;

/// How long the kernel may need for what it does behind the scenes, at its next tick.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often counters are sampled: until then they show what was.
const SAMPLES_APART: Duration = Duration::from_secs(2);

/// How long counters may need to be sampled.
const SAMPLED: Duration = Duration::from_secs(8);

/// Both, in the network namespace of the thread.
pub(crate) struct Sides {
    kernel: Kernel,
    core: Core,
    returned: Returned,
}

impl Sides {
    pub(crate) fn set_up() -> Self {
        let kernel = Kernel::set_up();
        let core = Core::new(kernel.generation());
        Self { kernel, core, returned: Returned::default() }
    }

    /// What generators look at.
    pub(crate) fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Lets both take the step. Their outcome, or how they differ.
    pub(crate) fn take(&mut self, step: &Step) -> Result<Outcome, String> {
        let expected = step.take(&mut self.kernel);
        self.core.advance(self.kernel.now());
        let actual = step.take(&mut self.core);
        if expected == actual {
            self.returned.note(step, &actual);
            self.finish()?;
            return Ok(actual);
        }
        Err(format!("the kernel: {expected:?}\nthe core:   {actual:?}\n"))
    }

    /// Lets both do what they are about to do, for their ticks are not the same: it happens
    /// before the next step on both, or on neither. The kernel may do it a tick later than the
    /// core, and for want of connections nothing may show that it did.
    fn finish(&mut self) -> Result<(), String> {
        if !self.core.is_about_to_act() {
            return Ok(());
        }
        while self.core.is_about_to_act() {
            self.kernel.let_a_short_moment_pass();
            self.kernel.let_a_short_moment_pass();
            self.core.advance(self.kernel.now());
        }
        self.compare()
    }

    /// Compares everything that can be read but statistics. Others wait meanwhile: connections
    /// that expire in a minute that they take do so seconds later in the kernel.
    pub(crate) fn compare(&mut self) -> Result<(), String> {
        let pause = Kernel::let_a_short_moment_pass;
        self.within(PATIENCE, pause, |subject| State::read(subject, None))
    }

    /// Compares statistics too, but for rates, and gives others the time that it takes: it is
    /// to be the last of a namespace. How many real servers that had traffic were compared.
    pub(crate) fn compare_statistics(&mut self) -> Result<usize, String> {
        let start = self.kernel.now();
        while self.kernel.now() - start < SAMPLES_APART {
            self.kernel.let_a_moment_pass();
        }
        let returned = std::mem::take(&mut self.returned);
        let read = |subject: &mut dyn Subject| State::read(subject, Some(&returned));
        self.within(SAMPLED, Kernel::let_a_moment_pass, read)?;
        Ok(read(&mut self.core).servers_with_traffic())
    }

    /// Brings both to where a sequence begins, but for connections and the trash.
    pub(crate) fn clear(&mut self) {
        let stop = |role| Step::Change(Change::StopDaemon(role, 0));
        let timeouts = Timeouts { tcp: 900, tcp_fin: 120, udp: 300 };
        for step in [
            // First, or connections would end with their servers: some time in the next sequence.
            Step::Set(Sysctls::default()),
            Step::Change(Change::Flush),
            Step::Change(Change::SetTimeouts(timeouts)),
            stop(SyncRole::Master),
            stop(SyncRole::Backup),
        ] {
            // Whether a daemon ran does not matter.
            step.take(&mut self.kernel);
            step.take(&mut self.core);
        }
    }

    /// Waits until both read the same. How they differ, if that does not happen.
    fn within(
        &mut self,
        patience: Duration,
        pause: impl Fn(&mut Kernel),
        read: impl Fn(&mut dyn Subject) -> State,
    ) -> Result<(), String> {
        let start = self.kernel.now();
        loop {
            let expected = read(&mut self.kernel);
            self.core.advance(self.kernel.now());
            let mut actual = read(&mut self.core);
            actual.overlook_time(&expected);
            if expected == actual {
                return Ok(());
            }
            if self.kernel.now() - start > patience {
                return Err(text::diff(&expected.text(), &actual.text()));
            }
            pause(&mut self.kernel);
        }
    }
}

/// Everything that can be read.
#[derive(PartialEq)]
struct State {
    entries: Vec<TableEntry>,
    timeouts: Timeouts,
    daemons: Vec<SyncDaemon>,
    connections: Vec<Connection>,
    totals: Stats,
}

impl State {
    /// Reads it, and statistics, but for those that `returned` says cannot be compared.
    fn read(subject: &mut dyn Subject, statistics: Option<&Returned>) -> Self {
        let mut entries = subject.snapshot().entries;
        // The one order that the kernel does not define.
        entries.sort_by_key(|entry| entry.service.config.key);
        let clean = |stats: &mut Stats| {
            let total = if statistics.is_some() { stats.total } else { Traffic::default() };
            // The kernel counts ICMP of its own too, where a connection that is not masqueraded
            // just gave way to nobody.
            let total = Traffic { packets_out: 0, bytes_out: 0, ..total };
            *stats = Stats { total, ..Stats::default() };
        };
        for entry in &mut entries {
            clean(&mut entry.service.stats);
            let key = entry.service.config.key;
            for server in &mut entry.servers {
                clean(&mut server.stats);
                if statistics.is_some_and(|it| it.contains(key, server.config.endpoint)) {
                    server.stats = Stats::default();
                }
            }
        }
        let ipvs = subject.ipvs();
        let mut totals = ipvs.totals().expect("they can be read");
        clean(&mut totals);
        Self {
            entries,
            timeouts: ipvs.timeouts().expect("they can be read"),
            daemons: ipvs.daemons().expect("they can be read"),
            connections: subject.connections(),
            totals,
        }
    }

    fn servers_with_traffic(&self) -> usize {
        let has_traffic = |server: &&RealServerStatus| server.stats.total.packets_in > 0;
        self.entries.iter().flat_map(|entry| &entry.servers).filter(has_traffic).count()
    }

    /// Takes over timers that are but a little apart.
    fn overlook_time(&mut self, expected: &Self) {
        for (mine, theirs) in self.connections.iter_mut().zip(&expected.connections) {
            if mine.expires_in.abs_diff(theirs.expires_in) <= TIMERS_APART_S {
                mine.expires_in = theirs.expires_in;
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let _ = writeln!(text, "{:?}", entry.service);
            for server in &entry.servers {
                let _ = writeln!(text, "  {server:?}");
            }
        }
        for connection in &self.connections {
            let Connection { protocol, client, virtual_address, server, state, expires_in, .. } =
                connection;
            let _ = writeln!(
                text,
                "{protocol} {client} {virtual_address} {server} {state} {expires_in} s"
            );
        }
        let _ = writeln!(text, "{:?}\n{:?}\n{:?}", self.totals, self.timeouts, self.daemons);
        text
    }
}
