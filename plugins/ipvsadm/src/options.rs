//! Every command and option, once: from these rows follow what is recognised on the
//! command line, the names in messages and what is legal together.

/// What is to be done; the first option says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    AddService,
    EditService,
    DeleteService,
    Flush,
    List,
    AddServer,
    DeleteServer,
    EditServer,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Restore,
    Save,
    Zero,
    Help,
    Version,
}

/// Options as the checks see them, in the order in which they are checked: the three
/// forwarding methods are one, and so are the four ways of naming a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    RealServer,
    Forwarding,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    Engine,
    SchedulerFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxLength,
    TunnelInfo,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
}

/// Every kind with its name in messages, in the order of the checks.
pub(crate) const KINDS: [(Kind, &str); 34] = [
    (Kind::Numeric, "numeric"),
    (Kind::Connection, "connection"),
    (Kind::Service, "service-address"),
    (Kind::Scheduler, "scheduler"),
    (Kind::Persistent, "persistent"),
    (Kind::Netmask, "netmask"),
    (Kind::RealServer, "real-server"),
    (Kind::Forwarding, "forwarding-method"),
    (Kind::Weight, "weight"),
    (Kind::UpperThreshold, "u-threshold"),
    (Kind::LowerThreshold, "l-threshold"),
    (Kind::McastInterface, "mcast-interface"),
    (Kind::Timeout, "timeout"),
    (Kind::Daemon, "daemon"),
    (Kind::Stats, "stats"),
    (Kind::Rate, "rate"),
    (Kind::Thresholds, "thresholds"),
    (Kind::PersistentConn, "persistent-conn"),
    (Kind::NoSort, "nosort"),
    (Kind::SyncId, "syncid"),
    (Kind::Exact, "exact"),
    (Kind::OnePacket, "ops"),
    (Kind::Engine, "pe"),
    (Kind::SchedulerFlags, "sched-flags"),
    (Kind::McastGroup, "mcast-group"),
    (Kind::McastPort, "mcast-port"),
    (Kind::McastTtl, "mcast-ttl"),
    (Kind::SyncMaxLength, "sync-maxlen"),
    (Kind::TunnelInfo, "tun-info"),
    (Kind::TunnelType, "tun-type"),
    (Kind::TunnelPort, "tun-port"),
    (Kind::TunnelNoChecksum, "tun-nocsum"),
    (Kind::TunnelChecksum, "tun-csum"),
    (Kind::TunnelRemoteChecksum, "tun-remcsum"),
];

impl Kind {
    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        KINDS[self as usize].1
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u64);

impl Kinds {
    pub(crate) const NONE: Self = Self::of(&[]);

    pub(crate) const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < kinds.len() {
            bits |= 1 << kinds[index] as u32;
            index += 1;
        }
        Self(bits)
    }

    pub(crate) fn contains(self, kind: Kind) -> bool {
        self.intersects(Self::of(&[kind]))
    }

    pub(crate) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds `kind`; false if it was there.
    pub(crate) fn insert(&mut self, kind: Kind) -> bool {
        let new = !self.contains(kind);
        self.0 |= 1 << kind as u32;
        new
    }
}

/// Transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Sctp,
}

impl Transport {
    /// Its name in the services database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Direct,
    Tunnel,
    Masquerade,
}

/// Checksums of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    None,
    Full,
    Remote,
}

/// What an option means to the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Command(Command),
    /// A service by address.
    Service(Transport),
    /// A service by mark.
    Fwmark,
    /// The mark is of IPv6.
    Ipv6,
    Forwarding(Method),
    Checksum(Checksum),
    /// Any other numbered option.
    Other(Kind),
    /// Once asked for sorting.
    Nothing,
}

impl Meaning {
    /// What the checks know it as; none = they do not look at it.
    pub(crate) fn kind(self) -> Option<Kind> {
        match self {
            Self::Command(_) | Self::Ipv6 | Self::Nothing => None,
            Self::Service(_) | Self::Fwmark => Some(Kind::Service),
            Self::Forwarding(_) => Some(Kind::Forwarding),
            Self::Checksum(Checksum::None) => Some(Kind::TunnelNoChecksum),
            Self::Checksum(Checksum::Full) => Some(Kind::TunnelChecksum),
            Self::Checksum(Checksum::Remote) => Some(Kind::TunnelRemoteChecksum),
            Self::Other(kind) => Some(kind),
        }
    }
}

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    /// The next token, unless that begins with a dash.
    OptionalValue,
}

/// One option as it is typed.
pub(crate) struct Row {
    /// 0 = it has no short form.
    pub(crate) short: u8,
    pub(crate) long: &'static [u8],
    pub(crate) takes: Takes,
    pub(crate) meaning: Meaning,
}

const fn row(short: u8, long: &'static str, takes: Takes, meaning: Meaning) -> Row {
    Row { short, long: long.as_bytes(), takes, meaning }
}

/// No short form.
const LONG: u8 = 0;

/// Every option.
pub(crate) const ROWS: [Row; 58] = {
    use Meaning::{Fwmark, Ipv6, Other};
    use Takes::{Nothing, OptionalValue, Value};
    [
        row(b'A', "add-service", Nothing, Meaning::Command(Command::AddService)),
        row(b'E', "edit-service", Nothing, Meaning::Command(Command::EditService)),
        row(b'D', "delete-service", Nothing, Meaning::Command(Command::DeleteService)),
        row(b'C', "clear", Nothing, Meaning::Command(Command::Flush)),
        row(b'L', "list", Nothing, Meaning::Command(Command::List)),
        row(b'l', "list", Nothing, Meaning::Command(Command::List)),
        row(b'a', "add-server", Nothing, Meaning::Command(Command::AddServer)),
        row(b'd', "delete-server", Nothing, Meaning::Command(Command::DeleteServer)),
        row(b'e', "edit-server", Nothing, Meaning::Command(Command::EditServer)),
        row(LONG, "set", Nothing, Meaning::Command(Command::SetTimeouts)),
        row(LONG, "start-daemon", Value, Meaning::Command(Command::StartDaemon)),
        row(LONG, "stop-daemon", Value, Meaning::Command(Command::StopDaemon)),
        row(b'R', "restore", Nothing, Meaning::Command(Command::Restore)),
        row(b'S', "save", Nothing, Meaning::Command(Command::Save)),
        row(b'Z', "zero", Nothing, Meaning::Command(Command::Zero)),
        row(b'h', "help", Nothing, Meaning::Command(Command::Help)),
        row(b'v', "version", Nothing, Meaning::Command(Command::Version)),
        row(b't', "tcp-service", Value, Meaning::Service(Transport::Tcp)),
        row(b'u', "udp-service", Value, Meaning::Service(Transport::Udp)),
        row(LONG, "sctp-service", Value, Meaning::Service(Transport::Sctp)),
        row(b'f', "fwmark-service", Value, Fwmark),
        row(b'6', "ipv6", Nothing, Ipv6),
        row(b's', "scheduler", Value, Other(Kind::Scheduler)),
        row(b'p', "persistent", OptionalValue, Other(Kind::Persistent)),
        row(b'M', "netmask", Value, Other(Kind::Netmask)),
        row(b'r', "real-server", Value, Other(Kind::RealServer)),
        row(b'g', "gatewaying", Nothing, Meaning::Forwarding(Method::Direct)),
        row(b'i', "ipip", Nothing, Meaning::Forwarding(Method::Tunnel)),
        row(b'm', "masquerading", Nothing, Meaning::Forwarding(Method::Masquerade)),
        row(b'w', "weight", Value, Other(Kind::Weight)),
        row(b'x', "u-threshold", Value, Other(Kind::UpperThreshold)),
        row(b'y', "l-threshold", Value, Other(Kind::LowerThreshold)),
        row(b'n', "numeric", Nothing, Other(Kind::Numeric)),
        row(b'c', "connection", Nothing, Other(Kind::Connection)),
        row(LONG, "mcast-interface", Value, Other(Kind::McastInterface)),
        row(LONG, "timeout", Nothing, Other(Kind::Timeout)),
        row(LONG, "daemon", Nothing, Other(Kind::Daemon)),
        row(LONG, "stats", Nothing, Other(Kind::Stats)),
        row(LONG, "rate", Nothing, Other(Kind::Rate)),
        row(LONG, "thresholds", Nothing, Other(Kind::Thresholds)),
        row(LONG, "persistent-conn", Nothing, Other(Kind::PersistentConn)),
        row(LONG, "nosort", Nothing, Other(Kind::NoSort)),
        row(LONG, "sort", Nothing, Meaning::Nothing),
        row(LONG, "syncid", Value, Other(Kind::SyncId)),
        row(b'X', "exact", Nothing, Other(Kind::Exact)),
        row(b'o', "ops", Nothing, Other(Kind::OnePacket)),
        row(LONG, "pe", Value, Other(Kind::Engine)),
        row(b'b', "sched-flags", Value, Other(Kind::SchedulerFlags)),
        row(LONG, "mcast-group", Value, Other(Kind::McastGroup)),
        row(LONG, "mcast-port", Value, Other(Kind::McastPort)),
        row(LONG, "mcast-ttl", Value, Other(Kind::McastTtl)),
        row(LONG, "sync-maxlen", Value, Other(Kind::SyncMaxLength)),
        row(LONG, "tun-info", Nothing, Other(Kind::TunnelInfo)),
        row(LONG, "tun-type", Value, Other(Kind::TunnelType)),
        row(LONG, "tun-port", Value, Other(Kind::TunnelPort)),
        row(LONG, "tun-nocsum", Nothing, Meaning::Checksum(Checksum::None)),
        row(LONG, "tun-csum", Nothing, Meaning::Checksum(Checksum::Full)),
        row(LONG, "tun-remcsum", Nothing, Meaning::Checksum(Checksum::Remote)),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_in_the_order_of_the_checks() {
        for (index, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, index);
            let typed = ROWS.iter().filter(|row| row.meaning.kind() == Some(*kind)).count();
            assert_eq!(
                typed,
                match kind {
                    Kind::Service => 4,
                    Kind::Forwarding => 3,
                    _ => 1,
                },
                "{kind:?}"
            );
        }
    }

    #[test]
    fn no_letter_and_no_name_has_two_meanings() {
        for (index, row) in ROWS.iter().enumerate() {
            for other in &ROWS[index + 1..] {
                assert!(
                    row.short == LONG || row.short != other.short,
                    "-{}",
                    char::from(row.short)
                );
                assert!(
                    row.long != other.long || row.meaning == other.meaning,
                    "{:?}",
                    row.meaning
                );
            }
        }
    }
}
