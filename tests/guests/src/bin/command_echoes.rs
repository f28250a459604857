//! Copies its input to its output, its arguments and what it knows of its caller to its
//! error output, and ends with status 3.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::host::stdio::{self, Output};

weir_test_guests::command!(|invocation| {
    for argument in &invocation.arguments {
        tell(argument);
    }
    for (name, value) in &invocation.environment {
        tell(name.as_bytes());
        tell(value);
    }
    tell(format!("{:?}", invocation.terminals).as_bytes());
    loop {
        match stdio::read(u32::MAX) {
            Ok(bytes) if bytes.is_empty() => return 3,
            Ok(bytes) => {
                if let Err(words) = stdio::write(Output::Stdout, &bytes) {
                    tell(words.as_bytes());
                    return 4;
                }
            }
            Err(words) => {
                tell(words.as_bytes());
                return 5;
            }
        }
    }
});

fn tell(bytes: &[u8]) {
    let line = [bytes, b"\n"].concat();
    let _ = stdio::write(Output::Stderr, &line);
}
