//! `[[match]]`: claims on services that others put into the kernel's table.

use std::{collections::BTreeSet, net::IpAddr};

use toml::de::DeValue;
use weir_ipvs::{Endpoint, Family, Protocol, ServiceKey};

use super::{
    Defaults,
    checks::{self, Checks},
    reader::{Section, found},
    rules::Rules,
    service::{PROTOCOLS, WEIGHT_MAX, unique_name},
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

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    address: IpAddr,
    length: u32,
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

impl Prefix {
    fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(left), IpAddr::V4(right)) => {
                u128::from(left.to_bits() ^ right.to_bits()) << 96
            }
            (IpAddr::V6(left), IpAddr::V6(right)) => left.to_bits() ^ right.to_bits(),
            _ => return false,
        };
        differing.leading_zeros() >= self.length
    }
}

/// Every `[[match]]`; those with a mistake are left out.
pub(super) fn read_all(
    top: &mut Section<'_>,
    defaults: &Defaults,
    names: &mut BTreeSet<String>,
) -> Vec<Match> {
    let sections = top.sections("match", "match");
    sections.into_iter().filter_map(|it| read(it, defaults, names)).collect()
}

fn read(
    mut section: Section<'_>,
    defaults: &Defaults,
    names: &mut BTreeSet<String>,
) -> Option<Match> {
    let name = unique_name(&mut section, names);
    let check = checks::read(&mut section, defaults);
    let rules = defaults.rules.read(&mut section).finish();
    let services = selector(&mut section);
    let servers = section.get("servers", |it| value::list(it, prefix)).unwrap_or_default();
    let weight = section.get("weight", |it| value::number(it, 0..=WEIGHT_MAX));
    section.finish();
    Some(Match { name: name?, services: services?, servers, weight, check, rules })
}

fn selector(section: &mut Section<'_>) -> Option<Selector> {
    let mark = section.get("fwmark", |it| value::number(it, 1..=u32::MAX));
    if section.value("fwmark").is_some() {
        let family = section.get("family", |it| value::word(it, &value::FAMILIES));
        for key in ["protocol", "addresses", "ports"] {
            if section.value(key).is_some() {
                section.note_at(key, "goes without fwmark: match by the one or the other");
            }
        }
        return Some(Selector::Fwmark { mark: mark?, family });
    }
    let protocol = section.get("protocol", |it| value::word(it, &PROTOCOLS));
    let addresses = section.get("addresses", |it| value::list(it, prefix));
    let ports = section.get("ports", |it| value::list(it, value::port));
    let any = ["protocol", "addresses", "ports"].iter().any(|it| section.value(it).is_some());
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
    let parsed = value.as_str().and_then(|text| {
        let (address, length) = text.split_once('/').unwrap_or((text, ""));
        let address: IpAddr = address.parse().ok()?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let length = if text.contains('/') { length.parse().ok()? } else { whole };
        (length <= whole).then_some(Prefix { address, length })
    });
    parsed.ok_or_else(|| {
        format!("expected an address or prefix such as \"192.0.2.0/24\", found {}", found(value))
    })
}
