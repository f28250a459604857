//! `weir:host/clock`: the time of the call, the same all through it. Grant: none.

use crate::{bindings::clock, state::Common};

impl clock::Host for Common {
    fn wall(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wall_ns)
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(self.monotonic_ns)
    }

    fn utc_offset(&mut self) -> wasmtime::Result<i32> {
        Ok(self.clock.utc_offset(self.wall_ns))
    }
}
