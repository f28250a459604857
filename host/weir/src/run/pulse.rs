//! What makes time pass for plugins: a tick every millisecond while one is called, and
//! nothing at all while none is.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// Between two ticks. Bounds by how much a plugin can exceed its limits of time.
const PERIOD: Duration = Duration::from_millis(1);

/// How many plugins are being called.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    calls: AtomicUsize,
    is_over: AtomicBool,
    ticking: OnceLock<Thread>,
}

impl Pulse {
    /// Calls `tick` while plugins are called, until [`Pulse::stop`]; for a thread of its
    /// own, which [`Pulse::beat_on`] then names.
    pub(crate) fn run(&self, tick: impl Fn()) {
        while !self.is_over.load(Ordering::Acquire) {
            if self.calls.load(Ordering::Acquire) > 0 {
                thread::sleep(PERIOD);
                tick();
            } else {
                thread::park();
            }
        }
    }

    /// Says which thread is in [`Pulse::run`]; before the first [`Pulse::during`].
    pub(crate) fn beat_on(&self, ticking: &Thread) {
        self.ticking.get_or_init(|| ticking.clone());
    }

    /// Does `call`, during which there are ticks.
    pub(crate) fn during<T>(&self, call: impl FnOnce() -> T) -> T {
        if self.calls.fetch_add(1, Ordering::AcqRel) == 0 {
            self.wake();
        }
        let result = call();
        self.calls.fetch_sub(1, Ordering::AcqRel);
        result
    }

    /// Ends [`Pulse::run`].
    pub(crate) fn stop(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wake();
    }

    /// A thread that was not yet parked does not park then, so no wake is lost.
    fn wake(&self) {
        if let Some(ticking) = self.ticking.get() {
            ticking.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn it_ticks_during_calls_and_ends_when_told() {
        let pulse = Arc::new(Pulse::default());
        let (ticks, ticked) = mpsc::channel();
        let ticking = {
            let pulse = Arc::clone(&pulse);
            thread::spawn(move || {
                pulse.run(|| {
                    let _ = ticks.send(());
                })
            })
        };
        pulse.beat_on(ticking.thread());
        for _ in 0..2 {
            pulse.during(|| ticked.recv().unwrap());
        }
        pulse.stop();
        ticking.join().unwrap();
        assert!(ticked.try_iter().count() < 1000);
    }
}
