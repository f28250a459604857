//! `[[service]]`: a service and its real servers, as they should be; and what services have
//! from `[defaults]`, from a `[profile.NAME]` and from pools.

mod netmask;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use toml::de::DeValue;
use weir_ipvs::{
    Endpoint, Family, Protocol, RealServer, Service, ServiceFlags, ServiceKey,
    scheduler::{KNOWN, named_flags},
};
use weir_wasm::{Labelled, Labels, OwnedService};

use self::netmask::Netmask;
use super::{
    Backend, Defaults, Keeping, check,
    checks::{self, Checks},
    keys::{
        By, Key, List, Name, Nested, Number, Row, Shape, Span, Table,
        Without::{Is, Means},
        Word,
    },
    loops::{self, Stated},
    reader::{Section, found},
    rules::{DRAIN, DRIFT, Rules, SAFETY, SLOW_START},
    server::{self, LABELS, Servers, WEIGHT_MAX},
    value::{self, Wrong},
    via::Via,
};
use crate::{safety::quorum::Quorum, spelling};

/// A service that is made if it is missing and adopted if it is there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedService {
    /// Unique among services and matches.
    pub(crate) name: String,
    /// The service.
    pub(crate) service: Service,
    /// Its real servers with their base weights. Others that it has in the kernel are
    /// foreign.
    pub(crate) servers: BTreeMap<Endpoint, RealServer>,
    /// Serves when they are too few.
    pub(crate) sorry: Option<RealServer>,
    /// How many are enough.
    pub(crate) quorum: Quorum,
    /// How they are checked.
    pub(crate) check: Option<Checks>,
    /// What keeps it serving.
    pub(crate) rules: Rules,
    /// What it and its real servers can be selected by.
    pub(crate) labels: Labelled,
    /// The way of probes of those real servers that have one of their own.
    pub(crate) vias: BTreeMap<Endpoint, Via>,
    /// The plugin that owns it; none = the configuration states it.
    pub(crate) owner: Option<String>,
}

impl NamedService {
    /// What the plugin `owner` owns.
    pub(crate) fn owned(owner: &str, owned: &OwnedService, keeping: &Keeping) -> Self {
        let OwnedService { name, planned } = owned.clone();
        Self {
            name,
            service: planned.service,
            servers: planned.servers,
            sorry: None,
            quorum: Quorum { least: QUORUM.usual(), hysteresis: HYSTERESIS.usual() },
            check: keeping.check.clone(),
            rules: keeping.rules.clone(),
            labels: Labelled::default(),
            vias: BTreeMap::new(),
            owner: Some(owner.to_owned()),
        }
    }

    /// This one of its real servers, or what stands in for them.
    pub(crate) fn server(&self, server: &Endpoint) -> Option<&RealServer> {
        let sorry = self.sorry.as_ref().filter(|it| it.endpoint == *server);
        self.servers.get(server).or(sorry)
    }

    /// Whether this is one of its real servers, or stands in for them.
    pub(crate) fn states(&self, server: &Endpoint) -> bool {
        self.server(server).is_some()
    }

    /// Whether its real servers are checked.
    pub(crate) fn is_checked(&self) -> bool {
        self.check.is_some()
    }
}

pub(super) static SERVICES: Nested = Nested {
    name: "service",
    table: &TABLE,
    shape: Shape::Many(false),
    default: "none",
    meaning: "services as they should be",
};

static TABLE: Table = Table::new(
    "service",
    &[
        &[&NAME, &ADDRESS, &PROTOCOL, &FWMARK, &FAMILY, &PROFILE, &SERVERS, &checks::COMBINE],
        SHARED,
        server::SHARED,
        OWN_RULES,
    ],
);

pub(super) static DEFAULTS: Nested = Nested {
    name: "defaults",
    table: &DEFAULTS_TABLE,
    shape: Shape::One,
    default: "",
    meaning: "what services have that do not say otherwise",
};

static DEFAULTS_TABLE: Table = Table::new("defaults", &[SHARED, server::SHARED]);

pub(super) static PROFILES: Nested = Nested {
    name: "profile",
    table: &PROFILE_TABLE,
    shape: Shape::Named,
    default: "none",
    meaning: "the same for those services that name it",
};

static PROFILE_TABLE: Table = Table::new("profile", &[SHARED, server::SHARED, OWN_RULES]);

pub(super) static POOLS: Nested = Nested {
    name: "pool",
    table: &server::TABLE,
    shape: Shape::NamedMany,
    default: "none",
    meaning: "real servers that several services have: `NAME = [\"10.0.0.1\", ..]`",
};

/// What a service may have from elsewhere.
const SHARED: &[&dyn Row] = &[
    &SCHEDULER,
    &FLAGS,
    &PERSISTENCE,
    &NETMASK,
    &PERSISTENCE_ENGINE,
    &QUORUM,
    &HYSTERESIS,
    &SORRY_SERVER,
    &POOL,
    &LABELS,
];

/// The tables with rules of its own.
const OWN_RULES: &[&dyn Row] = &[&check::OWN, &checks::AGENT, &SLOW_START, &SAFETY, &DRAIN, &DRIFT];

pub(super) static NAME: Key<Name> =
    Key::new("name", Name, Means("required"), "for logs and grants");

static ADDRESS: Key<By<Endpoint>> = Key::new(
    "address",
    By { read: value::endpoint, types: &["string"] },
    Means("required, unless `fwmark`"),
    "virtual address and port: `\"192.0.2.1:80\"`, `\"[2001:db8::1]:80\"`. Port 0, every port, \
     needs `persistence`",
);

pub(super) static PROTOCOL: Key<Word<Protocol>> =
    Key::new("protocol", Word(value::PROTOCOLS), Is(Protocol::Tcp), "");

pub(super) static FWMARK: Key<Number> = Key::new(
    "fwmark",
    Number(1..=u32::MAX),
    Means(""),
    "a firewall mark instead of address and protocol",
);

pub(super) static FAMILY: Key<Word<Family>> =
    Key::new("family", Word(value::FAMILIES), Is(Family::V4), "of the mark");

pub(super) static PROFILE: Key<Name> =
    Key::new("profile", Name, Means("none"), "a `[profile.NAME]`: what this service does not say");

static SERVERS: Nested = Nested {
    name: "server",
    table: &server::TABLE,
    shape: Shape::Many(true),
    default: "none",
    meaning: "real servers: tables, or addresses alone",
};

/// That of the kernel's tools.
const USUAL_SCHEDULER: &str = "wlc";

static SCHEDULER: Key<By<String>> = Key::new(
    "scheduler",
    By { read: |it| module(it, 15), types: &["string"] },
    Means("`\"wlc\"`"),
    "the kernel's name, 1 to 15 bytes",
);

static FLAGS: Key<List<Word<NamedFlag>>> = Key::new(
    "flags",
    List(Word(&[
        ("one-packet", (ServiceFlags::ONE_PACKET, None)),
        ("sh-fallback", (ServiceFlags::SCHEDULER_1, Some("sh"))),
        ("sh-port", (ServiceFlags::SCHEDULER_2, Some("sh"))),
        ("mh-fallback", (ServiceFlags::SCHEDULER_1, Some("mh"))),
        ("mh-port", (ServiceFlags::SCHEDULER_2, Some("mh"))),
        ("flag-1", (ServiceFlags::SCHEDULER_1, None)),
        ("flag-2", (ServiceFlags::SCHEDULER_2, None)),
        ("flag-3", (ServiceFlags::SCHEDULER_3, None)),
    ])),
    Means("`[]`"),
    "`one-packet` for UDP only, and those of a scheduler for that one only",
);

/// A flag, and the scheduler that it is named after.
type NamedFlag = (ServiceFlags, Option<&'static str>);

static PERSISTENCE: Key<Span> = Key::new(
    "persistence",
    Span(Duration::from_secs(1)..=Duration::from_secs(4_294_967)),
    Means("not persistent"),
    "how long clients come back to their real server; whole seconds",
);

static NETMASK: Key<By<Netmask>> = Key::new(
    "netmask",
    By { read: netmask::read, types: &["integer", "string"] },
    Means("every client by itself"),
    "groups clients for persistence. IPv4: `24` or `\"255.255.255.0\"`; IPv6: a prefix length, 1 \
     to 128",
);

static PERSISTENCE_ENGINE: Key<By<String>> = Key::new(
    "persistence-engine",
    By { read: |it| module(it, 16), types: &["string"] },
    Means("none"),
    "such as `\"sip\"`",
);

static QUORUM: Key<Number> =
    Key::new("quorum", Number(1..=WEIGHT_MAX), Is(1), "live base weight that is enough");

static HYSTERESIS: Key<Number> = Key::new(
    "hysteresis",
    Number(0..=WEIGHT_MAX),
    Is(0),
    "the quorum is lost this much below, and gained this much above it; less than `quorum`",
);

static SORRY_SERVER: Nested = Nested {
    name: "sorry-server",
    table: &server::TABLE,
    shape: Shape::One,
    default: "none",
    meaning: "a real server that serves while the quorum is lost; its weight, 1 or more, is \
              written as it is, and it is not checked",
};

static POOL: Key<By<Vec<String>, Wrong>> = Key::new(
    "pool",
    By { read: pools, types: &["string", "array"] },
    Means("none"),
    "one or more of the `[pool]`s, whose real servers it has beside its own",
);

/// The names of services and matches, with the labels of each.
pub(super) type Names = BTreeMap<String, Labels>;

/// What all services have to do with.
pub(super) struct Common<'t> {
    usual: Profile<'t>,
    profiles: BTreeMap<String, Profile<'t>>,
    pools: BTreeMap<String, Vec<Section<'t>>>,
    /// Whether weir's own IPVS is what serves them.
    is_embedded: bool,
}

/// What some services have, where they do not say otherwise.
struct Profile<'t> {
    section: Option<Section<'t>>,
    defaults: Defaults,
}

impl<'t> Common<'t> {
    /// Reads the pools, the defaults and the profiles of `top`.
    pub(super) fn read(top: &mut Section<'t>, defaults: Defaults, backend: &Backend) -> Self {
        let is_embedded = matches!(backend, Backend::Embedded(_));
        let mut pools = BTreeMap::new();
        for (name, entries) in top.named_lists(POOLS.name) {
            entries.iter().for_each(|it| server::check_alone(it.here()));
            pools.insert(name, entries);
        }
        let section = top.section(DEFAULTS.name);
        if let Some(section) = &section {
            check_shared(section.here(), &pools, is_embedded, &DEFAULTS_TABLE);
        }
        let usual = Profile { section, defaults };
        let mut profiles = BTreeMap::new();
        let named = top.section(PROFILES.name).into_iter();
        for (name, mut section) in named.flat_map(|it| it.named_sections(PROFILES.name)) {
            let defaults = usual.defaults.under(&mut section);
            check_shared(section.here(), &pools, is_embedded, &PROFILE_TABLE);
            section.inherit_all(&[SHARED, server::SHARED], usual.section.as_ref());
            server::read_thresholds(&mut section);
            read_quorum(&mut section);
            profiles.insert(name, Profile { section: Some(section), defaults });
        }
        Self { usual, profiles, pools, is_embedded }
    }

    /// What the tables at the top say of checks and rules.
    pub(super) fn defaults(&self) -> &Defaults {
        &self.usual.defaults
    }

    /// How what a plugin owns is checked and kept, by the profile that `section` names.
    pub(super) fn keeping(&self, section: &mut Section<'_>) -> (Option<Checks>, Rules) {
        let defaults = &self.profile(section).defaults;
        (checks::usual(defaults), defaults.rules.finish())
    }

    fn profile(&self, section: &mut Section<'_>) -> &Profile<'t> {
        let Some(name) = section.key(&PROFILE) else { return &self.usual };
        self.profiles.get(&name).unwrap_or_else(|| {
            let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            section.note_at(PROFILE.name, unknown("profile", &name, &known));
            &self.usual
        })
    }
}

/// Notes what is wrong with what services may have from `section`.
fn check_shared(
    mut section: Section<'_>,
    pools: &BTreeMap<String, Vec<Section<'_>>>,
    is_embedded: bool,
    table: &Table,
) {
    read_shared(&mut section, None, is_embedded);
    read_quorum(&mut section);
    server::check_shared(&mut section);
    read_pools(&mut section, pools);
    section.key(&LABELS);
    if let Some(sorry) = section.section(SORRY_SERVER.name) {
        server::check_alone(sorry);
    }
    section.finish_as(table);
}

/// Every `[[service]]`. Those with a mistake are left out; `names` gets the others too.
pub(super) fn read_all<'t>(
    top: &mut Section<'t>,
    common: &Common<'t>,
    names: &mut Names,
) -> Vec<NamedService> {
    let mut keys = BTreeMap::new();
    let mut services = Vec::new();
    for section in top.sections(SERVICES.name, SERVICES.name) {
        services.extend(read(section, common, names, &mut keys));
    }
    if common.is_embedded {
        loops::check(&services);
    }
    services.into_iter().map(|(service, _)| service).collect()
}

/// The name of a service or a match, which no other has.
pub(super) fn unique_name(section: &mut Section<'_>, names: &mut Names) -> Option<String> {
    let name = section.required(&NAME, "\"web\"")?;
    section.what = format!("{} {name}", section.what);
    if names.insert(name.clone(), Labels::new()).is_some() {
        section.note_at(NAME.name, format!("\"{name}\" is taken: give each its own"));
    }
    Some(name)
}

fn read<'t>(
    mut section: Section<'t>,
    common: &Common<'t>,
    names: &mut Names,
    keys: &mut BTreeMap<ServiceKey, String>,
) -> Option<(NamedService, Stated<'t>)> {
    let name = unique_name(&mut section, names);
    let profile = common.profile(&mut section);
    let defaults = &profile.defaults;
    let check = checks::read(&mut section, defaults);
    let rules = defaults.rules.read(&mut section).finish();
    section.inherit_all(&[SHARED, server::SHARED], profile.section.as_ref());
    let quorum = read_quorum(&mut section);
    if quorum.hysteresis > 0 && section.value(QUORUM.name).is_none() {
        section.note_where_said(HYSTERESIS.name, "needs quorum: add it");
    }
    let key = key(&mut section);
    if !common.is_embedded
        && let Some(ServiceKey::Address { endpoint, .. }) = key
        && endpoint.address.is_unspecified()
    {
        section.note_at(ADDRESS.name, "the kernel has no service of every address: name one");
    }
    let shared = read_shared(&mut section, key, common.is_embedded);
    shared.note_contradictions(&mut section, key);
    let service = key.map(|key| shared.service(key));
    let labels: Labels = section.key(&LABELS).unwrap_or_default();
    let mut servers = Servers::default();
    let mut stated = Stated::new();
    let place = |server: &Section<'t>| common.is_embedded.then(|| server.here());
    let own = section.sections(SERVERS.name, &format!("{}: server", section.what));
    for mut server in own.into_iter().chain(read_pools(&mut section, &common.pools)) {
        server.inherit(server::SHARED, &section);
        let place = place(&server);
        stated.extend(servers.read(server, key, check.as_ref()).zip(place));
    }
    let sorry = section.section(SORRY_SERVER.name).and_then(|mut sorry| {
        sorry.inherit(server::SORRY_SHARED, &section);
        let place = place(&sorry);
        let sorry = server::sorry(sorry, key, &servers.servers)?;
        stated.extend(place.map(|it| (sorry.endpoint, it)));
        Some(sorry)
    });
    if let Some((key, name)) = key.zip(name.as_ref())
        && let Some(other) = keys.insert(key, name.clone())
    {
        section.note_here(format!("{key} is already service {other}: join them"));
    }
    server::check_shared(&mut section);
    section.finish_as(&TABLE);
    let Servers { servers, labels: of_servers, vias } = servers;
    let (name, service) = (name?, service?);
    names.insert(name.clone(), labels.clone());
    let service = NamedService {
        name,
        service,
        servers,
        sorry,
        quorum,
        check,
        rules,
        labels: Labelled { service: labels, servers: of_servers },
        vias,
        owner: None,
    };
    Some((service, stated))
}

fn key(section: &mut Section<'_>) -> Option<ServiceKey> {
    let mark = section.key(&FWMARK);
    let family = section.key_or_usual(&FAMILY);
    if section.value(FWMARK.name).is_some() {
        for key in [PROTOCOL.name, ADDRESS.name] {
            if section.value(key).is_some() {
                section.note_at(key, "goes without fwmark: a service has the one or the other");
            }
        }
        return Some(ServiceKey::Fwmark { mark: mark?, family });
    }
    if section.value(FAMILY.name).is_some() {
        section.note_at(FAMILY.name, "goes with fwmark: an address has its own");
    }
    let protocol = section.key_or_usual(&PROTOCOL);
    let address = section.required(&ADDRESS, "\"192.0.2.1:80\", or fwmark = 1");
    Some(ServiceKey::from((protocol, address?)))
}

/// What a service says of itself, or has from elsewhere.
struct Shared {
    scheduler: Option<String>,
    engine: Option<String>,
    flags: Vec<NamedFlag>,
    persistence: Option<u32>,
    netmask: Option<u32>,
}

impl Shared {
    /// Notes what has no meaning beside what else `section`, which is a service, says.
    fn note_contradictions(&self, section: &mut Section<'_>, service: Option<ServiceKey>) {
        self.note_flags(section);
        let is_one_packet = self.flags.iter().any(|it| it.0 == ServiceFlags::ONE_PACKET);
        // What is inherited by another protocol has no effect, and is no mistake.
        if let Some(ServiceKey::Address { protocol, .. }) = service
            && is_one_packet
            && protocol != Protocol::Udp
            && section.has(FLAGS.name)
        {
            let message =
                format!("\"one-packet\" is for protocol = \"udp\" only, found {protocol}");
            section.note_at(FLAGS.name, message + ": remove it, or change the protocol");
        }
        for key in [NETMASK.name, PERSISTENCE_ENGINE.name] {
            if section.has(key) && section.value(PERSISTENCE.name).is_none() {
                section.note_at(
                    key,
                    "has no effect without persistence: add persistence = \"300s\", or remove this",
                );
            }
        }
    }

    /// The same bits mean something else to another scheduler, or nothing. What is inherited by one
    /// to which they mean nothing has no effect, and is no mistake.
    fn note_flags(&self, section: &mut Section<'_>) {
        let scheduler = match &self.scheduler {
            Some(scheduler) => scheduler.as_str(),
            None if section.value(SCHEDULER.name).is_none() => USUAL_SCHEDULER,
            None => return,
        };
        let is_own = section.has(FLAGS.name);
        let (key, remedy) = match section.has(SCHEDULER.name) && !is_own {
            true => (SCHEDULER.name, "change it, or add flags of its own"),
            false => (FLAGS.name, "change the one or the other"),
        };
        let meant = named_flags(scheduler);
        for (flag, of) in &self.flags {
            let Some(of) = of.filter(|it| *it != scheduler) else { continue };
            let is_misread = meant.iter().any(|it| it.0 == *flag)
                && !self.flags.contains(&(*flag, Some(scheduler)));
            if !is_own && !is_misread {
                continue;
            }
            let named = named_flags(of).into_iter().find(|it| it.0 == *flag);
            let name = named.map_or(of, |it| it.1);
            let message = format!(
                "the flag \"{name}\" is for scheduler = \"{of}\" only, found \"{scheduler}\""
            );
            section.note_where_said(key, format!("{message}: {remedy}"));
        }
    }

    fn service(self, key: ServiceKey) -> Service {
        let usual = Service::new(key, USUAL_SCHEDULER);
        Service {
            scheduler: self.scheduler.unwrap_or(usual.scheduler),
            engine: self.engine,
            flags: self.flags.into_iter().fold(usual.flags, |all, (flag, _)| all | flag),
            persistence: self.persistence,
            netmask: self.netmask.unwrap_or(usual.netmask),
            ..usual
        }
    }
}

/// Of `service`; none = of any.
fn read_shared(
    section: &mut Section<'_>,
    service: Option<ServiceKey>,
    is_embedded: bool,
) -> Shared {
    let scheduler = section.key(&SCHEDULER);
    let engine = section.key(&PERSISTENCE_ENGINE);
    if is_embedded {
        note_absent(section, scheduler.as_deref());
    }
    let flags = section.key(&FLAGS).unwrap_or_default();
    let persistence = section.key(&PERSISTENCE);
    if persistence.is_some_and(|it| it.subsec_nanos() != 0) && section.has(PERSISTENCE.name) {
        section.note_at(PERSISTENCE.name, "expected whole seconds");
    }
    let mask = section.key(&NETMASK);
    let netmask = mask.zip(service).and_then(|(mask, service)| {
        let netmask = mask.of(service.family());
        if netmask.is_none() {
            section.note_at(NETMASK.name, mask.remedy(service.family()));
        }
        netmask
    });
    if let Some(ServiceKey::Address { endpoint, .. }) = service
        && endpoint.port == 0
        && persistence.is_none()
    {
        section.note_at(
            ADDRESS.name,
            "port 0, every port, needs persistence: add persistence = \"300s\"",
        );
    }
    Shared {
        scheduler,
        engine,
        flags,
        persistence: persistence.and_then(|it| u32::try_from(it.as_secs()).ok()),
        netmask,
    }
}

/// Notes what `section` wants that weir's own IPVS does not have.
fn note_absent(section: &Section<'_>, scheduler: Option<&str>) {
    let known = KNOWN.map(|it| it.0);
    if let Some(scheduler) = scheduler.filter(|it| !known.contains(it))
        && section.has(SCHEDULER.name)
    {
        let remedy = match spelling::nearest(scheduler, &known) {
            Some(it) => format!("did you mean \"{it}\"?"),
            None => format!("it has {}", known.join(", ")),
        };
        let message = format!("the embedded backend has no \"{scheduler}\"; {remedy}");
        section.note_at(SCHEDULER.name, message);
    }
    if section.has(PERSISTENCE_ENGINE.name) {
        section.note_at(PERSISTENCE_ENGINE.name, "the embedded backend has none: remove this");
    }
}

/// A name of a kernel module's part, within the kernel's bound.
fn module(value: &DeValue<'_>, bytes: usize) -> Result<String, String> {
    let name = value::text(value)?;
    if (1..=bytes).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_graphic()) {
        return Ok(name);
    }
    Err(format!("expected 1 to {bytes} letters such as \"wrr\", found {}", found(value)))
}

/// That one contradicts the other is noted once, where the nearer of the two is said.
fn read_quorum(section: &mut Section<'_>) -> Quorum {
    let least = section.key(&QUORUM);
    let hysteresis = section.key(&HYSTERESIS);
    if let Some((least, hysteresis)) = least.zip(hysteresis)
        && hysteresis >= least
    {
        if section.has(HYSTERESIS.name) {
            let message = format!("expected less than the quorum ({least}), found {hysteresis}");
            section.note_at(HYSTERESIS.name, message);
        } else if section.has(QUORUM.name) {
            let message =
                format!("expected more than the hysteresis ({hysteresis}), found {least}");
            section.note_at(QUORUM.name, message);
        }
    }
    Quorum {
        least: least.unwrap_or_else(|| QUORUM.usual()),
        hysteresis: hysteresis.unwrap_or_else(|| HYSTERESIS.usual()),
    }
}

fn pools(value: &DeValue<'_>) -> Result<Vec<String>, Wrong> {
    match value {
        DeValue::String(_) => Ok(vec![value::name(value)?]),
        _ => value::list(value, value::name),
    }
}

/// The real servers of the pools that `section` names.
fn read_pools<'t>(
    section: &mut Section<'_>,
    pools: &BTreeMap<String, Vec<Section<'t>>>,
) -> Vec<Section<'t>> {
    let mut servers = Vec::new();
    let mut named = BTreeSet::new();
    for name in section.key(&POOL).unwrap_or_default() {
        match pools.get(&name) {
            Some(_) if !named.insert(name.clone()) => {
                section.note_at(POOL.name, format!("\"{name}\" is there twice: remove one"));
            }
            Some(pool) => servers.extend(pool.iter().map(Section::here)),
            None => {
                let known: Vec<&str> = pools.keys().map(String::as_str).collect();
                section.note_at(POOL.name, unknown("pool", &name, &known));
            }
        }
    }
    servers
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    format!("there is no {what} named \"{name}\"; there are: {known}")
}
