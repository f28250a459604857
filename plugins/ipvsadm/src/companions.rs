//! `ipvsadm-save` and `ipvsadm-restore`, which are scripts around ipvsadm.

use crate::{
    console::Console,
    host::{Host, Terminals},
    restore,
    session::{Next, Session},
};

/// What the scripts call ipvsadm by.
const PROGRAM: &[u8] = b"ipvsadm";

const SAVE_USAGE: &[u8] = b"ipvsadm-save: Script to save the IPVS table to stdout.
   With the -n option, prints out the table in numeric format.";

/// `ipvsadm -S`, or `-S -n`; plain arguments mean nothing.
pub(crate) fn save(
    host: &mut dyn Host,
    arguments: &[&[u8]],
    terminals: Terminals,
    posix: bool,
) -> u8 {
    if arguments.iter().any(|argument| argument.starts_with(b"-") && *argument != b"-n") {
        Console::new(terminals).complain(host, SAVE_USAGE);
        return 1;
    }
    let numeric = arguments.contains(&b"-n".as_slice());
    let line: &[&[u8]] = if numeric { &[b"-S", b"-n"] } else { &[b"-S"] };
    run(host, line, terminals, posix)
}

/// Reads everything, clears the table, and restores all lines but comments. That clearing
/// fails stops nothing.
pub(crate) fn restore(host: &mut dyn Host, terminals: Terminals, posix: bool) -> u8 {
    let mut input = Vec::new();
    loop {
        match host.read_input() {
            Ok(chunk) if chunk.is_empty() => break,
            Ok(chunk) => input.extend_from_slice(&chunk),
            Err(problem) => {
                let advice =
                    ["Cannot read the rules: ", &problem, ". Use `ipvsadm-restore < FILE'."];
                Console::new(terminals).advise(host, &advice.concat());
                break;
            }
        }
    }
    run(host, &[b"-C"], terminals, posix);
    let lines: Vec<&[u8]> =
        input.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"#")).collect();
    match Session::open(host, PROGRAM, terminals, posix) {
        Err(status) => status,
        Ok(mut session) => match restore::run_lines(&mut session, &lines.join(&b'\n')) {
            Next::Line => session.finish(),
            Next::Exit(status) => session.exit(status),
        },
    }
}

fn run(host: &mut dyn Host, line: &[&[u8]], terminals: Terminals, posix: bool) -> u8 {
    match Session::open(host, PROGRAM, terminals, posix) {
        Err(status) => status,
        Ok(session) => session.run(line),
    }
}
