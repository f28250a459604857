//! What there is: services, real servers, clients.

use std::{
    cell::Cell,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use weir_ipvs::{Endpoint, Family, Protocol, ServiceKey};

use super::{
    STATEMENTS,
    line::{Line, Mistake, Read},
    value,
};
use crate::{
    config::{Config, Files},
    simulate::{
        distribution::Distribution,
        scenario::{Arrival, ClientsModel, Names, Rate, ServerModel, Target},
    },
};

/// Words that names cannot be, for they mean something where names stand.
const RESERVED: [&str; 14] = [
    "each",
    "writes",
    "log",
    "order",
    "latency",
    "requests",
    "failures",
    "explained",
    "tcp",
    "udp",
    "sctp",
    "fwmark",
    "in",
    "no",
];

/// Names that statements may use.
#[derive(Debug, Default)]
pub(super) struct Declared {
    names: Names,
    /// The clients' names, in their order.
    clients: Vec<String>,
    /// The plugins' names, those that are off left out.
    pub(super) plugins: Vec<String>,
    /// Configurations that the file holds beside the first, by name.
    pub(super) configurations: BTreeMap<String, Files>,
    /// Whether there is a weir at all.
    pub(super) has_weir: bool,
    /// Whether the configuration has mistakes, and may give more names than were understood.
    is_partial: bool,
    /// Whether such a name was looked for.
    missed: Cell<bool>,
}

impl Declared {
    /// The names that the configuration gives to services and plugins.
    pub(super) fn new(config: Option<&Config>) -> Self {
        let mut declared = Self { has_weir: config.is_some(), ..Self::default() };
        for service in config.into_iter().flat_map(|it| &it.services) {
            declared.names.name_service(&service.name, service.service.key);
        }
        declared.plugins =
            config.into_iter().flat_map(|it| &it.plugins).map(|it| it.name.clone()).collect();
        declared
    }

    pub(super) fn into_names(self) -> Names {
        self.names
    }

    pub(super) fn server(&self, word: &str) -> Option<Endpoint> {
        self.names.servers.get(word).copied().or_else(|| word.parse().ok())
    }

    pub(super) fn service(&self, word: &str) -> Option<ServiceKey> {
        let service = self.names.services.get(word).copied();
        if service.is_none() && value::name(word).is_some() && !RESERVED.contains(&word) {
            self.miss(word);
        }
        service
    }

    /// The configuration has mistakes.
    pub(super) fn expect_more(&mut self) {
        self.has_weir = true;
        self.is_partial = true;
    }

    /// What the configuration says of `name` is not known.
    pub(super) fn miss(&self, name: &str) {
        if self.is_partial && !self.all().contains(&name) {
            self.missed.set(true);
        }
    }

    /// Whether something was missed since this was asked last.
    pub(super) fn missed(&self) -> bool {
        self.missed.take()
    }

    /// The number of these clients.
    pub(super) fn clients(&self, word: &str) -> Option<usize> {
        self.clients.iter().position(|it| it == word)
    }

    /// Every name.
    pub(super) fn all(&self) -> Vec<&str> {
        let servers = self.names.servers.keys().chain(self.names.services.keys());
        servers.chain(&self.clients).map(String::as_str).collect()
    }

    pub(super) fn server_names(&self) -> Vec<&str> {
        self.names.servers.keys().map(String::as_str).collect()
    }

    fn new_name<'t>(&self, line: &mut Line<'t>, example: &str) -> Read<&'t str> {
        let what = format!("a name such as `{example}`: a letter, then letters, digits, . _ -");
        let here = line.clone();
        let name = line.parse(&what, value::name)?;
        if self.all().contains(&name) {
            return Err(here.mistake(format!("the name `{name}` is taken")));
        }
        if STATEMENTS.contains(&name) || RESERVED.contains(&name) {
            let message = format!("`{name}` means something else here: choose another name");
            return Err(here.mistake(message));
        }
        Ok(name)
    }
}

/// ```text
/// service = "service" NAME key
/// key     = ("tcp" | "udp" | "sctp") ADDRESS | "fwmark" NUMBER ["ipv6"]
/// ```
pub(super) fn service(line: &mut Line<'_>, declared: &mut Declared) -> Read<()> {
    let name = declared.new_name(line, "web")?;
    let Some(key) = key(line)? else {
        return Err(line.expected("what it is, such as `tcp 192.0.2.1:80` or `fwmark 7`"));
    };
    declared.names.name_service(name, key);
    Ok(())
}

/// A service by its key, if that is what comes next.
pub(super) fn key(line: &mut Line<'_>) -> Read<Option<ServiceKey>> {
    let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];
    if line.accept(&["fwmark"]) {
        let mark = line.parse("a mark from 1 to 4294967295", |it| {
            it.parse().ok().filter(|it: &u32| *it > 0)
        })?;
        let family = if line.accept(&["ipv6"]) { Family::V6 } else { Family::V4 };
        return Ok(Some(ServiceKey::Fwmark { mark, family }));
    }
    let protocol = line.maybe(|word| protocols.iter().find(|it| it.0 == word).map(|it| it.1));
    protocol.map(|it| Ok(ServiceKey::from((it, line.endpoint()?)))).transpose()
}

/// ```text
/// server  = "server" NAME ADDRESS { "," setting }
/// setting = "service-time" distribution | "workers" NUMBER | "queue" NUMBER
/// ```
pub(super) fn server(line: &mut Line<'_>, declared: &mut Declared) -> Read<ServerModel> {
    let name = declared.new_name(line, "a")?.to_owned();
    let here = line.clone();
    let endpoint = line.endpoint()?;
    if let Some(other) = declared.names.servers.iter().find(|it| *it.1 == endpoint) {
        return Err(here.mistake(format!("{endpoint} is already server `{}`", other.0)));
    }
    let mut server = ServerModel::immediate(endpoint);
    while line.accept_comma() {
        let settings = [("service-time", 0), ("workers", 1), ("queue", 2)];
        match line.choice("a setting of a server", &settings)? {
            0 => server.service_time = distribution(line)?,
            1 => {
                let what = "how many requests it works on at one time, 1 or more";
                let many = |it: &str| it.parse().ok().filter(|it: &u32| *it > 0);
                server.workers = Some(line.parse(what, many)?);
            }
            _ => server.queue = line.number("how many requests may wait, such as 100")?,
        }
    }
    declared.names.servers.insert(name, endpoint);
    Ok(server)
}

/// ```text
/// clients = "clients" NAME "to" target { "," setting }
/// target  = SERVICE | ("tcp" | "udp") ADDRESS
/// setting = arrival | "lasting" distribution | "requests" "every" distribution
///         | "retry" NUMBER ["after" distribution] | "timeout" DURATION
///         | "from" PREFIX | "marked" NUMBER
/// ```
pub(super) fn clients(line: &mut Line<'_>, declared: &mut Declared) -> Read<ClientsModel> {
    let name = declared.new_name(line, "users")?.to_owned();
    // Even if the rest is wrong: what is said of them is no mistake.
    declared.clients.push(name.clone());
    line.require("to")?;
    let here = line.clone();
    let target = target(line, declared)?;
    let mut clients = ClientsModel {
        name,
        target,
        arrival: Arrival::Never,
        lasting: Distribution::Constant(Duration::ZERO),
        requests_every: None,
        retries: 0,
        retry_after: Distribution::Constant(Duration::from_millis(100)),
        timeout: Duration::from_secs(5),
        sources: usual_sources(target.destination.family()),
    };
    while line.accept_comma() {
        client_setting(line, &mut clients)?;
    }
    if clients.sources.0.is_ipv4() != target.destination.address.is_ipv4() {
        return Err(here.mistake("clients and their target need addresses of one family"));
    }
    Ok(clients)
}

fn client_setting(line: &mut Line<'_>, clients: &mut ClientsModel) -> Read<()> {
    if let Some(arrival) = arrival(line)? {
        clients.arrival = arrival;
        return Ok(());
    }
    let settings =
        [("lasting", 0), ("requests", 1), ("retry", 2), ("timeout", 3), ("from", 4), ("marked", 5)];
    let names: Vec<&str> = ARRIVALS.into_iter().chain(settings.map(|it| it.0)).collect();
    let unknown = line.expected_one_of("a setting of clients", &names);
    match line.choice("", &settings).map_err(|_| unknown)? {
        0 => clients.lasting = distribution(line)?,
        1 => {
            line.require("every")?;
            clients.requests_every = Some(distribution(line)?);
        }
        2 => {
            clients.retries = line.number("how often, such as 3")?;
            if line.accept(&["after"]) {
                clients.retry_after = distribution(line)?;
            }
        }
        3 => clients.timeout = super::positive(line)?,
        4 => {
            let what = "the addresses they come from, such as 198.18.0.0/15";
            clients.sources = line.parse(what, value::prefix)?;
        }
        _ => clients.target.mark = line.number("a firewall mark such as 7")?,
    }
    Ok(())
}

/// The addresses for measurements (RFC 2544) and for documentation (RFC 3849).
fn usual_sources(family: Family) -> (IpAddr, u32) {
    match family {
        Family::V4 => (Ipv4Addr::new(198, 18, 0, 0).into(), 15),
        Family::V6 => (Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0).into(), 64),
    }
}

fn target(line: &mut Line<'_>, declared: &Declared) -> Read<Target> {
    let here = line.clone();
    let key = match line.maybe(|it| declared.service(it)) {
        Some(key) => Some(key),
        None => key(line)?,
    };
    match key {
        Some(ServiceKey::Address {
            protocol: protocol @ (Protocol::Tcp | Protocol::Udp),
            endpoint,
        }) if endpoint.port != 0 => Ok(Target { protocol, destination: endpoint, mark: 0 }),
        Some(ServiceKey::Fwmark { mark, .. }) => Err(here
            .mistake(format!("a mark is no address: write `to tcp 192.0.2.1:80, marked {mark}`"))),
        Some(ServiceKey::Address { protocol: Protocol::Tcp | Protocol::Udp, endpoint }) => {
            Err(here.mistake(format!(
                "port 0 is every port, and clients need one: write `to tcp {}`",
                Endpoint { port: 80, ..endpoint }
            )))
        }
        Some(_) => Err(here.mistake("clients speak TCP and UDP only")),
        None => {
            let services: Vec<&str> = declared.names.services.keys().map(String::as_str).collect();
            Err(here
                .expected_one_of("a service, or an address such as `tcp 192.0.2.1:80`", &services))
        }
    }
}

const ARRIVALS: [&str; 4] = ["constant", "poisson", "bursts", "once"];

/// ```text
/// arrival = ("constant" | "poisson") RATE ["to" RATE "over" DURATION]
///         | "bursts" "of" NUMBER "every" DURATION | "once" NUMBER
/// ```
pub(super) fn arrival(line: &mut Line<'_>) -> Read<Option<Arrival>> {
    let Some(word) = line.word().filter(|it| ARRIVALS.contains(it)) else { return Ok(None) };
    line.step();
    let many = "how many, such as 50";
    Ok(Some(match word {
        "constant" => Arrival::Even(rate(line)?),
        "poisson" => Arrival::Poisson(rate(line)?),
        "bursts" => {
            line.require("of")?;
            let many = line.number(many)?;
            line.require("every")?;
            Arrival::Bursts(many, super::positive(line)?)
        }
        _ => Arrival::Once(line.number(many)?),
    }))
}

fn rate(line: &mut Line<'_>) -> Read<Rate> {
    let what = "a rate such as 100/s, 0.5/s or 30/m";
    let from = line.parse(what, value::rate)?;
    if !line.accept(&["to"]) {
        return Ok(Rate { from, to: from, over: Duration::ZERO });
    }
    let to = line.parse(what, value::rate)?;
    line.require("over")?;
    Ok(Rate { from, to, over: super::positive(line)? })
}

/// ```text
/// distribution = ["constant"] DURATION | "uniform" DURATION..DURATION
///              | "exponential" DURATION | "normal" DURATION DURATION
///              | "lognormal" DURATION "p99" DURATION | "pareto" DURATION NUMBER
/// ```
pub(super) fn distribution(line: &mut Line<'_>) -> Read<Distribution> {
    if let Some(duration) = line.maybe(value::duration) {
        return Ok(Distribution::Constant(duration));
    }
    let kinds = [
        ("constant", 0),
        ("uniform", 1),
        ("exponential", 2),
        ("normal", 3),
        ("lognormal", 4),
        ("pareto", 5),
    ];
    Ok(match line.choice("a duration such as 20ms, or a distribution", &kinds)? {
        0 => Distribution::Constant(line.duration()?),
        1 => {
            let range =
                |it: &str| value::range(it, value::duration).filter(|(least, most)| least <= most);
            let (least, most) = line.parse("a range such as 5ms..20ms", range)?;
            Distribution::Uniform(least, most)
        }
        2 => Distribution::Exponential(line.duration()?),
        3 => Distribution::Normal(line.duration()?, line.duration()?),
        4 => {
            let median = super::positive(line)?;
            line.require("p99")?;
            let above = "a duration above the median, such as 200ms";
            let p99 = line.parse(above, |it| value::duration(it).filter(|it| *it > median))?;
            Distribution::LogNormal(median, p99)
        }
        _ => {
            let least = line.duration()?;
            let shape = "a shape above 0, such as 1.5";
            let shape = line.parse(shape, |it| value::positive(it).filter(|it| *it > 0.0))?;
            Distribution::Pareto(least, shape)
        }
    })
}

/// The known names of `plugins`, for a statement about one of them.
pub(super) fn plugin(line: &mut Line<'_>, declared: &Declared) -> Read<String> {
    let table: BTreeMap<&str, String> =
        declared.plugins.iter().map(|it| (it.as_str(), it.clone())).collect();
    let table: Vec<(&str, String)> = table.into_iter().collect();
    if let Some(name) = line.word().filter(|it| !declared.plugins.iter().any(|known| known == it)) {
        declared.miss(name);
    }
    if table.is_empty() {
        let message = "there are no plugins: name them in a fence with ```toml";
        return Err(Mistake { place: line.place(), message: message.to_owned() });
    }
    line.choice("a plugin of the configuration", &table)
}
