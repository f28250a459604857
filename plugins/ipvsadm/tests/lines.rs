//! Lines and streams of them: what the recorded cases do not show.

use ipvsadm::host::{Error, Invocation, Operation, Output, Terminals};

use crate::kernel::{Kernel, Process};

/// Runs ipvsadm by a name, with words; `process` has its input and keeps its output.
fn run(process: &mut Process<'_>, words: &[&str], terminals: Terminals) -> u8 {
    let arguments = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    ipvsadm::run(process, &Invocation { arguments, environment: Vec::new(), terminals })
}

/// Runs `ipvsadm` with words and without a terminal; status, stdout and stderr.
fn quiet(kernel: &mut Kernel, words: &str, input: &str) -> (u8, String, String) {
    let mut process = Process::new(kernel, input.into());
    let words: Vec<&str> = words.split(' ').collect();
    let status = run(&mut process, &words, Terminals::empty());
    (status, String::from_utf8(process.stdout).unwrap(), String::from_utf8(process.stderr).unwrap())
}

#[track_caller]
fn check_restore(input: &str, status: u8, stdout: &str, stderr: &str) {
    let mut kernel = Kernel::default();
    let expected = (status, stdout.to_owned(), stderr.to_owned());
    assert_eq!(quiet(&mut kernel, "ipvsadm -R", input), expected, "{input}");
}

fn services(count: usize) -> String {
    (1..=count).map(|mark| format!("-A -f {mark} -s rr\n")).collect()
}

#[test]
fn plain_changes_reach_the_kernel_together() {
    let mut kernel = Kernel::default();
    assert_eq!(quiet(&mut kernel, "ipvsadm -R", &services(10_000)).0, 0);
    assert_eq!(kernel.services.len(), 10_000);
    assert_eq!(kernel.batches, [4096, 4096, 1808]);
}

#[test]
fn what_is_read_so_far_takes_effect_before_more_is_waited_for() {
    let mut kernel = Kernel::default();
    let mut process = Process::new(&mut kernel, Vec::new());
    let chunks = ["-A -f 1 -s rr\n-A -f 2 ", "-s rr\n", "-A -", "f 3", "\n-A -f 4 -s rr"];
    process.input = chunks.iter().map(|chunk| Ok(chunk.as_bytes().to_vec())).collect();
    assert_eq!(run(&mut process, &["ipvsadm", "-R"], Terminals::empty()), 0);
    assert_eq!(kernel.batches, [1, 1, 1, 1]);
    assert_eq!(kernel.services.len(), 4);
}

#[test]
fn refusals_are_reported_in_the_order_of_the_lines() {
    check_restore(
        "-D -f 1\n-A -f 1\n-A -f 1\n-a -f 2 -r 10.0.0.1\n-x\n",
        255,
        "",
        "No such service\nService already exists\nService not defined\nTry `ipvsadm -h' or 'ipvsadm --help' for more information.\n",
    );
    check_restore(
        "-D -f 1\n-A -f 1 --foo\n-D -f 2\n-L -f 3\n",
        1,
        "",
        "No such service\n--foo: unknown option\nNo such service\nNo such service\n",
    );
}

#[test]
fn the_status_is_that_of_the_last_line() {
    check_restore("-D -f 1\n-A -f 1\n", 0, "", "No such service\n");
    check_restore("-A -f 1\n-D -f 2\n\n", 255, "", "No such service\n");
    check_restore("-A -f 1 --foo\n\n", 255, "", "--foo: unknown option\n");
    check_restore(
        "-D -f 1\n--version\n-D -f 1\n",
        0,
        "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n",
        "No such service\n",
    );
}

#[test]
fn lines_that_show_see_the_changes_before_them() {
    let listed = "FWM  1 wlc\n";
    let titles = "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n";
    check_restore("-A -f 1\n-L\n-D -f 1\n-S\n-L", 0, &format!("{titles}{listed}{titles}"), "");
}

#[test]
fn only_a_last_line_without_its_end_is_lost_to_blanks() {
    for (input, count) in [
        ("-A -f 1  \n", 1),
        ("-A -f 1 ", 1),
        ("-A -f 1", 1),
        ("-A -f 1  ", 0),
        ("-A -f 1 \t", 0),
        ("-A -f 1\n  ", 1),
    ] {
        let mut kernel = Kernel::default();
        assert_eq!(quiet(&mut kernel, "ipvsadm -R", input).0, 0);
        assert_eq!(kernel.services.len(), count, "{input:?}");
    }
}

#[test]
fn input_that_cannot_be_read_is_its_end_and_a_person_is_told() {
    for (terminals, advice) in [
        (Terminals::empty(), ""),
        (Terminals::STDERR, "Cannot read the rules: Is a directory. Use `ipvsadm -R < FILE'.\n"),
    ] {
        let mut kernel = Kernel::default();
        let mut process = Process::new(&mut kernel, Vec::new());
        process.input = [Ok(b"-A -f 1".to_vec()), Err("Is a directory".into())].into();
        assert_eq!(run(&mut process, &["ipvsadm", "-R"], terminals), 0);
        assert_eq!(String::from_utf8(process.stderr).unwrap(), advice);
        assert_eq!(kernel.services.len(), 1);
    }
}

#[test]
fn a_person_gets_a_remedy() {
    for (error, reason, remedy) in [
        (
            Error::NoIpvs,
            "Protocol not available",
            "Load it with `modprobe ip_vs' (CONFIG_IP_VS), or `weir run' its own: backend = \"embedded\".\n",
        ),
        (
            Error::NotPermitted,
            "Permission denied (you must be root)",
            "Run it as root, or with the capability CAP_NET_ADMIN.\n",
        ),
    ] {
        let mut kernel = Kernel { closed: Some(error), ..Kernel::default() };
        let mut process = Process::new(&mut kernel, Vec::new());
        assert_eq!(run(&mut process, &["ipvsadm", "-h"], Terminals::STDERR), 2);
        let theirs = "Are you sure that IP Virtual Server is built in the kernel or as module?\n";
        let expected = format!("Can't initialize ipvs: {reason}\n{theirs}{remedy}");
        assert_eq!(String::from_utf8(process.stderr).unwrap(), expected);
    }
}

#[test]
fn on_a_terminal_text_and_messages_appear_in_order() {
    let mut kernel = Kernel::default();
    let mut process = Process::new(&mut kernel, b"-L\n-D -f 1\n-S\n".to_vec());
    assert_eq!(run(&mut process, &["ipvsadm", "-R"], Terminals::STDOUT), 0);
    let order: Vec<_> = process.writes.iter().map(|(to, _)| *to).collect();
    assert_eq!(order, [Output::Stdout, Output::Stderr]);
    let mut process = Process::new(&mut kernel, b"-L\n-D -f 1\n-S\n".to_vec());
    assert_eq!(run(&mut process, &["ipvsadm", "-R"], Terminals::empty()), 0);
    let order: Vec<_> = process.writes.iter().map(|(to, _)| *to).collect();
    assert_eq!(order, [Output::Stderr, Output::Stdout]);
}

#[test]
fn names_of_modules_that_are_not_utf8_keep_their_length() {
    let mut kernel = Kernel::default();
    let mut process = Process::new(&mut kernel, Vec::new());
    let words: [&[u8]; 6] = [b"ipvsadm", b"-A", b"-f", b"1", b"-s", b"\xff\xfex"];
    let arguments = words.iter().map(|word| word.to_vec()).collect();
    let invocation =
        Invocation { arguments, environment: Vec::new(), terminals: Terminals::empty() };
    assert_eq!(ipvsadm::run(&mut process, &invocation), 255);
    assert_eq!(process.stderr, b"Scheduler or persistence engine not found\n");
    let last = kernel.last.expect("the kernel was asked");
    assert!(matches!(last, Operation::AddService(config) if config.scheduler == "???"));
}

#[test]
fn full_disks_are_nobodys_concern() {
    let mut kernel = Kernel::default();
    let mut process = Process::new(&mut kernel, Vec::new());
    process.full = true;
    assert_eq!(run(&mut process, &["ipvsadm", "-Ln"], Terminals::empty()), 0);
}

#[test]
fn the_companions_go_by_their_names() {
    let mut kernel = Kernel::default();
    let restored =
        quiet(&mut kernel, "/sbin/ipvsadm-restore", "# a comment\n-A -f 1 -s rr\n-A -f 2  ");
    assert_eq!(restored, (0, String::new(), String::new()));
    assert_eq!(quiet(&mut kernel, "ipvsadm-save -n x", "").1, "-A -f 1 -s rr\n-A -f 2 -s wlc\n");
    quiet(&mut kernel, "ipvsadm-restore", "-A -f 3\n");
    assert_eq!(quiet(&mut kernel, "ipvsadm-save", "").1, "-A -f 3 -s wlc\n");
    let usage = "ipvsadm-save: Script to save the IPVS table to stdout.\n   With the -n option, prints out the table in numeric format.\n";
    for words in ["ipvsadm-save -x", "ipvsadm-save -nn", "ipvsadm-save x -n --", "ipvsadm-save -"] {
        assert_eq!(quiet(&mut kernel, words, ""), (1, String::new(), usage.to_owned()));
    }
    kernel.closed = Some(Error::NoIpvs);
    let message = "Can't initialize ipvs: Protocol not available\nAre you sure that IP Virtual Server is built in the kernel or as module?\n";
    assert_eq!(quiet(&mut kernel, "ipvsadm-restore", ""), (2, String::new(), message.repeat(2)));
}

/// Numbers that look random; Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).expect("less than a usize")
    }
}

#[test]
fn no_input_makes_it_panic() {
    const PARTS: [&[u8]; 64] = [
        b"-A",
        b"-E",
        b"-D",
        b"-C",
        b"-L",
        b"-a",
        b"-d",
        b"-e",
        b"-S",
        b"-Z",
        b"-R",
        b"--set",
        b"--start-daemon",
        b"master",
        b"-t",
        b"-u",
        b"--sctp-service",
        b"-f",
        b"-6",
        b"-s",
        b"-p",
        b"-M",
        b"-r",
        b"-g",
        b"-i",
        b"-m",
        b"-w",
        b"-x",
        b"-b",
        b"-n",
        b"--pe",
        b"--mcast-group",
        b"--mcast-port",
        b"--tun-type",
        b"--tun-port",
        b"gue",
        b"10.0.0.1",
        b":80",
        b"[",
        b"]",
        b"::",
        b"1:2:3:4:5:6:7:8",
        b"99999999999999999999999",
        b"-9223372036854775808",
        b"0x",
        b"010",
        b".",
        b",",
        b"=",
        b"!#:+",
        b"#",
        b"\xff\xfe",
        b"\0",
        b" ",
        b" ",
        b" ",
        b" ",
        b"\n",
        b"\n",
        b"\t",
        b"\r",
        b"ipvsadm",
        b"sh",
        b"flag-1,",
    ];
    let mut random = Random(20);
    for _ in 0..20_000 {
        let parts: Vec<&[u8]> =
            (0..random.below(24)).map(|_| PARTS[random.below(PARTS.len())]).collect();
        let text = parts.concat();
        let mut kernel = Kernel::default();
        let mut process = Process::new(&mut kernel, text.clone());
        run(&mut process, &["ipvsadm", "-R"], Terminals::empty());
        let words = std::iter::once(b"ipvsadm".to_vec())
            .chain(text.split(|&byte| byte == b' ').map(<[u8]>::to_vec));
        let invocation = Invocation {
            arguments: words.collect(),
            environment: Vec::new(),
            terminals: Terminals::empty(),
        };
        ipvsadm::run(&mut Process::new(&mut kernel, Vec::new()), &invocation);
    }
}
