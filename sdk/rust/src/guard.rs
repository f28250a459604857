//! Judges of planned changes: the world `guard`.
//!
//! Write a function from [`Review`] to [`Verdict`] and hand it to
//! [`guard!`](crate::guard!). It is called anew, in a fresh instance, for each change.

use serde::de::DeserializeOwned;

wit_bindgen::generate!({
    path: "../../wit",
    world: "guard",
    pub_export_macro: true,
    generate_all,
    // Keys go into sets and maps.
    additional_derives: [PartialEq, Eq, Hash],
});

#[path = "text.rs"]
#[expect(clippy::duplicate_mod, reason = "the bindings of each world are types of their own")]
mod text;

#[cfg(not(target_family = "wasm"))]
pub mod fake;
#[cfg(not(target_family = "wasm"))]
#[path = "plain.rs"]
#[expect(clippy::duplicate_mod, reason = "the bindings of each world are types of their own")]
mod plain;

pub use self::{
    exports::weir::plugin::guarding::{Origin, PlannedService, Review, Verdict},
    weir::{
        ipvs::{
            addresses,
            errors::Denial,
            operations::Operation,
            real_servers::{RealServerConfig, RealServerKey},
            services::{self, ServiceConfig, ServiceKey},
        },
        plugin::health_words::HealthStatus,
    },
};

// All that is called of the host. Imports lead nowhere off Wasm, so there it is the fake's.
#[cfg(not(target_family = "wasm"))]
pub use self::fake::{
    clock, log,
    looking::{config, health, labels, snapshots, table},
};
#[cfg(target_family = "wasm")]
pub use self::weir::{
    host::{clock, config, log},
    ipvs::{snapshots, table},
    plugin::{health, labels},
};

/// The plugin's settings, of which it knows every one, or words for people.
pub fn settings<T: DeserializeOwned>() -> Result<T, String> {
    serde_json::from_str(&config::get()).map_err(|error| format!("config: {error}"))
}

/// The verdict that nothing of the change is done: `code` is a stable word, `message` is
/// for people and says what would be allowed.
pub fn deny(code: &str, message: impl Into<String>) -> Verdict {
    Verdict::Deny(Denial { code: code.to_owned(), message: message.into() })
}

/// Makes the component's exports from a function `fn(&Review) -> Verdict`.
#[macro_export]
macro_rules! guard {
    ($judge:expr) => {
        const _: () = {
            use $crate::guard as sdk;

            struct Export;

            impl sdk::exports::weir::plugin::guarding::Guest for Export {
                fn judge(review: sdk::Review) -> sdk::Verdict {
                    $crate::log_panics!(sdk::log);
                    let judge: fn(&sdk::Review) -> sdk::Verdict = $judge;
                    judge(&review)
                }
            }

    sdk::export!(Export with_types_in sdk);
        };
    };
}
