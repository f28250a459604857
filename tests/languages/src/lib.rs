//! What a plugin is tried with, whatever language it is written in: a table, healths, a
//! host that keeps its statements, and what became of each call as text.

mod functions;
mod host;
mod table;

pub use functions::{Served, check, judge, weigh};
pub use host::{Host, Setup};
pub use table::{DNS, WEB, change, key};
