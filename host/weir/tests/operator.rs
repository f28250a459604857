//! An operator at work: `weir run` by itself, and commands that see and steer it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// weir with the embedded backend, and two real servers.
struct Director {
    directory: TempDir,
    daemon: Child,
    log: BufReader<ChildStderr>,
    /// Accept whoever knocks, for as long as they live.
    _listeners: [TcpListener; 2],
    servers: [SocketAddr; 2],
}

impl Director {
    fn start() -> Self {
        let listeners = [(), ()].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let servers = listeners.each_ref().map(|it| it.local_addr().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let [.., high, low] = std::process::id().to_be_bytes();
        let service = Ipv4Addr::new(127, high | 0x80, low, 9);
        let config = format!(
            "backend = \"embedded\"\n[check]\ninterval = \"100ms\"\nfast = \"50ms\"\n\
             timeout = \"90ms\"\n[[service]]\nname = \"web\"\naddress = \"{service}:7009\"\n\
             scheduler = \"wrr\"\nserver = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n",
            servers[0], servers[1]
        );
        fs::write(directory.path().join("weir.toml"), config).unwrap();
        let (daemon, log) = run(directory.path());
        let mut director = Self { directory, daemon, log, _listeners: listeners, servers };
        director.wait_for_weights(2);
        director
    }

    /// Kills it, and starts it again.
    fn restart(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        (self.daemon, self.log) = run(self.directory.path());
    }

    /// Waits until so many more servers have their weight.
    fn wait_for_weights(&mut self, count: usize) {
        let mut found = 0;
        while found < count {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log has ended");
            found += usize::from(line.contains(" weight ") && line.contains("after=1"));
        }
    }

    fn weir(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("--socket").arg(self.directory.path().join("weir.sock"));
        command.args(arguments).output().unwrap()
    }

    /// What a command prints that succeeds.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.weir(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), error.as_str()), (Some(0), ""), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(arguments)).unwrap()
    }

    /// What is said of a command that the daemon refuses.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.weir(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The first server as a status has it.
    fn first(&self) -> Value {
        let status = self.json(&["status", "--json"]);
        let servers = status["services"][0]["servers"].as_array().unwrap().clone();
        let address = Value::from(self.servers[0].to_string());
        servers.into_iter().find(|it| it["address"] == address).unwrap()
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn run(directory: &Path) -> (Child, BufReader<ChildStderr>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("--socket").arg(directory.join("weir.sock"));
    command.args(["run", "--config"]).arg(directory.join("weir.toml"));
    let mut daemon = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(daemon.stderr.take().unwrap());
    let mut line = String::new();
    while line.split_whitespace().nth(2) != Some("ready") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it did not start");
    }
    (daemon, log)
}

/// Scenario 12 and 8, by hand.
#[test]
fn a_drain_is_ordered_seen_explained_and_survives_a_kill() {
    let mut director = Director::start();
    let server = director.servers[0].to_string();
    let said =
        director.says(&["drain", "web", &server, "--keep", "--for", "1h", "--reason", "disk"]);
    assert!(said.contains("web (tcp 127."), "{said}");
    assert!(said.contains("drains; weight 0, 0 active and 0 inactive connections\n"), "{said}");
    assert!(said.contains("after 3600 s it stays in the table, with weight 0"), "{said}");

    let first = director.first();
    assert_eq!((&first["weight"], &first["base"]), (&Value::from(0), &Value::from(1)));
    assert_eq!(first["order"]["kind"], "drain");
    assert_eq!(first["order"]["reason"], "disk");
    let status = director.says(&["status", "web"]);
    assert!(status.contains("REAL SERVER"), "{status}");
    assert!(status.contains("no new connections (operator: drained by "), "{status}");

    let explained = director.says(&["explain", "web", &server]);
    for part in ["no new connections by operator since ", "the base weight is 1", "disk"] {
        assert!(explained.contains(part), "{part} in {explained}");
    }

    let other = director.servers[1].to_string();
    let refused = director.refused(&["drain", "web", &other]);
    assert!(refused.contains("is the last real server of web that serves"), "{refused}");
    let refused = director.refused(&["ready", "wbe", &server]);
    assert_eq!(refused, "weir: there is no service \"wbe\": did you mean web?\n");

    director.restart();
    director.wait_for_weights(1);
    assert_eq!(director.first()["weight"], 0);
    assert_eq!(director.first()["order"]["reason"], "disk");
    let ready = director.json(&["ready", "web", &server, "--json"]);
    assert_eq!(ready["server"], Value::from(server));
    director.wait_for_weights(1);
    assert_eq!(director.first()["weight"], 1);
    assert_eq!(director.first()["order"], Value::Null);
}

#[test]
fn everything_that_happened_is_told_and_kept() {
    let mut director = Director::start();
    director.says(&["freeze", "--reason", "audit"]);
    let alerts = &director.json(&["status", "--json"])["alerts"];
    assert_eq!(alerts[0]["kind"], "frozen");
    let explained = director.says(&["explain", "web"]);
    assert!(explained.contains("\n  frozen since 20"), "{explained}");
    assert!(explained.contains(": audit\n"), "{explained}");
    let thawed = director.says(&["thaw"]);
    assert_eq!(thawed, "everything: thawed\n");
    let events = director.says(&["events", "--json"]);
    let kinds: Vec<Value> = events
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap()["event"].clone())
        .collect();
    for kind in ["adopted", "ready", "health", "weight", "frozen", "thawed"] {
        assert!(kinds.contains(&kind.into()), "{kind} in {events}");
    }
    assert!(director.says(&["events"]).contains(" warn  frozen reason=\"frozen by "));
    let pid = director.daemon.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(director.daemon.wait().unwrap().success());
    let decisions = director.directory.path().join("weir.sock.decisions.jsonl");
    let logged = fs::read_to_string(decisions).unwrap();
    assert!(logged.contains("\"event\":\"weight\""), "{logged}");
}

#[test]
fn without_a_daemon_there_is_nothing_to_steer() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("weir.sock");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = command.arg("--socket").arg(&socket).arg("status").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    let expected = "start it with `weir run`, or name the socket of one with --socket\n";
    assert!(error.ends_with(expected), "{error}");
}
