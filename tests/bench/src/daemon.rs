//! A process that runs while something is measured, and what it has used.

use std::{
    fs, io,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// Stopped when nobody needs it any more.
pub(crate) struct Daemon {
    pub(crate) child: Child,
}

impl Daemon {
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let child = command.spawn();
        let child = child
            .with_context(|| format!("failed to start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// Fails if it has ended.
    pub(crate) fn ensure_runs(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "it has ended by itself");
        Ok(())
    }

    /// What it and its children have used of the processor.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.processes()?.into_iter().map(process_cpu).sum()
    }

    /// What it and its children hold of the machine's memory, pages that several processes
    /// have in parts.
    pub(crate) fn proportional_bytes(&self) -> Result<f64> {
        self.processes()?.into_iter().map(proportional_bytes).sum()
    }

    fn processes(&self) -> Result<Vec<u32>> {
        let pid = self.child.id();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(path).unwrap_or_default();
        let children = children.split_whitespace().map(|it| Ok(it.parse()?));
        [Ok(pid)].into_iter().chain(children).collect()
    }

    /// What it holds of the machine's memory.
    pub(crate) fn resident_bytes(&self) -> Result<f64> {
        resident_bytes(&self.child.id().to_string())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Ok(pid) = libc::pid_t::try_from(self.child.id()) else { return };
        // SAFETY: kill takes no pointers, and the child is not yet waited for.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        // Nothing can be done about a child that cannot be waited for.
        let _ = self.child.wait();
    }
}

/// What a program used that has ended.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// The most memory that it held at any time.
    pub(crate) peak_bytes: f64,
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn usage(mut command: Command) -> Result<Usage> {
    let program = command.get_program().display().to_string();
    let child = command.spawn().with_context(|| format!("failed to start {program}"))?;
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: all zeros is a value of this type.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both are written to, and outlive the call.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    ensure!(waited == pid, "wait4: {}", io::Error::last_os_error());
    ensure!(status == 0, "{program}: {}", ExitStatus::from_raw(status));
    let time = |it: libc::timeval| -> Result<Duration> {
        Ok(Duration::new(u64::try_from(it.tv_sec)?, u32::try_from(it.tv_usec)? * 1000))
    };
    Ok(Usage {
        cpu: time(usage.ru_utime)? + time(usage.ru_stime)?,
        peak_bytes: f64::from(u32::try_from(usage.ru_maxrss)?) * 1024.0,
    })
}

/// What a process holds of the machine's memory; `self` is this one.
pub(crate) fn resident_bytes(process: &str) -> Result<f64> {
    const PAGE: f64 = 4096.0;

    let text = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = text.split_whitespace().nth(1).context("statm has no second number")?;
    Ok(pages.parse::<f64>()? * PAGE)
}

fn proportional_bytes(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|it| it.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next());
    Ok(kilobytes.context("smaps_rollup does not tell the memory")?.parse::<f64>()? * 1024.0)
}

/// The processor time of all threads of a process, those that ended included.
fn process_cpu(pid: u32) -> Result<Duration> {
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both calls write to what they are given, which is large enough.
    let result = unsafe {
        libc::clock_getcpuclockid(libc::pid_t::try_from(pid)?, &raw mut clock)
            | libc::clock_gettime(clock, &raw mut time)
    };
    ensure!(result == 0, "the processor time of process {pid} cannot be read");
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}
