//! Services: what clients connect to.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::{Endpoint, Family, Stats};

/// IP protocol of a service. The kernel takes any 16-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// 6.
    Tcp,
    /// 17.
    Udp,
    /// 132.
    Sctp,
    /// Any other number; [`Protocol::from_number`] never puts 6, 17 or 132 here.
    Other(u16),
}

impl Protocol {
    /// The protocol with this IANA number.
    pub fn from_number(number: u16) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            132 => Self::Sctp,
            other => Self::Other(other),
        }
    }

    /// Its IANA number.
    pub fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Other(number) => number,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Sctp => f.write_str("sctp"),
            Self::Other(number) => write!(f, "protocol {number}"),
        }
    }
}

/// What identifies a service. The kernel's two ways exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// By protocol, address and port. Port 0 is every port, for persistent services only.
    Address {
        /// Transport.
        protocol: Protocol,
        /// Where clients connect to.
        endpoint: Endpoint,
    },
    /// By firewall mark. Mark 1 for IPv4 and mark 1 for IPv6 are two services.
    Fwmark {
        /// 1..=4294967295; the kernel takes 0 for the TCP service 0.0.0.0:0.
        mark: u32,
        /// Family of the packets that carry the mark.
        family: Family,
    },
}

impl ServiceKey {
    /// The family of the service, which its real servers have too unless tunnelled.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { endpoint, .. } => endpoint.family(),
            Self::Fwmark { family, .. } => *family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, endpoint } => write!(f, "{protocol} {endpoint}"),
            Self::Fwmark { mark, family: Family::V4 } => write!(f, "fwmark {mark}"),
            Self::Fwmark { mark, family: Family::V6 } => write!(f, "fwmark {mark} IPv6"),
        }
    }
}

/// What is no [`ServiceKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a service such as \"tcp 192.0.2.1:80\" or \"fwmark 7\", found \"{0}\"")]
pub struct NotAServiceKey(String);

impl FromStr for ServiceKey {
    type Err = NotAServiceKey;

    /// What [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split(' ').collect();
        let key = match words.as_slice() {
            ["tcp", endpoint] => address(Protocol::Tcp, endpoint),
            ["udp", endpoint] => address(Protocol::Udp, endpoint),
            ["sctp", endpoint] => address(Protocol::Sctp, endpoint),
            ["protocol", number, endpoint] => {
                let number = number.parse().ok();
                number.and_then(|it| address(Protocol::from_number(it), endpoint))
            }
            ["fwmark", mark] => fwmark(mark, Family::V4),
            ["fwmark", mark, "IPv6"] => fwmark(mark, Family::V6),
            _ => None,
        };
        key.ok_or_else(|| NotAServiceKey(text.to_owned()))
    }
}

fn address(protocol: Protocol, endpoint: &str) -> Option<ServiceKey> {
    Some(ServiceKey::Address { protocol, endpoint: endpoint.parse().ok()? })
}

fn fwmark(mark: &str, family: Family) -> Option<ServiceKey> {
    Some(ServiceKey::Fwmark { mark: mark.parse().ok()?, family })
}

/// Flags of a service, by the kernel's bits (`include/uapi/linux/ip_vs.h`), but for
/// `PERSISTENT` (0x1), which [`Service::persistence`] says, and `HASHED` (0x2), which is
/// the kernel's own. Bits without a name here are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceFlags(u32);

impl ServiceFlags {
    /// One-packet scheduling; the kernel ignores it unless UDP.
    pub const ONE_PACKET: Self = Self(0x04);
    /// `sh-fallback`, `mh-fallback`.
    pub const SCHEDULER_1: Self = Self(0x08);
    /// `sh-port`, `mh-port`.
    pub const SCHEDULER_2: Self = Self(0x10);
    /// Used by no scheduler.
    pub const SCHEDULER_3: Self = Self(0x20);

    const ELSEWHERE: u32 = 0x03;

    /// These bits, without the two that are said elsewhere.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits & !Self::ELSEWHERE)
    }

    /// As the kernel numbers them.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether all of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for ServiceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A service as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its identity.
    pub key: ServiceKey,
    /// Kernel name: `wrr`, `mh`, `none`; 1 to 15 bytes.
    pub scheduler: String,
    /// One-packet scheduling and the scheduler's own flags.
    pub flags: ServiceFlags,
    /// Persistence time-out in seconds; none = not persistent. The kernel keeps seconds
    /// times its tick rate in 32 bits: above 4294967 s it may wrap.
    pub persistence: Option<u32>,
    /// Client grouping for persistence, kept even where the service is not persistent.
    /// IPv4: the mask as a number, 0xffffff00 = /24, any bit pattern. IPv6: prefix length
    /// 1..=128.
    pub netmask: u32,
    /// Persistence engine, 1 to 16 bytes, such as `sip`.
    pub engine: Option<String>,
}

impl Service {
    /// A service with the kernel tools' defaults: not persistent, every client by itself.
    pub fn new(key: ServiceKey, scheduler: impl Into<String>) -> Self {
        Self {
            key,
            scheduler: scheduler.into(),
            flags: ServiceFlags::default(),
            persistence: None,
            netmask: Self::whole_netmask(key.family()),
            engine: None,
        }
    }

    /// The netmask that groups no clients: 255.255.255.255, or a prefix of 128.
    pub fn whole_netmask(family: Family) -> u32 {
        match family {
            Family::V4 => u32::MAX,
            Family::V6 => 128,
        }
    }
}

/// A service as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// As configured, whoever did it.
    pub config: Service,
    /// Its traffic since it was zeroed.
    pub stats: Stats,
}

impl From<(Protocol, Endpoint)> for ServiceKey {
    fn from((protocol, endpoint): (Protocol, Endpoint)) -> Self {
        Self::Address { protocol, endpoint }
    }
}

impl From<(Protocol, IpAddr, u16)> for ServiceKey {
    fn from((protocol, address, port): (Protocol, IpAddr, u16)) -> Self {
        Self::Address { protocol, endpoint: Endpoint { address, port } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_keep_their_number() {
        for number in [0, 6, 17, 47, 132, 256, u16::MAX] {
            assert_eq!(Protocol::from_number(number).number(), number);
        }
        assert_eq!(Protocol::from_number(132), Protocol::Sctp);
    }

    #[test]
    fn keys_are_shown_and_read_as_people_write_them() {
        let check = |key: ServiceKey, text: &str| {
            assert_eq!(key.to_string(), text);
            assert_eq!(text.parse(), Ok(key));
        };
        let endpoint: Endpoint = "[2001:db8::1]:53".parse().unwrap();
        check((Protocol::Udp, endpoint).into(), "udp [2001:db8::1]:53");
        check(
            (Protocol::Other(47), "192.0.2.1".parse().unwrap(), 0).into(),
            "protocol 47 192.0.2.1:0",
        );
        check(ServiceKey::Fwmark { mark: 7, family: Family::V4 }, "fwmark 7");
        check(ServiceKey::Fwmark { mark: 7, family: Family::V6 }, "fwmark 7 IPv6");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "tcp", "tcp 192.0.2.1", "icmp 192.0.2.1:0", "fwmark x", "fwmark 7 IPv4"] {
            let error = text.parse::<ServiceKey>().unwrap_err().to_string();
            assert!(error.ends_with(&format!("found \"{text}\"")), "{error}");
        }
    }

    #[test]
    fn a_mark_belongs_to_a_family() {
        let [four, six] =
            [Family::V4, Family::V6].map(|family| ServiceKey::Fwmark { mark: 1, family });
        assert_ne!(four, six);
        assert_eq!(Service::new(four, "rr").netmask, u32::MAX);
        assert_eq!(Service::new(six, "rr").netmask, 128);
    }

    #[test]
    fn flags_said_elsewhere_are_not_kept() {
        let flags = ServiceFlags::from_bits(0xffff_ffff);
        assert_eq!(flags.bits(), 0xffff_fffc);
        assert!(flags.contains(ServiceFlags::ONE_PACKET | ServiceFlags::SCHEDULER_3));
        assert!(!ServiceFlags::SCHEDULER_1.contains(ServiceFlags::SCHEDULER_2));
    }
}
