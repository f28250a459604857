//! Tests on a real kernel.

mod differential;
pub(crate) mod ipvsadm_cases;
mod operators_day;
