//! The command check: a program says whether a server does, by how it exits.
//!
//! No shell, no environment but what is documented, a process group of its own that does not
//! outlive its time, and a bound on what is read of it.

use std::{
    io,
    process::{ExitStatus, Stdio},
};

use tokio::{
    net::unix::pipe,
    process::{Child, Command},
};

use super::{
    outcome::{Hindrance, Outcome},
    streams::Place,
    tcp::Deadline,
};
use crate::config::CommandCheck;

/// The most that is kept of what a command writes; the rest is read and dropped.
const OUTPUT_BYTES: usize = 4096;

/// The most of its first line that is told, in characters.
const DETAIL_CHARACTERS: usize = 200;

/// Where commands find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Exit status of a command that could not find out (`EX_TEMPFAIL` of sysexits.h).
const CANNOT_TELL: i32 = 75;

/// Runs the command, and ends it with all that it started if it is not over in time.
pub(super) async fn probe(
    check: &CommandCheck,
    place: Place,
    deadline: Deadline,
) -> Result<Outcome, Outcome> {
    let cannot =
        |error: io::Error| Outcome::unable(format!("failed to run {}: {error}", check.program()));
    let (mut child, output) = spawn(check, place).map_err(cannot)?;
    // Dropped before the child: a process that was waited for has no group any more.
    let mut group = Group(child.id());
    let over = async {
        let mut written = Vec::new();
        let status = wait(&mut child, &output, &mut written).await?;
        Ok::<_, io::Error>((status, written))
    };
    let over = deadline.bound("of the command", over).await;
    if over.is_ok() {
        group.0 = None;
    }
    let (status, written) = over?;
    Ok(judge(status, &written))
}

fn spawn(check: &CommandCheck, place: Place) -> io::Result<(Child, pipe::Receiver)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(check.program());
    command
        .args(check.arguments())
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .env("WEIR_ADDRESS", place.address.ip().to_string())
        .env("WEIR_PORT", place.address.port().to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    let output = pipe::Receiver::from_owned_fd(reader.into())?;
    // The command has our ends of the pipe, and is dropped with them.
    Ok((command.spawn()?, output))
}

/// Waits for its exit, not for the end of its output: what it left behind may keep that open.
async fn wait(
    child: &mut Child,
    output: &pipe::Receiver,
    written: &mut Vec<u8>,
) -> io::Result<ExitStatus> {
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            ready = output.readable(), if is_open => {
                ready?;
                is_open = read(output, written)?;
            }
            status = child.wait() => {
                read(output, written)?;
                return status;
            }
        }
    }
}

/// Reads what is there; says whether more may come.
fn read(output: &pipe::Receiver, written: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 1024];
    loop {
        match output.try_read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                let room = OUTPUT_BYTES - written.len();
                written.extend_from_slice(&buffer[..read.min(room)]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

fn judge(status: ExitStatus, written: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(written);
    let line = text.lines().next().unwrap_or_default().trim();
    // It comes from who knows where, and goes to terminals.
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    let line: String = line.chars().map(plain).take(DETAIL_CHARACTERS).collect();
    let and = |what: String| if line.is_empty() { what } else { format!("{what}: {line}") };
    match status.code() {
        Some(0) => degraded(&line).unwrap_or(Outcome::Pass),
        Some(CANNOT_TELL) => {
            let why = and("the command cannot tell".to_owned());
            Outcome::Indeterminate(Hindrance::Unclear(why))
        }
        Some(code) => Outcome::content(and(format!("exit status {code}"))),
        None => Outcome::content(and(format!("the command ended by itself ({status})"))),
    }
}

/// `degraded 50%`, with why after it if there is a reason.
fn degraded(line: &str) -> Option<Outcome> {
    let (percent, why) = line.strip_prefix("degraded ")?.split_once('%')?;
    let percent = percent.trim().parse().ok()?;
    match percent {
        1..=99 => {}
        100 => return None,
        _ => {
            let why = format!("the command says degraded {percent}%, expected 1% to 100%");
            return Some(Outcome::Indeterminate(Hindrance::Unclear(why)));
        }
    }
    let why = why.trim_start_matches([':', ',', ' ']);
    let why = if why.is_empty() { "said by the command" } else { why };
    Some(Outcome::Degraded(percent, why.to_owned()))
}

/// The process group of a command that is not over; dropped, it is killed whole.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let Some(leader) = self.0.and_then(|it| libc::pid_t::try_from(it).ok()) else { return };
        // SAFETY: the call reads nothing of ours. The leader was not waited for, so that its
        // number is still that of its group, and of nothing else.
        unsafe {
            libc::killpg(leader, libc::SIGKILL);
        }
    }
}
