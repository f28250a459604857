//! How long a one-shot command takes to start, phase by phase: the best of many runs.
//!
//! `cargo run --release -p weir-wasm --example start -- GUEST.wasm` (a command without
//! WASI; it is run with no arguments and no grant, its streams on /dev/null).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use weir_ipvs::Error;
use weir_wasm::{
    Builtin, Command, CommandGrant, Limits, Metering, NoNames, Runtime, Stdio, Terminals, World,
    precompile,
};

const RUNS: usize = 300;

const PHASES: [&str; 4] = ["engine", "deserialise and link", "store, instantiate, run", "sum"];

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).expect("usage: start GUEST.wasm");
    let target = if cfg!(target_arch = "aarch64") {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    };
    let code = precompile(&fs::read(path)?, target, Metering::Time).expect("the guest compiles");
    let size = code.len();
    // SAFETY: this is what `precompile` just returned.
    let builtin = unsafe { Builtin::embedded("guest", &[World::Command], code.leak()) };
    let mut best = [Duration::MAX; PHASES.len()];
    for _ in 0..RUNS {
        for (best, time) in best.iter_mut().zip(run_once(&builtin)?) {
            *best = time.min(*best);
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "code {size} bytes, best of {RUNS} runs")?;
    for (phase, time) in PHASES.iter().zip(best) {
        writeln!(out, "{phase:24} {:7.1} us", time.as_secs_f64() * 1e6)?;
    }
    Ok(())
}

fn run_once(builtin: &Builtin) -> io::Result<[Duration; PHASES.len()]> {
    let stdio = Stdio::new(
        File::open("/dev/null")?.into(),
        OpenOptions::new().write(true).open("/dev/null")?.into(),
        OpenOptions::new().write(true).open("/dev/null")?.into(),
    );
    let begin = now();
    let runtime = Runtime::for_command(false).expect("the engine starts");
    let engine = now();
    let plugin = runtime.builtin(builtin, None).expect("the code fits");
    let loaded = now();
    let command = Command {
        arguments: vec![b"guest".to_vec()],
        environment: Vec::new(),
        terminals: Terminals::default(),
        grant: CommandGrant::default(),
        limits: Limits::for_command(),
        ipvs: Box::new(|| Err(Error::NoIpvs)),
        names: Box::new(NoNames),
        stdio,
        log: Arc::new(|_| {}),
    };
    // What it returns is not the question.
    let _ = runtime.run_command(&plugin, command);
    let end = now();
    Ok([engine - begin, loaded - engine, end - loaded, end - begin])
}

#[expect(clippy::disallowed_methods, reason = "a measurement owns its clock")]
fn now() -> Instant {
    Instant::now()
}
