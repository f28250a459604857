//! Built with WASI. Prints to its caller, and ends by exit; WASI keeps of the
//! status only that it is not 0.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it is for")]

weir_test_guests::command!(|_| {
    println!("to standard output");
    eprintln!("to standard error");
    std::process::exit(4)
});
