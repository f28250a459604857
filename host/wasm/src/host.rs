//! What guests can call: one file for each interface of `wit/`, where its grant is checked.
//!
//! What an interface does, and how it fails, is said in `wit/`; the files here say what the
//! host adds. A call that its grant does not cover is answered by [`denied`], which names
//! the key that would allow it.

pub(crate) mod admin;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod intents;
pub(crate) mod labels;
pub(crate) mod live;
pub(crate) mod log;
pub(crate) mod names;
pub(crate) mod probe;
pub(crate) mod snapshots;
pub(crate) mod state;
pub(crate) mod stdio;
pub(crate) mod structure;
pub(crate) mod table;

use wasmtime::component::{HasSelf, Linker};

use crate::{
    bindings,
    state::{CommandState, PolicyState, State},
};

/// A refusal by the grant. `code` is a stable word; `message` says what was wanted and
/// which key of the grant would allow it.
pub(crate) fn denied(code: &str, message: impl Into<String>) -> bindings::errors::Error {
    bindings::errors::Error::Denied(bindings::errors::Denial {
        code: code.to_owned(),
        message: message.into(),
    })
}

/// Everything the world `policy` can import.
pub(crate) fn link_policy(linker: &mut Linker<PolicyState>) -> wasmtime::Result<()> {
    link_common(linker)?;
    bindings::table::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::intents::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::health::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::labels::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::config::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::state::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What the world `controller` can import beside what a policy has.
pub(crate) fn link_controller(linker: &mut Linker<PolicyState>) -> wasmtime::Result<()> {
    bindings::structure::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::http::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What the world `checker` can import beside what all have.
pub(crate) fn link_checker(linker: &mut Linker<PolicyState>) -> wasmtime::Result<()> {
    bindings::probe::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// Everything the world `guard` can import.
pub(crate) fn link_guard(linker: &mut Linker<PolicyState>) -> wasmtime::Result<()> {
    link_common(linker)?;
    bindings::table::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::health::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::labels::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::config::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// Everything the world `command` can import.
pub(crate) fn link_command(linker: &mut Linker<CommandState>) -> wasmtime::Result<()> {
    link_common(linker)?;
    bindings::live::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::admin::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::connections::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::stdio::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    bindings::names::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

/// What all have, and all that a weigher has. Interfaces that hold types alone need no linking.
pub(crate) fn link_common<S: State>(linker: &mut Linker<S>) -> wasmtime::Result<()> {
    bindings::snapshots::add_to_linker::<_, HasSelf<_>>(linker, S::common)?;
    bindings::log::add_to_linker::<_, HasSelf<_>>(linker, S::common)?;
    bindings::clock::add_to_linker::<_, HasSelf<_>>(linker, S::common)
}
