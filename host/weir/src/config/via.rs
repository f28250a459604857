//! `via`: the way that probes go.

use std::net::IpAddr;

use toml::de::DeValue;

use super::{
    keys::{By, Key, Nested, Number, Shape, Table, Without::Means},
    reader::{Section, found},
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

/// The `via` of a check, an agent's included.
pub(super) static VIA: Nested = Nested {
    name: "via",
    table: &TABLE,
    shape: Shape::One,
    default: "as routes say",
    meaning: "the way that probes go, see [checks.md](checks.md#the-way-of-probes)",
};

/// The `via` of a real server.
pub(super) static OWN: Nested = Nested {
    name: "via",
    table: &TABLE,
    shape: Shape::One,
    default: "that of the check",
    meaning: "the way that probes of it go, over that of each check key by key",
};

static TABLE: Table = Table::new("via", &[&[&ADDRESS, &SOURCE, &MARK]]);

static ADDRESS: Key<By<ViaAddress>> = Key::new(
    "address",
    By { read: address, types: &["string"] },
    Means("the real server's"),
    "an address, or `\"service\"`: the virtual one",
);

static SOURCE: Key<By<IpAddr>> = Key::new(
    "source",
    By { read: ip, types: &["string"] },
    Means("as routes say"),
    "the address that probes come from, one of this machine",
);

static MARK: Key<Number> = Key::new(
    "mark",
    Number(1..=u32::MAX),
    Means("none"),
    "the firewall mark of their packets (`SO_MARK`, socket(7)); takes `CAP_NET_ADMIN`",
);

impl Via {
    /// Reads the table `via` of `section` over this.
    pub(super) fn read(self, section: &mut Section<'_>) -> Self {
        let Some(mut table) = section.section(VIA.name) else { return self };
        let own = Self {
            address: table.key(&ADDRESS),
            source: table.key(&SOURCE),
            mark: table.key(&MARK),
        };
        table.finish_as(&TABLE);
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
