//! Which of its roles a plugin plays: the world `runner`.
//!
//! For plugins that are what their settings say, such as those that run scripts: write a
//! function from the settings to [`Played`] and hand it to [`roles!`](crate::roles!).

wit_bindgen::generate!({
    path: "../../wit",
    world: "runner",
    pub_export_macro: true,
});

pub use self::exports::weir::plugin::roles::Played;

/// Makes the component's exports from a function `fn(&str) -> Result<Played, String>`: what it
/// is given are the settings, JSON text of an object.
#[macro_export]
macro_rules! roles {
    ($choose:expr) => {
        const _: () = {
            use $crate::roles as sdk;

            struct Export;

            impl sdk::exports::weir::plugin::roles::Guest for Export {
                fn choose(settings: String) -> Result<sdk::Played, String> {
                    let choose: fn(&str) -> Result<sdk::Played, String> = $choose;
                    choose(&settings)
                }
            }

    sdk::export!(Export with_types_in sdk);
        };
    };
}
