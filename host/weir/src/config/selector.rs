//! `[[match]]`: claims on services that others put into the kernel's table.

use toml::de::DeValue;
use weir_ipvs::{Endpoint, Family, Prefix, Protocol, ServiceKey};

use super::{
    Defaults, check,
    checks::{self, Checks},
    keys::{By, Key, Listed, Nested, Number, Port, Shape, Table, Without::Means, Word},
    reader::{Section, found},
    rules::{DRAIN, DRIFT, Rules, SAFETY, SLOW_START},
    server::WEIGHT_MAX,
    service::{NAME, Names, unique_name},
    value,
};

/// A claim on the weights of real servers that are already there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Match {
    /// Unique among services and matches.
    pub(crate) name: String,
    /// Which services.
    pub(crate) services: Selector,
    /// Which of their real servers; all, if empty.
    pub(crate) servers: Vec<Prefix>,
    /// Base weight of each; as found, if none.
    pub(crate) weight: Option<u32>,
    /// How they are checked.
    pub(crate) check: Option<Checks>,
    /// What keeps their services serving.
    pub(crate) rules: Rules,
}

/// Which services of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    /// By what clients connect to; what is left out fits all.
    Address {
        /// Transport.
        protocol: Option<Protocol>,
        /// Virtual addresses.
        addresses: Vec<Prefix>,
        /// Ports; all, if empty.
        ports: Vec<u16>,
    },
    /// By firewall mark.
    Fwmark {
        /// The mark.
        mark: u32,
        /// Family of its packets; both, if none.
        family: Option<Family>,
    },
}

impl Match {
    /// Whether it claims services with this key.
    pub(crate) fn claims_service(&self, key: &ServiceKey) -> bool {
        match (&self.services, key) {
            (
                Selector::Address { protocol, addresses, ports },
                ServiceKey::Address { protocol: its, endpoint },
            ) => {
                protocol.is_none_or(|it| it == *its)
                    && (addresses.is_empty()
                        || addresses.iter().any(|it| it.contains(endpoint.address)))
                    && (ports.is_empty() || ports.contains(&endpoint.port))
            }
            (Selector::Fwmark { mark, family }, ServiceKey::Fwmark { mark: its, family: of }) => {
                mark == its && family.is_none_or(|it| it == *of)
            }
            _ => false,
        }
    }

    /// Whether it claims real servers at this endpoint, of a service it claims.
    pub(crate) fn claims_server(&self, server: &Endpoint) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|it| it.contains(server.address))
    }
}

pub(super) static MATCHES: Nested = Nested {
    name: "match",
    table: &TABLE,
    shape: Shape::Many(false),
    default: "none",
    meaning: "claims on services that others made",
};

static TABLE: Table = Table::new(
    "match",
    &[&[
        &NAME,
        &PROTOCOL,
        &ADDRESSES,
        &PORTS,
        &FWMARK,
        &FAMILY,
        &SERVERS,
        &WEIGHT,
        &check::OWN,
        &checks::COMBINE,
        &checks::AGENT,
        &SLOW_START,
        &SAFETY,
        &DRAIN,
        &DRIFT,
    ]],
);

static PROTOCOL: Key<Word<Protocol>> =
    Key::new("protocol", Word(value::PROTOCOLS), Means("any"), "");

static ADDRESSES: Key<Listed<By<Prefix>>> = Key::new(
    "addresses",
    Listed(PREFIX),
    Means("any"),
    "virtual addresses or prefixes: `[\"192.0.2.0/24\", \"2001:db8::1\"]`",
);

static PORTS: Key<Listed<Port>> = Key::new("ports", Listed(Port), Means("any"), "");

static FWMARK: Key<Number> = Key::new(
    "fwmark",
    Number(1..=u32::MAX),
    Means(""),
    "a firewall mark, instead of the three above, of which one must be there",
);

static FAMILY: Key<Word<Family>> =
    Key::new("family", Word(value::FAMILIES), Means("both"), "of the mark");

static SERVERS: Key<Listed<By<Prefix>>> =
    Key::new("servers", Listed(PREFIX), Means("any"), "real servers, by addresses or prefixes");

static WEIGHT: Key<Number> =
    Key::new("weight", Number(0..=WEIGHT_MAX), Means("as found"), "base weight of each");

pub(super) const PREFIX: By<Prefix> = By { read: prefix, types: &["string"] };

/// Every `[[match]]`; those with a mistake are left out.
pub(super) fn read_all(
    top: &mut Section<'_>,
    defaults: &Defaults,
    names: &mut Names,
) -> Vec<Match> {
    let sections = top.sections(MATCHES.name, MATCHES.name);
    sections.into_iter().filter_map(|it| read(it, defaults, names)).collect()
}

fn read(mut section: Section<'_>, defaults: &Defaults, names: &mut Names) -> Option<Match> {
    let name = unique_name(&mut section, names);
    let check = checks::read(&mut section, defaults);
    let rules = defaults.rules.read(&mut section).finish();
    let services = selector(&mut section);
    let servers = section.key(&SERVERS).unwrap_or_default();
    let weight = section.key(&WEIGHT);
    section.finish_as(&TABLE);
    Some(Match { name: name?, services: services?, servers, weight, check, rules })
}

fn selector(section: &mut Section<'_>) -> Option<Selector> {
    let mark = section.key(&FWMARK);
    let family = section.key(&FAMILY);
    if section.value(FWMARK.name).is_some() {
        for key in [PROTOCOL.name, ADDRESSES.name, PORTS.name] {
            if section.value(key).is_some() {
                section.note_at(key, "goes without fwmark: match by the one or the other");
            }
        }
        return Some(Selector::Fwmark { mark: mark?, family });
    }
    if section.value(FAMILY.name).is_some() {
        section.note_at(FAMILY.name, "goes with fwmark: an address has its own");
    }
    let protocol = section.key(&PROTOCOL);
    let addresses = section.key(&ADDRESSES);
    let ports = section.key(&PORTS);
    let any = [PROTOCOL.name, ADDRESSES.name, PORTS.name].iter().any(|it| section.has(it));
    if !any {
        section.note_here(
            "expected protocol, addresses, ports or fwmark; every service: addresses = [\"0.0.0.0/0\", \"::/0\"]",
        );
    }
    Some(Selector::Address {
        protocol,
        addresses: addresses.unwrap_or_default(),
        ports: ports.unwrap_or_default(),
    })
}

fn prefix(value: &DeValue<'_>) -> Result<Prefix, String> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        format!("expected an address or prefix such as \"192.0.2.0/24\", found {}", found(value))
    })
}
