//! Tests on a real kernel that has no ip_vs and can load none.

use weir_tests::{cases::Case, guest};

use crate::kernel::ipvsadm_cases;

#[test]
fn every_recorded_case_without_ip_vs_passes() {
    let _alone = guest::alone();
    ipvsadm_cases::run(|case| !Case::needs_ip_vs(case));
}
