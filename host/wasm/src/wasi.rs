//! WASI for the guests whose language runtime imports it: one that grants nothing.
//!
//! No files, no network, no environment, no arguments. What is written to standard output
//! and standard error goes to the plugin's log or, for a command, to its caller. Linked
//! only to components that import it, so that weir's own plugins pay nothing.
//!
//! The one part of this crate that may start threads: wasmtime-wasi keeps an executor of
//! its own, made when a guest first writes to a stream.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::{
    WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, async_trait,
    cli::{WasiCli, WasiCliView},
    clocks::{HostMonotonicClock, HostWallClock, WasiClocks, WasiClocksView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::{
        DynOutputStream, DynPollable, OutputStream, Pollable, StreamError, StreamResult,
        bindings::{self, sync},
    },
    random::{Deterministic, WasiRandom, WasiRandomView},
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::{
    Level, Stdio,
    clock::{self, Clock},
    engine::Metering,
    log::Log,
    state::{CommandState, Common, PolicyState, State},
};

/// Bytes of an unfinished line that are kept for its end to come.
const LINE_BYTES: usize = 4096;

/// Bytes a guest may write to a stream at a time.
const WRITE_BYTES: usize = 64 << 10;

/// What a guest with WASI has beside what every guest has.
pub(crate) struct Wasi {
    context: WasiCtx,
    stdout: Arc<Output>,
    stderr: Arc<Output>,
}

impl Wasi {
    /// For a policy: what it prints is log.
    pub(crate) fn logging(log: &Arc<Log>, clock: &Arc<Clock>, metering: Metering) -> Self {
        let output = |level| Output::Log {
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            level,
            line: Mutex::default(),
        };
        let mut context = nothing();
        if metering == Metering::Instructions {
            make_repeatable(&mut context, clock);
        }
        Self::new(&mut context, output(Level::Info), output(Level::Error))
    }

    /// For a command: what it prints is its caller's.
    pub(crate) fn printing(stdio: &Arc<Stdio>) -> Self {
        let (stdout, stderr) = (Arc::clone(stdio), Arc::clone(stdio));
        Self::new(&mut nothing(), Output::Stdout(stdout), Output::Stderr(stderr))
    }

    fn new(context: &mut WasiCtxBuilder, stdout: Output, stderr: Output) -> Self {
        Self { context: context.build(), stdout: Arc::new(stdout), stderr: Arc::new(stderr) }
    }

    /// Logs lines that have no end yet.
    pub(crate) fn flush(&self) {
        self.stdout.flush();
        self.stderr.flush();
    }
}

/// A WASI that grants nothing.
fn nothing() -> WasiCtxBuilder {
    let mut context = WasiCtx::builder();
    context.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    context
}

/// Time as it is given, and random numbers that are the same at every run.
fn make_repeatable(context: &mut WasiCtxBuilder, clock: &Arc<Clock>) {
    let random = || Deterministic::new(random_bytes());
    context
        .wall_clock(Given(Arc::clone(clock)))
        .monotonic_clock(Given(Arc::clone(clock)))
        .secure_random(random())
        .insecure_random(random())
        .insecure_random_seed(0);
}

/// What a guest whose run is to be repeated gets as random numbers, over and over.
fn random_bytes() -> Vec<u8> {
    (0..128_u8).flat_map(|block| Sha256::digest([block])).collect()
}

struct Given(Arc<Clock>);

impl HostWallClock for Given {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.wall()
    }
}

impl HostMonotonicClock for Given {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        clock::nanoseconds(self.0.monotonic())
    }
}

/// Where a stream of a guest leads.
enum Output {
    Log { log: Arc<Log>, clock: Arc<Clock>, level: Level, line: Mutex<Vec<u8>> },
    Stdout(Arc<Stdio>),
    Stderr(Arc<Stdio>),
}

impl Output {
    fn write(&self, bytes: &[u8]) -> Result<(), String> {
        match self {
            Self::Stdout(stdio) => stdio.write_output(bytes),
            Self::Stderr(stdio) => stdio.write_error(bytes),
            Self::Log { log, clock, level, line } => {
                let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
                for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                    line.extend_from_slice(&part[..part.len().min(LINE_BYTES)]);
                    if part.ends_with(b"\n") || line.len() >= LINE_BYTES {
                        write_line(log, clock, *level, &mut line);
                    }
                }
                Ok(())
            }
        }
    }

    fn flush(&self) {
        if let Self::Log { log, clock, level, line } = self {
            let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
            write_line(log, clock, *level, &mut line);
        }
    }
}

fn write_line(log: &Log, clock: &Clock, level: Level, line: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    if !text.is_empty() {
        log.write(clock.monotonic(), level, text, &[]);
    }
    line.clear();
}

/// One handle of a guest on an output.
struct OutputHandle(Arc<Output>);

#[async_trait]
impl Pollable for OutputHandle {
    async fn ready(&mut self) {}
}

impl OutputStream for OutputHandle {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0
            .write(&bytes)
            .map_err(|text| StreamError::LastOperationFailed(wasmtime::Error::msg(text)))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

/// Links WASI, interface by interface: what is not named here is not there, `wasi:http`
/// for one.
pub(crate) fn link<S>(linker: &mut Linker<S>) -> wasmtime::Result<()>
where
    S: State + WasiView,
{
    use bindings::{cli, clocks, filesystem, random, sockets};

    bindings::io::error::add_to_linker::<S, Resources>(linker, |state| state.ctx().table)?;
    sync::io::streams::add_to_linker::<S, Resources>(linker, |state| state.ctx().table)?;
    sync::io::poll::add_to_linker::<S, Waiting>(linker, |state| Waits {
        resources: state.ctx().table,
        allowed: S::MAY_WAIT,
    })?;
    clocks::wall_clock::add_to_linker::<S, WasiClocks>(linker, S::clocks)?;
    clocks::monotonic_clock::add_to_linker::<S, WasiClocks>(linker, S::clocks)?;
    random::random::add_to_linker::<S, WasiRandom>(linker, S::random)?;
    random::insecure::add_to_linker::<S, WasiRandom>(linker, S::random)?;
    random::insecure_seed::add_to_linker::<S, WasiRandom>(linker, S::random)?;
    cli::exit::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::environment::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::stdin::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::stdout::add_to_linker::<S, Outputs>(linker, |state| OutputsOf(state.common()))?;
    cli::stderr::add_to_linker::<S, Outputs>(linker, |state| OutputsOf(state.common()))?;
    cli::terminal_input::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::terminal_output::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::terminal_stdin::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::terminal_stdout::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    cli::terminal_stderr::add_to_linker::<S, WasiCli>(linker, <S as WasiCliView>::cli)?;
    filesystem::preopens::add_to_linker::<S, WasiFilesystem>(linker, S::filesystem)?;
    sync::filesystem::types::add_to_linker::<S, WasiFilesystem>(linker, S::filesystem)?;
    sockets::instance_network::add_to_linker::<S, WasiSockets>(linker, S::sockets)?;
    let options = sync::LinkOptions::default();
    sockets::network::add_to_linker::<S, WasiSockets>(linker, &(&options).into(), S::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<S, WasiSockets>(linker, S::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<S, WasiSockets>(linker, S::sockets)?;
    sync::sockets::tcp::add_to_linker::<S, WasiSockets>(linker, S::sockets)?;
    sync::sockets::udp_create_socket::add_to_linker::<S, WasiSockets>(linker, S::sockets)?;
    sync::sockets::udp::add_to_linker::<S, WasiSockets>(linker, S::sockets)
}

impl WasiView for PolicyState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.common.wasi_view()
    }
}

impl WasiView for CommandState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.common.wasi_view()
    }
}

impl Common {
    fn wasi_view(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.as_mut().expect("made for every guest that WASI is linked to");
        WasiCtxView { ctx: &mut wasi.context, table: &mut self.resources }
    }
}

struct Resources;

impl HasData for Resources {
    type Data<'a> = &'a mut ResourceTable;
}

struct Outputs;

impl HasData for Outputs {
    type Data<'a> = OutputsOf<'a>;
}

struct OutputsOf<'a>(&'a mut Common);

impl OutputsOf<'_> {
    fn open(
        &mut self,
        choose: impl FnOnce(&Wasi) -> &Arc<Output>,
    ) -> wasmtime::Result<Resource<DynOutputStream>> {
        let wasi = self.0.wasi.as_ref().expect("made for every guest that WASI is linked to");
        let stream: DynOutputStream = Box::new(OutputHandle(Arc::clone(choose(wasi))));
        Ok(self.0.resources.push(stream)?)
    }
}

impl bindings::cli::stdout::Host for OutputsOf<'_> {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.open(|wasi| &wasi.stdout)
    }
}

impl bindings::cli::stderr::Host for OutputsOf<'_> {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.open(|wasi| &wasi.stderr)
    }
}

/// `wasi:io/poll`, where a guest can sleep. A policy would hold up all others, and no limit
/// of time reaches into a host function: it is trapped instead.
struct Waiting;

impl HasData for Waiting {
    type Data<'a> = Waits<'a>;
}

struct Waits<'a> {
    resources: &'a mut ResourceTable,
    allowed: bool,
}

impl Waits<'_> {
    /// Whether it is so without waiting. What is due at once says so only when asked again, for
    /// the first time it would let others run; Go asks for it after each collection.
    fn is_ready(&mut self, pollable: &Resource<DynPollable>) -> wasmtime::Result<bool> {
        for _ in 0..2 {
            let asked = Resource::new_borrow(pollable.rep());
            if sync::io::poll::HostPollable::ready(self.resources, asked)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn must_not_wait() -> wasmtime::Error {
    wasmtime::Error::msg("it waited (wasi:io/poll), which only commands may do")
}

impl sync::io::poll::Host for Waits<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if self.allowed {
            return sync::io::poll::Host::poll(self.resources, pollables);
        }
        let mut ready = Vec::new();
        for (number, pollable) in (0..).zip(pollables) {
            if self.is_ready(&pollable)? {
                ready.push(number);
            }
        }
        if ready.is_empty() { Err(must_not_wait()) } else { Ok(ready) }
    }
}

impl sync::io::poll::HostPollable for Waits<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        sync::io::poll::HostPollable::ready(self.resources, pollable)
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        if self.allowed {
            return sync::io::poll::HostPollable::block(self.resources, pollable);
        }
        if self.is_ready(&pollable)? { Ok(()) } else { Err(must_not_wait()) }
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        sync::io::poll::HostPollable::drop(self.resources, pollable)
    }
}
