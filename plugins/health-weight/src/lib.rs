//! Drains a real server that is down, and gives it its base weight again when it is up.
//!
//! It keeps nothing of its own: what it said is the host's to remember, and what is true
//! can be looked up, so a restart or a lost event does no harm.

use weir_sdk::policy::{config, prelude::*};

struct HealthWeight;

impl Policy for HealthWeight {
    fn new(_: &Context) -> Result<Self, Failure> {
        match config::get().trim() {
            "{}" => Ok(Self),
            other => Err(Failure {
                message: format!("health-weight has no settings, but was given {other}"),
                retryable: false,
            }),
        }
    }

    fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
        match change.after {
            HealthStatus::Down => drain(&change.server, &change.detail)?,
            HealthStatus::Up => withdraw(&change.server),
            HealthStatus::Unknown => {}
        }
        Ok(())
    }
}

weir_sdk::policy!(HealthWeight);
