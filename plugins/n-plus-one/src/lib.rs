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

#[cfg(test)]
mod tests {
    use weir_sdk::guard::fake::{Host, changed, removed};

    use super::*;

    fn host() -> Host {
        let servers = [("10.0.0.1:80", 100), ("10.0.0.2:80", 100), ("10.0.0.3:80", 0)];
        Host::new().with_service("tcp 192.0.2.1:80", &servers)
    }

    #[test]
    fn the_last_to_spare_stays() {
        let host = host();
        let denial = deny("no-server-to-spare", "1 real servers would be left, and 2 are wanted");
        assert_eq!(host.judge(judge, &changed(&[("10.0.0.1:80", 0)])), denial);
        assert_eq!(host.judge(judge, &removed(&["10.0.0.1:80"])), denial);
    }

    #[test]
    fn what_takes_nobody_out_is_allowed() {
        let host = host().with_settings(r#"{"needed": 5}"#);
        assert_eq!(host.judge(judge, &changed(&[("10.0.0.1:80", 1)])), Verdict::Allow);
        let swapped = changed(&[("10.0.0.1:80", 0), ("10.0.0.3:80", 100)]);
        assert_eq!(host.judge(judge, &swapped), Verdict::Allow);
        assert_eq!(host.judge(judge, &removed(&["10.0.0.3:80"])), Verdict::Allow);
    }
}
