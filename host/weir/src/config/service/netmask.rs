//! `netmask`: which clients are one to persistence.

use std::net::Ipv4Addr;

use toml::de::DeValue;
use weir_ipvs::Family;

use super::value;

/// Which clients are one to persistence.
#[derive(Clone, Copy)]
pub(super) enum Netmask {
    Dotted(Ipv4Addr),
    Prefix(u32),
}

pub(super) fn read(value: &DeValue<'_>) -> Result<Netmask, String> {
    let DeValue::String(text) = value else {
        return Ok(Netmask::Prefix(value::number(value, 1..=128)?));
    };
    text.parse()
        .map(Netmask::Dotted)
        .map_err(|_| format!("expected a mask such as \"255.255.255.0\" or 24, found \"{text}\""))
}

impl Netmask {
    /// As the kernel has it; none = it is of the other family.
    pub(super) fn of(self, family: Family) -> Option<u32> {
        match (self, family) {
            (Self::Dotted(mask), Family::V4) => Some(mask.into()),
            (Self::Prefix(length @ 1..=32), Family::V4) => Some(u32::MAX << (32 - length)),
            (Self::Prefix(length), Family::V6) => Some(length),
            _ => None,
        }
    }

    pub(super) fn remedy(self, family: Family) -> String {
        let found = match self {
            Self::Dotted(mask) => mask.to_string(),
            Self::Prefix(length) => length.to_string(),
        };
        let expected = match family {
            Family::V4 => "a whole number from 1 to 32, or a mask such as \"255.255.255.0\"",
            Family::V6 => "a whole number from 1 to 128",
        };
        format!("expected {expected}, found {found}")
    }
}
