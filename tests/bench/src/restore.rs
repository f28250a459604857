//! `ipvsadm -R` into a fresh table.
//!
//! Fresh means a network namespace of its own each time: after a flush the kernel searches
//! what it has not yet thrown away, and adding becomes a hundred times as dear.

use std::{
    fmt::Write as _,
    fs::{self, File},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    edits::{server_address, service_address},
    namespace::{fresh_network, on_thread},
    row::{Goal, Row},
    sample,
};

/// Real servers of each service: with the service, ten rules.
const SERVERS: u32 = 9;

pub(crate) fn small(bed: &Bed) -> Result<Row> {
    let row = restore(bed, 1000, bed.rounds(15, 3))?;
    Ok(Row { goal: Some(Goal::RatioAtMost(1.0 / 10.0)), ..row })
}

pub(crate) fn large(bed: &Bed) -> Result<Row> {
    let row = restore(bed, 50_000, bed.rounds(3, 1))?;
    Ok(Row { goal: Some(Goal::RatioAtMost(1.0 / 30.0)), ..row })
}

fn restore(bed: &Bed, rules: u32, rounds: usize) -> Result<Row> {
    let script = write_script(rules)?;
    let same = saved_after(bed, bed.original(Size::EMPTY), &script)?
        == saved_after(bed, bed.ours(Size::EMPTY)?, &script)?;
    ensure!(same, "the two tables differ after {}", script.display());
    let original = || in_fresh_table(|| sample::time(reading(bed.original(Size::EMPTY), &script)?));
    let weir = || in_fresh_table(|| sample::time(reading(bed.ours(Size::EMPTY)?, &script)?));
    let pairs = sample::in_turns(rounds, original, weir)?;
    Ok(Row {
        original: Some(sample::median(&pairs.original)),
        weir: sample::median(&pairs.weir),
        samples: rounds,
        note: "each into a fresh network namespace; equal tables".to_owned(),
        ..bed.row(format!("ipvsadm -R, {rules} rules"), "ms")
    })
}

/// What `-S` prints after the script, in an order of its own.
fn saved_after(bed: &Bed, command: Command, script: &Path) -> Result<Vec<String>> {
    on_thread(|| {
        fresh_network()?;
        sample::time(reading(command, script)?)?;
        let mut save = bed.original(Size::EMPTY);
        let output = save.args(["-S", "-n"]).stdout(Stdio::piped()).output();
        let output = output.context("failed to start the original")?;
        let text = String::from_utf8(output.stdout)?;
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        ensure!(!lines.is_empty(), "nothing was restored");
        Ok(lines)
    })
}

fn in_fresh_table(measure: impl FnOnce() -> Result<Duration> + Send) -> Result<Duration> {
    on_thread(|| {
        fresh_network()?;
        measure()
    })
}

fn reading(mut command: Command, script: &Path) -> Result<Command> {
    command.arg("-R").stdin(File::open(script)?);
    Ok(command)
}

fn write_script(rules: u32) -> Result<PathBuf> {
    let mut text = String::new();
    for service in 0..rules / (SERVERS + 1) {
        let address = service_address(service);
        writeln!(text, "-A -t {address}:80 -s wrr")?;
        for number in 0..SERVERS {
            let server: Ipv4Addr = server_address(service, number);
            writeln!(text, "-a -t {address}:80 -r {server}:8080 -m -w {}", number + 1)?;
        }
    }
    let path = scratch().join(format!("rules-{rules}"));
    fs::write(&path, text)?;
    Ok(path)
}
