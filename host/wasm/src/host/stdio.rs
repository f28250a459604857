//! `weir:host/stdio`: the caller's streams. Grant: none; policies cannot import it.

use crate::{bindings::stdio, state::CommandState};

impl stdio::Host for CommandState {
    fn read(&mut self, max: u32) -> wasmtime::Result<Result<Vec<u8>, String>> {
        Ok(self.stdio.read(max))
    }

    fn write(&mut self, to: stdio::Output, bytes: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        Ok(match to {
            stdio::Output::Stdout => self.stdio.write_output(&bytes),
            stdio::Output::Stderr => self.stdio.write_error(&bytes),
        })
    }
}
