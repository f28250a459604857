//! Lets commands in at the daemon's socket.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
    time::sleep,
};

use super::print;
use crate::{
    config::Config,
    control::{self, Daemon, Order, Socket},
    events::Events,
    journal::JOURNAL,
    report::Line,
};

/// Commands that are answered at a time; others wait to be let in. Bounds the memory that
/// requests and answers take.
const COMMANDS_MAX: usize = 64;

/// How long to wait when nobody can be let in, for want of descriptors for instance.
const RETRY: Duration = Duration::from_millis(100);

/// The socket that this daemon is to have: the one `given`, that of the environment, that of
/// the configuration, or the default place.
pub(super) fn socket(given: Option<&Path>, config: &Config) -> anyhow::Result<PathBuf> {
    given
        .map(Path::to_owned)
        .or_else(control::from_environment)
        .or_else(|| config.socket.clone())
        .or_else(control::default_socket)
        .context(
            "failed to choose a socket for commands: XDG_RUNTIME_DIR is not set; choose one \
             with --socket, and name it to commands by WEIR_SOCKET",
        )
}

/// Answers commands for as long as it is polled.
pub(super) async fn serve(
    socket: Socket,
    events: Events,
    orders: mpsc::Sender<Order>,
    decisions: Option<PathBuf>,
) -> Infallible {
    let drain = |work| drop(spawn_blocking(work));
    let daemon = Arc::new(Daemon::new(events, orders, &JOURNAL, decisions, drain));
    let places = Arc::new(Semaphore::new(COMMANDS_MAX));
    let mut is_failing = false;
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match socket.accept().await {
            Ok(stream) => {
                is_failing = false;
                let daemon = Arc::clone(&daemon);
                tokio::spawn(async move {
                    control::converse(stream, &daemon).await;
                    drop(place);
                });
            }
            Err(error) => {
                if !is_failing {
                    print(
                        &Line::error("failed").with("to", "let a command in").with("error", error),
                    );
                }
                is_failing = true;
                sleep(RETRY).await;
            }
        }
    }
}
