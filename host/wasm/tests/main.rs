//! The host's side of plugins, tried with real guests: `tests/guests/src/bin`.

#![expect(clippy::unwrap_used, reason = "tests, whose helpers the exception for tests leaves out")]

mod cache;
mod commands;
mod compat;
mod controllers;
mod fixtures;
mod functions;
mod guests;
mod limits;
mod loading;
mod policies;
mod simulation;
mod wasi;
