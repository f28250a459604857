//! The socket from end to end: a daemon's side and a command's, in one process.

mod limits;
mod scripted;
mod sockets;
mod translation;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

use tempfile::TempDir;
use tokio::{runtime::Builder, sync::oneshot, task::spawn_blocking};
use weir_ipvs::{Change, Error, Fields, Info, Ipvs, OnFailure, Scope};

use self::scripted::{Scripted, connection, entry, service_key};
use super::{
    client::{Http, Remote},
    *,
};
use crate::{events::Events, journal::JOURNAL, manager::Event};

/// A daemon whose table is scripted, and the way to it.
struct Bench {
    directory: TempDir,
    remote: Remote,
    /// Dropped, it ends the daemon.
    _stop: oneshot::Sender<()>,
}

impl Bench {
    fn new(ipvs: Scripted) -> Self {
        let (events, incoming) = Events::channel();
        thread::spawn(move || {
            let mut ipvs = ipvs;
            while let Ok(Event::Request(request)) = incoming.recv() {
                request.answer(&mut ipvs);
            }
        });
        Self::with(events)
    }

    /// A daemon whose manager ended.
    fn stopping() -> Self {
        Self::with(Events::channel().0)
    }

    fn with(events: Events) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("weir.sock");
        let (ready, listening) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let claim = Claim::take(path.clone()).unwrap();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = claim.listen().await.unwrap();
                ready.send(()).unwrap();
                tokio::select! {
                    _ = serve(socket, events) => {}
                    _ = stopped => {}
                }
            });
        });
        listening.recv().unwrap();
        let remote = Remote(Http::open(&path).unwrap());
        Self { directory, remote, _stop: stop }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("weir.sock")
    }
}

async fn serve(socket: Socket, events: Events) {
    // Nobody carries them out.
    let orders = tokio::sync::mpsc::channel(1).0;
    let drain = |work| drop(spawn_blocking(work));
    let daemon = Arc::new(Daemon::new(events, orders, &JOURNAL, None, drain));
    while let Ok(stream) = socket.accept().await {
        let daemon = Arc::clone(&daemon);
        tokio::spawn(async move { converse(stream, &daemon).await });
    }
}

#[test]
fn a_table_looks_the_same_over_the_socket() {
    let mut here = Scripted { services: 300, servers: 7, ..Scripted::default() };
    let mut bench = Bench::new(here.clone());
    let there = &mut bench.remote;
    assert_eq!(there.info(), here.info());
    assert_eq!(there.totals(), here.totals());
    assert_eq!(there.timeouts(), here.timeouts());
    assert_eq!(there.daemons(), here.daemons());
    assert_eq!(there.schedulers(), here.schedulers());
    for scope in [Scope::All, Scope::One(service_key(7)), Scope::One(service_key(1000))] {
        assert_eq!(there.read(scope, Fields::ALL), here.read(scope, Fields::ALL), "{scope:?}");
    }
}

#[test]
fn no_more_is_carried_than_was_asked_for() {
    let mut bench = Bench::new(Scripted { services: 1, servers: 1, ..Scripted::default() });
    let there = &mut bench.remote;
    let all = entry(0, 1).servers[0];
    let mut read = |fields| there.read(Scope::All, fields).unwrap().entries[0].servers[0];
    let nothing = Fields { details: false, ..Fields::CONFIG };
    assert_eq!((read(nothing).active, read(nothing).stats), (0, Default::default()));
    assert_eq!(read(nothing).config.upper_threshold, 0);
    assert_eq!(read(Fields::CONFIG).config, all.config);
    let connections = read(Fields { connections: true, ..nothing });
    assert_eq!((connections.active, connections.inactive), (all.active, all.inactive));
    assert_eq!(read(Fields { templates: true, ..nothing }).persistent, all.persistent);
    assert_eq!(read(Fields { stats: true, ..nothing }).stats, all.stats);
}

#[test]
fn fifty_thousand_changes_have_their_outcomes_in_order() {
    let here = Scripted::default();
    let calls = here.calls.clone();
    let mut bench = Bench::new(here.clone());
    let there = &mut bench.remote;
    // The script refuses each seventh service.
    let changes: Vec<Change> =
        (0..50_000).map(|it| Change::DeleteService(service_key(it))).collect();
    let failures = there.apply(&changes, OnFailure::Proceed);
    assert!(failures == here.clone().apply(&changes, OnFailure::Proceed), "{:?}", failures.first());
    assert_eq!(failures.len(), 50_000 / 7 + 1);
    let sizes: Vec<usize> = calls.lock().unwrap().drain(..).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 100_000, "those here included");
    assert!(sizes.len() <= 14, "{sizes:?}");
}

#[test]
fn nothing_is_tried_after_a_failure_that_stops() {
    let here = Scripted::default();
    let calls = here.calls.clone();
    let mut bench = Bench::new(here);
    let there = &mut bench.remote;
    let keys = (1..7).chain(1..20_000);
    let changes: Vec<Change> = keys.map(|it| Change::DeleteService(service_key(it))).collect();
    let failures = there.apply(&changes, OnFailure::Stop);
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].step, &failures[0].error), (12, &Error::NoSuchService));
    assert_eq!(calls.lock().unwrap().len(), 1, "one request, and no more");
    assert_eq!(there.apply(&[], OnFailure::Stop), []);
}

#[test]
fn a_refusal_keeps_its_meaning() {
    for error in [Error::NotPermitted, Error::Errno(34), Error::Unsupported("walk here".into())] {
        let refusal = Some(error.clone());
        let mut bench = Bench::new(Scripted { refusal, ..Scripted::default() });
        let there = &mut bench.remote;
        assert_eq!(there.info(), Err(error.clone()));
        assert_eq!(there.read(Scope::All, Fields::ALL), Err(error.clone()));
        assert_eq!(there.connections().err(), Some(error));
    }
}

#[test]
fn a_million_connections_pass_in_little_memory() {
    const ALL: u32 = 1_000_000;
    // What fits between the two: chunks, buffers of hyper's on both sides, the socket's own.
    const ON_THE_WAY_MAX: u32 = 40_000;
    let here = Scripted { connections: ALL, ..Scripted::default() };
    let made = Arc::clone(&here.made);
    let mut bench = Bench::new(here);
    let there = &mut bench.remote;
    let mut on_the_way = 0;
    let mut count = 0;
    for (number, found) in there.connections().unwrap().enumerate() {
        count += 1;
        if number % 1000 == 0 {
            assert_eq!(found, Ok(connection(number.try_into().unwrap())));
            on_the_way = on_the_way.max(made.load(std::sync::atomic::Ordering::SeqCst) - count);
        }
    }
    assert_eq!(count, ALL);
    assert!(on_the_way <= ON_THE_WAY_MAX, "{on_the_way} entries were in memory");
}

#[test]
fn a_reader_that_leaves_ends_the_walk() {
    let (ended, end) = mpsc::channel();
    let here = Scripted { connections: u32::MAX, at_end: Some(ended), ..Scripted::default() };
    let mut bench = Bench::new(here);
    let there = &mut bench.remote;
    let mut walk = there.connections().unwrap();
    assert_eq!(walk.next(), Some(Ok(connection(0))));
    // Others are answered meanwhile.
    assert_eq!(there.info().map(|it: Info| it.connection_table_size), Ok(4096));
    drop(walk);
    assert_eq!(end.recv(), Err(mpsc::RecvError), "it is dropped, with its end of this");
}

#[test]
fn a_walk_that_fails_midway_says_so_and_ends() {
    let here = Scripted { connections: 5, walk_fails: true, ..Scripted::default() };
    let found: Vec<_> = Bench::new(here).remote.connections().unwrap().collect();
    assert_eq!(found.len(), 6);
    assert_eq!(found[5], Err(Error::Errno(5)));
}

#[test]
fn a_walk_that_breaks_off_is_not_taken_for_a_whole_one() {
    let here = Scripted { connections: 5, walk_panics: true, ..Scripted::default() };
    let found: Vec<_> = Bench::new(here).remote.connections().unwrap().collect();
    let last = found.last().unwrap().as_ref().unwrap_err();
    assert!(matches!(last, Error::Unreachable(_)), "{last:?}");
}

#[test]
fn a_daemon_that_is_stopping_or_gone_changes_nothing() {
    let mut bench = Bench::stopping();
    let failures = bench.remote.apply(&[Change::Flush, Change::Flush], OnFailure::Proceed);
    let steps: Vec<usize> = failures.iter().map(|it| it.step).collect();
    assert_eq!(steps, [0, 1]);
    assert_eq!(failures[1].error, Error::Unreachable("the daemon is stopping".into()));
    std::fs::remove_file(bench.path()).unwrap();
    let error = bench.remote.info().unwrap_err().to_string();
    let expected = format!("the daemon at {} does not answer any more: ", bench.path().display());
    assert!(error.starts_with(&expected), "{error}");
}

/// What a conversation over the socket is answered with, and how.
fn converse_by_hand(path: &Path, request: &str) -> String {
    use std::io::{Read as _, Write as _};

    let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
    // Who is refused early is left while it speaks.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}
