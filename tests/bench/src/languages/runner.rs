//! The interpreter of scripts that weir carries, compiled when weir was: what its load costs.

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    ptr, slice,
};

use anyhow::{Result, ensure};
use weir_wasm::{Builtin, Runtime, World};

use super::microseconds;
use crate::{
    bed::{Bed, scratch},
    row::{Goal, Row},
    sample::{median, now},
};

const CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/starlark.cwasm"));

const WORLDS: &[World] = &[World::Controller, World::Weigher, World::Guard, World::Checker];

/// Milliseconds that its load may take.
const LOAD_MS: f64 = 1.0;

/// Its first load in a process, which is where it lies in the executable; those after it copy it.
pub(super) fn run(bed: &Bed, runtime: &Runtime) -> Result<Row> {
    let path = scratch().join("starlark.cwasm");
    fs::write(&path, CODE)?;
    let file = File::open(&path)?;
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for _ in 0..bed.rounds(40, 10) {
        let code = mapped(&file)?;
        // SAFETY: the build script had it compiled by this very weir.
        let builtin = unsafe { Builtin::embedded("starlark", WORLDS, code) };
        for times in [&mut firsts, &mut others] {
            let begin = now();
            let plugin = runtime.builtin(&builtin, None)?;
            times.push(microseconds(begin.elapsed()) / 1e3);
            drop(plugin);
        }
    }
    Ok(Row {
        name: "languages-load-built-in".to_owned(),
        weir: median(&firsts),
        goal: Some(Goal::AtMost(LOAD_MS)),
        samples: firsts.len(),
        note: format!(
            "{} KiB of code, mapped as the executable is; once more in the same process, \
             where it is copied: {:.1} ms",
            CODE.len() >> 10,
            median(&others)
        ),
        ..bed.row("load of the built-in interpreter, Starlark", "ms")
    })
}

/// What is in `file`, as the executable lies in memory when a process starts: nothing was read.
fn mapped(file: &File) -> Result<&'static [u8]> {
    let flags = libc::MAP_PRIVATE;
    // SAFETY: it is put where nothing is. It is never unmapped, and the file stays as it is.
    let start = unsafe {
        libc::mmap(ptr::null_mut(), CODE.len(), libc::PROT_READ, flags, file.as_raw_fd(), 0)
    };
    let error = io::Error::last_os_error();
    ensure!(start != libc::MAP_FAILED, "failed to map the interpreter: {error}");
    // SAFETY: so much was just mapped, for good, and nobody writes to it.
    Ok(unsafe { slice::from_raw_parts(start.cast(), CODE.len()) })
}
