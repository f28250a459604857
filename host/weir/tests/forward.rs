//! `weir run` with the embedded backend: it forwards, and stops in good order.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that was started, and its log.
pub(crate) struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
    directory: TempDir,
}

impl Daemon {
    /// Starts one by `command`, to which the configuration is added, and waits until it is
    /// ready; what it said by then.
    pub(crate) fn start(mut command: Command, config: &str) -> (Self, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("weir.toml");
        fs::write(&file, config).unwrap();
        command.args(["run", "--config"]).arg(&file);
        command.arg("--socket").arg(directory.path().join("weir.sock"));
        let child = command.stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Self { child, log, directory };
        let said = daemon.wait_for("ready");
        (daemon, said)
    }

    /// Reads the log up to a line of this event.
    pub(crate) fn wait_for(&mut self, event: &str) -> String {
        let mut said = String::new();
        loop {
            let start = said.len();
            assert_ne!(self.log.read_line(&mut said).unwrap(), 0, "no {event} in\n{said}");
            if said[start..].split_whitespace().nth(2) == Some(event) {
                return said;
            }
        }
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Has it read its configuration again.
    pub(crate) fn reload(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end: whether that was a good one, and the rest of the log.
    pub(crate) fn end(&mut self) -> (bool, String) {
        let mut said = String::new();
        self.log.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().success(), said)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that has failed leaves none behind; one that has not has seen its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn weir() -> Command {
    Command::new(env!("CARGO_BIN_EXE_weir"))
}

/// A service with one real server, each with a name of its own in the log.
pub(crate) fn config(service: SocketAddr, server: SocketAddr) -> String {
    format!(
        "backend = \"embedded\"\n[[service]]\nname = \"web\"\naddress = \"{service}\"\n\
         scheduler = \"rr\"\n[[service.server]]\naddress = \"{server}\"\n"
    )
}

/// An address of this machine that no other test has.
pub(crate) fn service(last: u8) -> SocketAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, high | 0x80, low, last), 7001).into()
}

pub(crate) fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn connect(service: SocketAddr) -> TcpStream {
    let client = TcpStream::connect_timeout(&service, PATIENCE).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn passes(mut from: &TcpStream, mut to: &TcpStream) {
    from.write_all(b"ping").unwrap();
    let mut bytes = [0; 4];
    to.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ping");
}

#[test]
fn it_forwards_and_lets_connections_finish() {
    let (listener, address) = server();
    let service = service(1);
    let (mut daemon, _) = Daemon::start(weir(), &config(service, address));
    let (client, server) = (connect(service), accept(&listener));
    passes(&client, &server);
    passes(&server, &client);
    daemon.terminate();
    assert!(daemon.wait_for("draining").contains("connections=1"));
    assert!(TcpStream::connect(service).is_err(), "nobody is let in any more");
    passes(&client, &server);
    drop(client);
    assert_eq!((&server).read(&mut [0; 1]).unwrap(), 0);
    drop(server);
    let (is_good, said) = daemon.end();
    assert!(is_good, "{said}");
}

#[test]
fn its_backend_is_for_life() {
    let (_listener, address) = server();
    let config = config(service(7), address);
    let (mut daemon, _) = Daemon::start(weir(), &config);
    let other = format!("{config}[embedded]\ndrain = \"1s\"\n");
    fs::write(daemon.directory.path().join("weir.toml"), other).unwrap();
    daemon.reload();
    assert!(daemon.wait_for("reload-refused").contains("others than weir runs with"));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (listener, address) = server();
    let service = service(2);
    let (mut daemon, _) = Daemon::start(weir(), &config(service, address));
    let (client, server) = (connect(service), accept(&listener));
    passes(&client, &server);
    daemon.terminate();
    daemon.wait_for("draining");
    daemon.terminate();
    let (is_good, said) = daemon.end();
    assert!(is_good && said.contains("connections-reset connections=1"), "{said}");
    assert!((&client).read(&mut [0; 1]).is_err() && (&server).read(&mut [0; 1]).is_err());
}

#[test]
fn the_drain_time_is_an_end() {
    let (listener, address) = server();
    let service = service(3);
    let config = format!("{}[embedded]\ndrain = \"50ms\"\n", config(service, address));
    let (mut daemon, _) = Daemon::start(weir(), &config);
    let (client, server) = (connect(service), accept(&listener));
    passes(&client, &server);
    daemon.terminate();
    let (is_good, said) = daemon.end();
    assert!(is_good && said.contains("connections-reset"), "{said}");
}

#[test]
fn a_service_that_cannot_be_had_keeps_no_other_from_running() {
    let (listener, address) = server();
    let taken = TcpListener::bind(service(4)).unwrap();
    let service = service(5);
    let taken_address = taken.local_addr().unwrap();
    let config = format!(
        "{}[[service]]\nname = \"taken\"\naddress = \"{taken_address}\"\n\
         scheduler = \"rr\"\n",
        config(service, address)
    );
    let (mut daemon, said) = Daemon::start(weir(), &config);
    let expected = format!("error listen-failed service=\"tcp {taken_address}\"");
    assert!(said.contains(&expected) && said.contains("remedy="), "{said}");
    passes(&connect(service), &accept(&listener));
    drop(taken);
    daemon.wait_for("listening");
}

#[test]
fn clients_wait_while_there_are_no_descriptors() {
    let (listener, address) = server();
    let service = service(6);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 80; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_weir")]);
    let (mut daemon, _) = Daemon::start(limited, &config(service, address));
    let clients: Vec<_> = (0..100).map(|_| connect(service)).collect();
    let serving = thread::spawn(move || {
        for _ in 0..100 {
            let server = accept(&listener);
            thread::spawn(move || std::io::copy(&mut &server, &mut &server));
        }
    });
    daemon.wait_for("descriptors-exhausted");
    for client in clients {
        passes(&client, &client);
    }
    serving.join().unwrap();
    let said = daemon.wait_for("descriptors-recovered");
    assert!(!said.contains("exhausted"), "it is told once: {said}");
}
