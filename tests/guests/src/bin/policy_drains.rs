//! An ordinary policy: drains what is down, and takes it back when it is up.
#![cfg_attr(target_os = "unknown", no_main)]

use weir::plugin::{
    events::Event,
    health_words::HealthStatus,
    intents::{self, Intent, Statement},
};

weir_test_guests::policy!(handle: |batch| {
    for envelope in batch {
        if let Event::Health(change) = envelope.event {
            match change.after {
                HealthStatus::Down => {
                    let (key, reason) = (change.server, change.detail);
                    let statement = Statement { key, intent: Intent::Drain, lease: None, reason };
                    intents::publish(&[statement]);
                }
                HealthStatus::Up => intents::withdraw(&[change.server]),
                HealthStatus::Unknown => {}
            }
        }
    }
    Ok(())
});
