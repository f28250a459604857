//! The host's side of plugins, tried with real guests: `tests/guests/src/bin`.

mod cache;
mod commands;
mod fixtures;
mod guests;
mod limits;
mod loading;
mod policies;
mod wasi;
