//! To come.
#[cfg(feature = "command")]
pub mod command {
    wit_bindgen::generate!({ path: "../../wit", world: "command", pub_export_macro: true, generate_all });
}
#[cfg(feature = "policy")]
pub mod policy {
    wit_bindgen::generate!({ path: "../../wit", world: "policy", pub_export_macro: true, generate_all });
}
