//! Choices recorded on live kernels, made again one by one.
//!
//! `tests/data/scheduler-vectors.json` says what each step is. `WEIR_SCHEDULER_VECTORS` names
//! further files of the same form, with colons between them. The kernel of a file decides by
//! which rules its scenarios are run. Beside a file of a newer kernel those of an older one
//! are run by the newer rules too, in the words of the newer file where that one has them.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use serde::Deserialize;
use serde_json::Value;
use weir_embedded::{Embedded, Generation, Packet, Settings, Signal, Sysctls, TcpFlags, Verdict};
use weir_ipvs::{
    Change, Endpoint, Family, Fields, Forwarding, Ipvs, OnFailure, Protocol, RealServer,
    RealServerKey, Scope, Service, ServiceFlags, ServiceKey,
};

/// The last kernel with the older rules.
const OLDER_MAX: [u32; 3] = [6, 1, 176];
/// Of services by mark; the files do not say which it was.
const MARK: u32 = 1;

#[derive(Deserialize)]
struct File {
    kernel: String,
    scenarios: Vec<Scenario>,
}

#[derive(Clone, Deserialize)]
struct Scenario {
    id: String,
    scheduler: String,
    protocol: String,
    family: String,
    flags: Vec<String>,
    timeout: u32,
    netmask: Value,
    fwmark: bool,
    vip: Option<IpAddr>,
    vport: u16,
    packet_port: u16,
    #[serde(default)]
    sysctl: BTreeMap<String, u32>,
    steps: Vec<Step>,
}

#[derive(Clone, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Step {
    Add(Configured),
    Set(Configured),
    Del(Key),
    Edit { scheduler: String },
    Vport { port: u16 },
    Conns { kind: Kind, clients: Vec<String>, dst: Option<IpAddr>, expect: Vec<Option<String>> },
    Close { conns: Vec<usize> },
    Check { dests: Vec<Counted> },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Syn,
    Est,
    Udp,
}

#[derive(Clone, Deserialize)]
struct Key {
    addr: IpAddr,
    port: u16,
}

#[derive(Clone, Deserialize)]
struct Configured {
    addr: IpAddr,
    port: u16,
    weight: u32,
    u: u32,
    l: u32,
    fwd: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Counted {
    addr: IpAddr,
    port: u16,
    weight: u32,
    active: u32,
    inactive: u32,
    persistent: u32,
}

#[test]
fn an_older_kernel_is_followed_choice_by_choice() {
    run_all(Generation::Older, 93);
}

#[test]
fn a_newer_kernel_is_followed_choice_by_choice() {
    run_all(Generation::Newer, 93);
}

/// Runs what there is for this generation, which includes the scenarios of this project.
fn run_all(generation: Generation, own: usize) {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data"));
    let files = ["scheduler-vectors.json", "scheduler-vectors-g2.json"].map(|it| data.join(it));
    let mut scenarios = scenarios(generation, &files);
    assert_eq!(scenarios.len(), own);
    if let Some(further) = env::var_os("WEIR_SCHEDULER_VECTORS") {
        let further: Vec<_> = env::split_paths(&further).collect();
        scenarios.extend(self::scenarios(generation, &further));
    }
    let failures: Vec<_> =
        scenarios.iter().filter_map(|it| Run::of(it, generation).err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        scenarios.len(),
        failures.join("\n")
    );
}

fn scenarios(generation: Generation, files: &[PathBuf]) -> Vec<Scenario> {
    let (older, newer): (Vec<_>, Vec<_>) =
        files.iter().map(read).partition(|file| is_older(&file.kernel));
    if generation == Generation::Newer && newer.is_empty() {
        return Vec::new();
    }
    let mut scenarios: Vec<_> = older.into_iter().flat_map(|file| file.scenarios).collect();
    if generation == Generation::Newer {
        for scenario in newer.into_iter().flat_map(|file| file.scenarios) {
            match scenarios.iter_mut().find(|it| it.id == scenario.id) {
                Some(older) => *older = scenario,
                None => scenarios.push(scenario),
            }
        }
    }
    scenarios
}

fn read(path: &PathBuf) -> File {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn is_older(kernel: &str) -> bool {
    let numbers: Vec<u32> = kernel.split('.').map(|it| it.parse().unwrap()).collect();
    *numbers <= OLDER_MAX[..]
}

/// A scenario on its way through a core.
struct Run {
    core: Embedded,
    service: Service,
    protocol: Protocol,
    vip: Option<IpAddr>,
    port: u16,
    /// Where each connection came from and went to, refused or not.
    connections: Vec<(Endpoint, Endpoint)>,
}

impl Run {
    /// Runs a scenario; what differs is an error.
    fn of(scenario: &Scenario, generation: Generation) -> Result<(), String> {
        let mut run = Self::new(scenario, generation);
        for (nth, step) in scenario.steps.iter().enumerate() {
            run.step(step)
                .map_err(|what| format!("{} by {generation:?}, step {nth}: {what}", scenario.id))?;
        }
        Ok(())
    }

    fn new(scenario: &Scenario, generation: Generation) -> Self {
        let sysctls = sysctls(&scenario.sysctl);
        let settings = Settings { generation, sysctls, ..Settings::default() };
        let protocol = match &*scenario.protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => panic!("{other}"),
        };
        let mut run = Self {
            core: Embedded::new(settings),
            service: service(scenario, protocol),
            protocol,
            vip: scenario.vip,
            port: scenario.packet_port,
            connections: Vec::new(),
        };
        run.apply(Change::AddService(run.service.clone()));
        run
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let key = self.service.key;
        match step {
            Step::Add(server) => self.apply(Change::AddServer(key, server.real_server())),
            Step::Set(server) => self.apply(Change::EditServer(key, server.real_server())),
            Step::Del(Key { addr, port }) => {
                let server = Endpoint::new(*addr, *port);
                self.apply(Change::DeleteServer(RealServerKey { service: key, server }));
            }
            Step::Edit { scheduler } => {
                self.service.scheduler.clone_from(scheduler);
                self.apply(Change::EditService(self.service.clone()));
            }
            Step::Vport { port } => self.port = *port,
            Step::Conns { kind, clients, dst, expect } => {
                let to = Endpoint::new(dst.or(self.vip).unwrap(), self.port);
                assert_eq!(clients.len(), expect.len());
                for (client, expected) in clients.iter().zip(expect) {
                    let nth = self.connections.len();
                    let chosen = self.connect(*kind, endpoint(client), to);
                    let expected = expected.as_deref().map(endpoint);
                    if chosen != expected {
                        return Err(format!(
                            "connection {nth} of {client} went to {chosen:?}, not {expected:?}"
                        ));
                    }
                }
            }
            Step::Close { conns } => {
                for &nth in conns {
                    let (client, to) = self.connections[nth];
                    self.send(client, to, TcpFlags { fin: true, ack: true, ..TcpFlags::default() });
                }
            }
            Step::Check { dests } => {
                let counted = self.counted();
                if counted != *dests {
                    return Err(format!("the list is {counted:?}, not {dests:?}"));
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        let failures = self.core.apply(&[change], OnFailure::Stop);
        assert!(failures.is_empty(), "{failures:?}");
    }

    /// Begins a connection and says which real server it was given.
    fn connect(&mut self, kind: Kind, client: Endpoint, to: Endpoint) -> Option<Endpoint> {
        self.connections.push((client, to));
        let syn = TcpFlags { syn: true, ..TcpFlags::default() };
        let route = match self.send(client, to, syn) {
            Verdict::Forward(route) => route,
            Verdict::Refuse | Verdict::Drop => return None,
            Verdict::Pass => panic!("{client} to {to} is of no service"),
        };
        if let Kind::Est = kind {
            if route.forwarding == Forwarding::Masquerade {
                let signal = Signal::Tcp(TcpFlags { ack: true, ..syn });
                let reply = Packet { signal, ..self.packet(route.server, client) };
                assert!(matches!(self.core.reply(&reply), Verdict::Forward(_)));
            }
            self.send(client, to, TcpFlags { ack: true, ..TcpFlags::default() });
        }
        Some(route.server)
    }

    fn send(&mut self, client: Endpoint, to: Endpoint, flags: TcpFlags) -> Verdict {
        let signal = match self.protocol {
            Protocol::Tcp => Signal::Tcp(flags),
            _ => Signal::Datagram,
        };
        let packet = Packet { signal, ..self.packet(client, to) };
        self.core.receive(&packet)
    }

    fn packet(&self, source: Endpoint, destination: Endpoint) -> Packet {
        let mark = match self.service.key {
            ServiceKey::Fwmark { mark, .. } => mark,
            ServiceKey::Address { .. } => 0,
        };
        let (protocol, bytes) = (self.protocol, 40);
        Packet { protocol, source, destination, mark, bytes, signal: Signal::Datagram }
    }

    fn counted(&mut self) -> Vec<Counted> {
        let snapshot = self.core.read(Scope::One(self.service.key), Fields::ALL).unwrap();
        let servers = &snapshot.entries[0].servers;
        let count = servers.iter().map(|it| Counted {
            addr: it.config.endpoint.address,
            port: it.config.endpoint.port,
            weight: it.config.weight,
            active: it.active,
            inactive: it.inactive,
            persistent: it.persistent,
        });
        count.collect()
    }
}

impl Configured {
    fn real_server(&self) -> RealServer {
        let endpoint = Endpoint::new(self.addr, self.port);
        let forwarding = Forwarding::from_number(self.fwd);
        RealServer {
            upper_threshold: self.u,
            lower_threshold: self.l,
            ..RealServer::new(endpoint, forwarding, self.weight)
        }
    }
}

fn service(scenario: &Scenario, protocol: Protocol) -> Service {
    let family = match &*scenario.family {
        "v4" => Family::V4,
        "v6" => Family::V6,
        other => panic!("{other}"),
    };
    let key = if scenario.fwmark {
        ServiceKey::Fwmark { mark: MARK, family }
    } else {
        let endpoint = Endpoint::new(scenario.vip.unwrap(), scenario.vport);
        ServiceKey::Address { protocol, endpoint }
    };
    let mut service = Service::new(key, &*scenario.scheduler);
    for flag in &scenario.flags {
        match &**flag {
            "persistent" => service.persistence = Some(scenario.timeout),
            "onepacket" => service.flags = service.flags | ServiceFlags::ONE_PACKET,
            "sched1" => service.flags = service.flags | ServiceFlags::SCHEDULER_1,
            "sched2" => service.flags = service.flags | ServiceFlags::SCHEDULER_2,
            other => panic!("{other}"),
        }
    }
    if let Some(netmask) = netmask(&scenario.netmask, family) {
        service.netmask = netmask;
    }
    service
}

/// A netmask is written as an IPv4 address, or as the length of a prefix.
fn netmask(value: &Value, family: Family) -> Option<u32> {
    if let Some(mask) = value.as_str() {
        return Some(mask.parse::<Ipv4Addr>().unwrap().to_bits());
    }
    let prefix = u32::try_from(value.as_u64()?).unwrap();
    match family {
        Family::V4 => u32::MAX.checked_shl(32 - prefix),
        Family::V6 => Some(prefix),
    }
}

fn sysctls(values: &BTreeMap<String, u32>) -> Sysctls {
    let mut sysctls = Sysctls::default();
    for (name, &value) in values {
        match &**name {
            "conn_reuse_mode" => sysctls.conn_reuse_mode = value,
            "expire_nodest_conn" => sysctls.expire_nodest_conn = value != 0,
            "expire_quiescent_template" => sysctls.expire_quiescent_template = value != 0,
            "sloppy_tcp" => sysctls.sloppy_tcp = value != 0,
            other => panic!("{other}"),
        }
    }
    sysctls
}

/// `address:port`, an IPv6 address with or without brackets.
fn endpoint(text: &str) -> Endpoint {
    let (address, port) = text.rsplit_once(':').unwrap();
    let address: IpAddr = address.trim_matches(['[', ']']).parse().unwrap();
    Endpoint::new(address, port.parse().unwrap())
}
