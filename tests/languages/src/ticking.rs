//! Time for guests that run long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use weir_wasm::Runtime;

/// Between two ticks, as in the daemon while a plugin is called.
const TICK: Duration = Duration::from_millis(1);

/// Makes time pass for the guests of a runtime, as the daemon does, until it is dropped.
pub struct Ticking(Arc<AtomicBool>);

impl Ticking {
    /// Begins.
    pub fn start(runtime: &Runtime) -> Self {
        let (ticker, is_over) = (runtime.ticker(), Arc::new(AtomicBool::new(false)));
        let over = Arc::clone(&is_over);
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                ticker.tick();
            }
        });
        Self(is_over)
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
