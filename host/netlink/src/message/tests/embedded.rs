//! Every recorded exchange of Linux 6.1 that our words can express, with the embedded IPVS
//! in the place of the kernel: it has to answer the same.

use weir_embedded::{Embedded, Generation, Interface, Machine, Settings};
use weir_ipvs::{Fields, Ipvs, OnFailure, Scope, TableEntry};

use super::*;

/// What the machine had when the recording began, in the file's words: `ovf` and `twos` not
/// available, no persistence engine, `dummy0` down.
fn core() -> Embedded {
    let available = "rr wrr lc wlc lblc lblcr dh sh sed nq fo mh none";
    let mut core = Embedded::new(Settings {
        generation: Generation::Older,
        schedulers: available.split(' ').map(str::to_owned).collect(),
        ..Settings::default()
    });
    core.set_machine(machine(interface("dummy0", 1500, &[], false)));
    core
}

fn machine(dummy: Interface) -> Machine {
    Machine {
        interfaces: vec![
            interface("lo", 65_536, &[("127.0.0.1", 8), ("10.99.0.1", 32), ("::1", 128)], true),
            interface("tun0", 1500, &[("10.254.0.1", 30)], true),
            dummy,
        ],
    }
}

fn interface(name: &str, mtu: u32, addresses: &[(&str, u8)], multicast_route: bool) -> Interface {
    let addresses = addresses.iter().map(|(it, prefix)| (it.parse().unwrap(), *prefix)).collect();
    Interface { name: name.into(), mtu, addresses, multicast_route }
}

/// Does to a machine what was done to the recorded one.
fn change_machine(core: &mut Embedded, what: &str) {
    let dummy = |mtu, addresses| machine(interface("dummy0", mtu, addresses, true));
    match what {
        "insmod nf_conntrack_sip.ko; insmod ip_vs_pe_sip.ko" => {
            core.settings_mut().engines = vec!["sip".to_owned()];
        }
        "ip link set dummy0 up" => core.set_machine(dummy(1500, &[])),
        "ip addr add 10.77.0.1/24 dev dummy0" => {
            core.set_machine(dummy(1500, &[("10.77.0.1", 24)]));
        }
        "ip link set dummy0 mtu 9000" => core.set_machine(dummy(9000, &[("10.77.0.1", 24)])),
        "sysctl net.ipv4.vs.sync_ports=4" => {}
        other => panic!("{other}: what is that to a machine?"),
    }
}

/// What was asked for.
enum Request {
    Make(Change),
    Services,
    Service(ServiceKey),
    Servers(ServiceKey),
    Daemons,
    Timeouts,
    Info,
}

/// None if our words cannot express it: what is malformed, by intent, or of a form that the
/// command has not.
fn request(vector: &Value, payload: &[u8], core: &mut Embedded) -> Option<Request> {
    let (label, errno) = (vector["label"].as_str().unwrap_or_default(), vector["errno"].as_str()?);
    let ill_formed = label.contains("attr ") && label.contains(" byte")
        || ["group6 4 bytes", "scheduler not NUL-terminated"].contains(&label);
    let is_request = vector["flags"].as_u64()? & 1 == 1;
    if (ill_formed && errno != "OK") || errno == "EOPNOTSUPP" || !is_request {
        return None;
    }
    let key = || key_of(&nested(payload, SERVICE).ok()?).ok();
    let dump = vector["dump"].as_bool().unwrap_or_default();
    Some(match vector["cmd"].as_u64()? {
        1 => Request::Make(Change::AddService(masked_service(payload, core)?)),
        2 => Request::Make(Change::EditService(masked_service(payload, core)?)),
        4 if dump => Request::Services,
        4 => Request::Service(key()?),
        8 => Request::Servers(key()?),
        11 => Request::Daemons,
        13 => Request::Timeouts,
        15 => Request::Info,
        command => Request::Make(change(command, payload)?),
    })
}

/// A service as it is to become. Its flags may be a part of all, the others staying.
fn masked_service(payload: &[u8], core: &mut Embedded) -> Option<Service> {
    let nest: table::Service<'_> = nested(payload, SERVICE).ok()?;
    let Flags { bits, mask } = nest.flags?;
    let timeout = nest.timeout?;
    let service = service_of(&nest).ok()?;
    let old = core.read(Scope::One(service.key), Fields::CONFIG).ok();
    let old = old.map_or(0, |snapshot| {
        let config = &snapshot.entries[0].service.config;
        config.flags.bits() | if config.persistence.is_some() { PERSISTENT } else { 0 }
    });
    let flags = (old & !mask) | (bits & mask);
    Some(Service {
        flags: ServiceFlags::from_bits(flags),
        persistence: (flags & PERSISTENT != 0).then_some(timeout),
        ..service
    })
}

/// What came back: an errno, or what the replies say.
#[derive(Debug, PartialEq)]
enum Reply {
    Errno(i32),
    Done,
    Services(Vec<Service>),
    Servers(Vec<(RealServer, [u32; 3])>),
    Daemons(Vec<SyncDaemon>),
    Timeouts(Timeouts),
    Info(Info),
}

/// What the recorded kernel replied.
fn recorded(request: &Request, vector: &Value) -> Reply {
    let replies: Vec<_> = vector["replies"].as_array().into_iter().flatten().map(bytes).collect();
    let bodies = || replies.iter().map(|reply| &reply[GENERIC_HEADER_BYTES..]);
    let errno = match vector["errno"].as_str().unwrap() {
        // Not answered at all: the daemon was stopped.
        "OK" | "none" => 0,
        name => number_of(name),
    };
    match request {
        _ if errno != 0 => Reply::Errno(errno),
        Request::Make(_) => Reply::Done,
        Request::Services | Request::Service(_) => {
            Reply::Services(sorted(bodies().map(|it| service(it).unwrap().config).collect()))
        }
        Request::Servers(key) => Reply::Servers(
            bodies().map(|it| counted(&server(it, key.family(), false).unwrap())).collect(),
        ),
        Request::Daemons => Reply::Daemons(bodies().map(|it| daemon(it).unwrap()).collect()),
        Request::Timeouts => Reply::Timeouts(timeouts(bodies().next().unwrap()).unwrap()),
        Request::Info => Reply::Info(info(bodies().next().unwrap()).unwrap()),
    }
}

/// What the embedded IPVS replies.
fn replayed(request: &Request, core: &mut Embedded) -> Reply {
    let mut entries = |scope| core.read(scope, Fields::ALL).map(|snapshot| snapshot.entries);
    let services = |entries: Vec<TableEntry>| {
        Reply::Services(sorted(entries.into_iter().map(|it| it.service.config).collect()))
    };
    match request {
        Request::Make(change) => {
            let failures = core.apply(std::slice::from_ref(change), OnFailure::Stop);
            failures.first().map_or(Reply::Done, |failure| Reply::Errno(failure.error.errno()))
        }
        Request::Services => services(entries(Scope::All).unwrap()),
        Request::Service(key) => match entries(Scope::One(*key)) {
            Ok(entries) => services(entries),
            Err(error) => Reply::Errno(error.errno()),
        },
        // A dump of a service that is not there is empty.
        Request::Servers(key) => Reply::Servers(entries(Scope::One(*key)).map_or_else(
            |_| Vec::new(),
            |entries| entries[0].servers.iter().map(counted).collect(),
        )),
        Request::Daemons => Reply::Daemons(core.daemons().unwrap()),
        Request::Timeouts => Reply::Timeouts(core.timeouts().unwrap()),
        Request::Info => Reply::Info(core.info().unwrap()),
    }
}

fn counted(status: &RealServerStatus) -> (RealServer, [u32; 3]) {
    (status.config, [status.active, status.inactive, status.persistent])
}

/// Services have no order.
fn sorted(mut services: Vec<Service>) -> Vec<Service> {
    services.sort_by_key(|service| service.key);
    services
}

#[test]
fn recorded_exchanges_come_out_the_same_in_the_embedded_ipvs() {
    let (mut core, mut replayed_count, mut beyond_words) = (core(), 0, Vec::new());
    for (number, vector) in requests().iter().enumerate() {
        if let Some(what) = vector["environment"].as_str() {
            change_machine(&mut core, what);
            continue;
        }
        match request(vector, &bytes(&vector["payload"]), &mut core) {
            Some(request) => {
                let (found, expected) = (replayed(&request, &mut core), recorded(&request, vector));
                assert_eq!(found, expected, "request {number}: {vector}");
                replayed_count += 1;
            }
            None => beyond_words.push(vector["label"].to_string()),
        }
    }
    let unreplayed = beyond_words.len();
    let beyond_words = beyond_words.join(", ");
    assert_eq!((replayed_count, unreplayed), (291, 77), "beyond words: {beyond_words}");
}
