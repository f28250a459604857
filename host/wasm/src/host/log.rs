//! `weir:host/log`: what a plugin says, within its rate and size. Grant: none.

use std::time::Duration;

use crate::{bindings::log, clock, state::Common};

impl log::Host for Common {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let now: Duration = clock::monotonic();
        self.log.write(now, level.into(), &message, &fields);
        Ok(())
    }
}
