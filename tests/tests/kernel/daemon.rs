//! Daemons, their sockets and their network namespaces, on a machine that has a kernel's
//! IPVS too: whose table a command means.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use weir_tests::{
    cases::Case,
    engine::{Engine, PATIENCE},
    fixture, guest, links,
    namespace::{self, in_fresh_network, scratch},
    program::{Invocation, Outcome},
};

/// Where commands look for a daemon that nobody names.
const DEFAULT_SOCKET: &str = "/run/weir/weir.sock";

const NOBODY: u32 = 65_534;

const EMBEDDED: &str = "backend = \"embedded\"\n";

/// Writes `weir.toml` of the test called `name`.
fn config(name: &str, text: &str) -> PathBuf {
    let path = scratch(name).join("weir.toml");
    fs::write(&path, text).unwrap();
    path
}

/// A daemon whose socket is at that place.
fn start(config: &Path, socket: &Path) -> Engine {
    start_of(&guest::weir(), config, socket)
}

/// The same of the weir at that place.
fn start_of(weir: &Path, config: &Path, socket: &Path) -> Engine {
    let engine = Engine::start_at(weir, config, socket, |line| println!("{line}"));
    assert!(engine.wait_for_line(PATIENCE, |line| line.contains(" ready ")), "never ready");
    engine
}

/// What weir says to these arguments, where no daemon is named.
fn weir(arguments: &str) -> Outcome {
    let mut invocation = Invocation::new(guest::weir());
    invocation.args = arguments.split_whitespace().map(Into::into).collect();
    invocation.run()
}

/// What ipvsadm prints, which has to succeed.
fn ipvsadm(arguments: &str) -> String {
    let outcome = weir(&format!("ipvsadm {arguments}"));
    assert_eq!(outcome.status, 0, "{arguments}: {outcome}");
    String::from_utf8(outcome.stdout).unwrap()
}

#[test]
fn the_kernels_table_is_one_daemons_in_each_network() {
    let _alone = guest::alone();
    guest::load_modules();
    let config = config("daemon-table", "");
    let [one, other] = ["one.sock", "other.sock"].map(|it| config.with_file_name(it));
    in_fresh_network(|| {
        let first = start(&config, &one);
        ipvsadm("-A -t 192.0.2.1:80 -s rr");
        let run = format!("--socket {} run --config {}", other.display(), config.display());
        let outcome = weir(&run);
        let expected = format!(
            "weir: another `weir run` (process {}) drives the kernel's IPVS of this network \
             namespace already: stop it\n",
            first.id()
        );
        assert_eq!(
            (outcome.status, String::from_utf8_lossy(&outcome.stderr)),
            (1, expected.into())
        );
        assert_eq!(ipvsadm("-Sn"), "-A -t 192.0.2.1:80 -s rr\n");
        // Another network has another table; what forwards by itself has its own.
        in_fresh_network(|| drop(start(&config, &other)));
        drop(start(&self::config("daemon-table-embedded", EMBEDDED), &other));
        drop(first);
        // Whose daemon was killed is to be had again.
        drop(start(&config, &other));
        ipvsadm("-C");
    });
}

#[test]
fn a_daemon_in_the_default_place_is_meant_in_its_own_network_only() {
    let _alone = guest::alone();
    guest::load_modules();
    in_fresh_network(|| {
        ipvsadm("-A -t 192.0.2.1:80 -s rr");
        let config = config("daemon-default", EMBEDDED);
        let mut daemon = start(&config, Path::new(DEFAULT_SOCKET));
        assert_eq!(ipvsadm("-Sn"), "", "its own table");
        ipvsadm("-A -f 7 -s wlc");
        in_fresh_network(|| {
            assert_eq!(ipvsadm("-Sn"), "", "the kernel's");
            ipvsadm("-A -f 8 -s rr");
            let named = ipvsadm_at(Path::new(DEFAULT_SOCKET), "-Sn");
            assert_eq!(named, "-A -f 7 -s wlc\n", "whoever names it means it, from anywhere");
            ipvsadm("-C");
        });
        assert_eq!(ipvsadm("-Sn"), "-A -f 7 -s wlc\n");
        assert!(daemon.stop(PATIENCE));
        assert_eq!(ipvsadm("-Sn"), "-A -t 192.0.2.1:80 -s rr\n", "the kernel's is as it was");
        ipvsadm("-C");
    });
}

fn ipvsadm_at(socket: &Path, arguments: &str) -> String {
    let outcome = weir(&format!("--socket {} ipvsadm {arguments}", socket.display()));
    assert_eq!(outcome.status, 0, "{arguments}: {outcome}");
    String::from_utf8(outcome.stdout).unwrap()
}

#[test]
fn what_another_user_serves_is_not_trusted() {
    let _alone = guest::alone();
    guest::load_modules();
    in_fresh_network(|| {
        let config = config("daemon-foreign", EMBEDDED);
        let directory = scratch("daemon-foreign").join("nobodys");
        fs::create_dir_all(&directory).unwrap();
        std::os::unix::fs::chown(&directory, Some(NOBODY), None).unwrap();
        let socket = directory.join("weir.sock");
        // Where the program lies nobody else may look.
        let weir = scratch("daemon-foreign").join("weir");
        fs::copy(guest::weir(), &weir).unwrap();
        fs::set_permissions(&weir, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(weir);
        command.uid(NOBODY).arg("run").arg("--config").arg(config);
        command.arg("--socket").arg(&socket).env("XDG_CACHE_HOME", &directory);
        let engine = Engine::spawn(command, |line| println!("{line}"));
        assert!(engine.wait_for_line(PATIENCE, |line| line.contains(" ready ")), "never ready");
        let outcome = self::weir(&format!("--socket {} ipvsadm -C", socket.display()));
        let said = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status, 1, "{said}");
        let expected = "it belongs to user 65534; run the command as that user, or leave it out";
        assert!(said.contains(expected), "{said}");
    });
}

/// Cases, by how their names begin, that a daemon with the embedded backend has no part in.
const EXCLUDED: [(&str, &str); 6] = [
    ("nomod-", "they ask what is said where the kernel has no IPVS"),
    ("conn-stats", "they count the packets into which a kernel cuts a stream"),
    ("conn-zeroed", "so does this one"),
    ("conn-fwm", "a proxy's clients have no firewall mark"),
    ("conn-sip", "the daemon has no persistence engine: it does not look into packets"),
    ("pe-", "so it does not have this one"),
];

#[test]
fn recorded_cases_of_the_original_pass_on_the_table_of_a_daemon() {
    let _alone = guest::alone();
    guest::load_modules();
    let cases = Case::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/ipvsadm-cases.json"));
    let is_of = |case: &Case, prefix| case.id.starts_with(prefix);
    for (prefix, reason) in EXCLUDED {
        assert!(cases.iter().any(|it| is_of(it, prefix)), "no case {prefix} because {reason}");
    }
    let wanted = |it: &&Case| !EXCLUDED.iter().any(|(prefix, _)| is_of(it, prefix));
    let (with_traffic, without): (Vec<_>, Vec<_>) =
        cases.iter().filter(wanted).partition(|case| is_of(case, "conn-"));
    assert!(!with_traffic.is_empty() && without.len() > 200);

    let config = config("daemon-cases", EMBEDDED);
    let failures: Vec<String> = namespace::on_thread(|| {
        let traffic = (&*fixture::place("t"), Path::new(env!("CARGO_BIN_EXE_t")));
        let ours = (Path::new(guest::ORIGINAL), &*guest::ipvsadm());
        let weir = fixture::place("weir");
        fixture::lay_out(&scratch("daemon-cases"), &[traffic, ours, (&weir, &guest::weir())]);
        // Traffic leaves connections behind: each of those has a daemon of its own.
        let alone = with_traffic.chunks(1).map(|it| run(it, &weir, &config));
        let together = run(&without, &weir, &config);
        alone.flatten().chain(together).collect()
    });
    let (count, all) = (failures.len(), with_traffic.len() + without.len());
    assert!(failures.is_empty(), "{count} of {all} cases fail:\n\n{}", failures.join("\n"));
}

/// Runs cases one after the other on one daemon, each on an empty table. What is wrong.
fn run(cases: &[&Case], weir: &Path, config: &Path) -> Vec<String> {
    namespace::fresh_network();
    links::set_up().expect("a fresh namespace takes links");
    let _daemon = start_of(weir, config, Path::new(DEFAULT_SOCKET));
    let run = |case: &&Case| {
        let failure = case.run();
        clear();
        failure
    };
    cases.iter().filter_map(run).collect()
}

/// Brings the daemon's table to where a case begins.
fn clear() {
    let body = r#"{"changes":["flush",{"set-timeouts":{"tcp_s":900,"tcp_fin_s":120,"udp_s":300}},
        {"stop-daemon":{"role":"master","sync_id":0}},{"stop-daemon":{"role":"backup","sync_id":0}},
        {"zero":{}}],"on_failure":"proceed"}"#;
    let mut stream = UnixStream::connect(DEFAULT_SOCKET).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/ipvs/apply HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
