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
    /// The same, where more is better.
    RatioAtLeast(f64),
    AtMost(f64),
    AtLeast(f64),
}
