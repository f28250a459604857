//! Compiled code that runs where it lies.
//!
//! The code of built-in plugins is part of the executable. wasmtime would copy it, which
//! costs a page fault for each page, used or not: more than all else that a one-shot
//! command does to start. So the pages themselves are made executable.

use std::{
    collections::BTreeMap,
    io, ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use wasmtime::CustomCodeMemory;

use crate::PageAligned;

/// Makes code executable in place; what wasmtime copied or compiled, too.
pub(crate) struct InPlace;

/// Where the code lies that runs there, and how much there is of it: wasmtime knows code by its
/// address, so none may be loaded there twice.
static TAKEN: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// Whether `code` is to run where it lies. Says yes once for each, and only to code that
/// begins with a page.
pub(crate) fn runs_in_place(code: &[u8]) -> bool {
    let address = code.as_ptr().addr();
    address.is_multiple_of(PAGE) && taken().insert(address, code.len()).is_none()
}

/// Whether what is at `address` is code that does so.
fn is_in_place(address: usize) -> bool {
    let taken = taken();
    let before = taken.range(..=address).next_back();
    before.is_some_and(|(start, length)| address - start < *length)
}

fn taken() -> MutexGuard<'static, BTreeMap<usize, usize>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAGE: usize = align_of::<PageAligned<()>>();

/// Of more code than this, 13 MiB of the interpreter of scripts, most is never run: to have it
/// all there takes longer than the faults do.
const POPULATED_MAX: usize = 1 << 20;

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        let access = libc::PROT_READ | libc::PROT_EXEC;
        let pages = ptr::without_provenance_mut(code.addr());
        if is_in_place(code.addr()) && length <= POPULATED_MAX {
            // One call in the place of many faults; where it is refused, there are faults. Not
            // for a file of the cache, whose pages may have to be read from a disk.
            // SAFETY: these are whole pages that stay as they are.
            unsafe { libc::madvise(pages, length, libc::MADV_POPULATE_READ) };
        }
        // SAFETY: wasmtime hands over whole pages of code that it, or the executable, owns;
        // nothing writes to them from here on.
        let status = unsafe { libc::mprotect(pages, length, access) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
    }

    /// Leaves it as it is: a copy is about to be unmapped, and what lies in the executable
    /// may be in use by another plugin of the same code.
    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}
