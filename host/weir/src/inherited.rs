//! What the program was started with, noted before Rust's start-up code changes it.

use std::{
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Called by the C library before `main`. Rust's start-up code ignores `SIGPIPE`, and so
/// hides whether the caller did.
#[used]
// SAFETY: the section holds pointers to functions of this kind; `note` uses nothing that
// is set up only later.
#[unsafe(link_section = ".init_array")]
static NOTE: extern "C" fn() = note;

extern "C" fn note() {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the call only asks, and fills in `action`, for which zeros are valid too.
    let action = unsafe {
        libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    SIGPIPE_IGNORED.store(action.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
}

/// Lets a pipe that nobody reads any more end the program by `SIGPIPE`, as it ends every
/// other tool, unless the caller had switched that off.
pub(crate) fn restore_sigpipe() {
    if !SIGPIPE_IGNORED.load(Ordering::Relaxed) {
        // SAFETY: restoring the default action installs no handler.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }
}
