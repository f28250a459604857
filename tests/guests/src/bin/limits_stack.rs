//! Calls itself without end. Keeps nothing in memory meanwhile, so that it is the host's
//! stack that it uses, and not the one that the compiler gives it within its memory.
#![cfg_attr(target_os = "unknown", no_main)]

use std::sync::atomic::{AtomicU64, Ordering};

static BOTTOM: AtomicU64 = AtomicU64::new(u64::MAX);

weir_test_guests::policy!(handle: |_| {
    BOTTOM.store(descend(0), Ordering::Relaxed);
    Ok(())
});

#[inline(never)]
fn descend(depth: u64) -> u64 {
    if depth == BOTTOM.load(Ordering::Relaxed) {
        return 1;
    }
    descend(depth + 1).wrapping_mul(3) ^ depth
}
