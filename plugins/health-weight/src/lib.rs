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

#[cfg(test)]
mod tests {
    use weir_sdk::policy::fake::{Host, down, up};

    use super::*;

    #[test]
    fn what_is_down_is_drained_until_it_is_up() -> Result<(), Failure> {
        let servers = [("10.0.0.1:80", 100), ("10.0.0.2:80", 100)];
        let host = Host::new().with_service("tcp 192.0.2.1:80", &servers);
        let mut policy = host.start::<HealthWeight>()?;
        host.tell(&mut policy, down("10.0.0.1:80", "connection refused"))?;
        assert_eq!(host.statements(), ["10.0.0.1:80 drain: connection refused"]);
        host.tell(&mut policy, up("10.0.0.1:80", "connected"))?;
        assert!(host.statements().is_empty());
        Ok(())
    }

    #[test]
    fn settings_are_refused() {
        let host = Host::new().with_settings(r#"{"x":1}"#);
        let refused = host.start::<HealthWeight>().err().map(|it| it.message);
        let expected = r#"health-weight has no settings, but was given {"x":1}"#;
        assert_eq!(refused.as_deref(), Some(expected));
    }
}
