//! The original and weir through the same random commands: output, status and resulting
//! table must agree.
//!
//! `WEIR_DIFFERENTIAL_COUNT` says how many invocations, `WEIR_DIFFERENTIAL_SEED` which.

mod exclusions;
mod generate;
mod line;
mod shrink;
mod sides;
mod words;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
};

use weir_tests::{fixture, guest, namespace, random::Random, table::State};

use self::{
    line::{Line, Pairs},
    shrink::Failure,
    sides::{Sides, Step},
};

/// What a run has at least, unless it is told otherwise.
const COUNT: usize = 2_000;

/// Invocations on one table, before it is cleared.
const SEQUENCE: usize = 25;

/// Every command with every option.
const PAIRS: usize = words::COMMANDS.len() * words::KINDS;

/// Enough to see what is wrong; the next run shows the rest. Making each one small takes time.
const FAILURES_MAX: usize = 24;

#[test]
fn weir_does_what_the_original_does() {
    let _alone = guest::alone();
    guest::load_modules();
    let count = super::count(COUNT);
    let seed = super::seed();
    // Not captured, so that a run that is stopped has told its seed.
    writeln!(io::stderr(), "differential: {count} invocations, seed {seed}").unwrap();
    let run = namespace::on_thread(|| {
        let ours = fixture::place("ours");
        fixture::lay_out(&namespace::scratch("differential"), &[(&ours, &guest::ipvsadm())]);
        Run::new(Sides::set_up(&ours)).through(count, seed)
    });
    writeln!(io::stderr(), "differential: {}", run.summary()).unwrap();
    run.check(count);
}

/// A run, and what it has counted.
struct Run {
    sides: Sides,
    /// Command and option that are still to be tried together; taken from the end.
    untried: Vec<(usize, usize)>,
    pairs: Pairs,
    invocations: usize,
    changes: usize,
    /// By what differs, how often it was met.
    failures: BTreeMap<String, usize>,
}

impl Run {
    fn new(sides: Sides) -> Self {
        let pair = |at| (at / words::KINDS, at % words::KINDS);
        let mut untried: Vec<_> = (0..PAIRS).map(pair).collect();
        // Spread over the run, so that each meets tables of all kinds.
        Random::new(0).shuffle(&mut untried);
        Self {
            sides,
            untried,
            pairs: Pairs::new(),
            invocations: 0,
            changes: 0,
            failures: BTreeMap::new(),
        }
    }

    fn through(mut self, count: usize, seed: u64) -> Self {
        let mut sequence = seed;
        while self.invocations < count && self.failures.values().sum::<usize>() < FAILURES_MAX {
            // A sequence depends on nothing before it but which pairs were tried.
            self.sequence(&mut Random::new(sequence));
            sequence += 1;
        }
        self
    }

    fn sequence(&mut self, random: &mut Random) {
        self.sides.reset();
        let mut state = self.sides.state();
        let mut before = Vec::new();
        for _ in 0..SEQUENCE {
            let last = self.step(&state, random);
            self.invocations += 1;
            match self.sides.take(&last, &state) {
                Ok(after) => {
                    self.changes += usize::from(after != state);
                    state = after;
                    before.push(last);
                }
                Err(difference) => {
                    let failure = Failure { before, last, difference }.shrink(&self.sides);
                    *self.failures.entry(failure.report()).or_default() += 1;
                    return;
                }
            }
        }
    }

    /// The next step, which is one that can be compared.
    fn step(&mut self, state: &State, random: &mut Random) -> Step {
        loop {
            let mut pairs = Pairs::new();
            let step = match random.below(100) {
                0..28 => match self.untried_line(state, random) {
                    Some(line) => step(line, 0, &mut pairs, random),
                    None => step(generate::change(state, random), 15, &mut pairs, random),
                },
                28..32 => script(state, &mut pairs, random),
                32..39 => step(generate::look(state, random), 15, &mut pairs, random),
                _ => step(generate::change(state, random), 12, &mut pairs, random),
            };
            if exclusions::reason(&step).is_none() {
                self.pairs.extend(pairs);
                return step;
            }
        }
    }

    /// A command with an option that it has not met yet, if the table has what it is about.
    fn untried_line(&mut self, state: &State, random: &mut Random) -> Option<Line> {
        let (command, kind) = self.untried.pop()?;
        let option = words::of_kind(kind, random);
        let line = generate::pair(command, option, state, random);
        if line.command == command {
            return Some(line);
        }
        self.untried.insert(0, (command, kind));
        None
    }

    fn summary(&self) -> String {
        format!(
            "{} invocations, {} of them changed the table; {} of {} pairs of command and option",
            self.invocations,
            self.changes,
            self.pairs.len(),
            PAIRS
        )
    }

    fn check(&self, count: usize) {
        let failures =
            self.failures.iter().map(|(report, times)| format!("{times} times:\n{report}"));
        assert!(
            self.failures.is_empty(),
            "{} kinds of difference in {} invocations:\n\n{}",
            self.failures.len(),
            self.invocations,
            failures.collect::<Vec<_>>().join("\n")
        );
        if count < COUNT {
            return;
        }
        assert!(self.changes * 2 >= self.invocations, "too tame: {}", self.summary());
        assert_eq!(self.pairs.len(), PAIRS, "not everything was tried: {}", self.summary());
    }
}

/// The line as a step; so many of a hundred are spoilt first.
fn step(mut line: Line, spoilt: usize, pairs: &mut Pairs, random: &mut Random) -> Step {
    if random.percent(spoilt) {
        generate::spoil(&mut line, random);
    }
    line.note(pairs);
    let mut args = line.tokens(random);
    if random.percent(spoilt / 4) {
        generate::spoil_tokens(&mut args, random);
    }
    // An argument cannot hold NUL, and none is made.
    let stdin = (line.command == words::RESTORE).then(|| b"-A -t 10.9.9.9:80\n".to_vec());
    Step { args, stdin, posix: random.percent(2) }
}

/// A restore with some lines, a few of them broken.
fn script(state: &State, pairs: &mut Pairs, random: &mut Random) -> Step {
    const BROKEN: [&[u8]; 9] = [
        b"# a comment",
        b"-A",
        b"-A -t 10.0.0.1:80 -s \"rr\"",
        b"--foo",
        b"-L --foo",
        b"-R",
        b"/sbin/ipvsadm -C",
        b"",
        b"   \t",
    ];
    let mut text = Vec::new();
    for _ in 0..=random.below(8) {
        if random.percent(8) {
            text.extend(*random.pick(&BROKEN));
        } else {
            let line = if random.percent(92) {
                generate::change(state, random)
            } else {
                generate::look(state, random)
            };
            let step = step(line, 6, pairs, random);
            if random.percent(10) {
                text.extend(b"ipvsadm ");
            }
            for arg in &step.args {
                text.extend(arg);
                text.extend(*random.pick(&[b" ".as_slice(), b" ", b" ", b"\t", b"  "]));
            }
        }
        text.extend(if random.percent(10) { b"\r\n".as_slice() } else { b"\n" });
    }
    if random.percent(20) {
        while text.last().is_some_and(u8::is_ascii_whitespace) {
            text.pop();
        }
    }
    let command = random.pick(&["-R", "--restore"]);
    Step { args: vec![command.as_bytes().to_vec()], stdin: Some(text), posix: false }
}
