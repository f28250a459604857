//! A daemon that a test has started: its log, its socket, and commands that reach it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    rc::Rc,
    time::Duration,
};

use tempfile::TempDir;

/// How long anything may take before a test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that was started, and its log. It is killed when dropped.
pub(crate) struct Daemon {
    pub(crate) directory: Rc<TempDir>,
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Daemon {
    /// Starts one by `command` in a directory of its own, and waits until it is ready; what
    /// it said by then.
    pub(crate) fn start(command: Command, config: &str) -> (Self, String) {
        Self::start_in(&Rc::new(tempfile::tempdir().unwrap()), command, config)
    }

    /// As [`Daemon::start`], where there may have been another one.
    pub(crate) fn start_in(
        directory: &Rc<TempDir>,
        mut command: Command,
        config: &str,
    ) -> (Self, String) {
        command.args(arguments(directory.path(), config));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Self { directory: Rc::clone(directory), child, log };
        let said = daemon.wait_for("ready");
        (daemon, said)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("weir.sock")
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

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Has it read another configuration.
    pub(crate) fn reload(&self, config: &str) {
        fs::write(self.directory.path().join("weir.toml"), config).unwrap();
        self.signal("HUP");
    }

    /// Waits for its end: whether that was a good one, and the rest of the log.
    pub(crate) fn end(&mut self) -> (bool, String) {
        let mut said = String::new();
        self.log.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().success(), said)
    }

    /// Runs ipvsadm with its arguments and that input on the daemon's table.
    pub(crate) fn ipvsadm(&self, arguments: &str, input: &str) -> Output {
        let mut command = weir();
        command.arg("--socket").arg(self.socket()).arg("ipvsadm");
        command.args(arguments.split_whitespace());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What ipvsadm prints, which has to succeed in silence.
    pub(crate) fn says(&self, arguments: &str, input: &str) -> String {
        let output = self.ipvsadm(arguments, input);
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{arguments}");
        stdout
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that has failed leaves none behind; one that has not has seen its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, in an environment that names no daemon.
pub(crate) fn weir() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.env_remove("WEIR_SOCKET");
    command
}

/// What makes weir a daemon in `directory`. A configuration that says where its socket is
/// to be is not gone before.
fn arguments(directory: &Path, config: &str) -> Vec<PathBuf> {
    let file = directory.join("weir.toml");
    fs::write(&file, config).unwrap();
    let mut arguments = vec!["run".into(), "--config".into(), file];
    if !config.contains("[control]") {
        arguments.extend(["--socket".into(), directory.join("weir.sock")]);
    }
    arguments
}

/// What a daemon says that cannot start there, and ends with status 1.
pub(crate) fn refused(directory: &Path, config: &str) -> String {
    let output = weir().args(arguments(directory, config)).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
    let said = String::from_utf8(output.stderr).unwrap();
    said.replace(&format!("{}/", directory.display()), "")
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

/// A real server that the test itself accepts for.
pub(crate) fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}
