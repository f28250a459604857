//! Makes a failing run small: drops what the difference does not need.

use weir_tests::{shrink::smallest, table::State};

use super::{
    exclusions,
    sides::{Sides, Step},
};

/// How often the programs may be run to make one part of a failure smaller.
const REPLAYS_MAX: usize = 100;

/// The steps before, the step after which both differ, and how.
pub(crate) struct Failure {
    pub(crate) before: Vec<Step>,
    pub(crate) last: Step,
    pub(crate) difference: String,
}

impl Failure {
    /// Drops steps, then arguments and lines of input, as long as both still differ.
    pub(crate) fn shrink(self, sides: &Sides) -> Self {
        let Self { before, mut last, difference } = self;
        let (before, difference) =
            smallest(before, difference, REPLAYS_MAX, |before| replay(sides, before, &last));
        let (args, mut difference) = smallest(last.args.clone(), difference, REPLAYS_MAX, |args| {
            replay(sides, &before, &Step { args: args.to_vec(), ..last.clone() })
        });
        last.args = args;
        if let Some(stdin) = &last.stdin {
            let lines: Vec<_> =
                stdin.split_inclusive(|&it| it == b'\n').map(<[u8]>::to_vec).collect();
            let with = |lines: &[Vec<u8>]| Step { stdin: Some(lines.concat()), ..last.clone() };
            let (lines, smaller) = smallest(lines, difference, REPLAYS_MAX, |lines| {
                replay(sides, &before, &with(lines))
            });
            difference = smaller;
            last = with(&lines);
        }
        Self { before, last, difference }
    }

    /// The case as a script, and what differs after it.
    pub(crate) fn report(&self) -> String {
        let steps = self.before.iter().chain([&self.last]);
        let script: Vec<_> = steps.map(|it| format!("  {}", it.shell())).collect();
        format!("{}\n{}", script.join("\n"), self.difference)
    }
}

/// How both differ after these steps, if they do.
fn replay(sides: &Sides, before: &[Step], last: &Step) -> Option<String> {
    if exclusions::reason(last).is_some() {
        return None;
    }
    sides.reset();
    sides.repeat(before);
    let state: State = sides.state();
    sides.take(last, &state).err()
}
