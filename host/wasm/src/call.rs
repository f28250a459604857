//! Calls into guests: armed with limits, and whatever goes wrong made one report.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use wasmtime::{Engine, Store, Trap, UpdateDeadline, WasmBacktrace, component::ResourceTableError};

use crate::{
    Failure, Limits, Report, STACK_BYTES,
    engine::Metering,
    error::{Exceeded, Size},
    state::State,
};

/// Ticks between two looks at the time.
const TICKS: u64 = 1;

/// A store for `state`, with its limits in force.
pub(crate) fn store<S: State>(engine: &Engine, metering: Metering, mut state: S) -> Store<S> {
    let limits = state.common().limits;
    state.common().metering = metering;
    let mut store = Store::new(engine, state);
    store.limiter(|state| state.common());
    store.set_hostcall_fuel(limits.lifted_bytes);
    store.set_max_component_handles(limits.handles);
    store.set_epoch_deadline(TICKS);
    store.epoch_deadline_callback(|mut store| {
        store.data_mut().common().check_time()?;
        Ok(UpdateDeadline::Continue(TICKS))
    });
    store
}

/// Calls into the guest of `store` by `function`. What panics in a host function fails
/// this guest alone.
pub(crate) fn guarded<S: State, R>(
    store: &mut Store<S>,
    call: &'static str,
    function: impl FnOnce(&mut Store<S>) -> wasmtime::Result<R>,
) -> Result<R, Failure> {
    if let Some(instructions) = store.data_mut().common().arm() {
        store.set_fuel(instructions).expect("its engine counts instructions");
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| function(store)));
    if let Some(wasi) = &store.data_mut().common().wasi {
        wasi.flush();
    }
    let (reason, frames) = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => (reason(&error, store.data_mut().common().limits), frames(&error)),
        Err(panic) => (
            format!("a function of weir that it called has a bug: {}", panic_text(&*panic)),
            Vec::new(),
        ),
    };
    let common = store.data_mut().common();
    Err(Failure::Trapped(Box::new(Report {
        plugin: common.plugin.clone(),
        call,
        reason,
        frames,
        last_words: common.log.last_words(),
    })))
}

/// Why it failed, in words for those who do not know WebAssembly.
fn reason(error: &wasmtime::Error, limits: Limits) -> String {
    if let Some(exceeded) = error.downcast_ref::<Exceeded>() {
        return exceeded.to_string();
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return "held more resources at a time than it may (limit handles)".to_owned();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Exceeded::Cpu(limits.cpu).to_string(),
        Some(Trap::StackOverflow) => {
            format!("used more than {} of call stack", Size(STACK_BYTES))
        }
        Some(Trap::UnreachableCodeReached) => "it panicked or aborted".to_owned(),
        Some(Trap::MemoryOutOfBounds | Trap::HeapMisaligned | Trap::TableOutOfBounds) => {
            "it reached outside its memory, or overran the stack that it keeps there".to_owned()
        }
        _ => by_text(&error.root_cause().to_string()),
    }
}

/// For errors that wasmtime tells apart by their text alone.
fn by_text(text: &str) -> String {
    const KNOWN: [(&str, &str); 3] = [
        (
            "too much data is being copied",
            "handed over more bytes in one call than it may (limit lifted_bytes)",
        ),
        ("resource limit exceeded", "it is made of more parts than it may be (limit instances)"),
        ("store handle limit", "held more resources at a time than it may (limit handles)"),
    ];
    let known = KNOWN.iter().find(|(part, _)| text.contains(part));
    known.map_or_else(|| text.to_owned(), |(_, words)| (*words).to_owned())
}

/// The guest's functions on the way to the failure, innermost first; none where the guest
/// has no names for them, for numbers tell nobody anything.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames();
    if frames.iter().all(|frame| frame.func_name().is_none()) {
        return Vec::new();
    }
    frames
        .iter()
        .map(|frame| {
            let name = frame.func_name().map_or_else(
                || format!("function {}", frame.func_index()),
                |name| format!("{:#}", rustc_demangle::demangle(name)),
            );
            let place = frame.symbols().iter().find_map(|it| Some((it.file()?, it.line()?)));
            place.map_or_else(|| name.clone(), |(file, line)| format!("{name} ({file}:{line})"))
        })
        .collect()
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
