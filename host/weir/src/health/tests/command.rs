//! The command check with commands of this machine.

use std::{fs, io::Read as _, os::unix::fs::OpenOptionsExt as _};

use super::bed::{Authority, check_of, probe, run};

/// What a probe makes of a shell that does `script`, at 127.0.0.1:7.
fn check(script: &str, expected: &str) {
    let table = format!("type = \"command\", command = [\"/bin/sh\", \"-c\", '''{script}''']");
    let check = check_of(&table, &Authority::new());
    let seen = run(probe(&check, ([127, 0, 0, 1], 7).into()));
    assert_eq!(seen.to_string(), expected, "{script}");
}

#[test]
fn a_command_says_by_its_status_and_its_first_line_how_a_server_is() {
    check("exit 0", "passed");
    check("echo nonsense", "passed");
    check("exit 3", "exit status 3");
    check("echo disk is full; echo more; exit 1", "exit status 1: disk is full");
    check("echo no route >&2; exit 2", "exit status 2: no route");
    check("echo degraded 40%: swapping", "degraded to 40%: swapping");
    check("echo degraded 40%", "degraded to 40%: said by the command");
    check("echo degraded 100%", "passed");
    check("echo degraded 0%", "the command says degraded 0%, expected 1% to 100%");
    check(r"printf '\033[31mred'; exit 1", "exit status 1:  [31mred");
    check("echo no token; exit 75", "the command cannot tell: no token");
    check("kill -9 $$", "the command ended by itself (signal: 9 (SIGKILL))");
}

#[test]
fn a_command_finds_where_to_ask_and_nothing_else_in_its_environment() {
    check("echo $WEIR_ADDRESS $WEIR_PORT $LC_ALL; exit 1", "exit status 1: 127.0.0.1 7 C");
    check("echo $${HOME-none} $${CARGO-none}; pwd >&2; exit 1", "exit status 1: none none");
    check("pwd; exit 1", "exit status 1: /");
}

#[test]
fn much_output_is_read_and_little_of_it_kept() {
    check(
        "head -c 200000 /dev/zero | tr '\\0' 'x'; exit 1",
        &format!("exit status 1: {}", "x".repeat(200)),
    );
}

#[test]
fn what_a_command_leaves_behind_is_not_waited_for() {
    check("sleep 1000 & echo $!; exit 0", "passed");
}

#[test]
fn a_command_that_is_not_there_says_nothing_of_the_server() {
    let table = "type = \"command\", command = [\"/nowhere/check\"]";
    let seen = run(probe(&check_of(table, &Authority::new()), ([127, 0, 0, 1], 7).into()));
    let missing = "failed to run /nowhere/check: No such file or directory (os error 2)";
    assert_eq!(seen.to_string(), missing);
    assert!(matches!(seen, super::Outcome::Indeterminate(_)));
}

/// Whoever is alive keeps the pipe open; its end is the end of all of them.
#[test]
fn a_command_that_is_not_over_in_time_is_killed_with_all_that_it_started() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("alive");
    nix_mkfifo(&path);
    let table = format!(
        "type = \"command\", timeout = \"300ms\", command = [\"/bin/sh\", \"-c\", \
         'exec 3>{}; sleep 1000 & sleep 1000']",
        path.display()
    );
    let mut alive = fs::OpenOptions::new();
    let mut alive = alive.read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let seen = run(probe(&check_of(&table, &Authority::new()), ([127, 0, 0, 1], 7).into()));
    assert_eq!(seen.to_string(), "timeout of the command");
    let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty());
    nix::fcntl::fcntl(&alive, flags).unwrap();
    assert_eq!(alive.read(&mut [0]).unwrap(), 0);
}

fn nix_mkfifo(path: &std::path::Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}
