//! Memory had at once and not page by page: that of a one-shot command, and that in which a
//! daemon starts.
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

/// What a daemon touches, at the least, for each byte of a long configuration until it has
/// adopted its table; with 10,000 services of five real servers it is twelve.
const START_BYTES_PER_BYTE: usize = 8;

/// More than this is not had before it is wanted: 50,000 services.
const START_BYTES_MAX: usize = 256 << 20;

/// Shorter configurations are not worth a system call.
const START_BYTES_MIN: usize = 1 << 20;

/// What has the heap grow: more than it keeps free, and not so much that it is mapped by itself.
const GROWING_BYTES: usize = 120 << 10;

/// By how much the heap grows, and what of it is kept free at its end.
const SPARE_BYTES: libc::c_int = 1 << 20;

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

/// Has all threads of the daemon use one heap. With one each, as glibc has it, what the
/// configuration's tables leave behind could not be used for what the manager makes of them,
/// and a thread's own heap grows by a page and a system call at a time.
pub(crate) fn prepare_daemon() {
    // SAFETY: none of them touches memory that is in use, and no thread was started yet.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, SPARE_BYTES);
    }
}

/// Has the memory be there in which a daemon starts with a configuration of so many bytes.
/// What turns out to be too much goes with [`settle`].
pub(crate) fn expect_configuration(bytes: usize) {
    let wanted = bytes.saturating_mul(START_BYTES_PER_BYTE).min(START_BYTES_MAX);
    let Ok(kept) = libc::c_int::try_from(wanted) else { return };
    if wanted < START_BYTES_MIN {
        return;
    }
    // SAFETY: none of them touches memory that is in use. The pages lie within the heap, whose
    // end is where `sbrk` says, for only this thread runs; their content does not change.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, kept);
        // More than the heap has left, so that it grows.
        let grows = Vec::<u8>::with_capacity(GROWING_BYTES);
        let end = libc::sbrk(0).addr();
        libc::mallopt(libc::M_TOP_PAD, SPARE_BYTES);
        let start = (end.saturating_sub(wanted)).next_multiple_of(PAGE_BYTES);
        if grows.as_ptr().addr() < start {
            let length = (end - start) / PAGE_BYTES * PAGE_BYTES;
            libc::madvise(ptr::without_provenance_mut(start), length, libc::MADV_POPULATE_WRITE);
        }
    }
}

/// Gives back to the system what the start took and nothing uses any more.
pub(crate) fn settle() {
    // SAFETY: only memory that is not in use is touched.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE_BYTES);
        libc::malloc_trim(usize::try_from(SPARE_BYTES).unwrap_or_default());
    }
}
