//! `[timeouts]` and `[[sync]]`: what IPVS has once, for all services together.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use toml::de::DeValue;
use weir_ipvs::{SyncDaemon, SyncRole, Timeouts};

use super::{
    keys::{By, Key, Nested, Number, Port, Shape, Span, Table, Without::Means, Word},
    reader::{Section, found},
    service::NamedService,
    value,
};

/// What the configuration states of IPVS as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Globals {
    /// 0 = not stated.
    pub(crate) timeouts: Timeouts,
    /// At most one for each role.
    pub(crate) sync: Vec<SyncDaemon>,
}

pub(super) static TIMEOUTS: Nested = Nested {
    name: "timeouts",
    table: &TIMEOUTS_TABLE,
    shape: Shape::One,
    default: "as found",
    meaning: "how long IPVS keeps connections without packets",
};

static TIMEOUTS_TABLE: Table = Table::new("timeouts", &[&[&TCP, &TCP_FIN, &UDP]]);

/// The kernel refuses more than (2^31 - 1) / HZ seconds; this fits every HZ.
const TIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(596 * 3600);

static TCP: Key<Span> =
    Key::new("tcp", Span(TIMES), Means("as found"), "established TCP; whole seconds");

static TCP_FIN: Key<Span> = Key::new("tcp-fin", Span(TIMES), Means("as found"), "TCP after a FIN");

static UDP: Key<Span> = Key::new("udp", Span(TIMES), Means("as found"), "UDP");

pub(super) static SYNC: Nested = Nested {
    name: "sync",
    table: &SYNC_TABLE,
    shape: Shape::Many(false),
    default: "none",
    meaning: "daemons that copy connections to other directors, or take them from there",
};

static SYNC_TABLE: Table =
    Table::new("sync", &[&[&ROLE, &INTERFACE, &SYNC_ID, &MAX_LENGTH, &GROUP, &PORT, &TTL]]);

static ROLE: Key<Word<SyncRole>> = Key::new(
    "role",
    Word(&[("master", SyncRole::Master), ("backup", SyncRole::Backup)]),
    Means("required"),
    "whether it sends or receives; one of each at most",
);

static INTERFACE: Key<By<Vec<u8>>> = Key::new(
    "interface",
    By { read: interface, types: &["string"] },
    Means("required"),
    "for multicast, such as `\"eth0\"`",
);

static SYNC_ID: Key<Number> = Key::new(
    "sync-id",
    Number(0..=255),
    Means("0"),
    "of the group; a backup with 0 takes every id",
);

static MAX_LENGTH: Key<Number> =
    Key::new("max-length", Number(1..=65_507), Means("the kernel's choice"), "bytes of a message");

static GROUP: Key<By<IpAddr>> = Key::new(
    "group",
    By { read: group, types: &["string"] },
    Means("`\"224.0.0.81\"`"),
    "multicast address",
);

static PORT: Key<Port> = Key::new("port", Port, Means("8848"), "UDP port");

static TTL: Key<Number> = Key::new("ttl", Number(1..=255), Means("1"), "of multicast packets");

/// Both.
pub(super) fn read(top: &mut Section<'_>) -> Globals {
    let timeouts = top.section(TIMEOUTS.name).map(timeouts).unwrap_or_default();
    let mut sync: Vec<SyncDaemon> = Vec::new();
    for section in top.sections(SYNC.name, SYNC.name) {
        let notes = section.here();
        let Some(daemon) = sync_daemon(section) else { continue };
        if sync.iter().any(|it| it.role == daemon.role) {
            notes.note_at(ROLE.name, format!("there is a {} already: remove one", daemon.role));
        }
        sync.push(daemon);
    }
    Globals { timeouts, sync }
}

/// Notes what IPVS does not do at one time: copy connections, and send any from one address family
/// to the other.
pub(super) fn check(globals: &Globals, services: &[NamedService], top: &Section<'_>) {
    let crossing = |service: &NamedService| {
        let sorry = service.sorry.map(|it| it.endpoint);
        let mut servers = service.servers.keys().copied().chain(sorry);
        let server = servers.find(|it| it.family() != service.service.key.family())?;
        Some((service.name.clone(), server))
    };
    if !globals.sync.is_empty()
        && let Some((service, server)) = services.iter().find_map(crossing)
    {
        let message = "is refused by IPVS beside real servers of another address family, found";
        let remedy = "remove the one or the other";
        top.note_at(SYNC.name, format!("{message} {server} of service {service}: {remedy}"));
    }
}

fn timeouts(mut section: Section<'_>) -> Timeouts {
    let mut seconds = |key: &Key<Span>| {
        let time = section.key(key).unwrap_or_default();
        if time.subsec_nanos() != 0 {
            section.note_at(key.name, "expected whole seconds");
        }
        u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
    };
    let timeouts = Timeouts { tcp: seconds(&TCP), tcp_fin: seconds(&TCP_FIN), udp: seconds(&UDP) };
    section.finish_as(&TIMEOUTS_TABLE);
    timeouts
}

fn sync_daemon(mut section: Section<'_>) -> Option<SyncDaemon> {
    let role = section.required(&ROLE, "\"master\"");
    let interface = section.required(&INTERFACE, "\"eth0\"");
    let sync_id = section.key(&SYNC_ID).unwrap_or(0);
    let max_length = section.key(&MAX_LENGTH).and_then(|it| u16::try_from(it).ok());
    let group = section.key(&GROUP);
    let port = section.key(&PORT);
    let ttl = section.key(&TTL).and_then(|it| u8::try_from(it).ok());
    section.finish_as(&SYNC_TABLE);
    let (role, interface) = (role?, interface?);
    Some(SyncDaemon { role, interface, sync_id, max_length, group, port, ttl })
}

fn interface(value: &DeValue<'_>) -> Result<Vec<u8>, String> {
    let name = value::text(value)?;
    if (1..=15).contains(&name.len()) && !name.contains(['/', ' ']) {
        return Ok(name.into_bytes());
    }
    Err(format!("expected the name of an interface such as \"eth0\", found {}", found(value)))
}

fn group(value: &DeValue<'_>) -> Result<IpAddr, String> {
    let parsed = value.as_str().and_then(|it| it.parse().ok()).filter(IpAddr::is_multicast);
    parsed.ok_or_else(|| {
        format!("expected a multicast address such as \"224.0.0.81\", found {}", found(value))
    })
}
