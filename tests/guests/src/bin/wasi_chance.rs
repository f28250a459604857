//! Built with WASI. Says what the time is, and what chance gives it.

#![expect(clippy::print_stdout, reason = "what it is for")]
#![expect(clippy::disallowed_methods, reason = "to see what the clocks say")]

use std::{
    hash::{BuildHasher, RandomState},
    time::{Instant, SystemTime},
};

weir_test_guests::policy!(handle: |_| {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    println!("wall: {wall:?}");
    println!("monotonic: {:?}", Instant::now());
    println!("random: {:x}", RandomState::new().hash_one("x"));
    Ok(())
});
