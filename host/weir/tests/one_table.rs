//! One table, many commands: daemons on the embedded backend, the commands that reach them,
//! and who else wants their place. None of this needs a kernel with IPVS.

use std::{net::TcpStream, process::Stdio, rc::Rc};

use crate::daemon::{Daemon, PATIENCE, config, refused, server, service, weir};

const EMBEDDED: &str = "backend = \"embedded\"\n";

const RULES: &str = "\
-A -t 192.0.2.1:80 -s wrr -p 300
-a -t 192.0.2.1:80 -r 10.0.0.1:8080 -m -w 3
-A -u [2001:db8::1]:53 -s rr -o
-A -f 7 -s sh
-a -f 7 -r 10.0.0.1:0 -g -w 1
";

#[test]
fn what_one_command_saves_another_restores_from_a_pipe() {
    let [(one, _), (other, _)] = [(); 2].map(|()| Daemon::start(weir(), EMBEDDED));
    assert_eq!(one.says("-R", RULES), "");
    assert_eq!(one.says("-Sn", ""), RULES);

    let mut save = weir();
    save.arg("--socket").arg(one.socket()).args(["ipvsadm", "-Sn"]);
    let mut save = save.stdout(Stdio::piped()).spawn().unwrap();
    let mut restore = weir();
    restore.arg("--socket").arg(other.socket()).args(["ipvsadm", "-R"]);
    let restored = restore.stdin(save.stdout.take().unwrap()).status().unwrap();
    assert!(save.wait().unwrap().success() && restored.success());
    assert_eq!(other.says("-Sn", ""), RULES);

    other.says("-C", "");
    assert_eq!((other.says("-Sn", ""), one.says("-Sn", "")), (String::new(), RULES.to_owned()));
}

#[test]
fn a_second_daemon_is_refused_the_socket_of_the_first() {
    let (daemon, _) = Daemon::start(weir(), EMBEDDED);
    daemon.says("-R", RULES);
    let expected = format!(
        "weir: another `weir run` (process {}) answers at weir.sock already: stop it, or choose \
         another socket with --socket\n",
        daemon.id()
    );
    assert_eq!(refused(daemon.directory.path(), EMBEDDED), expected);
    assert_eq!(daemon.says("-Sn", ""), RULES, "the first has not noticed");
}

#[test]
fn what_a_killed_daemon_leaves_is_nobody_to_commands_and_no_bar_to_the_next_one() {
    let (mut daemon, _) = Daemon::start(weir(), EMBEDDED);
    daemon.says("-R", RULES);
    daemon.signal("KILL");
    assert!(!daemon.end().0 && daemon.socket().exists());

    let output = daemon.ipvsadm("-C", "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("names no daemon") && said.contains("start one with"), "{said}");

    let (next, _) = Daemon::start_in(&Rc::clone(&daemon.directory), weir(), EMBEDDED);
    assert_eq!(next.says("-Sn", ""), "", "the table ended with its daemon");
}

#[test]
fn a_daemon_that_is_told_to_stop_takes_its_socket_along() {
    for signal in ["TERM", "INT"] {
        let (mut daemon, _) = Daemon::start(weir(), EMBEDDED);
        daemon.signal(signal);
        let (is_good, said) = daemon.end();
        assert!(is_good && said.contains("stopped table=\"ends with weir\""), "{said}");
        assert!(!daemon.socket().exists());
    }
}

#[test]
fn of_two_daemons_with_one_address_the_first_has_it() {
    let [(first, first_server), (_second, second_server)] = [(); 2].map(|()| server());
    let service = service(21);
    let (one, _) = Daemon::start(weir(), &config(service, first_server));
    let (other, said) = Daemon::start(weir(), &config(service, second_server));
    let failed = said.lines().find(|it| it.contains("listen-failed"));
    assert!(failed.is_some_and(|it| it.contains("stop what has the port")), "{said}");
    let client = TcpStream::connect_timeout(&service, PATIENCE).unwrap();
    first.accept().unwrap();
    drop(client);
    // Each has the table that it was given.
    for (daemon, server) in [(one, first_server), (other, second_server)] {
        assert!(daemon.says("-Sn", "").contains(&server.to_string()));
    }
}

#[test]
fn its_socket_is_for_life() {
    let config = |socket| format!("{EMBEDDED}[control]\nsocket = \"{socket}\"\n");
    let (mut daemon, _) = Daemon::start(weir(), &config("weir.sock"));
    daemon.reload(&config("other.sock"));
    let said = daemon.wait_for("reload-refused");
    assert!(said.contains("[control] socket is another than weir runs with"), "{said}");
    daemon.reload(&config("weir.sock"));
    daemon.wait_for("reloaded");
    assert_eq!(daemon.says("-Sn", ""), "");
}

#[test]
fn what_names_the_socket_goes_before_the_configuration() {
    let directory = Rc::new(tempfile::tempdir().unwrap());
    let mut command = weir();
    command.env("WEIR_SOCKET", directory.path().join("weir.sock"));
    let config = format!("{EMBEDDED}[control]\nsocket = \"other.sock\"\n");
    let (daemon, _) = Daemon::start_in(&directory, command, &config);
    assert_eq!(daemon.says("-Sn", ""), "");
}

#[test]
fn commands_on_a_daemon_fail_as_they_do_on_the_kernel() {
    let (daemon, _) = Daemon::start(weir(), EMBEDDED);
    daemon.says("-A -t 192.0.2.1:80 -s rr", "");
    for (arguments, expected) in [
        ("-A -t 192.0.2.1:80 -s rr", "Service already exists\n"),
        ("-D -t 192.0.2.1:81", "No such service\n"),
        ("-d -t 192.0.2.1:80 -r 10.0.0.1", "No such destination\n"),
        ("-A -t 192.0.2.1:81 -s nope", "Scheduler or persistence engine not found\n"),
    ] {
        let output = daemon.ipvsadm(arguments, "");
        assert_eq!(output.status.code(), Some(255), "{arguments}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "{arguments}");
    }
    assert_eq!(daemon.says("-Sn", ""), "-A -t 192.0.2.1:80 -s rr\n");
}
