//! The rules for single values, and what is said to those who break them.

use std::{net::IpAddr, ops::RangeInclusive};

use crate::{
    addresses,
    failure::Failure,
    host::{ServiceFlags, SyncRole, TunnelType},
    numbers,
    options::{Command, Kind},
};

/// Seconds in 31 days, the longest time-out.
const TIMEOUT_MAX: i64 = 2_678_400;
/// Bytes of a list of scheduler flags that are looked at.
const SCHEDULER_FLAGS_BYTES_MAX: usize = 127;

/// The scheduler of services that name none.
pub(crate) const SCHEDULER_DEFAULT: &[u8] = b"wlc";

/// Options with a plain number: its range, and what it is called when outside it.
const NUMBERS: [(Kind, RangeInclusive<i64>, &str); 8] = [
    (Kind::Weight, 0..=0x7fff_ffff, "weight"),
    (Kind::UpperThreshold, 0..=0x7fff_ffff, "u_threshold"),
    (Kind::LowerThreshold, 0..=0x7fff_ffff, "l_threshold"),
    (Kind::SyncId, 0..=255, "syncid"),
    (Kind::McastPort, 1..=65535, "mcast-port"),
    (Kind::McastTtl, 1..=255, "mcast-ttl"),
    (Kind::SyncMaxLength, 1..=65507, "sync-maxlen"),
    (Kind::TunnelPort, 1..=65535, "tunnel port"),
];

/// A number for one of the options in `NUMBERS`; `T` must hold its range.
pub(crate) fn number<T: TryFrom<i64>>(kind: Kind, value: &[u8]) -> Result<T, Failure> {
    let row = NUMBERS.iter().find(|row| row.0 == kind);
    let number = row.and_then(|(_, range, _)| numbers::int(value, range.clone()));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        let name = row.map_or("value", |row| row.2);
        Failure::rejected_value(&[b"illegal ", name.as_bytes(), b" specified"])
    })
}

/// A firewall mark.
pub(crate) fn fwmark(value: &[u8]) -> Result<u32, Failure> {
    numbers::int(value, 1..=u32::MAX.into())
        .and_then(|mark| u32::try_from(mark).ok())
        .ok_or_else(|| invalid("fwmark value", value))
}

/// Seconds of persistence.
pub(crate) fn persistence(value: &[u8]) -> Result<u32, Failure> {
    seconds(value, 1)
}

/// Seconds for `--set`; 0 keeps what is there.
pub(crate) fn timeout(value: &[u8]) -> Result<u32, Failure> {
    seconds(value, 0)
}

fn seconds(value: &[u8], min: i64) -> Result<u32, Failure> {
    numbers::int(value, min..=TIMEOUT_MAX)
        .and_then(|seconds| u32::try_from(seconds).ok())
        .ok_or_else(|| invalid("timeout value", value))
}

/// An IPv6 prefix length; what follows the number is ignored.
pub(crate) fn prefix_length(value: &[u8]) -> Result<u32, Failure> {
    u32::try_from(numbers::prefix(value))
        .ok()
        .filter(|length| (1..=128).contains(length))
        .ok_or_else(|| Failure::rejected("illegal ipv6 netmask specified"))
}

/// The state that a daemon command starts or stops.
pub(crate) fn sync_role(command: Command, state: &[u8]) -> Result<SyncRole, Failure> {
    match state {
        b"master" => Ok(SyncRole::Master),
        b"backup" => Ok(SyncRole::Backup),
        _ if command == Command::StartDaemon => {
            Err(Failure::rejected("illegal start-daemon parameter specified"))
        }
        _ => Err(Failure::rejected("illegal start_daemon specified")),
    }
}

/// A multicast address; a colon makes it one of IPv6.
pub(crate) fn multicast_group(value: &[u8]) -> Result<IpAddr, Failure> {
    let (address, what) = if value.contains(&b':') {
        (addresses::pton6(value).map(IpAddr::V6), "IPv6 mcast-group")
    } else {
        (addresses::pton4(value).map(IpAddr::V4), "IPv4 mcast-group")
    };
    address
        .filter(IpAddr::is_multicast)
        .ok_or_else(|| Failure::rejected_value(&[b"invalid ", what.as_bytes(), b" `", value, b"'"]))
}

/// A type of tunnel.
pub(crate) fn tunnel_type(value: &[u8]) -> Result<TunnelType, Failure> {
    match value {
        b"ipip" => Ok(TunnelType::Ipip),
        b"gue" => Ok(TunnelType::Gue),
        b"gre" => Ok(TunnelType::Gre),
        _ => Err(Failure::rejected("illegal tunnel type specified")),
    }
}

/// Flags as a list between commas, some of which only one scheduler has.
pub(crate) fn scheduler_flags(list: &[u8], scheduler: &[u8]) -> Result<ServiceFlags, Failure> {
    let scheduler = if scheduler.is_empty() { SCHEDULER_DEFAULT } else { scheduler };
    let list = &list[..list.len().min(SCHEDULER_FLAGS_BYTES_MAX)];
    let mut flags = ServiceFlags::empty();
    for name in list.split(|&byte| byte == b',').filter(|name| !name.is_empty()) {
        let (flag, needs): (_, Option<&[u8]>) = match name {
            b"flag-1" => (ServiceFlags::SCHEDULER_FLAG1, None),
            b"flag-2" => (ServiceFlags::SCHEDULER_FLAG2, None),
            b"flag-3" => (ServiceFlags::SCHEDULER_FLAG3, None),
            b"sh-fallback" => (ServiceFlags::SCHEDULER_FLAG1, Some(b"sh")),
            b"sh-port" => (ServiceFlags::SCHEDULER_FLAG2, Some(b"sh")),
            b"mh-fallback" => (ServiceFlags::SCHEDULER_FLAG1, Some(b"mh")),
            b"mh-port" => (ServiceFlags::SCHEDULER_FLAG2, Some(b"mh")),
            _ => return Err(Failure::rejected_value(&[b"invalid scheduler flag `", name, b"'"])),
        };
        if needs.is_some_and(|needed| needed != scheduler) {
            return Err(Failure::rejected_value(&[b"incompatible scheduler flag `", name, b"'"]));
        }
        flags = flags | flag;
    }
    Ok(flags)
}

fn invalid(what: &str, value: &[u8]) -> Failure {
    Failure::rejected_value(&[b"invalid ", what.as_bytes(), b" `", value, b"' specified"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        String::from_utf8(result.unwrap_err().message).unwrap()
    }

    #[test]
    fn every_number_has_its_range_and_its_name() {
        for (kind, range, name) in NUMBERS {
            for outside in [range.start() - 1, range.end() + 1] {
                let value = outside.to_string();
                assert_eq!(
                    message(number::<u32>(kind, value.as_bytes())),
                    format!("illegal {name} specified")
                );
            }
            let last = range.end().to_string();
            assert_eq!(number::<i64>(kind, last.as_bytes()).unwrap(), *range.end());
        }
    }

    #[test]
    fn multicast_groups() {
        assert_eq!(multicast_group(b"239.1.2.3").unwrap(), IpAddr::from([239, 1, 2, 3]));
        assert!(multicast_group(b"ff02::99").unwrap().is_ipv6());
        assert_eq!(message(multicast_group(b"239.1")), "invalid IPv4 mcast-group `239.1'");
        assert_eq!(message(multicast_group(b"fe80::1")), "invalid IPv6 mcast-group `fe80::1'");
    }

    #[test]
    fn scheduler_flags_are_those_of_the_scheduler() {
        let both = ServiceFlags::SCHEDULER_FLAG1 | ServiceFlags::SCHEDULER_FLAG2;
        assert_eq!(scheduler_flags(b"sh-port,,flag-1", b"sh").unwrap(), both);
        assert_eq!(scheduler_flags(b",", b"").unwrap(), ServiceFlags::empty());
        assert_eq!(
            message(scheduler_flags(b"flag-1,sh-port", b"")),
            "incompatible scheduler flag `sh-port'"
        );
        assert_eq!(
            message(scheduler_flags(b"sh-port ", b"sh")),
            "invalid scheduler flag `sh-port '"
        );
        assert_eq!(message(scheduler_flags(b" flag-1", b"sh")), "invalid scheduler flag ` flag-1'");
    }

    #[test]
    fn only_the_start_of_a_long_list_counts() {
        let list = [b"flag-1".as_slice(), &[b','; 121], b"nosuch"].concat();
        assert_eq!(scheduler_flags(&list, b"").unwrap(), ServiceFlags::SCHEDULER_FLAG1);
    }
}
