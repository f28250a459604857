//! `weir:host/log`: what a plugin says, within its rate and size. Grant: none.

use crate::{bindings::log, state::Common};

impl log::Host for Common {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        if message.is_empty() {
            self.log.place(&fields);
        } else {
            self.log.write(self.clock.monotonic(), level.into(), &message, &fields);
        }
        Ok(())
    }
}
