//! `[[self-probe]]`: what the director must reach for its checks to be believed.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use toml::de::DeValue;

use super::{
    check::{self, Check, CheckKeys, CheckKind},
    keys::{
        By, Key, Nested, Port, Shape, Span, Table,
        Without::{Is, Means},
    },
    reader::{Section, found},
    value,
};

/// One thing that the director must reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelfProbe {
    /// Where it is; port 0 where the check has none.
    pub(crate) address: SocketAddr,
    pub(crate) check: Arc<Check>,
}

pub(super) static SELF_PROBES: Nested = Nested {
    name: "self-probe",
    table: &TABLE,
    shape: Shape::Many(false),
    default: "none",
    meaning: "what the director must reach for its checks to be believed, such as its gateway: \
              while one of them is down, weights are frozen. See [weights.md](weights.md)",
};

static TABLE: Table =
    Table::new("self-probe", &[&[&ADDRESS, &check::TYPE, &PORT, &INTERVAL], check::COUNTED])
        .with(check::PARTS);

static ADDRESS: Key<By<IpAddr>> = Key::new(
    "address",
    By { read: address, types: &["string"] },
    Means("required"),
    "what is asked, such as `\"192.0.2.254\"`",
);

static PORT: Key<Port> =
    Key::new("port", Port, Means("none"), "needed by every type but `\"icmp\"`");

/// Faster than checks are, so that weights are frozen before the first real server is down.
static INTERVAL: Key<Span> = Key::new(
    "interval",
    Span(PERIODS),
    Is(Duration::from_secs(1)),
    "between the starts of two probes; to be of use, shorter than that of checks",
);

const PERIODS: RangeInclusive<Duration> = check::PERIODS;

/// All of them.
pub(super) fn read(top: &mut Section<'_>) -> Vec<SelfProbe> {
    top.sections(SELF_PROBES.name, SELF_PROBES.name).into_iter().filter_map(one).collect()
}

fn one(mut section: Section<'_>) -> Option<SelfProbe> {
    let address = section.required(&ADDRESS, "\"192.0.2.254\"");
    if section.has("via") {
        section.note_at("via", "a self-probe goes as routes say: remove this");
    }
    let notes = section.here();
    let check = CheckKeys::read(section, Some(&CheckKeys::every(INTERVAL.usual()))).finish();
    let port = check.port.unwrap_or(0);
    if port == 0 && !matches!(check.kind, CheckKind::Icmp) {
        notes.note_at("address", "there is no port to ask: add port = 22, or type = \"icmp\"");
    }
    Some(SelfProbe { address: (address?, port).into(), check: Arc::new(check) })
}

fn address(value: &DeValue<'_>) -> Result<IpAddr, String> {
    let address: IpAddr = value.as_str().and_then(|it| it.parse().ok()).ok_or_else(|| {
        format!("expected an address such as \"192.0.2.254\", found {}", found(value))
    })?;
    value::of_one_machine(address, value)
}
