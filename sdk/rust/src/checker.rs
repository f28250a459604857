//! Health checks: the world `checker`.
//!
//! Write a function from [`Target`] to what it found and hand it to
//! [`checker!`](crate::checker!). It is called anew, in a fresh instance, for each check. What
//! [`probe`] says of a server that cannot be asked may be returned as it is, by `?`.

use serde::de::DeserializeOwned;

wit_bindgen::generate!({
    path: "../../wit",
    world: "checker",
    pub_export_macro: true,
    generate_all,
    // Errors are compared.
    additional_derives: [PartialEq, Eq],
});

#[cfg(not(target_family = "wasm"))]
pub mod fake;

pub use self::{
    exports::weir::plugin::checking::{Degradation, Outcome, Target},
    probe::{Connection, Error, Response},
    weir::ipvs::addresses,
};

// All that is called of the host. Imports lead nowhere off Wasm, so there it is the fake's.
#[cfg(not(target_family = "wasm"))]
pub use self::fake::{clock, log, probe};
#[cfg(target_family = "wasm")]
pub use self::weir::host::{clock, log, probe};

/// What a checker's file begins with.
pub mod prelude {
    pub use super::{Connection, Error, Outcome, Response, Target, degraded, get, settings};
}

/// Asks for `path` by HTTP.
pub fn get(path: &str) -> Result<Response, Error> {
    probe::http(&probe::Request {
        method: "GET".to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    })
}

/// The server is alive, and should get this percentage of its weight, 1 to 99.
pub fn degraded(percent: u32, reason: &str) -> Outcome {
    Outcome::Degraded(Degradation { percent, reason: reason.to_owned() })
}

/// The settings of the plugin and the check, of which it knows every one.
///
/// Fails with words for people, as an outcome that counts as nothing.
pub fn settings<T: DeserializeOwned>(target: &Target) -> Result<T, Error> {
    serde_json::from_str(&target.settings).map_err(|it| Error::Invalid(format!("config: {it}")))
}

/// Makes the component's exports from a function `fn(&Target) -> Result<Outcome, Error>`.
#[macro_export]
macro_rules! checker {
    ($check:expr) => {
        const _: () = {
            use $crate::checker as sdk;

            struct Export;

            impl sdk::exports::weir::plugin::checking::Guest for Export {
                fn check(target: sdk::Target) -> sdk::Outcome {
                    $crate::log_panics!(sdk::log);
                    let check: fn(&sdk::Target) -> Result<sdk::Outcome, sdk::Error> = $check;
                    check(&target).unwrap_or_else(sdk::Outcome::Unreached)
                }
            }

    sdk::export!(Export with_types_in sdk);
        };
    };
}
