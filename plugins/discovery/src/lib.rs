//! Serves what a registry lists: services and their real servers, asked for by HTTP again and
//! again.
//!
//! A registry that does not answer, or answers something else, changes nothing; nor does one that
//! lists nothing at all, for that is more likely its mistake than its wish.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use serde::Deserialize;
use weir_sdk::policy::{
    addresses::Endpoint,
    controller::*,
    http_messages::{HeaderValue, Secret},
    log,
    services::{Protocol, VirtualEndpoint},
    settings,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What is asked for, within `grant.http`.
    url: String,
    /// Seconds between two questions.
    #[serde(default = "every_s")]
    every_s: u64,
    /// The name in `grant.secrets` of the token that is sent as `Authorization: Bearer`.
    secret: Option<String>,
}

fn every_s() -> u64 {
    10
}

/// A service as the registry lists it.
#[derive(Deserialize)]
struct Listed {
    name: String,
    address: SocketAddr,
    #[serde(default)]
    udp: bool,
    #[serde(default = "scheduler")]
    scheduler: String,
    servers: Vec<ListedServer>,
}

#[derive(Deserialize)]
struct ListedServer {
    address: SocketAddr,
    #[serde(default = "weight")]
    weight: u32,
}

fn scheduler() -> String {
    "wlc".to_owned()
}

fn weight() -> u32 {
    1
}

impl Listed {
    fn key(&self) -> ServiceKey {
        let protocol = if self.udp { Protocol::Udp } else { Protocol::Tcp };
        ServiceKey::Vip(VirtualEndpoint { protocol, endpoint: Endpoint::from(self.address) })
    }

    fn owned(&self) -> OwnedService {
        let servers = self.servers.iter().map(|it| real_server(it.address, it.weight));
        let service = service(&self.name, self.key(), &self.scheduler);
        OwnedService { real_servers: servers.collect(), ..service }
    }
}

struct Discovery {
    settings: Settings,
}

impl Policy for Discovery {
    fn new(_: &Context) -> Result<Self, Failure> {
        Ok(Self { settings: settings()? })
    }

    /// What there is does not matter: the first question is asked at once.
    fn started(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn stats_every(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.settings.every_s))
    }

    fn stats(&mut self, _: Duration) -> Result<(), Failure> {
        let Settings { url, secret, .. } = &self.settings;
        let mut request = get("services", url);
        request.headers.extend(secret.clone().map(|name| {
            let secret = Secret { prefix: "Bearer ".to_owned(), name };
            ("authorization".to_owned(), HeaderValue::Secret(secret))
        }));
        match ask(&request) {
            // Those before are not answered yet.
            Err(failure) if failure.retryable => Ok(()),
            asked => asked,
        }
    }

    fn answered(&mut self, answer: &HttpAnswer) -> Result<(), Failure> {
        match listed(answer) {
            Ok(listed) => serve(&listed),
            Err(why) => {
                let text = format!("{}: {why}; nothing changes", self.settings.url);
                log::write(log::Level::Warn, &text, &[]);
            }
        }
        Ok(())
    }
}

fn listed(answer: &HttpAnswer) -> Result<Vec<Listed>, String> {
    let response = answer.outcome.as_ref().map_err(why)?;
    if response.status != 200 {
        return Err(format!("status {}", response.status));
    }
    let listed: Vec<Listed> =
        serde_json::from_slice(&response.body).map_err(|error| format!("its answer: {error}"))?;
    if listed.is_empty() {
        return Err("it lists no service".to_owned());
    }
    Ok(listed)
}

/// One service that cannot be is no reason to leave the others.
fn serve(listed: &[Listed]) {
    for service in listed {
        if let Err(failure) = ensure(service.owned()) {
            log::write(log::Level::Error, &failure.message, &[]);
        }
    }
    let listed: BTreeSet<String> = listed.iter().map(|it| it.key().to_string()).collect();
    for gone in owned().iter().filter(|it| !listed.contains(&it.config.key.to_string())) {
        give_up(&gone.config.key);
    }
}

weir_sdk::policy!(Discovery);

#[cfg(test)]
mod tests {
    use weir_sdk::policy::{
        Event,
        fake::{Host, answered},
    };

    use super::*;

    const LIST: &str = r#"[{"name": "web", "address": "192.0.2.1:80",
        "servers": [{"address": "10.0.0.1:8080", "weight": 3}]}]"#;

    #[test]
    fn what_is_listed_is_served_until_it_is_not() -> Result<(), Failure> {
        let settings = r#"{"url": "https://registry.example/v1", "secret": "token"}"#;
        let host = Host::new().with_settings(settings);
        let mut discovery = host.start::<Discovery>()?;
        let owned = || Vec::from_iter(host.owned().into_iter().map(|it| it.name));

        host.tell(&mut discovery, Event::Stats(0))?;
        assert_eq!(host.asked()[0].url, "https://registry.example/v1");
        assert_eq!(host.asked()[0].headers[0].0, "authorization");
        host.tell(&mut discovery, answered("services", 200, LIST))?;
        assert_eq!(owned(), ["web"]);
        assert_eq!(host.owned()[0].real_servers[0].weight, 3);

        host.tell(&mut discovery, Event::Stats(10_000))?;
        host.tell(&mut discovery, answered("services", 200, "[]"))?;
        assert_eq!(owned(), ["web"]);
        let nothing = "https://registry.example/v1: it lists no service; nothing changes";
        assert_eq!(host.logged(), [format!("warn: {nothing}")]);

        host.tell(&mut discovery, Event::Stats(10_000))?;
        host.tell(&mut discovery, answered("services", 200, &LIST.replace(".1:80\"", ".2:80\"")))?;
        assert_eq!(owned(), ["web"]);
        assert_eq!(host.owned()[0].config.key.to_string(), "tcp 192.0.2.2:80");
        Ok(())
    }
}
