//! The engine's settings, written once: what is compiled at build time must load at run
//! time, and both must allow the same WebAssembly.

use std::sync::Arc;

use wasmtime::{Config, Engine, OptLevel, WasmBacktraceDetails};

use crate::{Error, STACK_BYTES, code::InPlace};

/// Bytes of address space set aside for each linear memory. Small, so that 10,000 guests
/// are 640 GiB of it and not 40 TiB; a memory that outgrows it is moved.
const MEMORY_RESERVATION: u64 = 64 << 20;

/// Bytes of inaccessible memory after each linear memory.
const MEMORY_GUARD: u64 = 64 << 10;

/// How a guest's use of the processor is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Metering {
    /// By time, which passes as [`crate::Ticker::tick`] says: cheap, and never twice the
    /// same.
    #[default]
    Time,
    /// By instructions, each of which counts as a nanosecond: the same at every run, so
    /// that a simulation can be repeated.
    Instructions,
}

/// What an engine is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Runs what was compiled before, and starts without setting up a compiler.
    Run,
    /// Compiles for this machine, too.
    Compile,
}

pub(crate) fn engine(purpose: Purpose, metering: Metering) -> Result<Engine, Error> {
    let mut config = config(metering);
    match purpose {
        Purpose::Run => {
            config.enable_compiler(false);
        }
        Purpose::Compile => compiler(&mut config),
    }
    Engine::new(&config).map_err(|error| Error::Engine(error.to_string()))
}

/// Compiles `component` for any processor of `target`, a triple such as
/// `x86_64-unknown-linux-gnu`. For build scripts: [`crate::builtin!`] embeds what this
/// returns, and it loads in a weir of the same version only, into an engine with the same
/// `metering`.
///
/// Naming the target keeps the features of the building machine's processor out.
pub fn precompile(component: &[u8], target: &str, metering: Metering) -> Result<Vec<u8>, Error> {
    let mut config = config(metering);
    compiler(&mut config);
    // Every byte is read at every start. Names of functions stay; their lines would not be
    // known anyway, for plugins are embedded without them.
    config.generate_address_map(false);
    let failed = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
    config.target(target).map_err(failed)?;
    let engine = Engine::new(&config).map_err(failed)?;
    engine.precompile_component(component).map_err(|error| Error::Compile {
        plugin: "a built-in plugin".to_owned(),
        reason: format!("{error:#}"),
    })
}

/// What running and compiling must agree on.
fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    // Proposals that no world needs: each is code that hostile input can reach. What
    // language runtimes do need stays on: multi-memory (wasmtime's own adapters), tail
    // calls, SIMD, bulk memory, reference types, multi-value, extended constants. Threads,
    // garbage collection, exceptions and component-model async are not even built in.
    config
        .wasm_shared_everything_threads(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .gc_support(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .concurrency_support(false);
    config
        .memory_reservation(MEMORY_RESERVATION)
        .memory_reservation_for_growth(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        // Copying a small guest's data costs less than mapping it from a file.
        .memory_init_cow(false)
        .max_wasm_stack(STACK_BYTES)
        // Counted instructions cost more, and say less of the time that is lost.
        .epoch_interruption(metering == Metering::Time)
        .consume_fuel(metering == Metering::Instructions)
        // Host panics never unwind through guests, and each table that is registered for
        // it costs at start.
        .native_unwind_info(false)
        .with_custom_code_memory(Some(Arc::new(InPlace)))
        // Not by the environment, as the default is.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

fn compiler(config: &mut Config) {
    config
        .cranelift_opt_level(OptLevel::Speed)
        // The same bits on every machine.
        .cranelift_nan_canonicalization(true);
}
