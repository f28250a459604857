//! One probe of any type.

use std::time::Duration;

use super::{
    ask_agent,
    checker::{self, Checker},
    command, dns,
    grpc::GrpcProbe,
    http::HttpProbe,
    icmp,
    outcome::Outcome,
    streams::{Ask, Place, Seen},
    tcp::{self, Deadline},
    tls,
    turns::Lane,
    udp,
};
use crate::config::{CheckKind, CommandCheck, DnsCheck, PluginCheck, Tls, UdpCheck};

/// What is made once, and run again and again.
pub(super) struct Probe {
    place: Place,
    timeout: Duration,
    asks: Asks,
}

enum Asks {
    Tcp,
    Http(Box<HttpProbe>),
    Tls(Tls),
    Grpc(Box<GrpcProbe>),
    Udp(UdpCheck),
    Dns(DnsCheck),
    Icmp,
    Command(CommandCheck),
    Plugin(Box<PluginCheck>),
    /// With what is said first.
    Agent(String),
}

impl Ask {
    /// Where its probes wait for their turn.
    pub(super) fn lane(&self) -> Lane {
        match self.check.kind {
            CheckKind::Command(_) => Lane::Commands,
            CheckKind::Plugin(_) => Lane::Plugins,
            _ => Lane::Server(self.place.address, self.place.mark),
        }
    }
}

impl Probe {
    /// Asks as `ask` says.
    pub(super) fn new(ask: &Ask) -> Self {
        let place = ask.place;
        let asks = match &ask.check.kind {
            CheckKind::Tcp => Asks::Tcp,
            CheckKind::Http(check) => Asks::Http(Box::new(HttpProbe::new(check, place.address))),
            CheckKind::Tls(tls) => Asks::Tls(tls.clone()),
            CheckKind::Grpc(check) => Asks::Grpc(Box::new(GrpcProbe::new(check, place.address))),
            CheckKind::Udp(check) => Asks::Udp(check.clone()),
            CheckKind::Dns(check) => Asks::Dns(check.clone()),
            CheckKind::Icmp => Asks::Icmp,
            CheckKind::Command(check) => Asks::Command(check.clone()),
            CheckKind::Plugin(check) => Asks::Plugin(check.clone()),
            CheckKind::Agent(check) => Asks::Agent(check.send.clone()),
        };
        Self { place, timeout: ask.check.timeout, asks }
    }

    /// How long it may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The plugin that makes it, if one does.
    pub(super) fn plugin(&self) -> Option<&str> {
        if let Asks::Plugin(check) = &self.asks { Some(&check.plugin) } else { None }
    }

    /// Asks once, by the `checker` if a plugin makes it. It is over at `deadline`, and with it all
    /// that it opened.
    pub(super) async fn run(&self, deadline: Deadline, checker: Option<Checker>) -> Seen {
        let place = self.place;
        match &self.asks {
            Asks::Tcp => merge(tcp::probe(place, deadline).await).into(),
            Asks::Http(probe) => probe.run(place, deadline).await,
            Asks::Tls(tls) => merge(tls::probe(place, tls, deadline).await).into(),
            Asks::Grpc(probe) => merge(probe.run(place, deadline).await).into(),
            Asks::Udp(check) => merge(udp::probe(check, place, deadline).await).into(),
            Asks::Dns(check) => merge(Box::pin(dns::probe(check, place, deadline)).await).into(),
            Asks::Icmp => merge(icmp::probe(place, deadline).await).into(),
            Asks::Command(check) => merge(command::probe(check, place, deadline).await).into(),
            Asks::Plugin(check) => {
                let probe = checker::probe(check, checker, place, deadline);
                merge(Box::pin(probe).await).into()
            }
            Asks::Agent(send) => ask_agent::probe(place, send, deadline).await,
        }
    }
}

fn merge(asked: Result<Outcome, Outcome>) -> Outcome {
    asked.unwrap_or_else(|it| it)
}
