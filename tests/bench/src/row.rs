//! One line of the report: what was measured, where, and what was to be reached.
//!
//! Shared, as a file, by the program that measures and the command that reports.

use serde::{Deserialize, Serialize};

/// What came of one measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It was made.
    Measured(Row),
    /// It could not be made.
    Failed {
        /// Its name.
        name: String,
        /// Where it was to be made.
        bed: String,
        /// Why.
        why: String,
    },
}

/// Two medians and a goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What `--only` takes.
    pub(crate) name: String,
    /// Which kernel or what in its place was used.
    pub(crate) bed: String,
    /// What was done.
    pub(crate) what: String,
    /// Of both medians.
    pub(crate) unit: String,
    /// The other program's median, if there is one to be compared with.
    pub(crate) original: Option<f64>,
    /// weir's median.
    pub(crate) weir: f64,
    /// What is to be reached; none for what is told beside the goals.
    pub(crate) goal: Option<Goal>,
    /// How many times each was measured.
    pub(crate) samples: usize,
    /// What is needed to read the numbers right.
    pub(crate) note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Goal {
    /// weir's median, in parts of the original's.
    RatioAtMost(f64),
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    /// weir's median in parts of the original's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.original.map(|original| self.weir / original)
    }

    /// Whether the goal is reached; none where there is none.
    pub(crate) fn is_reached(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::RatioAtMost(most) => self.ratio()? <= most,
            Goal::AtMost(most) => self.weir <= most,
            Goal::AtLeast(least) => self.weir >= least,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(original: Option<f64>, weir: f64, goal: Goal, expected: Option<bool>) {
        let row = Row {
            name: String::new(),
            bed: String::new(),
            what: String::new(),
            unit: String::new(),
            original,
            weir,
            goal: Some(goal),
            samples: 1,
            note: String::new(),
        };
        assert_eq!(row.is_reached(), expected);
    }

    #[test]
    fn goals_are_met_at_their_bounds() {
        check(Some(2.0), 2.0, Goal::RatioAtMost(1.0), Some(true));
        check(Some(2.0), 2.1, Goal::RatioAtMost(1.0), Some(false));
        check(None, 2.0, Goal::RatioAtMost(1.0), None);
        check(None, 0.2, Goal::AtMost(0.2), Some(true));
        check(None, 499_999.0, Goal::AtLeast(500_000.0), Some(false));
    }
}
