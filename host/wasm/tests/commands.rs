//! What commands can do, and what they are denied.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use weir_ipvs::{
    Change, Connections, Error, Fields, Info, Ipvs, OnFailure, Scheduler, Scope, Snapshot, Stats,
    SyncDaemon, Timeouts,
};
use weir_wasm::{CommandGrant, Failure, Runtime};

use crate::{
    fixtures::{Remembering, WHOLE_COMMAND_GRANT, command},
    guests,
};

/// Runs a guest with `input`; its status, output and error output.
pub(crate) fn run(
    guest: &str,
    arguments: &[&str],
    input: &[u8],
    grant: CommandGrant,
    ipvs: &Remembering,
) -> (u8, String, String) {
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input).unwrap();
    stdin.rewind().unwrap();
    let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let streams =
        [stdin.into(), stdout.try_clone().unwrap().into(), stderr.try_clone().unwrap().into()];
    let runtime = Runtime::for_command(true).unwrap();
    let plugin = guests::plugin(&runtime, guest);
    let command = command(arguments, streams, grant, ipvs.clone());
    let status = runtime.run_command(&plugin, command).unwrap();
    (status, contents(stdout), contents(stderr))
}

fn contents(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_command_copies_bytes() {
    let input = "x".repeat(3 << 20);
    let (status, stdout, stderr) = run(
        "command_echoes",
        &["/sbin/ipvsadm", "-Ln"],
        input.as_bytes(),
        CommandGrant::default(),
        &Remembering::default(),
    );
    assert_eq!(status, 3);
    assert_eq!(stdout.len(), input.len());
    assert_eq!(stderr, "/sbin/ipvsadm\n-Ln\nLINES\n24\nTerminals { bits: 2 }\n");
}

fn echo_to(output: OwnedFd, input: OwnedFd) -> (u8, String) {
    let stderr = tempfile::tempfile().unwrap();
    let runtime = Runtime::for_command(true).unwrap();
    let plugin = guests::plugin(&runtime, "command_echoes");
    let streams = [input, output, stderr.try_clone().unwrap().into()];
    let command = command(&[], streams, CommandGrant::default(), Remembering::default());
    (runtime.run_command(&plugin, command).unwrap(), contents(stderr))
}

#[test]
fn failures_of_streams_have_the_systems_words() {
    let full: OwnedFd = OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    let zeros: OwnedFd = File::open("/dev/zero").unwrap().into();
    let (status, stderr) = echo_to(full, zeros);
    assert_eq!(status, 4);
    assert!(stderr.ends_with("No space left on device\n"), "{stderr}");

    let directory: OwnedFd = File::open("/").unwrap().into();
    let null: OwnedFd = OpenOptions::new().write(true).open("/dev/null").unwrap().into();
    let (status, stderr) = echo_to(null, directory);
    assert_eq!(status, 5);
    assert!(stderr.ends_with("Is a directory\n"), "{stderr}");

    // A stream that is not open for what is wanted is, to the system, a bad one.
    let unwritable: OwnedFd = File::open("/dev/null").unwrap().into();
    let zeros: OwnedFd = File::open("/dev/zero").unwrap().into();
    let (status, stderr) = echo_to(unwritable, zeros);
    assert_eq!(status, 4);
    assert!(stderr.ends_with("Bad file descriptor\n"), "{stderr}");
}

#[test]
fn a_command_asks_everything() {
    let (_, stdout, _) =
        run("command_looks", &[], b"", WHOLE_COMMAND_GRANT, &Remembering::default());
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], "info Ok(IpvsInfo { version: (1, 2, 1), connection-table-size: 4096 })");
    assert_eq!(lines[1], "read 2 services, 3 rows");
    assert!(lines[2].contains("scheduler: \"wrr\""), "{}", lines[2]);
    assert!(lines[3].contains("IpAddress::Ipv6((8193, 3512, 0, 0, 0, 0, 0, 1))"), "{}", lines[3]);
    assert_eq!(lines[4], "[]");
    assert_eq!(lines[5], "totals Err(Error::NoAnswer)");
    assert!(lines[6].contains("tcp: 900, tcp-fin: 120, udp: 300"), "{}", lines[6]);
    assert!(lines[7].contains("SyncRole::Master"), "{}", lines[7]);
    assert_eq!(lines[8], "schedulers Ok(1)");
    assert_eq!(lines[9..11], ["connections 2", "connections 1"]);
    assert!(lines[11].contains("Input/output error"), "{}", lines[11]);
    assert_eq!(lines[12], "connections end");
    assert_eq!(lines[13], "hosts [Some([119, 101, 98])]");
    assert_eq!(lines[14], "ports [Some([104, 116, 116, 112])]");
    assert_eq!(lines[15], "addresses [IpAddress::Ipv4((10, 0, 0, 1))]");
    assert_eq!(lines[16], "port Some(80)");
}

#[test]
fn what_is_not_granted_is_denied_by_name() {
    let grant = CommandGrant::default();
    let (_, stdout, _) = run("command_looks", &[], b"", grant, &Remembering::default());
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[..6].iter().all(|line| line.contains("needs the command's grant.live")),
        "{stdout}"
    );
    assert!(lines[6].contains("needs the command's grant.connections"), "{}", lines[6]);
    assert_eq!(lines[7..], ["hosts [None]", "ports [None]", "addresses []", "port None"]);

    let ipvs = Remembering::default();
    let (_, stdout, _) = run("command_changes", &["x", "2", "proceed"], b"", grant, &ipvs);
    assert!(stdout.starts_with("2 failures\n"), "{stdout}");
    assert!(stdout.contains("needs the command's grant.admin"), "{stdout}");
    assert!(ipvs.changes.lock().unwrap().is_empty());
}

#[test]
fn changes_are_made_in_order_and_failures_listed() {
    let ipvs = Remembering::default();
    let (_, stdout, _) =
        run("command_changes", &["x", "7", "proceed"], b"", WHOLE_COMMAND_GRANT, &ipvs);
    assert!(
        stdout.starts_with("2 failures\n2 Error::Refused(Refusal { errno: 34, text: "),
        "{stdout}"
    );
    assert!(stdout.contains("\"Numerical result out of range\""), "{stdout}");
    assert_eq!(*ipvs.changes.lock().unwrap(), vec![Change::Flush; 5]);

    let ipvs = Remembering::default();
    let (_, stdout, _) =
        run("command_changes", &["x", "7", "stop"], b"", WHOLE_COMMAND_GRANT, &ipvs);
    assert!(stdout.starts_with("1 failures\n"), "{stdout}");
    assert_eq!(ipvs.changes.lock().unwrap().len(), 2);
}

#[test]
fn ipvs_is_opened_once_and_only_when_needed() {
    let opened = Arc::new(AtomicU32::new(0));
    let runtime = Runtime::for_command(true).unwrap();
    for (guest, times) in [("command_echoes", 0), ("command_looks", 1)] {
        opened.store(0, Ordering::Relaxed);
        let null = || OwnedFd::from(tempfile::tempfile().unwrap());
        let streams = [null(), null(), null()];
        let mut command = command(&[], streams, WHOLE_COMMAND_GRANT, Remembering::default());
        let count = Arc::clone(&opened);
        command.ipvs = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Err(Error::NoIpvs)
        });
        let plugin = guests::plugin(&runtime, guest);
        runtime.run_command(&plugin, command).unwrap();
        assert_eq!(opened.load(Ordering::Relaxed), times, "{guest}");
    }
}

#[test]
fn a_command_that_panics_says_so() {
    let runtime = Runtime::for_command(true).unwrap();
    let plugin = guests::plugin(&runtime, "command_changes");
    let null = || OwnedFd::from(tempfile::tempfile().unwrap());
    let streams = [null(), null(), null()];
    let command =
        command(&["x", "many", "stop"], streams, WHOLE_COMMAND_GRANT, Remembering::default());
    let failure = runtime.run_command(&plugin, command).unwrap_err();
    let Failure::Trapped(report) = &failure else { panic!("{failure}") };
    assert_eq!((report.plugin.as_str(), report.call), ("command_changes", "run"));
    assert!(report.last_words[0].contains("a number of operations"), "{report}");
}

/// Has a bug that one call meets.
struct Broken;

impl Ipvs for Broken {
    fn info(&mut self) -> Result<Info, Error> {
        panic!("index out of bounds")
    }

    fn read(&mut self, _: Scope, _: Fields) -> Result<Snapshot, Error> {
        Err(Error::NoIpvs)
    }

    fn apply(&mut self, _: &[Change], _: OnFailure) -> Vec<weir_ipvs::Failure> {
        Vec::new()
    }

    fn totals(&mut self) -> Result<Stats, Error> {
        Err(Error::NoIpvs)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        Err(Error::NoIpvs)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        Err(Error::NoIpvs)
    }

    fn schedulers(&mut self) -> Result<Vec<Scheduler>, Error> {
        Err(Error::NoIpvs)
    }

    fn connections(&mut self) -> Result<Connections, Error> {
        Err(Error::NoIpvs)
    }
}

#[test]
fn a_bug_of_the_host_fails_one_guest() {
    let runtime = Runtime::for_command(true).unwrap();
    let plugin = guests::plugin(&runtime, "command_looks");
    let null = || OwnedFd::from(tempfile::tempfile().unwrap());
    let streams = [null(), null(), null()];
    let mut command = command(&[], streams, WHOLE_COMMAND_GRANT, Remembering::default());
    command.ipvs = Box::new(|| Ok(Box::new(Broken)));
    let failure = runtime.run_command(&plugin, command).unwrap_err();
    let Failure::Trapped(report) = &failure else { panic!("{failure}") };
    assert_eq!(report.reason, "a function of weir that it called has a bug: index out of bounds");
}
