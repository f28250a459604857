//! Memory of a one-shot command, had at once and not page by page.
//!
//! The first touch of a page is a fault, which costs more than all that a command does with
//! the page: half a microsecond, and two hundred where the kernel is itself a process. One
//! call gets all of them for the price of a few.

use std::ptr;

/// What a command allocates until it lists a small table.
const HEAP_BYTES: usize = 192 << 10;

/// Blocks larger than this are mapped by themselves, as glibc has it at most by default; and
/// as much is kept when it is freed.
const KEPT_BYTES: libc::c_int = 1 << 20;

const PAGE_BYTES: usize = 4096;

/// Has the heap's first pages be there. An older kernel than 5.14 refuses, and they come one
/// by one.
pub(crate) fn prepare() {
    // SAFETY: neither touches memory that is in use.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
    let heap = Vec::<u8>::with_capacity(HEAP_BYTES);
    let start = heap.as_ptr().addr().next_multiple_of(PAGE_BYTES);
    // SAFETY: the pages lie within the block, and their content does not change.
    unsafe {
        let start = ptr::without_provenance_mut(start);
        libc::madvise(start, HEAP_BYTES - PAGE_BYTES, libc::MADV_POPULATE_WRITE);
    }
}
