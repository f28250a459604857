//! Weights as a function of what a service does: the world `weigher`.
//!
//! Write a function from [`Input`] to [`Output`] and hand it to
//! [`weigher!`](crate::weigher!). It is called anew, in a fresh instance, for each service
//! and turn; what it wants to remember goes into [`Output::memo`].

use serde::de::DeserializeOwned;

wit_bindgen::generate!({
    path: "../../wit",
    world: "weigher",
    pub_export_macro: true,
    generate_all,
    // Keys go into sets and maps.
    additional_derives: [PartialEq, Eq, Hash],
});

#[path = "text.rs"]
#[expect(clippy::duplicate_mod, reason = "the bindings of each world are types of their own")]
mod text;

mod balance;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
#[cfg(not(target_family = "wasm"))]
#[path = "plain.rs"]
#[expect(clippy::duplicate_mod, reason = "the bindings of each world are types of their own")]
mod plain;

pub use self::{
    balance::balance,
    exports::weir::plugin::weighing::{Candidate, Input, Output},
    weir::{
        ipvs::{real_servers::RealServer, services::ServiceConfig, stats::Traffic},
        plugin::health_words::HealthStatus,
    },
};

// All that is called of the host. Imports lead nowhere off Wasm, so there it is the fake's.
#[cfg(not(target_family = "wasm"))]
pub use self::fake::log;
#[cfg(target_family = "wasm")]
pub use self::weir::host::log;

/// The plugin's settings, of which it knows every one, or words for people.
pub fn settings<T: DeserializeOwned>(input: &Input) -> Result<T, String> {
    serde_json::from_str(&input.settings).map_err(|error| format!("config: {error}"))
}

/// Makes the component's exports from a function `fn(&Input) -> Result<Output, String>`.
#[macro_export]
macro_rules! weigher {
    ($weigh:expr) => {
        const _: () = {
            use $crate::weigher as sdk;

            struct Export;

            impl sdk::exports::weir::plugin::weighing::Guest for Export {
                fn weigh(input: sdk::Input) -> Result<sdk::Output, String> {
                    $crate::log_panics!(sdk::log);
                    let weigh: fn(&sdk::Input) -> Result<sdk::Output, String> = $weigh;
                    weigh(&input)
                }
            }

    sdk::export!(Export with_types_in sdk);
        };
    };
}
