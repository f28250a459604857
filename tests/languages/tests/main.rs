//! Policies in every language, run as weir runs them.

#![expect(clippy::unwrap_used, reason = "tests, whose helpers the exception for tests leaves out")]

mod bindings;
mod components;
mod decisions;
mod reference;
mod starlark;
mod toolchain;
