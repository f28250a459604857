//! Tests on a real kernel.

pub(crate) mod ipvsadm_cases;
