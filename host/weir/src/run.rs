//! `weir run`: the daemon, put together.
//!
//! The only file that spawns. Three threads: this one runs the checks and waits for
//! signals, one owns the manager and reaches IPVS and calls the plugins, and one ticks
//! while a plugin is being called. They share two bounded channels and nothing else:
//! events to the manager, checks to begin and end from it. With the embedded backend a
//! fourth one owns the table and forwards.

mod clock;
mod commands;
mod forwarding;
mod keeper;
mod logging;
mod orders;
mod outward;
pub(crate) mod plugins;
pub(crate) mod pulse;
mod signals;
mod watch;

pub(crate) use keeper::Left;

use std::{
    path::{Path, PathBuf, absolute},
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
};
use weir_ipvs::{Error, Ipvs};
use weir_netlink::{Autoload, Netlink};
use weir_wasm::{HttpCall, LogSink, Runtime};

use self::{
    forwarding::Forwarding,
    keeper::Keeper,
    logging::{Page, print},
    orders::{ORDERS_WAITING, Ordered, Reader, Workshop},
    plugins::Loaded,
    pulse::Pulse,
    signals::{Signal, Signals},
    watch::Watched,
};
use crate::{
    config::{self, Backend, Config},
    control::{Claim, ConfigurationOrder, Order, Reply, TableClaim},
    events::Events,
    forward::Handle,
    health,
    manager::{Event, Keep, Manager, Output},
    memory,
    report::Line,
};

/// Events that the manager takes in before it acts on them.
const EVENTS_AT_ONCE: usize = 1024;

/// Checks on their way to be begun or ended; the manager waits when there are more.
const WATCHES_WAITING: usize = 1024;

/// Requests of controllers on their way to be asked; the manager waits when there are more.
const CALLS_WAITING: usize = 64;

/// How long the manager may take to stop. Longer than one call of a plugin may.
const GRACE: Duration = Duration::from_secs(10);

/// What `weir run` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// What to run: a file, or a directory of fragments. `host/docs/configuration.md` says how
    /// it is written.
    #[arg(long, value_name = "PATH", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
}

/// Runs until a signal says to stop. Everything that can be wrong with the configuration,
/// the plugins or the machine is found before the table is touched.
pub(crate) fn run(options: &Options, socket: Option<&Path>) -> anyhow::Result<ExitCode> {
    memory::prepare_daemon();
    // Commands name a configuration by its whole path: what it names is to be the same for both.
    let path = absolute(&options.config).unwrap_or_else(|_| options.config.clone());
    let files = config::Files::read(&path)?;
    memory::expect_configuration(files.bytes());
    let config = config::parse_files(&files)?;
    drop(files);
    let runtime = Arc::new(Runtime::for_daemon()?);
    let loaded = plugins::load(&runtime, &config, print)?;
    let claim = Claim::take(commands::socket(socket, &config)?)?;
    let _table = match &config.backend {
        Backend::Kernel => Some(TableClaim::take(claim.path())?),
        Backend::Embedded(_) => None,
    };
    let (keeper, left) = Keeper::open(&config, claim.path())?;
    let tasks =
        Builder::new_current_thread().enable_all().build().context("failed to start the checks")?;
    let socket_path = claim.path().to_owned();
    let socket = tasks.block_on(claim.listen())?;
    print(&Line::info("commands").with("at", socket.path().display()));
    let pulse = Arc::new(Pulse::default());
    let ticker = runtime.ticker();
    let beating = {
        let pulse = Arc::clone(&pulse);
        let beat = move || pulse.run(|| ticker.tick());
        thread::Builder::new()
            .name("ticker".into())
            .spawn(beat)
            .context("failed to start a thread")?
    };
    pulse.beat_on(beating.thread());
    let mut forwarding = match &config.backend {
        Backend::Kernel => None,
        Backend::Embedded(embedded) => Some(Forwarding::start(embedded)?),
    };
    let (events, incoming) = Events::channel();
    let (watches, to_watch) = mpsc::channel(WATCHES_WAITING);
    let (calls, to_call) = mpsc::channel(CALLS_WAITING);
    let (read, ordered) = sync_channel(1);
    let reader =
        Arc::new(Reader { path, runtime: Arc::clone(&runtime), watched: Watched::default(), read });
    reader.watched.set(&config.plugins, &loaded);
    let (orders, to_read) = mpsc::channel(ORDERS_WAITING);
    let (done, ended) = oneshot::channel::<()>();
    let (keeps, keeping) = keeper.start(events.clone())?;
    let decisions = logging::decisions(&config, &socket_path);
    let start = |path| logging::write_decisions(path, config.log.bounds.clone(), events.clone());
    let writing = decisions.clone().map(start).transpose()?;
    let managing = {
        let pulse = Arc::clone(&pulse);
        let table = forwarding.as_ref().map(Forwarding::handle);
        let manage = move || {
            // Dropped when this thread ends, however it ends.
            let _done = done;
            let read = (config, loaded);
            let outlets = Outlets { watches, calls, keeps };
            manage((read, left), table, &runtime, &pulse, &incoming, &ordered, &outlets)
        };
        thread::Builder::new()
            .name("manager".into())
            .spawn(manage)
            .context("failed to start a thread")?
    };
    let served = tasks.block_on(async {
        tokio::spawn(commands::serve(socket, events.clone(), orders, decisions));
        tokio::spawn(check(to_watch, events.clone()));
        tokio::spawn(outward::call_all(to_call, events.clone()));
        tokio::spawn(orders::watch_plugins(Arc::clone(&reader), events.clone()));
        serve(events, (&reader, to_read), ended, forwarding.as_mut()).await
    });
    // Ends the checks and the commands, removes the socket, and waits for no compilation.
    tasks.shutdown_background();
    match served? {
        Ended::InTime => {}
        Ended::Forwarding => {
            return forwarding.map_or(Ok(()), Forwarding::join).map(|()| ExitCode::FAILURE);
        }
        Ended::TooLate => {
            return Err(anyhow!("the manager did not stop within {} s", GRACE.as_secs()));
        }
    }
    let result = managing.join().map_err(|_| anyhow!("the manager failed: this is a bug"))?;
    keeping.wait(GRACE);
    if let Some(writing) = writing {
        writing.end(GRACE);
    }
    pulse.stop();
    if let Some(forwarding) = forwarding {
        forwarding.join()?;
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// What a daemon with this configuration would begin with, and what it would say of that;
/// `socket` is the argument of `--socket`.
pub(crate) fn left(socket: Option<&Path>, config: &Config) -> (Left, Option<Line>) {
    match commands::socket(socket, config) {
        Ok(socket) => Left::peek(config, &socket),
        Err(_) => (Left::nothing(), None),
    }
}

/// The manager's thread: waits for events, lets it act, and does what it wants.
fn manage(
    ((config, loaded), Left { records, lost, clock }): ((Config, Vec<Loaded>), Left),
    table: Option<Handle>,
    runtime: &Arc<Runtime>,
    pulse: &Arc<Pulse>,
    incoming: &Receiver<Event>,
    ordered: &Receiver<Ordered>,
    outlets: &Outlets,
) -> anyhow::Result<()> {
    let mut ipvs: Box<dyn Ipvs> = match table {
        Some(table) => Box::new(table),
        None => Box::new(Netlink::open(Autoload::Yes).map_err(|error| unusable(&error))?),
    };
    let log: LogSink = Arc::new(|line| print(&plugins::line_of(line)));
    let mut workshop = Workshop::new(Arc::clone(runtime), Arc::clone(pulse), log);
    let mut manager = Manager::new(config, workshop.first(loaded));
    manager.recall(records, lost);
    manager.start(clock.now(), &mut *ipvs).map_err(|error| unusable(&error))?;
    outlets.put_out(&mut manager);
    print(&Line::info("ready").with("version", env!("CARGO_PKG_VERSION")));
    memory::settle();
    while !manager.is_stopped() {
        let wait = manager.deadline().saturating_sub(clock.now().monotonic);
        let event = match incoming.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => Event::Due,
            Err(RecvTimeoutError::Disconnected) => Event::Stop,
        };
        let now = clock.now();
        manager.handle(now, event);
        for event in incoming.try_iter().take(EVENTS_AT_ONCE) {
            manager.handle(now, event);
        }
        for ordered in ordered.try_iter() {
            workshop.carry_out(ordered, now, &mut manager, &mut *ipvs);
        }
        manager.settle(now, &mut *ipvs);
        outlets.put_out(&mut manager);
    }
    Ok(())
}

/// Where what the manager wants goes.
struct Outlets {
    watches: mpsc::Sender<health::Order>,
    calls: mpsc::Sender<(String, HttpCall)>,
    keeps: std::sync::mpsc::Sender<Keep>,
}

impl Outlets {
    fn put_out(&self, manager: &mut Manager) {
        // Fails only once the checks have ended, and then there are none to change.
        let order = |order| drop(self.watches.blocking_send(order));
        let mut page = Page::default();
        while let Some(output) = manager.poll_output() {
            match output {
                Output::Log(line) => page.add(line),
                Output::Watch(target) => order(health::Order::Watch(target)),
                Output::Unwatch(watch) => order(health::Order::Unwatch(watch)),
                Output::Checker(plugin, checker) => {
                    order(health::Order::Checker(plugin, checker));
                }
                // Fails only once the checks have ended, and then nobody hears of an answer.
                Output::Call(plugin, call) => drop(self.calls.blocking_send((plugin, call))),
                // Fails only if the keeper failed, and then nobody could be told. What happened is
                // told first, for the keeper will be busy.
                Output::Keep(keep) => {
                    page.tell();
                    drop(self.keeps.send(keep));
                }
            }
        }
    }
}

/// Why there is no IPVS to work on, and what to do.
pub(crate) fn unusable(error: &Error) -> anyhow::Error {
    let remedy = match error {
        Error::NotPermitted => "; run weir as root",
        Error::NoIpvs => {
            "; run a kernel that has it and try `modprobe ip_vs`, or have weir forward by itself: \
             backend = \"embedded\""
        }
        _ => "",
    };
    anyhow!("failed to use the kernel's IPVS: {error}{remedy}")
}

/// How [`serve`] came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The manager ended.
    InTime,
    /// It was told to, and did not.
    TooLate,
    /// Forwarding did, and nobody had told it to.
    Forwarding,
}

/// Passes signals on, until the manager ended and forwarding with it.
async fn serve(
    events: Events,
    (reader, mut incoming): (&Arc<Reader>, mpsc::Receiver<Order>),
    mut ended: oneshot::Receiver<()>,
    mut forwarding: Option<&mut Forwarding>,
) -> anyhow::Result<Ended> {
    let mut signals = Signals::listen()?;
    let mut deadline = None;
    loop {
        tokio::select! {
            _ = &mut ended => break,
            () = failed(forwarding.as_deref_mut()) => return Ok(Ended::Forwarding),
            () = expired(deadline) => return Ok(Ended::TooLate),
            Some(order) = incoming.recv() => {
                tokio::spawn(orders::read(Arc::clone(reader), order, events.clone()));
                continue;
            }
            signal = signals.next() => if signal == Signal::Reload {
                print(&signal.line("the configuration is read again"));
                // What comes of it is told in the log.
                let order = Order::Configuration(ConfigurationOrder::Reload(false, Reply::new().0));
                tokio::spawn(orders::read(Arc::clone(reader), order, events.clone()));
                continue;
            } else {
                print(&signal.line("stopping"));
            },
        }
        if deadline.is_none() {
            deadline = Some(tokio::time::Instant::now() + GRACE);
            let events = events.clone();
            tokio::spawn(async move { events.send(Event::Stop).await });
        }
    }
    if let Some(forwarding) = forwarding {
        forwarding.drain(&mut signals).await;
    }
    Ok(Ended::InTime)
}

/// Returns when a forwarder ends that nobody has told to.
async fn failed(forwarding: Option<&mut Forwarding>) {
    match forwarding {
        Some(forwarding) => forwarding.ended().await,
        None => std::future::pending().await,
    }
}

async fn expired(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Runs the checks that the manager wants.
async fn check(orders: mpsc::Receiver<health::Order>, events: Events) {
    let spawn = |probe| drop(tokio::spawn(probe));
    health::probe_all(orders, spawn, |told| events.offer(told)).await;
}
