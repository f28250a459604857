//! Applies as many operations as its first argument says, and prints the failures. The
//! second argument is what to do after one.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::{
    host::stdio::{self, Output},
    ipvs::{
        admin::{self, OnFailure},
        operations::Operation,
    },
};

weir_test_guests::command!(|invocation| {
    let argument = |number: usize| String::from_utf8_lossy(&invocation.arguments[number]);
    let count: usize = argument(1).parse().expect("a number of operations");
    let on_failure = if argument(2) == "stop" { OnFailure::Stop } else { OnFailure::Proceed };
    let failures = admin::apply(&vec![Operation::Flush; count], on_failure);
    let shown = failures.iter().take(3);
    let shown: Vec<String> = shown.map(|it| format!("{} {:?}", it.step, it.error)).collect();
    let text = format!("{} failures\n{}\n", failures.len(), shown.join("\n"));
    let _ = stdio::write(Output::Stdout, text.as_bytes());
    0
});
