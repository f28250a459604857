//! Never comes back.
#![cfg_attr(target_os = "unknown", no_main)]

weir_test_guests::policy!(handle: |_| loop {
    std::hint::black_box(());
});
