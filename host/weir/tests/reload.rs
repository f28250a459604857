//! `weir plan` and `weir reload`: of a daemon that runs, of saved tables, and what is refused.
//!
//! The daemons forward by themselves, so none of this needs a kernel with IPVS, or root.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// A configuration of one service; it has no checks, so that each weight is its base.
fn config(servers: &[(&str, u32)]) -> String {
    let [.., high, low] = std::process::id().to_be_bytes();
    let servers = servers
        .iter()
        .map(|(name, weight)| format!("{{ address = \"127.0.0.1:{name}\", weight = {weight} }},"));
    format!(
        "backend = \"embedded\"\n[[service]]\nname = \"web\"\naddress = \"127.{}.{low}.9:7001\"\n\
         scheduler = \"wrr\"\nserver = [{}]\n",
        high | 0x80,
        servers.collect::<String>()
    )
}

/// A daemon with its configuration in `directory`.
struct Daemon {
    child: Child,
    directory: TempDir,
}

impl Daemon {
    fn start(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("weir.toml"), config).unwrap();
        let mut command = weir(directory.path());
        command.args(["run", "--config", "weir.toml"]).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map(|it| it.unwrap());
        assert!(lines.any(|it| it.split_whitespace().nth(2) == Some("ready")), "it is not ready");
        // Somebody has to read on, or it would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, directory }
    }

    fn write(&self, config: &str) {
        fs::write(self.directory.path().join("weir.toml"), config).unwrap();
    }

    /// What a command says, and its status.
    fn says(&self, arguments: &[&str]) -> (i32, String) {
        says(self.directory.path(), arguments)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn weir(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(directory).env("WEIR_SOCKET", directory.join("weir.sock"));
    command
}

fn says(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = weir(directory).args(arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let [.., high, low] = std::process::id().to_be_bytes();
    let said = said.replace(&format!("127.{}.{low}.9:7001", high | 0x80), "VIP");
    let prefix = format!("{}/", directory.display());
    (output.status.code().unwrap(), said.replace(&prefix, ""))
}

#[test]
fn a_plan_is_what_a_reload_does() {
    let daemon = Daemon::start(&config(&[("1", 100), ("2", 100), ("3", 100)]));
    assert_eq!(daemon.says(&["plan"]), (0, "nothing would be written\n".to_owned()));
    daemon.write(&config(&[("1", 50), ("2", 100), ("4", 7)]));
    let (status, said) = daemon.says(&["plan"]);
    assert_eq!(status, 4);
    insta::assert_snapshot!(said, @r"
    the configuration differs from the one that runs:
      changed  service web: server 127.0.0.1:1: weight 100 -> 50
      removed  service web: server 127.0.0.1:3
      added    service web: server 127.0.0.1:4
    would be written, in this order:
      add   tcp VIP 127.0.0.1:4  weight absent -> 7  stated by the configuration
      edit  tcp VIP 127.0.0.1:1  weight 100 -> 50    base weight 50, was 100
      edit  tcp VIP 127.0.0.1:3  weight 100 -> 0     no longer in the configuration; removed when its connections are over, after 300 s at the latest
    ");
    let (status, said) = daemon.says(&["plan", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, plan["steps"].as_array().map(Vec::len)), (4, Some(3)), "{said}");
    let (status, said) = daemon.says(&["reload"]);
    assert_eq!(status, 0);
    insta::assert_snapshot!(said, @r"
    the configuration is taken over; differences: 3
      changed  service web: server 127.0.0.1:1: weight 100 -> 50
      removed  service web: server 127.0.0.1:3
      added    service web: server 127.0.0.1:4
    ");
    // A weight is written no more often than once a second.
    while daemon.says(&["plan"]).0 != 0 {}
    let (_, table) = daemon.says(&["ipvsadm", "-S", "-n"]);
    let mut lines: Vec<&str> = table.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    -A -t VIP -s wrr
    -a -t VIP -r 127.0.0.1:1 -m -w 50
    -a -t VIP -r 127.0.0.1:2 -m -w 100
    -a -t VIP -r 127.0.0.1:4 -m -w 7
    ");
}

/// The daemon was given a relative path.
#[test]
fn a_plan_of_the_file_that_runs_is_what_a_reload_does() {
    let config = format!("{}[control]\nsocket = \"weir.sock\"\n", config(&[("1", 100)]));
    let daemon = Daemon::start(&config);
    let nothing = (0, "nothing would be written\n".to_owned());
    assert_eq!(daemon.says(&["plan", "weir.toml"]), nothing);
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_told_with_its_places() {
    let daemon = Daemon::start(&config(&[("1", 1)]));
    daemon.write("backend = \"embedded\"\n[[service]]\nname = \"web\"\n");
    let (status, said) = daemon.says(&["reload"]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @r#"weir.toml:2:1: service web: `address` is missing: add address = "192.0.2.1:80", or fwmark = 1"#);
    assert_eq!(daemon.says(&["plan"]).0, 1);
    let (_, said) = daemon.says(&["reload", "--json"]);
    let problem: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(problem["code"], "bad-configuration");
    assert_eq!(problem["mistakes"][0]["line"], 2);
    daemon.write("backend = \"kernel\"\n");
    let (status, said) = daemon.says(&["reload"]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @"weir: nothing is changed: backend, or its settings, are others than weir runs with");
}

#[test]
fn what_removes_most_or_looks_cut_off_waits_for_a_confirmation() {
    let daemon = Daemon::start(&config(&[("1", 1), ("2", 1), ("3", 1)]));
    daemon.write("backend = \"embedded\"\n");
    let (status, said) = daemon.says(&["plan"]);
    assert_eq!(status, 3);
    insta::assert_snapshot!(said, @r"
    the configuration differs from the one that runs:
      removed  service web
    would be written, in this order:
      edit  tcp VIP 127.0.0.1:1  weight 1 -> 0  no longer in the configuration; removed when its connections are over, after 300 s at the latest
      edit  tcp VIP 127.0.0.1:2  weight 1 -> 0  no longer in the configuration; removed when its connections are over, after 300 s at the latest
      edit  tcp VIP 127.0.0.1:3  weight 1 -> 0  no longer in the configuration; removed when its connections are over, after 300 s at the latest
    but a reload is refused: it would remove 4 of 4 entries
    ");
    let (status, said) = daemon.says(&["reload"]);
    assert_eq!(status, 3);
    insta::assert_snapshot!(said, @"weir: nothing is changed: it would remove 4 of 4 entries; if that is meant, add --confirm");
    // Another one that is refused, so that the first is not confirmed by coming again.
    daemon.write(config(&[("1", 1), ("2", 1)]).trim_end());
    let (status, said) = daemon.says(&["reload"]);
    assert_eq!(status, 3);
    insta::assert_snapshot!(said, @"weir: nothing is changed: the last line of weir.toml has no end, so it may be cut off, and it would remove 1 of 4 entries; if that is meant, add --confirm");
    daemon.write("backend = \"embedded\"\n");
    let (status, said) = daemon.says(&["reload", "--confirm"]);
    assert_eq!((status, said.lines().count()), (0, 2), "{said}");
}

#[test]
fn without_a_daemon_saved_tables_do() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let table = "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 5\n";
    fs::write(here.join("table"), table).unwrap();
    let config = "[[service]]\nname = \"web\"\naddress = \"10.0.0.1:80\"\nscheduler = \"wrr\"\n\
                  server = [{ address = \"10.1.0.1\", weight = 5 }]\n";
    fs::write(here.join("weir.toml"), config).unwrap();
    let plan = |config: &str, table: &str| says(here, &["plan", config, "--table", table]);
    assert_eq!(plan("weir.toml", "table"), (0, "nothing would be written\n".to_owned()));
    fs::write(here.join("weir.toml"), config.replace("wrr", "sh").replace("weight = 5", ""))
        .unwrap();
    let (status, said) = plan("weir.toml", "table");
    assert_eq!(status, 4);
    insta::assert_snapshot!(said, @r"
    would be written, in this order:
      edit  tcp 10.0.0.1:80              sh
      edit  tcp 10.0.0.1:80 10.1.0.1:80  weight 5 -> 1  stated by the configuration
    ");
    let other = "-A -t 10.0.0.2:80 -s rr\n-a -t 10.0.0.2:80 -r 10.1.0.1:80 -m -w 5\n";
    fs::write(here.join("other"), other).unwrap();
    let (status, said) = plan("other", "table");
    assert_eq!(status, 4);
    insta::assert_snapshot!(said, @r"
    would be written, in this order:
      add     tcp 10.0.0.2:80              rr
      add     tcp 10.0.0.2:80 10.1.0.1:80  weight absent -> 5
      remove  tcp 10.0.0.1:80
    ");
    let (status, said) = plan("weir.toml", "weir.toml");
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @"weir: weir.toml:1:1: ipvsadm refuses `[[service]]`: Try `ipvsadm -h' or 'ipvsadm --help' for more information.");
}

#[test]
fn without_a_daemon_the_embedded_table_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let config = "backend = \"embedded\"\n[[service]]\nname = \"web\"\naddress = \"127.0.0.1:80\"\n\
                  server = [\"127.0.0.1:81\"]\n";
    fs::write(directory.path().join("weir.toml"), config).unwrap();
    let mut plan = weir(directory.path());
    plan.env("WEIR_SOCKET", "").env("XDG_RUNTIME_DIR", directory.path());
    let output = plan.args(["plan", "weir.toml"]).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    insta::assert_snapshot!(said, @r"
    would be written, in this order:
      add  tcp 127.0.0.1:80               wlc
      add  tcp 127.0.0.1:80 127.0.0.1:81  weight absent -> 1  stated by the configuration
    ");
}

#[test]
fn without_a_daemon_what_operators_ordered_is_known() {
    let config = config(&[("7021", 5), ("7022", 5)]);
    let state = tempfile::tempdir().unwrap();
    let config = format!("{config}[state]\ndirectory = \"{}\"\n", state.path().display());
    let mut daemon = Daemon::start(&config);
    let (status, said) = daemon.says(&["drain", "web", "127.0.0.1:7021"]);
    assert_eq!(status, 0, "{said}");
    daemon.child.kill().unwrap();
    daemon.child.wait().unwrap();
    let plan = || {
        let mut plan = weir(daemon.directory.path());
        plan.env("WEIR_SOCKET", "").env("XDG_RUNTIME_DIR", daemon.directory.path());
        let output = plan.args(["plan", "weir.toml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let said = plan();
    // Nothing clings to it: in a table that begins empty its drain is over.
    assert!(said.contains("would be told: drained "), "{said}");
    assert!(!said.contains("127.0.0.1:7021  weight"), "{said}");
    assert!(said.contains("127.0.0.1:7022  weight absent -> 5"), "{said}");
    fs::write(state.path().join("state.redb"), "no database").unwrap();
    let said = plan();
    assert!(said.contains("would be told: state-lost"), "{said}");
    assert!(said.contains("127.0.0.1:7021  weight absent -> 5"), "{said}");
}

#[test]
fn without_a_daemon_there_is_nothing_to_reload() {
    let directory = tempfile::tempdir().unwrap();
    let (status, said) = says(directory.path(), &["reload"]);
    assert_eq!(status, 1);
    insta::assert_snapshot!(said, @"weir: WEIR_SOCKET names no daemon at weir.sock: No such file or directory (os error 2); start it with `weir run`, or name the socket of one with --socket");
}
