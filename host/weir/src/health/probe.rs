//! One probe of any type.

use std::net::SocketAddr;

use super::{
    http::HttpProbe,
    outcome::Outcome,
    tcp::{self, Deadline},
};
use crate::config::{Check, CheckKind};

/// What is made once, and run again and again.
pub(super) struct Probe {
    address: SocketAddr,
    asks: Asks,
}

enum Asks {
    Tcp,
    Http(Box<HttpProbe>),
}

impl Probe {
    /// Asks what `check` says, at `address`.
    pub(super) fn new(check: &Check, address: SocketAddr) -> Self {
        let asks = match &check.kind {
            CheckKind::Tcp => Asks::Tcp,
            CheckKind::Http(check) => Asks::Http(Box::new(HttpProbe::new(check, address))),
        };
        Self { address, asks }
    }

    /// Asks once. It is over at `deadline`, and with it all that it opened.
    pub(super) async fn run(&self, deadline: Deadline) -> Outcome {
        let asked = match &self.asks {
            Asks::Tcp => tcp::probe(self.address, deadline).await,
            Asks::Http(probe) => probe.run(self.address, deadline).await,
        };
        asked.unwrap_or_else(|it| it)
    }
}
