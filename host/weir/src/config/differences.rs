//! In what one configuration differs from another, in the operator's words. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
};

use weir_ipvs::{Endpoint, RealServer};

use super::{
    Check, CheckKind, Checks, Config, Globals, Match, NamedService, Plugin, SelfProbe,
    value::show_duration,
};

/// One thing that is there, is not there any more, or is stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    /// `service web`, `service web: server 10.0.0.1:80`, `plugin latency`.
    pub(crate) of: String,
    /// In what it differs; empty where it is new or gone.
    pub(crate) how: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Added,
    Changed,
    Removed,
}

impl Config {
    /// In what this differs from the configuration `before`.
    pub(crate) fn differences_from(&self, before: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let (old, new) = (services(&before.services), services(&self.services));
        compare("service ", &old, &new, &mut found, service);
        for (name, after) in new {
            if let Some(before) = old.get(name) {
                let of = format!("service {name}: server ");
                compare(&of, &servers(before), &servers(after), &mut found, server);
            }
        }
        let (old, new) = (matches(&before.matches), matches(&self.matches));
        compare("match ", &old, &new, &mut found, of_match);
        let (old, new) = (plugins(&before.plugins), plugins(&self.plugins));
        compare("plugin ", &old, &new, &mut found, plugin);
        let (old, new) = (self_probes(&before.self_probes), self_probes(&self.self_probes));
        compare("self-probe ", &old, &new, &mut found, self_probe);
        found.extend(globals(&before.globals, &self.globals));
        found
    }
}

/// What each of `before` and `after` says, compared by name.
fn compare<K: Ord + fmt::Display, T: PartialEq>(
    of: &str,
    before: &BTreeMap<K, &T>,
    after: &BTreeMap<K, &T>,
    found: &mut Vec<Difference>,
    how: fn(&T, &T) -> Vec<String>,
) {
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (kind, how) = match (before.get(name), after.get(name)) {
            (None, _) => (Kind::Added, Vec::new()),
            (_, None) => (Kind::Removed, Vec::new()),
            (Some(before), Some(after)) => (Kind::Changed, how(before, after)),
        };
        if kind != Kind::Changed || !how.is_empty() {
            found.push(Difference { kind, of: format!("{of}{name}"), how });
        }
    }
}

fn services(all: &[NamedService]) -> BTreeMap<&str, &NamedService> {
    all.iter().map(|it| (it.name.as_str(), it)).collect()
}

fn self_probes(all: &[SelfProbe]) -> BTreeMap<SocketAddr, &SelfProbe> {
    all.iter().map(|it| (it.address, it)).collect()
}

fn matches(all: &[Match]) -> BTreeMap<&str, &Match> {
    all.iter().map(|it| (it.name.as_str(), it)).collect()
}

fn plugins(all: &[Plugin]) -> BTreeMap<&str, &Plugin> {
    all.iter().map(|it| (it.name.as_str(), it)).collect()
}

fn servers(service: &NamedService) -> BTreeMap<Endpoint, &RealServer> {
    service.servers.iter().map(|(endpoint, it)| (*endpoint, it)).collect()
}

/// Collects what differs, key by key.
struct How(Vec<String>);

impl How {
    fn shown<T: PartialEq>(
        &mut self,
        key: &str,
        before: &T,
        after: &T,
        show: impl Fn(&T) -> String,
    ) {
        if before != after {
            self.0.push(format!("{key} {} -> {}", show(before), show(after)));
        }
    }

    /// Where the values would take more room than they are worth.
    fn named<T: PartialEq>(&mut self, key: &str, before: &T, after: &T) {
        if before != after {
            self.0.push(key.to_owned());
        }
    }
}

fn service(before: &NamedService, after: &NamedService) -> Vec<String> {
    let mut how = How(Vec::new());
    let (old, new) = (&before.service, &after.service);
    how.shown("address", &old.key, &new.key, ToString::to_string);
    how.shown("scheduler", &old.scheduler, &new.scheduler, ToString::to_string);
    let seconds = |it: &Option<u32>| it.map_or_else(|| "none".to_owned(), |it| format!("{it}s"));
    how.shown("persistence", &old.persistence, &new.persistence, seconds);
    how.named("flags", &old.flags, &new.flags);
    how.named("netmask", &old.netmask, &new.netmask);
    how.named("persistence-engine", &old.engine, &new.engine);
    let quorum = |it: &NamedService| it.quorum;
    how.named("labels", &before.labels, &after.labels);
    how.named("via of real servers", &before.vias, &after.vias);
    how.named("quorum", &quorum(before), &quorum(after));
    let sorry = |it: &Option<Endpoint>| it.map_or_else(|| "none".to_owned(), |it| it.to_string());
    let endpoint = |it: &NamedService| it.sorry.map(|it| it.endpoint);
    how.shown("sorry-server", &endpoint(before), &endpoint(after), sorry);
    if endpoint(before) == endpoint(after) {
        how.named("sorry-server", &before.sorry, &after.sorry);
    }
    checks(before.check.as_ref(), after.check.as_ref(), &mut how);
    rules(&before.rules, &after.rules, &mut how);
    how.0
}

fn server(before: &RealServer, after: &RealServer) -> Vec<String> {
    let mut how = How(Vec::new());
    how.shown("weight", &before.weight, &after.weight, ToString::to_string);
    let forwarding = |it: &weir_ipvs::Forwarding| format!("{it:?}").to_lowercase();
    how.shown("forwarding", &before.forwarding, &after.forwarding, forwarding);
    how.named("tunnel", &before.tunnel, &after.tunnel);
    how.shown(
        "upper-threshold",
        &before.upper_threshold,
        &after.upper_threshold,
        ToString::to_string,
    );
    how.shown(
        "lower-threshold",
        &before.lower_threshold,
        &after.lower_threshold,
        ToString::to_string,
    );
    how.0
}

fn of_match(before: &Match, after: &Match) -> Vec<String> {
    let mut how = How(Vec::new());
    how.named("services", &before.services, &after.services);
    how.named("servers", &before.servers, &after.servers);
    let weight = |it: &Option<u32>| it.map_or_else(|| "as found".to_owned(), |it| it.to_string());
    how.shown("weight", &before.weight, &after.weight, weight);
    checks(before.check.as_ref(), after.check.as_ref(), &mut how);
    rules(&before.rules, &after.rules, &mut how);
    how.0
}

fn checks(before: Option<&Checks>, after: Option<&Checks>, how: &mut How) {
    let (Some(before), Some(after)) = (before, after) else {
        let shown = |it: &bool| if *it { "on" } else { "off" }.to_owned();
        return how.shown("check", &before.is_some(), &after.is_some(), shown);
    };
    match (&before.list[..], &after.list[..]) {
        ([before], [after]) => check(before, after, how),
        (before, after) => how.named("check", &before, &after),
    }
    how.named("check-combine", &before.needed, &after.needed);
    how.named("agent", &before.agent, &after.agent);
}

fn self_probe(before: &SelfProbe, after: &SelfProbe) -> Vec<String> {
    let mut how = How(Vec::new());
    check(&before.check, &after.check, &mut how);
    how.0
}

fn check(before: &Check, after: &Check, how: &mut How) {
    let kind = |it: &CheckKind| std::mem::discriminant(it);
    how.named("check.type", &kind(&before.kind), &kind(&after.kind));
    for (key, old, new) in [
        ("check.interval", before.interval, after.interval),
        ("check.fast", before.fast, after.fast),
        ("check.timeout", before.timeout, after.timeout),
    ] {
        how.shown(key, &old, &new, |it| show_duration(*it));
    }
    how.shown("check.rise", &before.rise, &after.rise, ToString::to_string);
    how.shown("check.fall", &before.fall, &after.fall, ToString::to_string);
    if how.0.iter().all(|it| !it.starts_with("check")) {
        how.named("check", &before, &after);
    }
}

fn rules(before: &super::Rules, after: &super::Rules, how: &mut How) {
    how.named("slow-start", &before.slow_start, &after.slow_start);
    how.named("safety", &(&before.panic, &before.damping), &(&after.panic, &after.damping));
    how.shown("drain.deadline", &before.drain_deadline, &after.drain_deadline, |it| {
        show_duration(*it)
    });
    how.named("drain.remove-down", &before.remove_down, &after.remove_down);
    how.named("drift", &before.drift, &after.drift);
    if before != after && how.0.is_empty() {
        how.0.push("rules".to_owned());
    }
}

fn globals(before: &Globals, after: &Globals) -> Option<Difference> {
    let mut how = How(Vec::new());
    let (old, new) = (before.timeouts, after.timeouts);
    let shown = |it: &u32| if *it == 0 { "as found".to_owned() } else { format!("{it}s") };
    how.shown("timeouts.tcp", &old.tcp, &new.tcp, shown);
    how.shown("timeouts.tcp-fin", &old.tcp_fin, &new.tcp_fin, shown);
    how.shown("timeouts.udp", &old.udp, &new.udp, shown);
    how.named("sync", &before.sync, &after.sync);
    let of = "IPVS as a whole".to_owned();
    (!how.0.is_empty()).then_some(Difference { kind: Kind::Changed, of, how: how.0 })
}

fn plugin(before: &Plugin, after: &Plugin) -> Vec<String> {
    let mut how = How(Vec::new());
    how.named("source", &before.source, &after.source);
    how.named("config", &before.config_json, &after.config_json);
    how.named("grant", &before.grant, &after.grant);
    how.named("limits", &before.limits, &after.limits);
    if before != after && how.0.is_empty() {
        how.0.push("settings".to_owned());
    }
    how.0
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        })
    }
}
