//! `[[service.server]]`: a real server as it should be, and the pools of them that services
//! share.

use std::{collections::BTreeMap, net::IpAddr};

use toml::de::DeValue;
use weir_ipvs::{Endpoint, Forwarding, RealServer, ServiceKey, Tunnel, TunnelChecksum, TunnelKind};
use weir_wasm::Labels;

use super::{
    checks::Checks,
    keys::{
        By, Key, Nested, Number, Port, Row, Shape, Table,
        Without::{Is, Means},
        Word,
    },
    reader::{Section, found},
    value::{self, Wrong},
    via::{self, Via},
};

/// The largest weight that the kernel and its tools agree on.
pub(super) const WEIGHT_MAX: u32 = 0x7fff_ffff;

/// The largest threshold that every kernel takes.
const THRESHOLD_MAX: u32 = 0x7fff_ffff;

pub(super) static TABLE: Table =
    Table::new("server", &[&[&ADDRESS], SHARED, &[&via::OWN, &LABELS]]);

/// What real servers have from their service, where they say nothing.
pub(super) const SHARED: &[&dyn Row] =
    &[&WEIGHT, &FORWARDING, &TUNNEL, &UPPER_THRESHOLD, &LOWER_THRESHOLD];

/// The same of sorry servers.
pub(super) const SORRY_SHARED: &[&dyn Row] = &[&FORWARDING];

pub(super) static ADDRESS: Key<By<(IpAddr, Option<u16>)>> = Key::new(
    "address",
    By { read: address, types: &["string"] },
    Means("required"),
    "with a port, or without for the service's. Only masquerading can change the port",
);

static WEIGHT: Key<Number> = Key::new(
    "weight",
    Number(0..=WEIGHT_MAX),
    Is(1),
    "base weight of each real server. 0: drained, still checked",
);

pub(super) static FORWARDING: Key<Word<Forwarding>> = Key::new(
    "forwarding",
    Word(&[
        ("masquerade", Forwarding::Masquerade),
        ("direct", Forwarding::Direct),
        ("tunnel", Forwarding::Tunnel),
    ]),
    Is(Forwarding::Masquerade),
    "how packets reach real servers",
);

static TUNNEL: Nested = Nested {
    name: "tunnel",
    table: &TUNNEL_TABLE,
    shape: Shape::One,
    default: "IP in IP",
    meaning: "how packets are wrapped, with `forwarding = \"tunnel\"`",
};

static TUNNEL_TABLE: Table =
    Table::new("tunnel", &[&[&TUNNEL_TYPE, &TUNNEL_PORT, &TUNNEL_CHECKSUM]]);

static TUNNEL_TYPE: Key<Word<TunnelKind>> = Key::new(
    "type",
    Word(&[("ipip", TunnelKind::Ipip), ("gue", TunnelKind::Gue), ("gre", TunnelKind::Gre)]),
    Means("required"),
    "",
);

static TUNNEL_PORT: Key<Port> =
    Key::new("port", Port, Means("required for `\"gue\"`"), "UDP port, for `\"gue\"` only");

static TUNNEL_CHECKSUM: Key<Word<TunnelChecksum>> = Key::new(
    "checksum",
    Word(&[
        ("none", TunnelChecksum::None),
        ("full", TunnelChecksum::Full),
        ("remote", TunnelChecksum::Remote),
    ]),
    Is(TunnelChecksum::None),
    "not for `\"ipip\"`; `\"remote\"` for `\"gue\"` only",
);

static UPPER_THRESHOLD: Key<Number> = Key::new(
    "upper-threshold",
    Number(0..=THRESHOLD_MAX),
    Is(0),
    "no new connections at this many; 0 = no limit",
);

static LOWER_THRESHOLD: Key<Number> = Key::new(
    "lower-threshold",
    Number(0..=THRESHOLD_MAX),
    Is(0),
    "new ones again below this many; 0 = three quarters of upper. Not above upper",
);

pub(super) static LABELS: Key<By<Labels, Wrong>> = Key::new(
    "labels",
    By { read: labels, types: &["object"] },
    Means("none"),
    "a table of words to select by, such as `{ team = \"web\" }`",
);

/// An address that one machine can have: the kernel takes no other.
fn address(value: &DeValue<'_>) -> Result<(IpAddr, Option<u16>), String> {
    let (address, port) = value::address_maybe_port(value)?;
    Ok((value::of_one_machine(address, value)?, port))
}

/// A table of texts.
pub(super) fn labels(value: &DeValue<'_>) -> Result<Labels, Wrong> {
    let Some(table) = value.as_table() else {
        let expected = "expected a table such as { team = \"web\" }";
        return Err(format!("{expected}, found {}", found(value)).into());
    };
    value::all(table.iter().map(|(key, value)| {
        let text = value::text(value.get_ref()).map(|it| (key.get_ref().to_string(), it));
        match value::check_name(key.get_ref()) {
            Ok(()) => (value.span().start, text),
            Err(message) => (key.span().start, Err(message)),
        }
    }))
}

/// The real servers of a service while they are read.
#[derive(Default)]
pub(super) struct Servers {
    pub(super) servers: BTreeMap<Endpoint, RealServer>,
    pub(super) labels: BTreeMap<Endpoint, Labels>,
    /// Those that say a way of their own.
    pub(super) vias: BTreeMap<Endpoint, Via>,
}

impl Servers {
    /// Takes in what `section` states of a real server of `service`. Returns where that is, if
    /// it can be understood.
    pub(super) fn read(
        &mut self,
        mut section: Section<'_>,
        service: Option<ServiceKey>,
        check: Option<&Checks>,
    ) -> Option<Endpoint> {
        let notes = section.here();
        let labels = section.key(&LABELS).unwrap_or_default();
        let via = Via::default().read(&mut section);
        let server = real_server(section, service)?;
        let endpoint = server.endpoint;
        if check.is_some_and(|it| !it.has_ports(endpoint.port)) {
            notes.note_at(
                ADDRESS.name,
                "there is no port to check: add port to the service's check, or check = false",
            );
        }
        if !labels.is_empty() {
            self.labels.insert(endpoint, labels);
        }
        if via != Via::default() {
            if check.is_none() {
                notes.note_at(via::OWN.name, "it is not checked: add a check, or remove this");
            }
            self.vias.insert(endpoint, via);
        }
        if self.servers.insert(endpoint, server).is_some() {
            notes.note_at(ADDRESS.name, format!("{endpoint} is there twice: remove one"));
        }
        Some(endpoint)
    }
}

/// The server that serves when the others are too few.
pub(super) fn sorry(
    mut section: Section<'_>,
    service: Option<ServiceKey>,
    servers: &BTreeMap<Endpoint, RealServer>,
) -> Option<RealServer> {
    let notes = section.here();
    if section.key(&WEIGHT) == Some(0) {
        section.note_at(
            WEIGHT.name,
            format!("expected a whole number from 1 to {WEIGHT_MAX}, found 0"),
        );
    }
    let server = real_server(section, service)?;
    if servers.contains_key(&server.endpoint) {
        notes.note_at(ADDRESS.name, "is one of the real servers: it cannot stand in for itself");
    }
    Some(server)
}

fn real_server(mut section: Section<'_>, service: Option<ServiceKey>) -> Option<RealServer> {
    let address = section.required(&ADDRESS, "\"10.0.0.1:80\"");
    let forwarding = section.key_or_usual(&FORWARDING);
    let weight = section.key_or_usual(&WEIGHT);
    let (upper_threshold, lower_threshold) = read_thresholds(&mut section);
    // What is not said in a pool, each service that has it may say.
    let is_alone = section.is_alone();
    if lower_threshold > 0 && !is_alone && section.value(UPPER_THRESHOLD.name).is_none() {
        section.note_where_said(LOWER_THRESHOLD.name, "needs upper-threshold: add it");
    }
    let is_own = section.has(TUNNEL.name);
    let tunnel = section.section(TUNNEL.name).and_then(read_tunnel);
    let is_known = !is_alone || section.has(FORWARDING.name);
    if is_own && is_known && forwarding != Forwarding::Tunnel {
        section.note_at(TUNNEL.name, "is for forwarding = \"tunnel\" only; add it, or remove this");
    }
    let place = address.zip(service).map(|(it, service)| place(&section, service, it, forwarding));
    section.finish_as(&TABLE);
    Some(RealServer {
        endpoint: place?,
        forwarding,
        tunnel: tunnel.filter(|_| forwarding == Forwarding::Tunnel).unwrap_or_default(),
        weight,
        upper_threshold,
        lower_threshold,
    })
}

/// The thresholds, upper and lower. That they contradict each other is noted once, where the
/// nearer of the two is said.
pub(super) fn read_thresholds(section: &mut Section<'_>) -> (u32, u32) {
    let upper = section.key(&UPPER_THRESHOLD);
    let lower = section.key(&LOWER_THRESHOLD);
    if let Some((upper, lower)) = upper.zip(lower)
        && lower > upper
    {
        if section.has(LOWER_THRESHOLD.name) {
            let message = format!("expected at most upper-threshold ({upper}), found {lower}");
            section.note_at(LOWER_THRESHOLD.name, message);
        } else if section.has(UPPER_THRESHOLD.name) {
            let message = format!("expected at least lower-threshold ({lower}), found {upper}");
            section.note_at(UPPER_THRESHOLD.name, message);
        }
    }
    let or_usual = |it: Option<u32>, key: &Key<Number>| it.unwrap_or_else(|| key.usual());
    (or_usual(upper, &UPPER_THRESHOLD), or_usual(lower, &LOWER_THRESHOLD))
}

/// Notes what is wrong with `section` whatever service it is of.
pub(super) fn check_alone(mut section: Section<'_>) {
    section.key(&LABELS);
    Via::default().read(&mut section);
    real_server(section, None);
}

/// Notes what is wrong with what a service, a profile or the defaults say of real servers.
pub(super) fn check_shared(section: &mut Section<'_>) {
    section.key(&FORWARDING);
    section.key(&WEIGHT);
    read_thresholds(section);
    if section.has(TUNNEL.name) {
        section.section(TUNNEL.name).map(read_tunnel);
    }
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
            ADDRESS.name,
            "expected the address family of the service: only tunnels cross families",
        );
    }
    if forwarding != Forwarding::Masquerade && endpoint.port != usual {
        section.note_at(
            ADDRESS.name,
            format!(
                "expected the service's port, {usual}: only masquerading changes ports, found {}",
                endpoint.port
            ),
        );
    }
    endpoint
}

fn read_tunnel(mut section: Section<'_>) -> Option<Tunnel> {
    let kind = section.required(&TUNNEL_TYPE, "\"gue\"");
    let port = match kind {
        Some(TunnelKind::Gue) => section.required(&TUNNEL_PORT, "6080"),
        _ => section.key(&TUNNEL_PORT),
    };
    let checksum = section.key_or_usual(&TUNNEL_CHECKSUM);
    if matches!(kind, Some(TunnelKind::Ipip | TunnelKind::Gre)) && section.has(TUNNEL_PORT.name) {
        section.note_at(TUNNEL_PORT.name, "is for type = \"gue\" only: remove it");
    }
    if kind == Some(TunnelKind::Ipip) && checksum != TunnelChecksum::None {
        section.note_at(TUNNEL_CHECKSUM.name, "ipip has none: remove it");
    }
    if kind == Some(TunnelKind::Gre) && checksum == TunnelChecksum::Remote {
        section.note_at(TUNNEL_CHECKSUM.name, "\"remote\" is for type = \"gue\" only");
    }
    section.finish_as(&TUNNEL_TABLE);
    let kind = kind?;
    let port = if kind == TunnelKind::Gue { port? } else { 0 };
    Some(Tunnel { kind, port, checksum })
}
