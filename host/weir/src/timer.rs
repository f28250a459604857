//! What makes time pass for the guest of a one-shot command, which has no second thread.

use std::{ptr, sync::OnceLock};

use weir_wasm::Ticker;

/// Microseconds of processor time between two ticks: coarse, for the limit is minutes.
const PERIOD_MICROSECONDS: libc::suseconds_t = 10_000;

static TICKER: OnceLock<Ticker> = OnceLock::new();

/// Ticks while this process uses the processor, and never while it waits.
pub(crate) fn start(ticker: Ticker) {
    if TICKER.set(ticker).is_err() {
        return;
    }
    let period = libc::timeval { tv_sec: 0, tv_usec: PERIOD_MICROSECONDS };
    let timer = libc::itimerval { it_interval: period, it_value: period };
    // SAFETY: an action of zeros is valid, and its handler makes two atomic accesses and
    // nothing else, which a signal handler may. Both calls read what they are given alone.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGPROF, &raw const action, ptr::null_mut());
        libc::setitimer(libc::ITIMER_PROF, &raw const timer, ptr::null_mut());
    }
}

extern "C" fn tick(_: libc::c_int) {
    if let Some(ticker) = TICKER.get() {
        ticker.tick();
    }
}
