//! Guests: engine, bindings, limits and grants.
//!
//! The only crate that knows wasmtime. It runs plugins of the worlds of `wit/`: policies,
//! which live long and stage effects, controllers among them; weighers and guards, which are functions; and
//! commands, which run once and act at once. [`Runtime`] loads and starts them all;
//! everything around that is plain data.
//!
//! Invariants: one translating file, `convert.rs`, and one more for each release of `wit/` that is
//! served beside today's, in `release/`; one place per host interface, in
//! `host/`, that checks the grant; a guest's bad argument is a value or a trap of that
//! guest, never a panic of the host; after a trap the store is dropped.
//!
//! Nothing here is asynchronous, starts a thread or keeps a timer of its own: limits of
//! time are enforced when whoever owns a timer calls [`Ticker::tick`].

mod bindings;
mod cache;
mod call;
mod checker;
mod clock;
mod code;
mod command;
mod convert;
mod engine;
mod error;
mod guard;
mod host;
mod http;
mod limits;
mod log;
mod maker;
mod owned;
mod plugin;
mod policy;
mod regular;
mod release;
mod runtime;
mod state;
mod stdio;
mod table;
mod wasi;
mod weigher;

pub use cache::Cache;
pub use checker::{
    Checked, Checker, Checking, Conversation, HttpRequest, HttpResponse, ProbeError, Reach,
};
pub use command::{Command, CommandGrant, IpvsOpener, Names, NoNames, Terminals};
pub use engine::{Metering, precompile};
pub use error::{Error, Failure, Report};
pub use guard::{Guard, Judgement, Origin, Review};
pub use http::{HeaderText, HttpAnswer, HttpCall, HttpFailure, HttpReply, HttpRule};
pub use limits::{
    COMPONENT_BYTES, HTTP_BODY_BYTES, HTTP_CALLS, HTTP_REPLY_BYTES, HTTP_TAG_BYTES, HTTP_TIMEOUT,
    Limits, MEMO_BYTES, MEMO_SERVER_BYTES, OPERATIONS_PER_APPLY, PROBE_BYTES, QUESTIONS_PER_CHECK,
    READ_BYTES, REASON_BYTES, STACK_BYTES, STATE_ENTRY_BYTES, STATE_KEY_BYTES, STATEMENTS_HELD,
    STATEMENTS_PER_CALL,
};
pub use log::{Level, LogLine, LogSink, is_unsafe_to_print, printable};
pub use owned::{OwnedService, StructureGrant};
pub use plugin::{Builtin, PageAligned, Plugin, World};
pub use policy::{
    Birth, Effect, Entries, Envelope, Event, HealthChange, HealthReport, HealthStatus, Intent,
    Labelled, Labels, Latency, Policy, PolicyGrant, Refusal, Services, Settings, Statement,
    Subscription, View,
};
pub use regular::{open_regular, read_regular};
pub use runtime::{Runtime, Ticker};
pub use stdio::Stdio;
pub use table::Table;
pub use weigher::{Candidate, Weighed, Weigher, Weighing};
