//! Tests on a real kernel.

mod conformance;
mod daemon;
mod differential;
mod embedded;
pub(crate) mod ipvsadm_cases;
mod netlink;
mod operators_day;
mod policy;
mod scenarios;
mod subject;

use std::env;

/// How many operations a differential test makes: as many as `$WEIR_DIFFERENTIAL_COUNT` says,
/// or as it makes by itself, ten times that with `$WEIR_DIFFERENTIAL_LONG`.
fn count(own: usize) -> usize {
    match number("WEIR_DIFFERENTIAL_COUNT") {
        Some(count) => count.try_into().expect("there is memory for so many"),
        None if env::var_os("WEIR_DIFFERENTIAL_LONG").is_some() => own * 10,
        None => own,
    }
}

/// From what differential tests invent their operations: `$WEIR_DIFFERENTIAL_SEED`, or 1.
fn seed() -> u64 {
    number("WEIR_DIFFERENTIAL_SEED").unwrap_or(1)
}

fn number(name: &str) -> Option<u64> {
    let value = env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is not a number: {value}")))
}
