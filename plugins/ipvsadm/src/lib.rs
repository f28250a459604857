//! ipvsadm 1.31 as a plugin: an ordinary `command`, with no door of its own.
//!
//! It behaves as the original does to the byte, in what it prints, exits with and asks of
//! the kernel. A line goes through these files, top down:
//!
//! | file | does |
//! |---|---|
//! | `session` | opens IPVS, carries out lines, stages their changes |
//! | `request` | reads a line, by `arguments` (popt), `options` (the table), `values` |
//! | `checks`, `legality` | what only the whole line tells |
//! | `operations` | the change it asks for, or |
//! | `listing`, `save`, `restore` | what it shows or reads |
//!
//! Everything is bytes; nothing but `host` knows the bindings.

mod addresses;
mod arguments;
mod checks;
mod companions;
mod console;
mod endpoints;
mod failure;
mod help;
pub mod host;
mod legality;
mod listing;
mod names;
mod numbers;
mod operations;
mod options;
mod order;
mod request;
mod restore;
mod save;
mod session;
mod table;
mod text;
mod values;
mod wording;

use crate::{
    host::{Host, Invocation},
    session::Session,
};

/// Variables of the environment, any value of which makes options end with the first
/// plain argument.
const POSIX_VARIABLES: [&str; 2] = ["POSIXLY_CORRECT", "POSIX_ME_HARDER"];

/// Runs ipvsadm, or one of its companions, by the name it was called by; the exit status.
pub fn run(host: &mut dyn Host, invocation: &Invocation) -> u8 {
    let tokens: Vec<&[u8]> = invocation.arguments.iter().map(Vec::as_slice).collect();
    let (program, tokens) = tokens
        .split_first()
        .map_or((&b"ipvsadm"[..], &[][..]), |(program, tokens)| (*program, tokens));
    let posix =
        invocation.environment.iter().any(|(name, _)| POSIX_VARIABLES.contains(&name.as_str()));
    let terminals = invocation.terminals;
    match program.rsplit(|&byte| byte == b'/').next() {
        Some(b"ipvsadm-save") => companions::save(host, tokens, terminals, posix),
        Some(b"ipvsadm-restore") => companions::restore(host, terminals, posix),
        _ => match Session::open(host, program, terminals, posix) {
            Err(status) => status,
            Ok(session) => session.run(tokens),
        },
    }
}
