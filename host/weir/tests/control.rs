//! Commands and the socket of a daemon: which one is meant, and what is said if it is not
//! there.
//!
//! The daemon here is this test, which knows a few answers by heart: what its socket says is
//! fixed, whatever the program makes of it. None of this needs a kernel with IPVS.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixListener, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

use tempfile::TempDir;

const INFO: &str = r#"{"version":[1,2,1],"connection_table_size":4096}"#;

const TABLE: &str = r#"{"service":{"config":{"key":"tcp 192.0.2.1:80","scheduler":"wrr","netmask":4294967295}},"servers":[{"config":{"address":"10.0.0.1:80","forwarding":"masquerade","weight":3},"active":2}]}
{"service":{"config":{"key":"fwmark 7","scheduler":"rr","netmask":4294967295}},"servers":[]}
"#;

const LISTED: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.0.2.1:80 wrr
  -> 10.0.0.1:80                  Masq    3      2          0         
FWM  7 rr
";

/// A directory in which a daemon may listen.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("weir.sock")
    }

    /// A daemon that answers each connection's one request by its path.
    fn daemon(&self, answers: impl Fn(&str) -> Option<&'static str> + Send + 'static) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).unwrap() > 0 {}
                // The first connection of a command only asks whether somebody is there.
                let Some(path) = head.split(' ').nth(1) else { continue };
                // Without an answer it leaves before it has read what it is sent.
                let Some(answer) = answers(path) else { continue };
                let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
                let mut body = vec![0; length.map_or(0, |it| it.parse().unwrap())];
                stream.read_exact(&mut body).unwrap();
                let length = answer.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                stream.get_mut().write_all(&[head.as_bytes(), answer.as_bytes()].concat()).unwrap();
            }
        });
    }

    /// Runs weir in an environment of which nothing is inherited.
    fn weir(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(arguments).env_clear().envs(environment.iter().copied());
        command.env("XDG_CACHE_HOME", self.directory.path()).output().unwrap()
    }

    /// What a command says that ends with status 1 and prints nothing, paths cut short.
    fn refused(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> String {
        let output = self.weir(arguments, environment);
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
        String::from_utf8(output.stderr).unwrap().replace(&self.prefix(), "")
    }

    fn prefix(&self) -> String {
        format!("{}/", self.directory.path().display())
    }
}

fn table(path: &str) -> Option<&'static str> {
    match path {
        "/v1/ipvs/info" => Some(INFO),
        "/v1/ipvs/read" => Some(TABLE),
        _ => None,
    }
}

fn check_listed(output: &Output) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), LISTED);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn a_daemon_is_named_by_an_option_or_by_the_environment() {
    let place = Place::new();
    place.daemon(table);
    let socket = place.socket();
    let path = socket.to_str().unwrap();
    let nowhere = Path::new("/nowhere");
    check_listed(&place.weir(&["--socket", path, "ipvsadm", "-Ln"], &[("WEIR_SOCKET", nowhere)]));
    check_listed(&place.weir(&["ipvsadm", "-Ln"], &[("WEIR_SOCKET", &socket)]));
}

#[test]
fn a_link_named_ipvsadm_follows_the_environment_too() {
    let place = Place::new();
    place.daemon(table);
    let link = place.directory.path().join("ipvsadm");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_weir"), &link).unwrap();
    let output = Command::new(link).arg("-Ln").env("WEIR_SOCKET", place.socket()).output().unwrap();
    check_listed(&output);
}

#[test]
fn a_named_daemon_that_is_not_there() {
    let place = Place::new();
    insta::assert_snapshot!(
        place.refused(&["ipvsadm", "-C"], &[("WEIR_SOCKET", &place.socket())]),
        @"weir: WEIR_SOCKET names no daemon at weir.sock: No such file or directory (os error 2); start one with `weir run --socket weir.sock`, or unset it for the kernel"
    );
    drop(UnixListener::bind(place.socket()).unwrap());
    insta::assert_snapshot!(
        place.refused(&["--socket", place.socket().to_str().unwrap(), "ipvsadm", "-C"], &[]),
        @"weir: --socket names no daemon at weir.sock: Connection refused (os error 111); start one with `weir run --socket weir.sock`, or leave it out for the kernel"
    );
    fs::remove_file(place.socket()).unwrap();
    fs::write(place.socket(), "").unwrap();
    insta::assert_snapshot!(
        place.refused(&["ipvsadm", "-C"], &[("WEIR_SOCKET", &place.socket())]),
        @"weir: WEIR_SOCKET names no daemon at weir.sock: it is no socket; name the socket of a `weir run`, or unset it"
    );
}

#[test]
fn a_daemon_of_another_version() {
    let place = Place::new();
    place.daemon(|_| Some("{}"));
    let output = place.weir(&["ipvsadm", "-Ln"], &[("WEIR_SOCKET", &place.socket())]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("start it again if it is of another version"), "{said}");
}

#[test]
fn a_daemon_that_leaves_midway_loses_nothing_silently() {
    let place = Place::new();
    place.daemon(|path| (path == "/v1/ipvs/info").then_some(INFO));
    let rules = place.directory.path().join("rules");
    let lines = (0..5000).map(|it| format!("-A -t 10.0.{}.{}:80 -s rr\n", it / 250, it % 250));
    fs::write(&rules, lines.collect::<String>()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["ipvsadm", "-R"])
        .env("WEIR_SOCKET", place.socket())
        .stdin(fs::File::open(rules).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(255), "the last line was refused");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 5000, "each line's change was");
    assert!(said.contains("does not answer any more"), "{said:.300}");
}

#[test]
fn a_socket_that_this_user_may_not_use() {
    const NOBODY: u32 = 65534;
    let place = Place::new();
    place.daemon(table);
    // What cargo builds may lie where nobody else may look.
    let everybody = fs::Permissions::from_mode(0o755);
    let open = tempfile::Builder::new().permissions(everybody).tempdir().unwrap();
    let weir = open.path().join("weir");
    fs::copy(env!("CARGO_BIN_EXE_weir"), &weir).unwrap();
    let mut command = Command::new(weir);
    command.args(["ipvsadm", "-C"]).env("WEIR_SOCKET", place.socket());
    // SAFETY: the call takes nothing and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        // Root may use every socket, and another user none of root's.
        command.uid(NOBODY);
    } else {
        fs::set_permissions(place.socket(), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(said.replace(&place.prefix(), ""), @"weir: WEIR_SOCKET names no daemon at weir.sock: Permission denied (os error 13); run the command as the user whose daemon it is, or as root");
}
