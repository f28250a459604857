//! Runs a program to its end and keeps everything it said.

use std::{
    ffi::OsString,
    fmt,
    io::{self, Read, Write as _},
    os::{
        fd::{AsRawFd, RawFd},
        unix::process::{CommandExt as _, ExitStatusExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// How long a program may stay silent before it counts as hung.
const SILENCE_MS: i32 = 60_000;

/// What fits in a pipe that nobody reads yet.
const STDIN_BYTES_MAX: usize = 64 << 10;

/// One start of a program, in an environment of which nothing is inherited.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub program: PathBuf,
    pub arg0: OsString,
    pub args: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    /// What standard input holds; without it, it is /dev/null.
    pub stdin: Option<Vec<u8>>,
    pub directory: PathBuf,
}

/// What a program said and how it ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status, or as a shell says it, 128 and the number of the signal.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Invocation {
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref();
        Self {
            program: program.to_owned(),
            arg0: program.file_name().expect("a program has a name").to_owned(),
            args: Vec::new(),
            env: vec![
                ("PATH".into(), "/run/weir-tests/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
                ("HOME".into(), "/root".into()),
            ],
            stdin: None,
            directory: "/tmp".into(),
        }
    }

    /// The script, as `sh -c` runs it.
    pub fn shell(script: &str) -> Self {
        let mut invocation = Self::new("/bin/sh");
        invocation.args = vec!["-c".into(), script.into()];
        invocation
    }

    pub fn run(&self) -> Outcome {
        let mut child = self.spawn();
        let (stdout, stderr) = read_both(&mut child);
        let status = child.wait().expect("a child can be waited for");
        Outcome { status: shell_status(status), stdout, stderr }
    }

    /// Runs the program, and then `after` while what it left in the background still runs.
    pub fn run_around<T>(&self, after: impl FnOnce(&Outcome) -> T) -> T {
        let mut child = self.spawn();
        let (stdout, stderr) = read_both(&mut child);
        let leader = child.id();
        let status = child.wait().expect("a child can be waited for");
        let result = after(&Outcome { status: shell_status(status), stdout, stderr });
        kill_group(leader);
        result
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(&self.program);
        command
            .arg0(&self.arg0)
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(self.stdin())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {}: {error}", self.program.display()),
        }
    }

    fn stdin(&self) -> Stdio {
        let Some(bytes) = &self.stdin else { return Stdio::null() };
        assert!(bytes.len() <= STDIN_BYTES_MAX, "the pipe would block");
        let (reader, mut writer) = io::pipe().expect("pipes are to be had");
        writer.write_all(bytes).expect("the pipe has room");
        reader.into()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = [("stdout", &self.stdout), ("stderr", &self.stderr)];
        for (name, bytes) in streams {
            for line in String::from_utf8_lossy(bytes).split_inclusive('\n') {
                write!(f, "{name}: {}", line.trim_end_matches('\n'))?;
                f.write_str(if line.ends_with('\n') { "\n" } else { " (no newline)\n" })?;
            }
        }
        writeln!(f, "exit: {}", self.status)
    }
}

/// Kills what the process `leader` of a group left behind.
fn kill_group(leader: u32) {
    let group = libc::pid_t::try_from(leader).expect("process numbers are small");
    // SAFETY: kill takes no pointers. An empty group is an error that changes nothing.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

fn shell_status(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|it| 128 + it)).expect("it has ended")
}

fn read_both(child: &mut Child) -> (Vec<u8>, Vec<u8>) {
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut stderr = child.stderr.take().expect("it is piped");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        let mut ends = [
            poll_entry(out_open.then(|| stdout.as_raw_fd())),
            poll_entry(err_open.then(|| stderr.as_raw_fd())),
        ];
        // SAFETY: the array is valid for its two entries.
        if unsafe { libc::poll(ends.as_mut_ptr(), 2, SILENCE_MS) } == 0 {
            kill_group(child.id());
            err.extend(b"(killed: it was silent for a minute)\n");
        }
        if ends[0].revents != 0 {
            out_open = read_some(&mut stdout, &mut out);
        }
        if ends[1].revents != 0 {
            err_open = read_some(&mut stderr, &mut err);
        }
    }
    (out, err)
}

fn poll_entry(fd: Option<RawFd>) -> libc::pollfd {
    libc::pollfd { fd: fd.unwrap_or(-1), events: libc::POLLIN, revents: 0 }
}

fn read_some(from: &mut impl Read, to: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 << 10];
    let count = from.read(&mut buffer).expect("a pipe can be read");
    to.extend(&buffer[..count]);
    count > 0
}
