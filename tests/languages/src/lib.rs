//! What a plugin is tried with, whatever language it is written in: how it is built, a table,
//! healths, a host that keeps its statements, and what became of each call as text.

mod functions;
mod host;
mod sources;
mod table;
mod ticking;

pub use functions::{Saying, Served, check, judge, weigh};
pub use host::{Host, Setup};
pub use sources::{component, example, lay_out};
pub use table::{DNS, WEB, change, key};
pub use ticking::Ticking;
