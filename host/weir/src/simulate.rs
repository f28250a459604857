//! Simulations: the embedded IPVS, the real manager and the real plugins under a virtual
//! clock, among servers and clients that a scenario describes.
//!
//! ```text
//! language -> Scenario -> simulation::run -> Outcome: failures, and the timeline
//!                             |
//!        agenda: the only clock, and what is to happen
//!        script: what the scenario does          judge: what it expects of the board
//!        clients -> traffic -> core -> server    daemon: manager, plugins, checks
//! ```
//!
//! Everything random comes from the scenario's seed; nothing looks at a real clock. The
//! same scenario has the same timeline, to the byte.

mod agenda;
mod arrivals;
mod board;
mod clients;
mod daemon;
mod disorder;
mod distribution;
mod judge;
mod kernel;
mod language;
mod machinery;
mod plot;
mod scenario;
mod script;
mod server;
mod simulation;
mod stage;
mod timeline;
mod traffic;
mod words;

pub(crate) use self::{
    language::{parse_duration, read, show_duration, show_moment},
    machinery::Machinery,
    plot::plot,
    scenario::Scenario,
    simulation::{Outcome, run, table},
};
