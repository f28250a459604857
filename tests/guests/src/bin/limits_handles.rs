//! Opens snapshots and never lets go of one.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::ipvs::table;

weir_test_guests::policy!(handle: |_| loop {
    std::mem::forget(table::current());
});
