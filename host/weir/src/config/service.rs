//! `[[service]]`: a service and its real servers, as they should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use toml::de::DeValue;
use weir_ipvs::{
    Endpoint, Family, Forwarding, Protocol, RealServer, Service, ServiceFlags, ServiceKey, Tunnel,
    TunnelChecksum, TunnelKind,
};

use super::{
    Defaults,
    checks::{self, Checks},
    reader::{Section, found},
    rules::Rules,
    value,
};
use crate::safety::quorum::Quorum;

/// A service that is made if it is missing and adopted if it is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedService {
    /// Unique among services and matches.
    pub(crate) name: String,
    /// The service.
    pub(crate) service: Service,
    /// Its real servers with their base weights. Others that it has in the kernel are
    /// foreign.
    pub(crate) servers: BTreeMap<Endpoint, RealServer>,
    /// Serves when they are too few.
    pub(crate) sorry: Option<RealServer>,
    /// How many are enough.
    pub(crate) quorum: Quorum,
    /// How they are checked.
    pub(crate) check: Option<Checks>,
    /// What keeps it serving.
    pub(crate) rules: Rules,
}

impl NamedService {
    /// Whether its real servers are checked.
    pub(crate) fn is_checked(&self) -> bool {
        self.check.is_some()
    }
}

/// The largest weight that the kernel and its tools agree on.
pub(super) const WEIGHT_MAX: u32 = 0x7fff_ffff;

pub(super) const PROTOCOLS: [(&str, Protocol); 3] =
    [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("sctp", Protocol::Sctp)];

const FORWARDING: [(&str, Forwarding); 3] = [
    ("masquerade", Forwarding::Masquerade),
    ("direct", Forwarding::Direct),
    ("tunnel", Forwarding::Tunnel),
];

const FLAGS: [(&str, ServiceFlags); 8] = [
    ("one-packet", ServiceFlags::ONE_PACKET),
    ("sh-fallback", ServiceFlags::SCHEDULER_1),
    ("sh-port", ServiceFlags::SCHEDULER_2),
    ("mh-fallback", ServiceFlags::SCHEDULER_1),
    ("mh-port", ServiceFlags::SCHEDULER_2),
    ("flag-1", ServiceFlags::SCHEDULER_1),
    ("flag-2", ServiceFlags::SCHEDULER_2),
    ("flag-3", ServiceFlags::SCHEDULER_3),
];

/// Every `[[service]]`. Those with a mistake are left out; `names` gets the others too.
pub(super) fn read_all(
    top: &mut Section<'_>,
    defaults: &Defaults,
    names: &mut BTreeSet<String>,
) -> Vec<NamedService> {
    let mut keys = BTreeMap::new();
    let mut services = Vec::new();
    for section in top.sections("service", "service") {
        services.extend(read(section, defaults, names, &mut keys));
    }
    services
}

/// The name of a service or a match, which no other has.
pub(super) fn unique_name(
    section: &mut Section<'_>,
    names: &mut BTreeSet<String>,
) -> Option<String> {
    let name = section.require("name", "\"web\"", value::name)?;
    section.what = format!("{} {name}", section.what);
    if !names.insert(name.clone()) {
        section.note_at("name", format!("\"{name}\" is taken: give each its own"));
    }
    Some(name)
}

fn read(
    mut section: Section<'_>,
    defaults: &Defaults,
    names: &mut BTreeSet<String>,
    keys: &mut BTreeMap<ServiceKey, String>,
) -> Option<NamedService> {
    let name = unique_name(&mut section, names);
    let check = checks::read(&mut section, defaults);
    let rules = defaults.rules.read(&mut section).finish();
    let quorum = read_quorum(&mut section);
    let key = key(&mut section);
    let service = key.map(|key| service(&mut section, key));
    let forwarding = section
        .get("forwarding", |it| value::word(it, &FORWARDING))
        .unwrap_or(Forwarding::Masquerade);
    let mut servers = BTreeMap::new();
    for server in section.sections("server", &format!("{}: server", section.what)) {
        read_server(server, key, forwarding, check.as_ref(), &mut servers);
    }
    let sorry = read_sorry(&mut section, key, forwarding, &servers);
    if let Some((key, name)) = key.zip(name.as_ref())
        && let Some(other) = keys.insert(key, name.clone())
    {
        section.note_here(format!("{key} is already service {other}: join them"));
    }
    section.finish();
    Some(NamedService { name: name?, service: service?, servers, sorry, quorum, check, rules })
}

fn key(section: &mut Section<'_>) -> Option<ServiceKey> {
    let mark = section.get("fwmark", |it| value::number(it, 1..=u32::MAX));
    if section.value("fwmark").is_some() {
        let family = section.get("family", |it| value::word(it, &value::FAMILIES));
        for key in ["protocol", "address"] {
            if section.value(key).is_some() {
                section.note_at(key, "goes without fwmark: a service has the one or the other");
            }
        }
        return Some(ServiceKey::Fwmark { mark: mark?, family: family.unwrap_or(Family::V4) });
    }
    let protocol = section.get("protocol", |it| value::word(it, &PROTOCOLS));
    let address = section.require("address", "\"192.0.2.1:80\", or fwmark = 1", value::endpoint);
    Some(ServiceKey::from((protocol.unwrap_or(Protocol::Tcp), address?)))
}

fn service(section: &mut Section<'_>, key: ServiceKey) -> Service {
    let mut service = Service::new(key, "wlc");
    if let Some(scheduler) = section.get("scheduler", |it| module(it, 15)) {
        service.scheduler = scheduler;
    }
    service.engine = section.get("persistence-engine", |it| module(it, 16));
    let flags = section.get("flags", |it| value::list(it, |it| value::word(it, &FLAGS)));
    service.flags =
        flags.into_iter().flatten().fold(ServiceFlags::default(), |all, flag| all | flag);
    service.persistence = section.get("persistence", |it| {
        let range = std::time::Duration::from_secs(1)..=std::time::Duration::from_secs(4_294_967);
        let seconds = value::duration(it, &range)?.as_secs();
        u32::try_from(seconds)
            .map_err(|_| format!("expected at most 4294967s, found {}", found(it)))
    });
    if let Some(mask) = section.get("netmask", |it| netmask(it, key.family())) {
        service.netmask = mask;
    }
    if let ServiceKey::Address { endpoint, .. } = key
        && endpoint.port == 0
        && service.persistence.is_none()
    {
        section.note_at(
            "address",
            "port 0, every port, needs persistence: add persistence = \"300s\"",
        );
    }
    service
}

/// A name of a kernel module's part, within the kernel's bound.
fn module(value: &DeValue<'_>, bytes: usize) -> Result<String, String> {
    let name = value::text(value)?;
    if (1..=bytes).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_graphic()) {
        return Ok(name);
    }
    Err(format!("expected 1 to {bytes} letters such as \"wrr\", found {}", found(value)))
}

fn netmask(value: &DeValue<'_>, family: Family) -> Result<u32, String> {
    match (family, value) {
        (Family::V4, DeValue::String(text)) => {
            text.parse::<Ipv4Addr>().map(u32::from).map_err(|_| {
                format!("expected a mask such as \"255.255.255.0\" or 24, found \"{text}\"")
            })
        }
        (Family::V4, _) => Ok(u32::MAX << (32 - value::number(value, 1..=32)?)),
        (Family::V6, _) => value::number(value, 1..=128),
    }
}

fn read_server(
    section: Section<'_>,
    service: Option<ServiceKey>,
    forwarding: Forwarding,
    check: Option<&Checks>,
    servers: &mut BTreeMap<Endpoint, RealServer>,
) {
    let notes = section.here();
    let Some(server) = real_server(section, service, forwarding, 0) else { return };
    let endpoint = server.endpoint;
    if check.is_some_and(|it| !it.has_ports(endpoint.port)) {
        notes.note_at(
            "address",
            "there is no port to check: add port to the service's check, or check = false",
        );
    }
    if servers.insert(endpoint, server).is_some() {
        notes.note_at("address", format!("{endpoint} is there twice: remove one"));
    }
}

/// The server that serves when the others are too few.
fn read_sorry(
    section: &mut Section<'_>,
    service: Option<ServiceKey>,
    forwarding: Forwarding,
    servers: &BTreeMap<Endpoint, RealServer>,
) -> Option<RealServer> {
    let sorry = section.section("sorry-server")?;
    let notes = sorry.here();
    let server = real_server(sorry, service, forwarding, 1)?;
    if servers.contains_key(&server.endpoint) {
        notes.note_at("address", "is one of the real servers: it cannot stand in for itself");
    }
    Some(server)
}

fn read_quorum(section: &mut Section<'_>) -> Quorum {
    let weights = |least| move |it: &DeValue<'_>| value::number(it, least..=WEIGHT_MAX);
    let least = section.get("quorum", weights(1)).unwrap_or(1);
    let hysteresis = section.get("hysteresis", weights(0)).unwrap_or(0);
    if hysteresis >= least && hysteresis > 0 {
        section.note_at(
            "hysteresis",
            format!("expected less than the quorum ({least}), found {hysteresis}"),
        );
    }
    Quorum { least, hysteresis }
}

fn real_server(
    mut section: Section<'_>,
    service: Option<ServiceKey>,
    forwarding: Forwarding,
    weight_min: u32,
) -> Option<RealServer> {
    let address = section.require("address", "\"10.0.0.1:80\"", value::address_maybe_port);
    let own = section.get("forwarding", |it| value::word(it, &FORWARDING));
    let forwarding = own.unwrap_or(forwarding);
    let weight = section.get("weight", |it| value::number(it, weight_min..=WEIGHT_MAX));
    let threshold = |it: &DeValue<'_>| value::number(it, 0..=u32::MAX);
    let upper_threshold = section.get("upper-threshold", threshold).unwrap_or(0);
    let lower_threshold = section.get("lower-threshold", threshold).unwrap_or(0);
    if lower_threshold > upper_threshold {
        section.note_at(
            "lower-threshold",
            format!(
                "expected at most upper-threshold ({upper_threshold}), found {lower_threshold}"
            ),
        );
    }
    let tunnel = section.section("tunnel").and_then(read_tunnel);
    if tunnel.is_some() && forwarding != Forwarding::Tunnel {
        section.note_at("tunnel", "is for forwarding = \"tunnel\" only; add it, or remove this");
    }
    let place = address.zip(service).map(|(it, service)| place(&section, service, it, forwarding));
    section.finish();
    Some(RealServer {
        endpoint: place?,
        forwarding,
        tunnel: tunnel.unwrap_or_default(),
        weight: weight.unwrap_or(1),
        upper_threshold,
        lower_threshold,
    })
}

/// Where a real server is, once it fits its service.
fn place(
    section: &Section<'_>,
    service: ServiceKey,
    (address, port): (IpAddr, Option<u16>),
    forwarding: Forwarding,
) -> Endpoint {
    let usual = match service {
        ServiceKey::Address { endpoint, .. } => endpoint.port,
        ServiceKey::Fwmark { .. } => 0,
    };
    let endpoint = Endpoint { address, port: port.unwrap_or(usual) };
    if forwarding != Forwarding::Tunnel && endpoint.family() != service.family() {
        section.note_at(
            "address",
            "expected the address family of the service: only tunnels cross families",
        );
    }
    if forwarding != Forwarding::Masquerade && endpoint.port != usual {
        section.note_at(
            "address",
            format!(
                "expected the service's port, {usual}: only masquerading changes ports, found {}",
                endpoint.port
            ),
        );
    }
    endpoint
}

fn read_tunnel(mut section: Section<'_>) -> Option<Tunnel> {
    let kinds = [("ipip", TunnelKind::Ipip), ("gue", TunnelKind::Gue), ("gre", TunnelKind::Gre)];
    let checksums = [
        ("none", TunnelChecksum::None),
        ("full", TunnelChecksum::Full),
        ("remote", TunnelChecksum::Remote),
    ];
    let kind = section.require("type", "\"gue\"", |it| value::word(it, &kinds))?;
    let port = if kind == TunnelKind::Gue {
        section.require("port", "6080", value::port)?
    } else {
        if section.value("port").is_some() {
            section.note_at("port", "is for type = \"gue\" only: remove it");
        }
        0
    };
    let checksum =
        section.get("checksum", |it| value::word(it, &checksums)).unwrap_or(TunnelChecksum::None);
    if kind == TunnelKind::Ipip && checksum != TunnelChecksum::None {
        section.note_at("checksum", "ipip has none: remove it");
    }
    if kind == TunnelKind::Gre && checksum == TunnelChecksum::Remote {
        section.note_at("checksum", "\"remote\" is for type = \"gue\" only");
    }
    section.finish();
    Some(Tunnel { kind, port, checksum })
}
