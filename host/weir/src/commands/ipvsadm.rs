//! `weir ipvsadm`, and weir called by the names of ipvsadm: a built-in plugin with no
//! private door.

use std::{ffi::OsString, path::Path, process::ExitCode};

use weir_wasm::{CommandGrant, Runtime};

use crate::{
    builtin::Tool,
    cli::{self, Exit},
    control, memory,
};

/// Runs `tool` with `arguments`, of which the first is the name it was called by, on the
/// IPVS that `socket` names or that is chosen without it.
pub(crate) fn run(tool: &Tool, arguments: &[OsString], socket: Option<&Path>) -> ExitCode {
    memory::prepare();
    let backend = match control::choose(socket) {
        Ok(backend) => backend,
        Err(error) => {
            cli::report(&error);
            return Exit::Failure.into();
        }
    };
    let loaded = Runtime::for_command(false)
        .and_then(|runtime| runtime.builtin(&tool.plugin, None).map(|plugin| (runtime, plugin)));
    match loaded {
        Ok((runtime, plugin)) => {
            let grant = CommandGrant { live: true, admin: true, connections: true, names: true };
            super::run_plugin(&runtime, &plugin, arguments, tool.environment, grant, backend)
        }
        Err(error) => super::failed(&error.into()),
    }
}
