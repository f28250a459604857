//! Measures weir against the programs whose place it takes, and prints one line of JSON
//! for each measurement. `cargo xtask bench` builds it, brings it to its beds, and reports.
//!
//! A bed is where the kernel's part comes from: this kernel, or the stand-in. Everything is
//! done in network namespaces of its own. Both programs are measured in the same run and in
//! turns, so that whatever else the machine does hits both.

mod bed;
mod checks;
mod daemon;
mod edits;
mod faults;
mod instances;
mod languages;
mod list;
mod load;
mod monitor;
mod namespace;
mod processor;
mod proxies;
mod restore;
mod row;
mod sample;
mod scale;
mod server;
mod told;
mod verdict;

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser;

use crate::{
    bed::Bed,
    row::{Outcome, Row},
};

/// What is measured, by the names that reports have.
struct Measurement {
    name: &'static str,
    /// Whether it can be made there.
    fits: fn(&Bed) -> bool,
    run: Run,
}

/// What a measurement gives.
enum Run {
    One(fn(&Bed) -> Result<Row>),
    /// Several, by names that begin with its own.
    Several(fn(&Bed) -> Result<Vec<Row>>),
    /// The same, where some may fail and the others do not.
    Each(fn(&Bed) -> Result<Vec<Outcome>>),
}

/// In the order of the report.
const MEASUREMENTS: [Measurement; 23] = [
    Measurement { name: "list-empty", fits: Bed::has_table, run: Run::One(list::empty) },
    Measurement { name: "list-10x10", fits: Bed::has_table, run: Run::One(list::small) },
    Measurement { name: "list-1000x10", fits: Bed::has_table, run: Run::One(list::large) },
    Measurement { name: "list-10000x10", fits: Bed::has_table, run: Run::One(list::huge) },
    Measurement { name: "restore-1000", fits: Bed::has_kernel, run: Run::One(restore::small) },
    Measurement { name: "restore-50000", fits: Bed::is_uml, run: Run::One(restore::large) },
    Measurement { name: "edits", fits: Bed::has_kernel, run: Run::One(edits::run) },
    Measurement { name: "instances", fits: Bed::is_machine, run: Run::One(instances::run) },
    Measurement { name: "languages", fits: Bed::is_machine, run: Run::Each(languages::run) },
    Measurement { name: "check-tcp", fits: Bed::has_table, run: Run::One(checks::tcp) },
    Measurement { name: "check-http", fits: Bed::has_table, run: Run::One(checks::http) },
    Measurement { name: "verdict", fits: Bed::has_table, run: Run::One(verdict::run) },
    Measurement { name: "faults", fits: Bed::has_kernel, run: Run::Several(faults::run) },
    Measurement {
        name: "proxy-connections",
        fits: Bed::is_machine,
        run: Run::Several(proxies::connections),
    },
    Measurement { name: "proxy-bulk", fits: Bed::is_machine, run: Run::Several(proxies::bulk) },
    Measurement { name: "proxy-idle", fits: Bed::is_machine, run: Run::One(proxies::idle) },
    Measurement { name: "scale-fill", fits: Bed::is_real, run: Run::Several(scale::fill) },
    Measurement { name: "scale-change", fits: Bed::is_real, run: Run::One(scale::change) },
    Measurement {
        name: "scale-checks",
        fits: Bed::is_machine,
        run: Run::Several(scale::targets::checks),
    },
    Measurement {
        name: "scale-verdict",
        fits: Bed::is_machine,
        run: Run::One(scale::targets::verdict),
    },
    Measurement { name: "scale-lose", fits: Bed::is_real, run: Run::One(scale::targets::lose) },
    Measurement {
        name: "scale-simulate",
        fits: Bed::is_machine,
        run: Run::Several(scale::simulated::run),
    },
    Measurement { name: "scale-adopt", fits: Bed::has_table, run: Run::One(scale::adopt) },
];

fn main() -> ExitCode {
    match measure(&Bed::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell when standard error itself is gone.
            let _ = writeln!(io::stderr(), "weir-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(bed: &Bed) -> Result<()> {
    bed.enter()?;
    for Measurement { name, fits, run } in MEASUREMENTS {
        if !fits(bed) || !bed.is_wanted(name) {
            continue;
        }
        writeln!(io::stderr(), "bench: {name}, {}", bed.name())?;
        let measured = |rows: Vec<Row>| rows.into_iter().map(Outcome::Measured).collect();
        let outcomes = namespace::on_thread(|| match run {
            Run::One(run) => {
                run(bed).map(|row| measured(vec![Row { name: name.to_owned(), ..row }]))
            }
            Run::Several(run) => run(bed).map(measured),
            Run::Each(run) => run(bed),
        });
        let outcomes = outcomes.unwrap_or_else(|error| vec![bed.failed(name, &error)]);
        for outcome in outcomes {
            writeln!(io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
        }
    }
    // What is left behind lies among temporary files.
    let _ = fs::remove_dir_all(bed::scratch());
    Ok(())
}
