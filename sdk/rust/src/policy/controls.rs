//! What controllers have beside policies: services of their own, and HTTP.

use std::net::SocketAddr;

use super::{
    Failure, OwnedService, ServiceKey, http,
    http_messages::{self, Error},
    plain,
    real_servers::RealServerConfig,
    refused, structure,
};

/// Has the host ask this by HTTP; [`Policy::answered`](super::Policy::answered) is told, with the
/// request's tag.
///
/// Fails if the grant does not allow it, naming the key that would, if it is no request, or, which
/// can be tried again, if 8 are under way.
pub fn ask(request: &http_messages::Request) -> Result<(), Failure> {
    http::send(request).map_err(|error| {
        let retryable = matches!(error, Error::Busy(_));
        Failure { message: why(&error), retryable }
    })
}

/// A request for `url` by `GET`, which may take 10 s, and whose answer is told with `tag`.
pub fn get(tag: &str, url: &str) -> http_messages::Request {
    http_messages::Request {
        tag: tag.to_owned(),
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: 10_000,
    }
}

/// Has the host make and keep this service, in the place of what this plugin owned with its key.
///
/// Fails if the grant does not allow it, naming the key that would, if it is no service, or if it
/// has another owner.
pub fn ensure(service: OwnedService) -> Result<(), Failure> {
    match structure::ensure(&[service]).pop() {
        Some(Err(error)) => Err(refused(&error)),
        _ => Ok(()),
    }
}

/// Gives a service up: its real servers are drained, and then it goes. Never fails.
pub fn give_up(service: &ServiceKey) {
    structure::remove(&[*service]);
}

/// All services that this plugin owns.
pub fn owned() -> Vec<OwnedService> {
    structure::owned()
}

/// A service without real servers, persistence or flags; `scheduler` is the kernel's name, `wrr`.
pub fn service(name: &str, key: ServiceKey, scheduler: &str) -> OwnedService {
    let config = plain::service_config(key, scheduler);
    OwnedService { name: name.to_owned(), config, real_servers: Vec::new() }
}

/// A real server by masquerading, without thresholds.
pub fn real_server(address: SocketAddr, weight: u32) -> RealServerConfig {
    plain::real_server(address, weight)
}

/// Why there is no answer, for people.
pub fn why(error: &Error) -> String {
    match error {
        Error::Denied(why) | Error::Invalid(why) | Error::Failed(why) => why.clone(),
        Error::Busy(most) => format!("{most} requests are under way, which is as many as may be"),
        Error::Timeout => "its time is over".to_owned(),
        Error::TooLarge(most) => format!("its answer is longer than {most} bytes"),
    }
}
