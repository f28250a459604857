//! Drains a real server that is down, and gives it its base weight again when it is up.
//!
//! It keeps nothing of its own: what it said is the host's to remember, and what is true
//! can be looked up, so a restart or a lost event does no harm.

use weir_sdk::policy::{config, health, prelude::*};

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

    fn started(&mut self) -> Result<(), Failure> {
        health::current(&real_servers()).iter().try_for_each(|report| {
            decide(&report.key, report.status, "found so when the policy started")
        })
    }

    fn health(&mut self, change: &HealthChange) -> Result<(), Failure> {
        decide(&change.server, change.after, &change.detail)
    }
}

fn decide(server: &RealServerKey, status: HealthStatus, reason: &str) -> Result<(), Failure> {
    match status {
        HealthStatus::Down => drain(server, reason),
        HealthStatus::Up => {
            withdraw(server);
            Ok(())
        }
        HealthStatus::Unknown => Ok(()),
    }
}

weir_sdk::policy!(HealthWeight);
