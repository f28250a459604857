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

#[cfg(test)]
mod tests {
    use weir_sdk::checker::fake::Host;

    use super::*;

    #[test]
    fn the_status_decides() {
        let found = |status| Host::new().with_page("/ready", status, "").check(check);
        assert_eq!(found(204), Outcome::Pass);
        assert_eq!(found(429), degraded(50, "it says that it is busy"));
        assert_eq!(found(503), Outcome::Fail("status 503".to_owned()));
    }

    #[test]
    fn another_page_may_be_asked_for() {
        let host = Host::new().with_page("/up", 200, "").with_settings(r#"{"path": "/up"}"#);
        assert_eq!(host.check(check), Outcome::Pass);
        assert_eq!(host.asked(), ["GET /up"]);
    }

    #[test]
    fn who_does_not_answer_is_unreached() {
        assert_eq!(Host::new().check(check), Outcome::Unreached(Error::Refused));
    }
}
