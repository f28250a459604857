//! Tests on a real kernel.

mod differential;
pub(crate) mod ipvsadm_cases;
mod netlink;
mod operators_day;
mod policy;
