//! Makes a failing run small: drops what the difference does not need.

use weir_tests::table::State;

use super::{
    exclusions,
    sides::{Sides, Step},
};

/// How often the programs may be run to make one failure smaller.
const REPLAYS_MAX: usize = 200;

/// The steps before, the step after which both differ, and how.
pub(crate) struct Failure {
    pub(crate) before: Vec<Step>,
    pub(crate) last: Step,
    pub(crate) difference: String,
}

impl Failure {
    /// Drops steps, then arguments and lines of input, as long as both still differ.
    pub(crate) fn shrink(mut self, sides: &Sides) -> Self {
        let mut replays = 0;
        let mut smaller = true;
        while smaller && replays < REPLAYS_MAX {
            smaller = false;
            for candidate in self.candidates() {
                replays += 1;
                if replays > REPLAYS_MAX {
                    break;
                }
                if let Some(difference) = candidate.replay(sides) {
                    self = Self { difference, ..candidate };
                    smaller = true;
                    break;
                }
            }
        }
        self
    }

    /// The case as a script, and what differs after it.
    pub(crate) fn report(&self) -> String {
        let steps = self.before.iter().chain([&self.last]);
        let script: Vec<_> = steps.map(|it| format!("  {}", it.shell())).collect();
        format!("{}\n{}", script.join("\n"), self.difference)
    }

    fn candidates(&self) -> Vec<Self> {
        let mut candidates = Vec::new();
        // Halves first: most steps do not matter.
        let mut size = self.before.len();
        while size > 0 {
            for start in (0..self.before.len()).step_by(size) {
                let mut before = self.before.clone();
                before.drain(start..(start + size).min(before.len()));
                candidates.push(self.with(before, self.last.clone()));
            }
            size /= 2;
        }
        for args in without_each(&self.last.args) {
            candidates.push(self.with(self.before.clone(), Step { args, ..self.last.clone() }));
        }
        if let Some(stdin) = &self.last.stdin {
            let lines: Vec<_> =
                stdin.split_inclusive(|&it| it == b'\n').map(<[u8]>::to_vec).collect();
            for lines in without_each(&lines) {
                let last = Step { stdin: Some(lines.concat()), ..self.last.clone() };
                candidates.push(self.with(self.before.clone(), last));
            }
        }
        candidates
    }

    fn with(&self, before: Vec<Step>, last: Step) -> Self {
        Self { before, last, difference: String::new() }
    }

    fn replay(&self, sides: &Sides) -> Option<String> {
        if exclusions::reason(&self.last).is_some() {
            return None;
        }
        sides.reset();
        sides.repeat(&self.before);
        let state: State = sides.state();
        sides.take(&self.last, &state).err()
    }
}

fn without_each<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    (0..items.len())
        .map(|at| {
            let mut items = items.to_vec();
            items.remove(at);
            items
        })
        .collect()
}
