//! Compiled code that runs where it lies.
//!
//! The code of built-in plugins is part of the executable. wasmtime would copy it, which
//! costs a page fault for each page, used or not: more than all else that a one-shot
//! command does to start. So the pages themselves are made executable.

use std::{
    io, ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use wasmtime::CustomCodeMemory;

use crate::PageAligned;

/// Makes code executable in place; what wasmtime copied or compiled, too.
pub(crate) struct InPlace;

/// Set by the one plugin of this process whose code runs where it lies: wasmtime knows code
/// by its address, so none may be loaded there twice. A one-shot command loads one, once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether `code` is to run where it lies. Says yes once, and only to code that begins with
/// a page.
pub(crate) fn runs_in_place(code: &[u8]) -> bool {
    code.as_ptr().addr().is_multiple_of(PAGE) && !TAKEN.swap(true, Ordering::Relaxed)
}

const PAGE: usize = align_of::<PageAligned<()>>();

impl CustomCodeMemory for InPlace {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, code: *const u8, length: usize) -> wasmtime::Result<()> {
        let access = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: wasmtime hands over whole pages of code that it, or the executable, owns;
        // nothing writes to them from here on.
        let status =
            unsafe { libc::mprotect(ptr::without_provenance_mut(code.addr()), length, access) };
        if status == 0 { Ok(()) } else { Err(io::Error::last_os_error().into()) }
    }

    /// Leaves it as it is: a copy is about to be unmapped, and what lies in the executable
    /// may be in use by another plugin of the same code.
    fn unpublish_executable(&self, _: *const u8, _: usize) -> wasmtime::Result<()> {
        Ok(())
    }
}
