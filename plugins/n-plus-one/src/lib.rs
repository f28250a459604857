//! Refuses changes that leave a service with no real server to spare: after each, it can
//! lose one more and still has as many as it needs.
//!
//! What takes no real server out is allowed, even where there are too few already.

use serde::Deserialize;
use weir_sdk::guard::{PlannedService, Review, Verdict, deny, settings, table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Real servers that carry the load of a service.
    needed: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { needed: 1 }
    }
}

fn judge(review: &Review) -> Verdict {
    let needed = match settings::<Settings>() {
        Ok(settings) => settings.needed,
        Err(message) => return deny("bad-settings", message),
    };
    let short = review.outcome.iter().find(|service| {
        let after = serving(service.real_servers.iter().map(|it| it.weight));
        after <= needed && after < before(service)
    });
    match short {
        None => Verdict::Allow,
        Some(service) => {
            let after = serving(service.real_servers.iter().map(|it| it.weight));
            deny(
                "no-server-to-spare",
                format!("{after} real servers would be left, and {} are wanted", needed + 1),
            )
        }
    }
}

/// Real servers that take connections now.
fn before(service: &PlannedService) -> usize {
    let snapshot = table::current();
    let found = snapshot.find(service.config.key);
    found.map_or(0, |it| serving(snapshot.real_servers(it).iter().map(|it| it.config.weight)))
}

fn serving(weights: impl Iterator<Item = u32>) -> usize {
    weights.filter(|it| *it > 0).count()
}

weir_sdk::guard!(judge);
