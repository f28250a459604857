//! The kernel and the embedded core through the same random operations: after each the
//! outcome, and for each packet what became of it, must be the same, and at intervals
//! everything that can be read.
//!
//! A failure tells its seed and the fewest operations that were found to show it.

mod cast;
mod generate;
mod returned;
mod sides;
mod step;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use weir_ipvs::Change;
use weir_tests::{namespace, shrink::smallest};

use self::{
    cast::SEQUENCES,
    generate::Generator,
    sides::Sides,
    step::{Outcome, Step},
};

/// What a run has at least, unless it is told otherwise.
const COUNT: usize = 24_000;

/// Operations of a sequence, and after how many of them everything is compared.
const SEQUENCE: usize = 120;
const INTERVAL: usize = 10;

/// How often a failing sequence may be repeated to make it smaller.
const REPLAYS_MAX: usize = 150;

#[test]
fn the_core_does_what_the_kernel_does() {
    let count = super::count(COUNT);
    let mut seed = super::seed();
    // Not captured, so that a run that is stopped has told its seed.
    writeln!(io::stderr(), "embedded: {count} operations, seed {seed}").unwrap();
    let mut tally = Tally::default();
    while tally.operations < count {
        if let Err(failure) = namespace::in_fresh_network(|| share(seed, &mut tally)) {
            panic!("{}\nafter {}", failure.shrink().report(), tally.summary());
        }
        seed += SEQUENCES - seed % SEQUENCES;
    }
    writeln!(io::stderr(), "embedded: {}", tally.summary()).unwrap();
    tally.check(count);
}

/// Sequences from `seed` on that share a namespace.
fn share(seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let mut sides = Sides::set_up();
    let first = seed - seed % SEQUENCES;
    for seed in seed..first + SEQUENCES {
        let last = seed + 1 == first + SEQUENCES;
        sequence(&mut sides, seed, last, tally)?;
    }
    Ok(())
}

fn sequence(sides: &mut Sides, seed: u64, last: bool, tally: &mut Tally) -> Result<(), Failure> {
    let mut generator = Generator::new(seed);
    let mut steps = Vec::new();
    let mut run = || {
        for number in 1..=SEQUENCE {
            let step = generator.next(sides.core());
            steps.push(step);
            let step = steps.last().expect("one was just pushed");
            let outcome = sides.take(step)?;
            tally.note(step, &outcome);
            generator.note(step, &outcome);
            if number % INTERVAL == 0 {
                sides.compare()?;
            }
        }
        if last && !cast::zeroes(seed) {
            tally.counting_servers += sides.compare_statistics()?;
        }
        Ok(())
    };
    run().map_err(|difference| Failure { seed, taken: steps.len(), steps, difference })?;
    sides.clear();
    Ok(())
}

/// A sequence after which both differ, and how.
struct Failure {
    seed: u64,
    /// Steps of the sequence before anything was dropped: if none could be, it takes what
    /// earlier sequences left in the namespace.
    taken: usize,
    steps: Vec<Step>,
    difference: String,
}

impl Failure {
    /// Drops what the difference does not need.
    fn shrink(self) -> Self {
        let (steps, difference) = smallest(self.steps, self.difference, REPLAYS_MAX, replay);
        Self { steps, difference, ..self }
    }

    fn report(&self) -> String {
        let steps: Vec<_> = self.steps.iter().map(|it| format!("  {it}\n")).collect();
        let Self { seed, taken, difference, .. } = self;
        format!(
            "seed {seed}, {} of {taken} operations:\n{}{difference}",
            steps.len(),
            steps.concat()
        )
    }
}

/// How both differ after these steps, or on the way, if they do.
fn replay(steps: &[Step]) -> Option<String> {
    namespace::in_fresh_network(|| {
        let mut sides = Sides::set_up();
        let take = |step| sides.take(step).and_then(|_| sides.compare());
        steps.iter().try_for_each(take).err()
    })
}

/// What a run has done.
#[derive(Default)]
struct Tally {
    operations: usize,
    accepted: usize,
    packets: usize,
    arrived: usize,
    /// By kind of change, how many were accepted and refused.
    changes: BTreeMap<&'static str, [usize; 2]>,
    /// By scheduler, how many services were made with it.
    schedulers: BTreeMap<String, usize>,
    /// Real servers that had counted packets, and on both sides the same.
    counting_servers: usize,
}

impl Tally {
    fn note(&mut self, step: &Step, outcome: &Outcome) {
        let accepted = outcome.is_accepted();
        self.operations += 1;
        self.accepted += usize::from(accepted);
        match step {
            Step::Change(change) => {
                self.changes.entry(kind(change)).or_default()[usize::from(!accepted)] += 1;
                if let (Change::AddService(service), true) = (change, accepted) {
                    *self.schedulers.entry(service.scheduler.clone()).or_default() += 1;
                }
            }
            Step::Client(_) | Step::Server(_) => {
                self.packets += 1;
                self.arrived += usize::from(accepted);
            }
            Step::Set(_) => {}
        }
    }

    fn summary(&self) -> String {
        format!(
            "{} operations, {} of them accepted; {} packets, of which {} arrived; changes, \
             accepted and refused: {:?}; services by scheduler: {:?}; {} servers that counted",
            self.operations,
            self.accepted,
            self.packets,
            self.arrived,
            self.changes,
            self.schedulers,
            self.counting_servers
        )
    }

    fn check(&self, count: usize) {
        assert!(self.operations >= count);
        assert!(self.accepted * 2 >= self.operations, "too tame: {}", self.summary());
        assert!(self.arrived * 2 >= self.packets, "too little traffic: {}", self.summary());
        if count < COUNT {
            return;
        }
        let tried = self.changes.values().all(|[accepted, _]| *accepted > 0);
        assert!(tried && self.changes.len() == KINDS, "not all was tried: {}", self.summary());
        assert_eq!(self.schedulers.len(), cast::SCHEDULERS.len(), "{}", self.summary());
        assert!(self.counting_servers > 0, "no counter was compared: {}", self.summary());
    }
}

/// Kinds of change.
const KINDS: usize = 11;

fn kind(change: &Change) -> &'static str {
    match change {
        Change::AddService(_) => "add service",
        Change::EditService(_) => "edit service",
        Change::DeleteService(_) => "delete service",
        Change::AddServer(..) => "add server",
        Change::EditServer(..) => "edit server",
        Change::DeleteServer(_) => "delete server",
        Change::Zero(_) => "zero",
        Change::Flush => "flush",
        Change::SetTimeouts(_) => "set timeouts",
        Change::StartDaemon(_) => "start daemon",
        Change::StopDaemon(..) => "stop daemon",
    }
}
