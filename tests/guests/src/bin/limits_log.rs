//! Says more than anyone wants to read, and one line that is too long.
#![cfg_attr(target_os = "unknown", no_main)]

weir_test_guests::policy!(handle: |_| {
    log::write(log::Level::Info, &"long ".repeat(2000), &[]);
    for number in 0..1000 {
        log::write(log::Level::Info, &format!("line {number}\x1b[2J"), &[]);
    }
    Ok(())
});
