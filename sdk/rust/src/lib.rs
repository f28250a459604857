//! Write weir plugins in Rust.
//!
//! A plugin lives in a world, which is a feature of this crate: `policy` reacts to events
//! and says what weights should be, and which services there are, `weigher` is a function from what a service does to its
//! weights, `guard` judges planned changes, `checker` asks a server how it is, `command` is a
//! command-line tool. It may live in
//! several but for `command`, and with `roles` in those of them that its settings ask for.
//! Build it for `wasm32-unknown-unknown` and wrap it as a component (`weir-build` does both).
//!
//! ```no_run
//! use weir_sdk::policy::prelude::*;
//!
//! struct Drain;
//!
//! impl Policy for Drain {
//!     fn new(_: &Context) -> Result<Self, Failure> {
//!         Ok(Self)
//!     }
//!
//!     fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
//!         match change.after {
//!             HealthStatus::Down => drain(&change.server, &change.detail),
//!             _ => Ok(withdraw(&change.server)),
//!         }
//!     }
//! }
//!
//! weir_sdk::policy!(Drain);
//! ```
//!
//! Off Wasm the crate compiles, too, so that plugins are unit-tested by `cargo test`: policies and
//! controllers against the host of `policy::fake`, guards against that of `guard::fake`, checkers
//! against the server of `checker::fake`, weighers turn by turn with the service of `weigher::fake`.
//! What commands call of the host panics there.

#[cfg(feature = "checker")]
pub mod checker;
#[cfg(feature = "command")]
pub mod command;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(feature = "policy")]
pub mod policy;
#[cfg(feature = "roles")]
pub mod roles;
#[cfg(feature = "weigher")]
pub mod weigher;

/// Logs the message of a panic, which a component without WASI has no other way to say.
#[doc(hidden)]
#[macro_export]
macro_rules! log_panics {
    ($log:path) => {{
        use $log as log;
        std::panic::set_hook(Box::new(|info| {
            log::write(log::Level::Error, &info.to_string(), &[]);
        }));
    }};
}
