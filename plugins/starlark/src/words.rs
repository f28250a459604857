//! The vocabulary of scripts: services and their real servers, changes of health, what is
//! said of weights, what is to be weighed, judged and checked, what is asked and owned.
//!
//! Each word looks up what it is asked for when it is asked; during one call of the plugin
//! all of them see one moment.

#![expect(unused_qualifications, reason = "what the derives of starlark write")]

mod answer;
mod attempt;
mod change;
mod kept;
mod log;
mod memory;
mod owning;
mod planned;
mod service;
mod target;
mod weighing;
mod weights;

pub(crate) use self::{
    answer::Answered,
    change::Change,
    planned::{Planned, verdict},
    target::{Target, outcome, unreached},
    weighing::{Weighed, answer},
    weights::Weights,
};

use starlark::{environment::GlobalsBuilder, starlark_module};
use weir_sdk::policy::{HealthStatus, table};

use self::service::Service;

/// Functions that a script finds without defining them.
pub(crate) fn globals(builder: &mut GlobalsBuilder) {
    looking(builder);
    weighing::globals(builder);
    planned::globals(builder);
    memory::globals(builder);
    target::globals(builder);
    answer::globals(builder);
    owning::globals(builder);
    attempt::globals(builder);
    log::globals(builder);
}

/// Functions for looking at the table.
#[starlark_module]
fn looking(builder: &mut GlobalsBuilder) {
    /// Every service that the grant shows, in the order of the table.
    fn services() -> anyhow::Result<Vec<Service>> {
        let all = table::current().services(0, u32::MAX);
        Ok(all.into_iter().map(|it| Service::new(it.config.key)).collect())
    }
}

/// How scripts write it.
fn word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Unknown => "unknown",
        HealthStatus::Up => "up",
        HealthStatus::Down => "down",
    }
}
