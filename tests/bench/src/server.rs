//! The real servers: one listener on all addresses of this machine, for checks to find.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use socket2::SockRef;

use crate::sample::now;

/// What a real server does with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Closes it.
    Accept,
    /// Answers one request.
    Http,
}

/// What an ill real server does to those who ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Illness {
    /// Answers that it cannot serve.
    Fails,
    /// Resets the connection.
    Resets,
    /// Says nothing.
    Hangs,
}

/// What clients ask for; checks ask for something else.
pub(crate) const CLIENTS_PATH: &str = "/client";

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long a real server that says nothing keeps a connection.
const HANGING: Duration = Duration::from_secs(5);

/// Connections that may wait to be accepted.
const BACKLOG: libc::c_int = 4096;

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
const BAD: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Runs until the process ends.
pub(crate) struct Server {
    shared: Arc<Shared>,
    /// When a real server first answered as it was last told to.
    turns: Receiver<(Ipv4Addr, Instant)>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ill: HashMap<Ipv4Addr, Illness>,
    /// Those that have not answered since they were told to change.
    turning: HashSet<Ipv4Addr>,
    /// When a client last asked each, and how many asked.
    clients: HashMap<Ipv4Addr, Instant>,
    asked_by_clients: u64,
    /// When a check last asked each, and the times between.
    checks: HashMap<Ipv4Addr, Instant>,
    gaps: Vec<Duration>,
}

impl Server {
    /// Listens on port 8080 of every address of this thread's network namespace.
    pub(crate) fn start(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 8080))
            .context("failed to listen on port 8080")?;
        // SAFETY: listen takes no pointers; on a socket that listens it sets the length.
        unsafe { libc::listen(listener.as_raw_fd(), BACKLOG) };
        let shared = Arc::new(Shared::default());
        let (turned, turns) = channel();
        let serving = Arc::clone(&shared);
        thread::Builder::new()
            .name("servers".to_owned())
            .spawn(move || serve(&listener, manner, &serving, &turned))?;
        Ok(Self { shared, turns })
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Connections so far that were not clients'.
    pub(crate) fn checks(&self) -> u64 {
        self.connections() - self.shared.state().asked_by_clients
    }

    /// The times between two checks of one real server, since this was last asked.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        std::mem::take(&mut self.shared.state().gaps)
    }

    /// When a client last asked this real server.
    pub(crate) fn last_client(&self, server: Ipv4Addr) -> Option<Instant> {
        self.shared.state().clients.get(&server).copied()
    }

    /// Lets one real server fall ill, or recover.
    pub(crate) fn set(&self, server: Ipv4Addr, illness: Option<Illness>) {
        let mut state = self.shared.state();
        match illness {
            Some(illness) => state.ill.insert(server, illness),
            None => state.ill.remove(&server),
        };
        state.turning.insert(server);
    }

    /// The same, and waits until it has told a client so: when that was.
    pub(crate) fn turn(
        &self,
        server: Ipv4Addr,
        illness: Option<Illness>,
        wait: Duration,
    ) -> Result<Instant> {
        // Nobody waited for what was told before.
        while self.turns.try_recv().is_ok() {}
        self.set(server, illness);
        let (_, at) = self.turns.recv_timeout(wait).context("a real server was not checked")?;
        Ok(at)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(
    listener: &TcpListener,
    manner: Manner,
    shared: &Shared,
    turned: &Sender<(Ipv4Addr, Instant)>,
) {
    let mut hanging: VecDeque<(Instant, TcpStream)> = VecDeque::new();
    for client in listener.incoming().flatten() {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        while hanging.front().is_some_and(|it| it.0.elapsed() > HANGING) {
            hanging.pop_front();
        }
        if manner == Manner::Http {
            // A client that goes away in the middle is none of this server's business.
            let unanswered = answer(client, shared, turned).unwrap_or(None);
            hanging.extend(unanswered.map(|it| (now(), it)));
        }
    }
}

/// Returns the client if it is not to hear anything.
fn answer(
    mut client: TcpStream,
    shared: &Shared,
    turned: &Sender<(Ipv4Addr, Instant)>,
) -> io::Result<Option<TcpStream>> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match client.read(&mut request[length..])? {
            0 => return Ok(None),
            count => length += count,
        }
    }
    let IpAddr::V4(server) = client.local_addr()?.ip() else { return Ok(None) };
    let at = now();
    let is_client =
        request[..length].split(|it| *it == b' ').nth(1) == Some(CLIENTS_PATH.as_bytes());
    let (illness, turns) = {
        let mut state = shared.state();
        if is_client {
            state.clients.insert(server, at);
            state.asked_by_clients += 1;
        } else if let Some(last) = state.checks.insert(server, at) {
            state.gaps.push(at - last);
        }
        (state.ill.get(&server).copied(), state.turning.remove(&server))
    };
    match illness {
        None => client.write_all(GOOD)?,
        Some(Illness::Fails) => client.write_all(BAD)?,
        Some(Illness::Resets) => SockRef::from(&client).set_linger(Some(Duration::ZERO))?,
        Some(Illness::Hangs) => return Ok(Some(client)),
    }
    drop(client);
    if turns {
        // The receiver is gone only when nobody waits any more.
        let _ = turned.send((server, at));
    }
    Ok(None)
}
