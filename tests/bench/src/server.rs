//! The real servers: one listener on all addresses of this machine, for checks to find.

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::sample::now;

/// What a real server does with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Closes it.
    Accept,
    /// Answers one request.
    Http,
}

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_millis(500);

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
    ill: HashSet<Ipv4Addr>,
    /// Those that have not answered since they were told to change.
    turning: HashSet<Ipv4Addr>,
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

    /// Lets one real server fall ill or recover, and waits until it has told a client so:
    /// when that was.
    pub(crate) fn turn(&self, server: Ipv4Addr, ill: bool, wait: Duration) -> Result<Instant> {
        {
            let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            if ill {
                state.ill.insert(server);
            } else {
                state.ill.remove(&server);
            }
            state.turning.insert(server);
        }
        let (_, at) = self.turns.recv_timeout(wait).context("a real server was not checked")?;
        Ok(at)
    }
}

fn serve(
    listener: &TcpListener,
    manner: Manner,
    shared: &Shared,
    turned: &Sender<(Ipv4Addr, Instant)>,
) {
    for client in listener.incoming().flatten() {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        if manner == Manner::Http {
            // A client that goes away in the middle is none of this server's business.
            let _ = answer(client, shared, turned);
        }
    }
}

fn answer(
    mut client: TcpStream,
    shared: &Shared,
    turned: &Sender<(Ipv4Addr, Instant)>,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match client.read(&mut request[length..])? {
            0 => return Ok(()),
            count => length += count,
        }
    }
    let IpAddr::V4(server) = client.local_addr()?.ip() else { return Ok(()) };
    let (ill, turns) = {
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.ill.contains(&server), state.turning.remove(&server))
    };
    let at = now();
    client.write_all(if ill { BAD } else { GOOD })?;
    drop(client);
    if turns {
        // The receiver is gone only when nobody waits any more.
        let _ = turned.send((server, at));
    }
    Ok(())
}
