//! What was measured, as a table for people and as JSON for programs.

use std::{fs, io::Write, thread};

use anyhow::{Context, Result};
use serde::Serialize;

use super::row::{Goal, Outcome, Row};

pub(super) struct Report {
    machine: Machine,
    outcomes: Vec<Outcome>,
}

/// Where it was measured.
#[derive(Serialize)]
struct Machine {
    kernel: String,
    processor: String,
    processors: usize,
    /// Processes that wanted to run, over the minute before.
    load_before: f64,
}

/// A row with what follows from it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    ratio: Option<f64>,
    reached: Option<bool>,
}

#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    rows: Vec<Shown<'a>>,
}

const HEADINGS: [&str; 7] = ["what", "bed", "original", "weir", "ratio", "goal", "reached"];

impl Report {
    pub(super) fn new() -> Self {
        Self { machine: Machine::this(), outcomes: Vec::new() }
    }

    /// Takes what weir-bench printed.
    pub(super) fn take(&mut self, output: &[u8]) -> Result<()> {
        for line in String::from_utf8_lossy(output).lines() {
            let outcome = serde_json::from_str(line)
                .with_context(|| format!("weir-bench printed what is no row: {line}"))?;
            self.outcomes.push(outcome);
        }
        Ok(())
    }

    /// Puts rows of the same name together.
    pub(super) fn sort(&mut self) {
        let names: Vec<_> = self.outcomes.iter().map(|it| name(it).to_owned()).collect();
        self.outcomes.sort_by_key(|it| names.iter().position(|name| name == self::name(it)));
    }

    /// Whether everything could be measured.
    pub(super) fn is_complete(&self) -> bool {
        self.outcomes.iter().all(|it| matches!(it, Outcome::Measured(_)))
    }

    pub(super) fn write_json(&self, out: &mut dyn Write) -> Result<()> {
        let rows = self.outcomes.iter().map(shown).collect();
        let document = Document { machine: &self.machine, rows };
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)?;
        Ok(())
    }

    pub(super) fn write_table(&self, out: &mut dyn Write) -> Result<()> {
        writeln!(out, "{}\n", self.machine.line())?;
        let mut lines = vec![HEADINGS.map(str::to_owned)];
        lines.extend(self.rows().map(cells));
        let widths: [usize; HEADINGS.len()] = std::array::from_fn(|column| {
            lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0)
        });
        for cells in &lines {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
                // Numbers stand to the right.
                if (2..5).contains(&column) {
                    line += &format!("{cell:>width$}  ");
                } else {
                    line += &format!("{cell:<width$}  ");
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out)?;
        for row in self.rows() {
            writeln!(out, "{}, {}: {} samples; {}", row.name, row.bed, row.samples, row.note)?;
        }
        for outcome in &self.outcomes {
            if let Outcome::Failed { name, bed, why } = outcome {
                writeln!(out, "{name}, {bed}: NOT MEASURED: {why}")?;
            }
        }
        Ok(())
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.outcomes.iter().filter_map(|it| match it {
            Outcome::Measured(row) => Some(row),
            Outcome::Failed { .. } => None,
        })
    }
}

impl Row {
    /// weir's median in parts of the original's.
    fn ratio(&self) -> Option<f64> {
        self.original.map(|original| self.weir / original)
    }

    /// Whether the goal is reached; none where there is none.
    fn is_reached(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::RatioAtMost(most) => self.ratio()? <= most,
            Goal::RatioAtLeast(least) => self.ratio()? >= least,
            Goal::AtMost(most) => self.weir <= most,
            Goal::AtLeast(least) => self.weir >= least,
        })
    }
}

impl Machine {
    fn this() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let model = text("/proc/cpuinfo")
            .lines()
            .find_map(|line| Some(line.strip_prefix("model name")?.split_once(": ")?.1.to_owned()));
        let load = text("/proc/loadavg");
        Self {
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: model.unwrap_or_default(),
            processors: thread::available_parallelism().map_or(1, usize::from),
            load_before: load.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0),
        }
    }

    fn line(&self) -> String {
        let Self { kernel, processor, processors, load_before } = self;
        let mut line =
            format!("Linux {kernel}, {processors} x {processor}, load before {load_before:.1}");
        if *load_before > 0.5 {
            line += ": busy, so only ratios are to be trusted";
        }
        line
    }
}

fn name(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Measured(row) => &row.name,
        Outcome::Failed { name, .. } => name,
    }
}

fn cells(row: &Row) -> [String; HEADINGS.len()] {
    let measure = |value: f64| format!("{} {}", number(value), row.unit);
    let goal = match row.goal {
        Some(Goal::RatioAtMost(most)) => format!("at most {most:.2}x"),
        Some(Goal::RatioAtLeast(least)) => format!("at least {least:.2}x"),
        Some(Goal::AtMost(most)) => format!("at most {}", measure(most)),
        Some(Goal::AtLeast(least)) => format!("at least {}", measure(least)),
        None => "-".to_owned(),
    };
    let reached = match row.is_reached() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    [
        row.what.clone(),
        row.bed.clone(),
        row.original.map_or_else(|| "-".to_owned(), measure),
        measure(row.weir),
        row.ratio().map_or_else(|| "-".to_owned(), |it| format!("{it:.3}x")),
        goal,
        reached.to_owned(),
    ]
}

/// Three digits, for no more are to be trusted, and whole numbers whole.
fn number(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let digits = format!("{value:.decimals$}");
    if decimals > 0 {
        return digits;
    }
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn shown(outcome: &Outcome) -> Shown<'_> {
    let (ratio, reached) = match outcome {
        Outcome::Measured(row) => (row.ratio(), row.is_reached()),
        Outcome::Failed { .. } => (None, None),
    };
    Shown { outcome, ratio, reached }
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
        check(Some(2.0), 2.0, Goal::RatioAtLeast(1.0), Some(true));
        check(Some(2.0), 1.9, Goal::RatioAtLeast(1.0), Some(false));
        check(None, 0.2, Goal::AtMost(0.2), Some(true));
        check(None, 499_999.0, Goal::AtLeast(500_000.0), Some(false));
    }

    #[test]
    fn numbers_are_as_long_as_they_are_good_for() {
        assert_eq!(number(0.957), "0.96");
        assert_eq!(number(25.84), "25.8");
        assert_eq!(number(339.4), "339");
        assert_eq!(number(646_000.0), "646,000");
    }

    #[test]
    fn a_row_that_was_printed_is_shown_with_its_ratio() {
        let line = r#"{"result":"measured","name":"list-empty","bed":"UML 6.12","what":"-Ln",
            "unit":"ms","original":2.0,"weir":1.0,"goal":{"ratio-at-most":1.2},"samples":3,"note":""}"#;
        let mut report = Report::new();
        report.take(line.replace('\n', "").as_bytes()).unwrap();
        let mut table = Vec::new();
        report.write_table(&mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(table.contains("0.500x  at most 1.20x  yes"), "{table}");
        assert!(report.is_complete());
    }
}
