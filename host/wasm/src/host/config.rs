//! `weir:host/config`: the instance's own settings. Grant: none.

use crate::{bindings::config, state::PolicyState};

impl config::Host for PolicyState {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.config_json.clone())
    }
}
