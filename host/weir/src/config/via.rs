//! `via`: the way that probes go.

use std::net::IpAddr;

use toml::de::DeValue;

use super::{
    reader::{Section, found},
    value,
};

/// The way that probes go, where it is not the usual one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Via {
    /// Where they go, if not to the real server's own address.
    pub(crate) address: Option<ViaAddress>,
    /// Where they come from.
    pub(crate) source: Option<IpAddr>,
    /// The firewall mark of their packets.
    pub(crate) mark: Option<u32>,
}

/// Where probes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ViaAddress {
    /// To the virtual address of the service, on a way that leads to the real server.
    Service,
    /// To this one.
    At(IpAddr),
}

impl Via {
    /// Reads the table `via` of `section` over this.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let Some(mut table) = section.section("via") else { return self };
        let own = Self {
            address: table.get("address", address),
            source: table.get("source", ip),
            mark: table.get("mark", |it| value::number(it, 1..=u32::MAX)),
        };
        table.finish();
        own.over(self)
    }

    /// This, and what `base` says where this says nothing.
    pub(crate) fn over(self, base: Self) -> Self {
        Self {
            address: self.address.or(base.address),
            source: self.source.or(base.source),
            mark: self.mark.or(base.mark),
        }
    }
}

fn address(value: &DeValue<'_>) -> Result<ViaAddress, String> {
    if value.as_str() == Some("service") {
        return Ok(ViaAddress::Service);
    }
    let at = ip(value).map(ViaAddress::At);
    at.map_err(|_| format!("expected \"service\" or an address, found {}", found(value)))
}

fn ip(value: &DeValue<'_>) -> Result<IpAddr, String> {
    value
        .as_str()
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| format!("expected an address such as \"192.0.2.1\", found {}", found(value)))
}
