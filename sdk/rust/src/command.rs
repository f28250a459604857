//! Command-line tools: the world `command`.
//!
//! Implement [`Guest`] and hand the type to [`export!`]:
//!
//! ```no_run
//! use weir_sdk::command::{self, Guest, Invocation, stdio};
//!
//! struct Tool;
//!
//! impl Guest for Tool {
//!     fn run(invocation: Invocation) -> u8 {
//!         u8::from(stdio::write(stdio::Output::Stdout, b"hello\n").is_err())
//!     }
//! }
//!
//! command::export!(Tool with_types_in weir_sdk::command);
//! ```

wit_bindgen::generate!({
    path: "../../wit",
    world: "command",
    pub_export_macro: true,
    generate_all,
});

pub use self::{
    exports::weir::plugin::cli::{Guest, Invocation, Terminals},
    weir::{
        host::{clock, log, names, stdio},
        ipvs::{
            addresses, admin, connections, errors, live, operations, real_servers, schedulers,
            services, snapshots, stats, sync, timeouts,
        },
    },
};
