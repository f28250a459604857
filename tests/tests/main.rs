//! One binary for every test that needs more than one crate, so that it links once.
//!
//! `kernel::` runs in a guest kernel and nowhere else, `no_ip_vs::` in one that has no
//! ip_vs; `cargo xtask test` starts both.

#![expect(clippy::unwrap_used, reason = "tests, whose helpers the exception for tests leaves out")]
#![expect(clippy::print_stdout, reason = "what a test tells is shown if it fails")]

mod conformance;
mod embedded_cases;
mod exchanges;
mod kernel;
mod no_ip_vs;
mod released;
mod tidy;
mod worlds;
