//! The original and ours, each with a table of its own, through the same steps.

use std::{
    fmt::Write as _,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

use weir_tests::{
    guest, links,
    namespace::Network,
    program::{Invocation, Outcome},
    table::{State, Table},
    text,
};

/// One start of the program.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) posix: bool,
}

/// Both programs, and the tables they work on. The thread that made it stays in neither
/// namespace.
pub(crate) struct Sides {
    original: Side,
    ours: Side,
}

struct Side {
    program: PathBuf,
    network: Network,
    table: Table,
}

impl Sides {
    pub(crate) fn set_up(ours: &Path) -> Self {
        Self { original: Side::set_up(Path::new(guest::ORIGINAL)), ours: Side::set_up(ours) }
    }

    /// Gives both an empty table.
    pub(crate) fn reset(&self) {
        for side in [&self.original, &self.ours] {
            side.table.reset().expect("root may clear a table");
        }
    }

    /// What the original's table holds.
    pub(crate) fn state(&self) -> State {
        self.original.state()
    }

    /// Lets both take the step, and says how they differ afterwards.
    pub(crate) fn take(&self, step: &Step, before: &State) -> Result<State, String> {
        let expected = self.original.take(step);
        let actual = self.ours.take(step);
        let (expected_state, actual_state) = (self.original.state(), self.ours.state());
        let mut difference = String::new();
        if !self.same(step, &expected, &actual, *before == actual_state) {
            difference += &text::diff(&expected.to_string(), &actual.to_string());
        }
        if expected_state != actual_state {
            difference += "the tables differ:\n";
            difference += &text::diff(&expected_state.to_string(), &actual_state.to_string());
        }
        if difference.is_empty() { Ok(expected_state) } else { Err(difference) }
    }

    /// Lets both take steps whose outcome is known to be the same.
    pub(crate) fn repeat(&self, steps: &[Step]) {
        for step in steps {
            self.original.take(step);
            self.ours.take(step);
        }
    }

    /// Compares outcomes. Services come in the order of a hash that is seeded for each
    /// namespace, and are then sorted by a relation that is not transitive; so where listings
    /// differ, what counts is the listing of our table by the original.
    fn same(&self, step: &Step, expected: &Outcome, actual: &Outcome, unchanged: bool) -> bool {
        if expected == actual {
            return true;
        }
        let orderless = (actual.status, &actual.stderr) == (expected.status, &expected.stderr)
            && sorted_lines(&actual.stdout) == sorted_lines(&expected.stdout);
        // A script that lists and changes cannot be run once more.
        orderless && (!unchanged || self.original.take_in(&self.ours.network, step) == *actual)
    }
}

impl Side {
    fn set_up(program: &Path) -> Self {
        let before = Network::current();
        let network = Network::fresh();
        network.enter();
        links::set_up().expect("a fresh namespace takes links");
        let table = Table::open().expect("the guest has ip_vs");
        before.enter();
        Self { program: program.to_owned(), network, table }
    }

    fn state(&self) -> State {
        self.table.state().expect("root may read a table")
    }

    fn take(&self, step: &Step) -> Outcome {
        self.take_in(&self.network, step)
    }

    fn take_in(&self, network: &Network, step: &Step) -> Outcome {
        let mut invocation = Invocation::new(&self.program);
        invocation.arg0 = "ipvsadm".into();
        invocation.args = step.args.iter().map(|it| OsStringExt::from_vec(it.clone())).collect();
        invocation.stdin.clone_from(&step.stdin);
        if step.posix {
            invocation.env.push(("POSIXLY_CORRECT".into(), "1".into()));
        }
        network.enter();
        invocation.run()
    }
}

fn sorted_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<_> = text.split(|&it| it == b'\n').collect();
    lines.sort_unstable();
    lines
}

impl Step {
    /// The step as a line for bash.
    pub(crate) fn shell(&self) -> String {
        let mut line = String::new();
        if let Some(stdin) = &self.stdin {
            write!(line, "printf %s {} | ", quoted(stdin)).expect("a string takes everything");
        }
        line += if self.posix { "POSIXLY_CORRECT=1 ipvsadm" } else { "ipvsadm" };
        for arg in &self.args {
            line.push(' ');
            line += &quoted(arg);
        }
        line
    }
}

fn quoted(word: &[u8]) -> String {
    let plain = |it: &u8| it.is_ascii_alphanumeric() || b"-_=.,:/[]+@%".contains(it);
    if !word.is_empty() && word.iter().all(plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    format!("$'{}'", word.escape_ascii())
}
