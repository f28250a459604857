//! Takes memory without end.
#![cfg_attr(target_os = "unknown", no_main)]

weir_test_guests::policy!(handle: |_| {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&hoard);
    }
});
