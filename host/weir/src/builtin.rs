//! What the program carries inside, made by its build script.

use weir_wasm::{Builtin, World};

/// A built-in command.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The names it is called by.
    pub names: &'static [&'static str],
    /// Its code.
    pub plugin: Builtin,
    /// The environment variables it is shown.
    pub environment: &'static [&'static str],
}

/// Every built-in command.
pub(crate) static TOOLS: [Tool; 1] = [Tool {
    names: &["ipvsadm", "ipvsadm-save", "ipvsadm-restore"],
    plugin: weir_wasm::builtin!("ipvsadm", &[World::Command], "ipvsadm.cwasm"),
    environment: &["POSIXLY_CORRECT", "POSIX_ME_HARDER"],
}];

/// Every built-in policy, weigher and guard, by the name that `component` has in a
/// configuration.
pub(crate) static POLICIES: [Builtin; 9] = [
    weir_wasm::builtin!(
        "health-weight",
        &[World::Policy],
        "health-weight.cwasm",
        "health-weight.metered.cwasm"
    ),
    weir_wasm::builtin!(
        "least-load",
        &[World::Weigher],
        "least-load.cwasm",
        "least-load.metered.cwasm"
    ),
    weir_wasm::builtin!("latency", &[World::Weigher], "latency.cwasm", "latency.metered.cwasm"),
    weir_wasm::builtin!("canary", &[World::Policy], "canary.cwasm", "canary.metered.cwasm"),
    weir_wasm::builtin!(
        "discovery",
        &[World::Controller],
        "discovery.cwasm",
        "discovery.metered.cwasm"
    ),
    weir_wasm::builtin!(
        "business-hours",
        &[World::Weigher],
        "business-hours.cwasm",
        "business-hours.metered.cwasm"
    ),
    weir_wasm::builtin!(
        "n-plus-one",
        &[World::Guard],
        "n-plus-one.cwasm",
        "n-plus-one.metered.cwasm"
    ),
    weir_wasm::builtin!("ready", &[World::Checker], "ready.cwasm", "ready.metered.cwasm"),
    weir_wasm::builtin!(
        "starlark",
        &[World::Controller, World::Weigher, World::Guard, World::Checker],
        "starlark.cwasm"
    )
    .with_component(include_bytes!(concat!(env!("OUT_DIR"), "/starlark.wasm"))),
];

/// The schema of the settings of the built-in of this name; none = they are not its own.
pub(crate) fn schema(name: &str) -> Option<&'static str> {
    Some(match name {
        "health-weight" => include_str!("../../../plugins/health-weight/settings.json"),
        "least-load" => include_str!("../../../plugins/least-load/settings.json"),
        "latency" => include_str!("../../../plugins/latency/settings.json"),
        "canary" => include_str!("../../../plugins/canary/settings.json"),
        "discovery" => include_str!("../../../plugins/discovery/settings.json"),
        "business-hours" => include_str!("../../../plugins/business-hours/settings.json"),
        "n-plus-one" => include_str!("../../../plugins/n-plus-one/settings.json"),
        "ready" => include_str!("../../../plugins/ready/settings.json"),
        _ => return None,
    })
}

/// The executable `weir-names`.
pub(crate) static NAMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/weir-names"));
