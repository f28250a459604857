//! Which processor does what.

use std::{io, mem::size_of};

use anyhow::{Result, ensure};

/// Keeps this thread, and what it starts from now on, to one processor; to the only one
/// where there is one.
pub(crate) fn stay_on(processor: usize) -> Result<()> {
    // SAFETY: the call takes no pointers.
    let count = usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1);
    // SAFETY: a set of zeros is the empty one, and both calls stay within it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor % count.max(1), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    ensure!(result == 0, "sched_setaffinity: {}", io::Error::last_os_error());
    Ok(())
}
