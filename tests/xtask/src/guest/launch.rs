//! Starts a guest kernel for one command and brings back what the command said.
//!
//! How the guest sets itself up is `init.sh`'s business; the two share the run's own
//! directory, whose files `init.sh` describes.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, PipeReader, Read as _, Write},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::registers;
use crate::{cache::Cache, debian, kernel::Kernel};

const INIT: &str = include_str!("init.sh");

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the guest has of its own there, and so hides the host's.
const HIDDEN: [&str; 2] = ["/tmp", "/run"];

/// How long a guest that is told to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A guest kernel that is to run one command. See `cargo xtask guest --help`.
pub(crate) struct Guest {
    kernel: PathBuf,
    modules: PathBuf,
    preload: Option<PathBuf>,
    loadable: bool,
    busybox: PathBuf,
    peers: Vec<PathBuf>,
    writable: Vec<PathBuf>,
    readable: Vec<PathBuf>,
    env: Vec<(OsString, OsString)>,
    memory: String,
    timeout: Duration,
}

impl Guest {
    /// Prepares a guest with `kernel`, the original ipvsadm, and every module loadable.
    pub(crate) fn new(cache: &Cache, kernel: &Kernel, say: &mut dyn FnMut(&str)) -> Result<Self> {
        let tools = debian::tools(cache, say)?;
        let guest = Self {
            kernel: kernel.binary.clone(),
            modules: kernel.modules.clone(),
            preload: registers::preload(cache)?,
            loadable: true,
            busybox: tools.join("bin/busybox"),
            peers: vec![debian::peers(cache, debian::PEERS, say)?],
            writable: Vec::new(),
            readable: Vec::new(),
            env: Vec::new(),
            memory: "512M".to_owned(),
            timeout: Duration::from_secs(600),
        };
        guest.readable(&tools)?.readable(&env::current_dir()?)
    }

    /// Lays one more tree of programs over the host's.
    pub(crate) fn peers(mut self, tree: PathBuf) -> Self {
        self.peers.push(tree);
        self
    }

    /// Lets the guest write below `directory`.
    pub(crate) fn writable(mut self, directory: &Path) -> Result<Self> {
        self.writable.push(whole(directory)?);
        Ok(self)
    }

    /// Makes sure that the guest sees `directory`: only what lies below /tmp or /run needs it.
    pub(crate) fn readable(mut self, directory: &Path) -> Result<Self> {
        let directory = whole(directory)?;
        if HIDDEN.iter().any(|it| directory.starts_with(it)) {
            self.readable.push(directory);
        }
        Ok(self)
    }

    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the size of the guest's memory, with the unit K, M or G.
    pub(crate) fn memory(mut self, memory: &str) -> Self {
        memory.clone_into(&mut self.memory);
        self
    }

    /// Sets the time after which the guest is stopped and its run has failed.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Says whether modules can be loaded: without them the kernel has no ip_vs.
    pub(crate) fn modules(mut self, loadable: bool) -> Self {
        self.loadable = loadable;
        self
    }

    /// Runs `command`, passes on what it prints as it comes, and returns its exit status.
    /// An error is the guest's own, never the command's.
    pub(crate) fn stream<S: AsRef<OsStr>>(
        &self,
        command: &[S],
        stdout: &mut (impl Write + Send),
        stderr: &mut (impl Write + Send),
    ) -> Result<u8> {
        let scratch = tempfile::Builder::new().prefix("weir-guest.").tempdir()?;
        if scratch.path().to_string_lossy().contains(char::is_whitespace) {
            bail!("a kernel's argument can have no space; set TMPDIR to a directory without one");
        }
        self.write_run(scratch.path(), command)?;

        let (guest_stdout, stdout_end) = io::pipe()?;
        let (guest_stderr, stderr_end) = io::pipe()?;
        let console = File::create(scratch.path().join("console"))?;
        let mut linux = self.linux(scratch.path());
        // The guest reads nothing, so that its standard error can have the place of standard
        // input; what the kernel itself says goes to the console's file.
        linux.stdin(stderr_end).stdout(stdout_end).stderr(console);
        let mut child = linux
            .spawn()
            .with_context(|| format!("cannot start the guest kernel {}", self.kernel.display()))?;
        // It still holds the writing ends of the pipes.
        drop(linux);

        let copied = thread::scope(|scope| {
            let (ended, ends) = mpsc::channel();
            let other = ended.clone();
            scope.spawn(move || copy(guest_stdout, stdout, &ended));
            scope.spawn(move || copy(guest_stderr, stderr, &other));
            let copied = wait_for_both(&ends, self.timeout);
            if copied.is_err() {
                stop(&mut child, &ends);
            }
            copied
        });
        child.wait()?;
        copied?;
        status(scratch.path())
    }

    /// Writes the files that `init.sh` reads.
    fn write_run<S: AsRef<OsStr>>(&self, run: &Path, command: &[S]) -> Result<()> {
        let peers: Vec<_> = self.peers.iter().map(|it| it.to_string_lossy()).collect();
        let peers = peers.join(" ");
        let settings = [
            ("MODULES", self.modules.as_os_str()),
            ("LOADABLE", OsStr::new(if self.loadable { "yes" } else { "no" })),
            ("PEERS", OsStr::new(&peers)),
        ];
        let mut text = Vec::new();
        for (name, value) in settings {
            assignment(&mut text, OsStr::new(name), value);
        }
        fs::write(run.join("settings"), text)?;
        fs::write(run.join("init"), INIT)?;
        fs::write(run.join("cmd"), self.script(command)?)?;
        fs::write(run.join("readable"), lines(&self.readable))?;
        let writable = [&[run.to_owned()], self.writable.as_slice()].concat();
        fs::write(run.join("writable"), lines(&writable))?;
        Ok(())
    }

    fn script<S: AsRef<OsStr>>(&self, command: &[S]) -> Result<Vec<u8>> {
        let mut script = Vec::new();
        let given = self.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
        let fixed = [("PATH", PATH), ("HOME", "/root")];
        for (name, value) in fixed
            .map(|(name, value)| (OsStr::new(name), OsStr::new(value)))
            .into_iter()
            .chain(given)
        {
            script.extend(b"export ");
            assignment(&mut script, name, value);
        }
        script.extend(b"cd ");
        quote(&mut script, env::current_dir()?.as_os_str());
        script.extend(b" || exit 125\nexec");
        for word in command {
            script.push(b' ');
            quote(&mut script, word.as_ref());
        }
        script.push(b'\n');
        Ok(script)
    }

    fn linux(&self, run: &Path) -> Command {
        let mut linux = Command::new(&self.kernel);
        let shown = run.display();
        linux
            .args(["rootfstype=hostfs", "rootflags=/", "ro", "panic=-1", "quiet", "loglevel=4"])
            .args(["con=null", "con0=null,fd:2", "con1=null,fd:1", "con2=null,fd:0"])
            .arg(format!("mem={}", self.memory))
            .arg(format!("uml_dir={shown}/"))
            .arg("umid=uml")
            .arg(format!("W={shown}"))
            .arg(format!("B={}", self.busybox.display()))
            .arg(format!("init={}", self.busybox.display()))
            .args(["--", "sh"])
            .arg(run.join("init"))
            .process_group(0);
        if let Some(library) = &self.preload {
            linux.env("LD_PRELOAD", library);
        }
        if let Some(directory) = memory_directory() {
            linux.env("TMPDIR", directory);
        }
        // SAFETY: prctl is one system call and touches no memory of the process.
        unsafe {
            linux.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
        linux
    }
}

/// The kernel keeps its memory in a file below /dev/shm, which a container may have made
/// too small: the guest would die of it half-way.
fn memory_directory() -> Option<&'static str> {
    const ENOUGH_BYTES: u64 = 4 << 30;
    // SAFETY: the path ends in a zero byte, and statvfs fills the structure that it is given.
    let free = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        match libc::statvfs(c"/dev/shm".as_ptr(), &raw mut found) {
            0 => found.f_bavail * found.f_frsize,
            _ => 0,
        }
    };
    (free < ENOUGH_BYTES).then_some("/tmp")
}

fn whole(directory: &Path) -> Result<PathBuf> {
    let whole = directory
        .canonicalize()
        .with_context(|| format!("cannot show {} to the guest", directory.display()))?;
    if !whole.is_dir() {
        bail!("cannot show {} to the guest: it is not a directory", directory.display());
    }
    Ok(whole)
}

fn lines(paths: &[PathBuf]) -> Vec<u8> {
    paths.iter().flat_map(|it| [it.as_os_str().as_bytes(), b"\n"].concat()).collect()
}

fn assignment(script: &mut Vec<u8>, name: &OsStr, value: &OsStr) {
    script.extend(name.as_bytes());
    script.push(b'=');
    quote(script, value);
    script.push(b'\n');
}

/// Appends `word` in single quotes: for a shell, itself.
fn quote(script: &mut Vec<u8>, word: &OsStr) {
    script.push(b'\'');
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => script.extend(br"'\''"),
            _ => script.push(byte),
        }
    }
    script.push(b'\'');
}

/// Copies until the guest closes its end, which it does when it ends.
fn copy(mut from: PipeReader, to: &mut impl Write, ended: &Sender<io::Result<()>>) {
    let mut buffer = vec![0; 64 << 10];
    let result = loop {
        match from.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(count) => {
                if let Err(error) = to.write_all(&buffer[..count]).and_then(|()| to.flush()) {
                    break Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    // The receiver is gone only when nobody waits any more.
    let _ = ended.send(result);
}

fn wait_for_both(ends: &mpsc::Receiver<io::Result<()>>, limit: Duration) -> Result<()> {
    // The second stream closes with the first, or within the moment it takes to halt.
    for _ in 0..2 {
        match ends.recv_timeout(limit) {
            Ok(result) => result.context("cannot pass on the guest's output")?,
            Err(RecvTimeoutError::Timeout) => {
                bail!("the guest was stopped: it ran for longer than {} s", limit.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

/// Ends the guest: with a signal on which it takes its processes along, then for good.
fn stop(child: &mut Child, ends: &mpsc::Receiver<io::Result<()>>) {
    signal_group(child, libc::SIGTERM);
    if wait_for_both(ends, GRACE).is_err() {
        signal_group(child, libc::SIGKILL);
    }
}

fn signal_group(child: &Child, signal: i32) {
    let Ok(group) = libc::pid_t::try_from(child.id()) else { return };
    // SAFETY: kill touches no memory. The child leads the group, and is not yet waited
    // for, so that the number is still its own.
    unsafe { libc::kill(-group, signal) };
}

fn status(run: &Path) -> Result<u8> {
    let status = fs::read_to_string(run.join("status")).unwrap_or_default();
    match status.trim().parse() {
        Ok(status) => Ok(status),
        Err(_) => {
            let console = fs::read(run.join("console")).unwrap_or_default();
            let console = String::from_utf8_lossy(&console);
            let lines: Vec<&str> = console.lines().collect();
            let tail = lines[lines.len().saturating_sub(20)..].join("\n  ");
            bail!("the guest ended without a status; its console says:\n  {tail}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_reach_a_shell_unchanged() {
        for word in ["", "a b", "it's", "$HOME `x` \\ \"", "\n"] {
            let mut script = b"printf %s ".to_vec();
            quote(&mut script, OsStr::new(word));
            let output = Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
    }
}
