//! Hands over far more in one call than any log line needs.
#![cfg_attr(target_os = "unknown", no_main)]

weir_test_guests::policy!(handle: |_| {
    let field = ("key".to_owned(), "x".repeat(1 << 20));
    log::write(log::Level::Info, "much", &vec![field; 9]);
    Ok(())
});
