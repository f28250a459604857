//! What operators are entitled to when something fails: real servers, faults and traffic on a
//! real kernel, and the `weir run` that an operator starts.
//!
//! Each file is one scenario. Times are short: they follow from a configuration whose intervals
//! are a fifth of the defaults, and so do the bounds. With WEIR_FULL_LENGTH=1, and with
//! `cargo xtask test --long`, they are what operators run: `WEIR_FULL_LENGTH=1 cargo xtask test
//! kernel-6.12 -- scenarios::`. What a busy machine itself was late, which [`record`] measures, is
//! granted to every bound.
//!
//! In all of them the rules of [`always`] hold.

mod always;
mod crash;
mod drain;
mod foreign;
mod record;
mod recovery;
mod restart;
mod silence;
mod sorry;
mod stage;
