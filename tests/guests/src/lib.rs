//! Guests for the host's tests, one behaviour each: `src/bin/<suite>_<case>.rs`.
//!
//! They are written on the bare bindings and not on the SDK, for they do what the SDK
//! keeps others from. [`policy!`], [`weigher!`], [`guard!`] and [`command!`] make what every
//! one of them needs, and bring the world's bindings into the guest's own crate, for a component carries the world
//! of every binding that is linked into it.

/// A policy of two functions: `init`, which may be left out, and `handle`.
#[macro_export]
macro_rules! policy {
    (handle: $handle:expr $(,)?) => {
        $crate::policy!(init: |_| Ok(()), handle: $handle);
    };
    (init: $init:expr, handle: $handle:expr $(,)?) => {
        $crate::policy!(world: "policy", init: $init, handle: $handle);
    };
    (world: $world:literal, init: $init:expr, handle: $handle:expr $(,)?) => {
        wit_bindgen::generate!({ path: "../../wit", world: $world, generate_all });

        use exports::weir::plugin::reactor::{Context, Guest};
        use weir::{
            host::log,
            plugin::{
                events::{Envelope, Kind, Subscription},
                failures::Failure,
            },
        };

        struct Exports;

        impl Guest for Exports {
            fn init(context: Context) -> Result<Subscription, Failure> {
                log_panics();
                let init: fn(Context) -> Result<(), Failure> = $init;
                init(context)?;
                Ok(Subscription { kinds: vec![Kind::Health], stats_every: None })
            }

            fn handle(batch: Vec<Envelope>) -> Result<(), Failure> {
                let handle: fn(Vec<Envelope>) -> Result<(), Failure> = $handle;
                handle(batch)
            }
        }

        $crate::exports!();
    };
}

/// A checker of one function, from a target to what is found.
#[macro_export]
macro_rules! checker {
    ($check:expr) => {
        wit_bindgen::generate!({ path: "../../wit", world: "checker", generate_all });

        use exports::weir::plugin::checking::{Guest, Outcome, Target};
        use weir::host::log;

        struct Exports;

        impl Guest for Exports {
            fn check(target: Target) -> Outcome {
                log_panics();
                let check: fn(Target) -> Outcome = $check;
                check(target)
            }
        }

        $crate::exports!();
    };
}

/// A weigher of one function, from a service to scales.
#[macro_export]
macro_rules! weigher {
    ($weigh:expr) => {
        wit_bindgen::generate!({ path: "../../wit", world: "weigher", generate_all });

        use exports::weir::plugin::weighing::{Guest, Input, Output};
        use weir::host::log;

        struct Exports;

        impl Guest for Exports {
            fn weigh(input: Input) -> Result<Output, String> {
                log_panics();
                let weigh: fn(Input) -> Result<Output, String> = $weigh;
                weigh(input)
            }
        }

        $crate::exports!();
    };
}

/// A guard of one function, from a planned change to a verdict.
#[macro_export]
macro_rules! guard {
    ($judge:expr) => {
        wit_bindgen::generate!({ path: "../../wit", world: "guard", generate_all });

        use exports::weir::plugin::guarding::{Guest, Review, Verdict};
        use weir::host::log;

        struct Exports;

        impl Guest for Exports {
            fn judge(review: Review) -> Verdict {
                log_panics();
                let judge: fn(Review) -> Verdict = $judge;
                judge(review)
            }
        }

        $crate::exports!();
    };
}

/// A command of one function, from arguments to exit status.
#[macro_export]
macro_rules! command {
    ($run:expr) => {
        wit_bindgen::generate!({ path: "../../wit", world: "command", generate_all });

        use exports::weir::plugin::cli::{Guest, Invocation};
        use weir::host::log;

        struct Exports;

        impl Guest for Exports {
            fn run(invocation: Invocation) -> u8 {
                log_panics();
                let run: fn(Invocation) -> u8 = $run;
                run(invocation)
            }
        }

        $crate::exports!();
    };
}

/// What both end with. Guests for `wasm32-wasip2` have a `main`, which nobody calls, for
/// their C library asks for one.
#[doc(hidden)]
#[macro_export]
macro_rules! exports {
    () => {
        export!(Exports);

        fn log_panics() {
            std::panic::set_hook(Box::new(|info| {
                log::write(log::Level::Error, &info.to_string(), &[]);
            }));
        }

        #[cfg(not(target_os = "unknown"))]
        fn main() {}
    };
}
