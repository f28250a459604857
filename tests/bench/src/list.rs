//! `ipvsadm -Ln`: a cold process, and tables of all sizes.

use std::{fs, process::Stdio};

use anyhow::{Context, Result, ensure};

use crate::{
    bed::{Bed, Size, scratch},
    edits, namespace,
    row::{Goal, Row},
    sample,
};

pub(crate) fn empty(bed: &Bed) -> Result<Row> {
    let row = list(bed, Size::EMPTY, bed.rounds(100, 20))?;
    Ok(Row { what: "ipvsadm -Ln, empty table".to_owned(), goal: Some(bed.ratio(1.2, 1.0)), ..row })
}

pub(crate) fn small(bed: &Bed) -> Result<Row> {
    let row = list(bed, Size::new(10, 10), bed.rounds(100, 20))?;
    Ok(Row { goal: Some(bed.ratio(1.2, 1.0)), ..row })
}

pub(crate) fn large(bed: &Bed) -> Result<Row> {
    let row = list(bed, Size::new(1000, 10), bed.rounds(15, 3))?;
    Ok(Row { goal: Some(Goal::RatioAtMost(1.0 / 4.0)), ..row })
}

pub(crate) fn huge(bed: &Bed) -> Result<Row> {
    let row = list(bed, Size::new(10_000, 10), bed.rounds(5, 1))?;
    Ok(Row { goal: Some(Goal::RatioAtMost(1.0 / 6.0)), ..row })
}

fn list(bed: &Bed, size: Size, rounds: usize) -> Result<Row> {
    namespace::fresh_network()?;
    if bed.has_kernel() {
        edits::fill(size)?;
    }
    let same = is_same(bed, size)?;
    ensure!(same, "the two lists differ: see original and weir in {}", scratch().display());
    let original = || {
        let mut command = bed.original(size);
        command.arg("-Ln");
        sample::time(command)
    };
    let weir = || {
        let mut command = bed.ours(size)?;
        command.arg("-Ln");
        sample::time(command)
    };
    let pairs = sample::in_turns(rounds, original, weir)?;
    let what = format!("ipvsadm -Ln, {} services x {}", size.services, size.servers);
    Ok(Row {
        original: Some(sample::median(&pairs.original)),
        weir: sample::median(&pairs.weir),
        samples: rounds,
        note: note(bed)?,
        ..bed.row(what, "ms")
    })
}

fn note(bed: &Bed) -> Result<String> {
    let mut note = "equal output".to_owned();
    if bed.is_stand_in() {
        let cost = bed.cost_of_preloading()?;
        note += &format!(
            "; the static weir has the stand-in linked in, the original has it preloaded, \
             which costs a dynamic program {cost:.2} ms of that"
        );
    }
    Ok(note)
}

/// Whether both print the same; what they print is kept.
fn is_same(bed: &Bed, size: Size) -> Result<bool> {
    let mut outputs = Vec::new();
    for (name, mut command) in [("original", bed.original(size)), ("weir", bed.ours(size)?)] {
        let output = command.arg("-Ln").stdout(Stdio::piped()).stderr(Stdio::piped()).output();
        let output = output.with_context(|| format!("failed to start {name}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} -Ln: {}: {}", output.status, said.trim());
        fs::write(scratch().join(name), &output.stdout)?;
        outputs.push(output.stdout);
    }
    Ok(outputs[0] == outputs[1])
}
