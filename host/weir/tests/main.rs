//! The program as its users start it.

#![expect(clippy::unwrap_used, reason = "tests, whose helpers the exception for tests leaves out")]

mod check;
mod control;
mod controllers;
mod daemon;
mod forward;
mod one_table;
mod operator;
mod plugin;
mod plugins;
mod reload;
mod run;
mod scenarios;
mod scripts;
