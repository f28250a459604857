//! A server says by HTTP how it is: what it answers decides whether it gets connections, or fewer.

use serde::Deserialize;
use weir_sdk::checker::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What is asked for.
    #[serde(default = "path")]
    path: String,
}

fn path() -> String {
    "/ready".to_owned()
}

fn check(target: &Target) -> Result<Outcome, Error> {
    let settings: Settings = settings(target)?;
    let answer = get(&settings.path)?;
    Ok(match answer.status {
        200..=299 => Outcome::Pass,
        429 => degraded(50, "it says that it is busy"),
        status => Outcome::Fail(format!("status {status}")),
    })
}

weir_sdk::checker!(check);
