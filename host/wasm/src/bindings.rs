//! What wasmtime makes of `wit/`: the traits that `crate::host` implements, and the calls
//! of guests. Types that several worlds have are one.

/// The world `command`.
pub(crate) mod command {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "command",
        imports: { default: trappable },
        with: {
            "weir:ipvs/snapshots.snapshot": crate::host::snapshots::Seen,
            "weir:ipvs/connections.cursor": crate::host::connections::Walk,
        },
    });
}

/// The world `controller`, and so `policy`, which has less of the same.
pub(crate) mod policy {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "controller",
        imports: { default: trappable },
        with: {
            "weir:ipvs/addresses": super::command::weir::ipvs::addresses,
            "weir:ipvs/services": super::command::weir::ipvs::services,
            "weir:ipvs/real-servers": super::command::weir::ipvs::real_servers,
            "weir:ipvs/schedulers": super::command::weir::ipvs::schedulers,
            "weir:ipvs/snapshots": super::command::weir::ipvs::snapshots,
            "weir:ipvs/stats": super::command::weir::ipvs::stats,
            "weir:ipvs/timeouts": super::command::weir::ipvs::timeouts,
            "weir:ipvs/sync": super::command::weir::ipvs::sync,
            "weir:ipvs/errors": super::command::weir::ipvs::errors,
            "weir:host/log": super::command::weir::host::log,
            "weir:host/clock": super::command::weir::host::clock,
        },
    });
}

/// The world `weigher`.
pub(crate) mod weigher {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "weigher",
        imports: { default: trappable },
        with: {
            "weir:ipvs/addresses": super::command::weir::ipvs::addresses,
            "weir:ipvs/services": super::command::weir::ipvs::services,
            "weir:ipvs/real-servers": super::command::weir::ipvs::real_servers,
            "weir:ipvs/stats": super::command::weir::ipvs::stats,
            "weir:host/log": super::command::weir::host::log,
            "weir:plugin/health-words": super::policy::weir::plugin::health_words,
        },
    });
}

/// The world `guard`.
pub(crate) mod guard {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "guard",
        imports: { default: trappable },
        with: {
            "weir:ipvs/addresses": super::command::weir::ipvs::addresses,
            "weir:ipvs/services": super::command::weir::ipvs::services,
            "weir:ipvs/real-servers": super::command::weir::ipvs::real_servers,
            "weir:ipvs/schedulers": super::command::weir::ipvs::schedulers,
            "weir:ipvs/snapshots": super::command::weir::ipvs::snapshots,
            "weir:ipvs/stats": super::command::weir::ipvs::stats,
            "weir:ipvs/timeouts": super::command::weir::ipvs::timeouts,
            "weir:ipvs/sync": super::command::weir::ipvs::sync,
            "weir:ipvs/errors": super::command::weir::ipvs::errors,
            "weir:ipvs/operations": super::command::weir::ipvs::operations,
            "weir:ipvs/table": super::policy::weir::ipvs::table,
            "weir:host/log": super::command::weir::host::log,
            "weir:host/clock": super::command::weir::host::clock,
            "weir:host/config": super::policy::weir::host::config,
            "weir:plugin/health-words": super::policy::weir::plugin::health_words,
            "weir:plugin/health": super::policy::weir::plugin::health,
            "weir:plugin/labels": super::policy::weir::plugin::labels,
        },
    });
}

/// The world `checker`.
pub(crate) mod checker {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "checker",
        imports: { default: trappable },
        with: {
            "weir:ipvs/addresses": super::command::weir::ipvs::addresses,
            "weir:host/log": super::command::weir::host::log,
            "weir:host/clock": super::command::weir::host::clock,
            "weir:host/probe.connection": crate::host::probe::Connected,
        },
    });
}

/// The world `runner`.
pub(crate) mod runner {
    wasmtime::component::bindgen!({ path: "../../wit", world: "runner" });
}

pub(crate) use checker::{exports::weir::plugin::checking, weir::host::probe};
pub(crate) use command::exports::weir::plugin::cli;
pub(crate) use command::weir::{
    host::{clock, log, names, stdio},
    ipvs::{
        addresses, admin, connections, errors, live, operations, real_servers, schedulers,
        services, snapshots, stats, sync, timeouts,
    },
};
pub(crate) use guard::exports::weir::plugin::guarding;
pub(crate) use policy::{
    exports::weir::plugin::reactor,
    weir::{
        host::{config, http, http_messages, state},
        ipvs::table,
        plugin::{events, failures, health, health_words, intents, labels, structure},
    },
};
pub(crate) use runner::exports::weir::plugin::roles;
pub(crate) use weigher::exports::weir::plugin::weighing;
