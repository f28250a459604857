//! ipvsadm against recorded runs of the original, on the embedded core: the plugin itself,
//! in the engine that runs it everywhere, with an IPVS that needs no kernel.

use std::{
    env,
    io::{Read as _, Seek as _, Write as _},
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use weir_embedded::{Embedded, Interface, Machine, Settings, Verdict};
use weir_ipvs::{
    Change, Connections, Endpoint, Error, Failure, Family, Fields, Info, Ipvs, OnFailure,
    Scheduler, Scope, Snapshot, Stats, SyncDaemon, Timeouts,
};
use weir_tests::{
    cases::Case,
    fixture,
    program::Outcome,
    shell::{Programs, Shell},
};
use weir_wasm::{Command, CommandGrant, Limits, Names, Plugin, Runtime, Stdio, Terminals};

use crate::conformance::packets::segment;

/// What the plugin is built to.
const PLUGIN: &str = concat!(env!("OUT_DIR"), "/ipvsadm.wasm");

/// Cases, by how their names begin, that the embedded core has no part in.
const EXCLUDED: [(&str, &str); 6] = [
    ("perm-", "they ask who may change the kernel's IPVS"),
    ("nomod-", "they ask what is said where the kernel has none"),
    ("conn-stats", "they count the packets into which a kernel cuts a stream"),
    ("conn-zeroed", "so does this one"),
    ("conn-sip", "the engine finds a Call-ID in a packet; packets of the core have no content"),
    ("conn-fwm", "it reads a file of the kernel's, /proc/net/ip_vs_conn"),
];

#[test]
fn recorded_cases_of_the_original_pass_on_the_embedded_core() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases = Case::read(&directory.join("data/ipvsadm-cases.json"));
    if let Some(more) = env::var_os("WEIR_IPVSADM_CASES") {
        cases.extend(Case::read(Path::new(&more)));
    }
    for (prefix, reason) in EXCLUDED {
        assert!(
            cases.iter().any(|it| it.id.starts_with(prefix)),
            "no case {prefix} because {reason}"
        );
    }
    cases.retain(|case| !EXCLUDED.iter().any(|(prefix, _)| case.id.starts_with(prefix)));

    let runtime = Runtime::for_command(true).unwrap();
    let plugin = runtime.load(Path::new(PLUGIN), None).unwrap();
    let failures: Vec<_> = cases.iter().filter_map(|case| run(case, &runtime, &plugin)).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

/// Runs a case. Returns what is wrong, or nothing.
fn run(case: &Case, runtime: &Runtime, plugin: &Plugin) -> Option<String> {
    let director = Director { runtime, plugin, ipvs: Shared::new() };
    let mut shell = Shell::new(director);
    for line in &case.setup {
        let outcome = shell.run(line);
        if outcome.status != 0 {
            return Some(format!("{}: the setup failed\n{outcome}", case.id));
        }
    }
    case.difference(&shell.run(&case.cmd))
}

/// The machine that a case runs on, whose only IPVS is the core.
struct Director<'a> {
    runtime: &'a Runtime,
    plugin: &'a Plugin,
    ipvs: Shared,
}

impl Programs for Director<'_> {
    fn run(&mut self, words: &[&str], environment: &[(String, String)], input: &[u8]) -> Outcome {
        match words {
            [name, ..] if name.ends_with("ipvsadm") => self.ipvsadm(words, environment, input),
            // Whose addresses they are makes no difference to the core.
            ["ip", ..] => done(),
            ["t", arguments @ ..] => {
                self.ipvs.lock().traffic(arguments);
                done()
            }
            _ => panic!("no program {words:?}"),
        }
    }
}

impl Director<'_> {
    fn ipvsadm(&self, words: &[&str], environment: &[(String, String)], input: &[u8]) -> Outcome {
        let mut files = [(); 3].map(|()| tempfile::tempfile().unwrap());
        files[0].write_all(input).unwrap();
        files[0].rewind().unwrap();
        let [stdin, stdout, stderr] = files.each_ref().map(|it| it.try_clone().unwrap().into());
        let ipvs = self.ipvs.clone();
        let command = Command {
            arguments: words.iter().map(|it| it.as_bytes().to_vec()).collect(),
            environment: environment
                .iter()
                .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
                .collect(),
            terminals: Terminals::default(),
            grant: CommandGrant { live: true, admin: true, connections: true, names: true },
            limits: Limits::for_command(),
            ipvs: Box::new(move || Ok(Box::new(ipvs))),
            names: Box::new(Fixture),
            stdio: Stdio::new(stdin, stdout, stderr),
            log: Arc::new(|line| panic!("it logs nothing: {line:?}")),
        };
        let status = self.runtime.run_command(self.plugin, command).unwrap();
        let [_, stdout, stderr] = files.map(|mut file| {
            let mut content = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut content).unwrap();
            content
        });
        Outcome { status: status.into(), stdout, stderr }
    }
}

fn done() -> Outcome {
    Outcome { status: 0, stdout: Vec::new(), stderr: Vec::new() }
}

/// A core that outlives those who use it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Core>>);

/// The core, and its time.
struct Core(Embedded);

impl Shared {
    fn new() -> Self {
        let settings = Settings { engines: vec!["sip".to_owned()], ..Settings::default() };
        let mut core = Embedded::new(settings);
        core.set_machine(machine());
        Self(Arc::new(Mutex::new(Core(core))))
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap()
    }
}

impl Core {
    /// What the program `t` causes with these arguments, as far as the core sees it.
    fn traffic(&mut self, arguments: &[&str]) {
        match arguments {
            // Servers answer by themselves here.
            ["tsrv", ..] => {}
            ["tcli", address, port, from, _] => {
                let endpoint = |port: &str| Endpoint {
                    address: address.parse().unwrap(),
                    port: port.parse().unwrap(),
                };
                self.connect(endpoint(from), endpoint(port));
            }
            _ => panic!("no such traffic: {arguments:?}"),
        }
    }

    /// A client connects, says something, and stays.
    fn connect(&mut self, client: Endpoint, to: Endpoint) {
        let Verdict::Forward(route) = self.0.receive(&segment(client, to, "S")) else {
            panic!("{to} takes no connection")
        };
        self.0.reply(&segment(route.server, client, "SA"));
        for _ in 0..2 {
            self.0.receive(&segment(client, to, "A"));
        }
    }
}

/// As the cases were recorded: `links::set_up` of the tests makes the same for a kernel.
fn machine() -> Machine {
    let interface = |name: &str, mtu, addresses| Interface {
        name: name.into(),
        mtu,
        addresses,
        multicast_routes: vec![Family::V4, Family::V6],
    };
    let lo = vec![([127, 0, 0, 1].into(), 8), (IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128)];
    let eth0 = vec![([192, 0, 2, 1].into(), 24)];
    Machine { interfaces: vec![interface("lo", 65_536, lo), interface("eth0", 1500, eth0)] }
}

impl Ipvs for Shared {
    fn info(&mut self) -> Result<Info, Error> {
        self.lock().0.info()
    }

    fn read(&mut self, scope: Scope, fields: Fields) -> Result<Snapshot, Error> {
        self.lock().0.read(scope, fields)
    }

    fn apply(&mut self, changes: &[Change], on_failure: OnFailure) -> Vec<Failure> {
        self.lock().0.apply(changes, on_failure)
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        self.lock().0.totals()
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.lock().0.timeouts()
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.lock().0.daemons()
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        self.lock().0.schedulers()
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        self.lock().0.connections()
    }
}

/// The names of the fixture.
struct Fixture;

impl Names for Fixture {
    fn hosts(&mut self, addresses: &[IpAddr]) -> Vec<Option<Vec<u8>>> {
        let hosts = fixture::hosts();
        let name =
            |address| hosts.iter().find(|(it, _)| it == address).map(|(_, name)| bytes(name));
        addresses.iter().map(name).collect()
    }

    fn ports(&mut self, ports: &[(u16, String)]) -> Vec<Option<Vec<u8>>> {
        let services = fixture::services();
        let name = |(port, protocol): &(u16, String)| {
            let found = services.iter().find(|(it, its, _)| it == port && its == protocol);
            found.map(|(_, _, name)| bytes(name))
        };
        ports.iter().map(name).collect()
    }

    fn addresses(&mut self, host: &[u8], family: Family) -> Vec<IpAddr> {
        let hosts = fixture::hosts().into_iter();
        hosts
            .filter(|(address, name)| name.as_bytes() == host && Family::of(*address) == family)
            .map(|(address, _)| address)
            .collect()
    }

    fn port(&mut self, service: &[u8], protocol: &str) -> Option<u16> {
        let mut services = fixture::services().into_iter();
        services
            .find(|(_, its, name)| name.as_bytes() == service && *its == protocol)
            .map(|(port, _, _)| port)
    }
}

fn bytes(name: &str) -> Vec<u8> {
    name.as_bytes().to_vec()
}
