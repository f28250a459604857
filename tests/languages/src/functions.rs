//! Weighers and guards, called with the service `web`, and checkers, called with a server of its
//! own; what they answer, as text.

use std::{fmt::Write as _, time::Duration};

use weir_ipvs::{Change, Endpoint, RealServer, RealServerStatus, Service, Traffic};
use weir_wasm::{
    Candidate, Checking, Conversation, HealthStatus, HttpRequest, HttpResponse, Judgement, Origin,
    Plugin, PolicyGrant, ProbeError, Reach, Review, Runtime, Services, Settings, View, Weighing,
};

use crate::{
    host::Setup,
    table::{self, WEB, key},
};

fn settings(config_json: &str) -> Settings {
    Setup { config_json: config_json.to_owned(), ..Setup::default() }.settings()
}

/// Weighs it again and again, every 5 s, while its real servers have these connections open:
/// the scales of each turn, a line each, or the failure.
pub fn weigh(runtime: &Runtime, plugin: &Plugin, config_json: &str, open: &[[u32; 3]]) -> String {
    let weigher = match runtime.weigher(plugin, settings(config_json)) {
        Ok(weigher) => weigher,
        Err(failure) => return failure.to_string(),
    };
    let (table, health) = (table::table(), table::health());
    let Some(entry) = table.get(&key(WEB[0]).service) else { return String::new() };
    let labelled = table::labels().remove(&key(WEB[0]).service).unwrap_or_default();
    let of_server = |it: &Endpoint| labelled.servers.get(it).cloned().unwrap_or_default();
    let mut weighing = Weighing {
        service: entry.service.config.clone(),
        name: "web".to_owned(),
        labels: labelled.service.clone(),
        at_ns: 1_000_000_000,
        period: Duration::ZERO,
        candidates: Vec::new(),
        memo: Vec::new(),
    };
    let mut text = String::new();
    let mut scales = vec![1000; entry.servers.len()];
    for active in open {
        weighing.candidates = entry
            .servers
            .iter()
            .zip(active)
            .zip(&scales)
            .map(|((server, active), scale): (_, &u32)| {
                let mut server = RealServerStatus { active: *active, ..*server };
                server.config.weight = (10 * scale).div_ceil(1000);
                let known = health.get(&key(&server.config.endpoint.to_string()));
                Candidate {
                    server,
                    labels: of_server(&server.config.endpoint),
                    base: 10,
                    unweighed: 10,
                    health: known.map_or(HealthStatus::Unknown, |it| it.status),
                    latency: Some(Duration::from_micros(250)),
                    delta: Traffic { connections: 3, ..Traffic::default() },
                }
            })
            .collect();
        match weigher.weigh(&weighing) {
            Ok(weighed) => {
                let _ = writeln!(text, "{:?}", weighed.scales);
                (scales, weighing.memo) = (weighed.scales, weighed.memo);
            }
            Err(failure) => return text + &failure.to_string(),
        }
        weighing.period = Duration::from_secs(5);
    }
    text
}

/// Judges that a plugin gives its real servers these weights; all have 10.
pub fn judge(runtime: &Runtime, plugin: &Plugin, config_json: &str, weights: [u32; 3]) -> String {
    let guard = match runtime.guard(plugin, settings(config_json)) {
        Ok(guard) => guard,
        Err(failure) => return failure.to_string(),
    };
    let (table, health) = (table::table(), table::health());
    let service = key(WEB[0]).service;
    let found = table.get(&service).into_iter().flat_map(|it| &it.servers);
    let planned: Vec<_> =
        found.zip(weights).map(|(it, weight)| RealServer { weight, ..it.config }).collect();
    let review = Review {
        origin: Origin::Plugin("canary".to_owned()),
        reason: "it is slow".to_owned(),
        changes: planned.iter().map(|it| Change::EditServer(service, *it)).collect(),
        outcome: vec![(Service::new(service, "wrr"), planned)],
    };
    let grant = PolicyGrant { services: Services::All, ..PolicyGrant::default() };
    let view = View {
        table: std::sync::Arc::new(table),
        health: std::sync::Arc::new(health),
        // Go's runtime refuses a clock that stands at zero.
        labels: std::sync::Arc::new(table::labels()),
        monotonic_ns: 1_000_000_000,
        wall_ns: 1_000_000_000,
        ..View::default()
    };
    match guard.judge(grant, review, view) {
        Ok(Judgement::Allow) => "allow".to_owned(),
        Ok(Judgement::Warn(why)) => format!("warn: {why}"),
        Ok(Judgement::Deny(why)) => format!("deny: {why}"),
        Err(failure) => failure.to_string(),
    }
}

/// What [`Served`] has pages at.
const PAGES: [&str; 3] = ["/ready", "/up", "/a?b=1"];

/// A server that a checker asks: it answers by HTTP with what it was asked and this status, or with
/// 404 where it has no page, by UDP and over connections with what it hears; or not at all.
#[derive(Debug, Clone)]
pub struct Served(pub Result<u16, ProbeError>);

impl Reach for Served {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        self.0.clone().map(|_| Box::new(Echo(Vec::new())) as Box<dyn Conversation>)
    }

    fn http(&mut self, request: HttpRequest) -> Result<HttpResponse, ProbeError> {
        let status = self.0.clone()?;
        let status = if PAGES.contains(&request.path.as_str()) { status } else { 404 };
        let headers = request.headers.iter().map(|(name, it)| (name.clone(), it.clone().into()));
        let HttpRequest { method, path, body, .. } = &request;
        let body = format!("{method} {path} {}", String::from_utf8_lossy(body)).into_bytes();
        Ok(HttpResponse { status, headers: headers.collect(), body })
    }

    fn exchange(&mut self, datagram: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        self.0.clone().map(|_| datagram)
    }
}

/// A server that says this over each connection, whatever it hears, and answers nothing else.
#[derive(Debug, Clone)]
pub struct Saying(pub &'static str);

impl Reach for Saying {
    fn connect(&mut self) -> Result<Box<dyn Conversation>, ProbeError> {
        Ok(Box::new(self.clone()))
    }

    fn http(&mut self, _: HttpRequest) -> Result<HttpResponse, ProbeError> {
        Err(ProbeError::Protocol("no HTTP".to_owned()))
    }

    fn exchange(&mut self, _: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        Err(ProbeError::Timeout)
    }
}

impl Conversation for Saying {
    fn write(&mut self, _: Vec<u8>) -> Result<(), ProbeError> {
        Ok(())
    }

    fn read(&mut self, max: usize) -> Result<Vec<u8>, ProbeError> {
        let (said, left) = self.0.split_at(max.min(self.0.len()));
        self.0 = left;
        Ok(said.as_bytes().to_vec())
    }
}

struct Echo(Vec<u8>);

impl Conversation for Echo {
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), ProbeError> {
        self.0.extend(bytes);
        Ok(())
    }

    fn read(&mut self, max: usize) -> Result<Vec<u8>, ProbeError> {
        Ok(self.0.drain(..max.min(self.0.len())).collect())
    }
}

/// What it finds of 10.0.0.1:80.
pub fn check(
    runtime: &Runtime,
    plugin: &Plugin,
    config_json: &str,
    served: impl Reach + 'static,
) -> String {
    let checker = match runtime.checker(plugin, settings(config_json)) {
        Ok(checker) => checker,
        Err(failure) => return failure.to_string(),
    };
    let checking = Checking {
        server: ([10, 0, 0, 1], 80).into(),
        settings: config_json.to_owned(),
        timeout: Duration::from_secs(2),
        at_ns: None,
    };
    match checker.check(checking, Box::new(served)) {
        Ok(checked) => format!("{checked:?}"),
        Err(failure) => failure.to_string(),
    }
}
