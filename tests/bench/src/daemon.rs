//! A process that runs while something is measured, and what it has used.

use std::{
    fs,
    process::{Child, Command},
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
        let pid = self.child.id();
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(path).unwrap_or_default();
        let mut cpu = process_cpu(pid)?;
        for child in children.split_whitespace() {
            cpu += process_cpu(child.parse()?)?;
        }
        Ok(cpu)
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

/// What a process holds of the machine's memory; `self` is this one.
pub(crate) fn resident_bytes(process: &str) -> Result<f64> {
    const PAGE: f64 = 4096.0;

    let text = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = text.split_whitespace().nth(1).context("statm has no second number")?;
    Ok(pages.parse::<f64>()? * PAGE)
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
