//! Connections to real servers, and the check that they are accepted.

use std::{io, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use super::{
    outcome::{Cause, Outcome},
    socket,
    streams::Place,
};

/// When a probe is over at the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(pub(super) Instant);

impl Deadline {
    /// The time until then.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// What comes of `work`, unless the time is over `during` it.
    pub(super) async fn bound<T, E: Into<Outcome>>(
        self,
        during: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Outcome> {
        match timeout_at(self.0, work).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(Outcome::Fail(Cause::Timeout(during))),
        }
    }
}

/// A connection that is accepted passes.
pub(super) async fn probe(place: Place, deadline: Deadline) -> Result<Outcome, Outcome> {
    connect(place, deadline).await.map(|_| Outcome::Pass)
}

/// A connection that ends with a reset when it is dropped: neither side is left with a
/// socket in TIME_WAIT, and the exchange is two packets shorter.
pub(super) async fn connect(place: Place, deadline: Deadline) -> Result<TcpStream, Outcome> {
    deadline.bound("", open(place)).await
}

async fn open(place: Place) -> io::Result<TcpStream> {
    socket::stream(place)?.connect(place.address).await
}
